"""The inner loops of the VCF reader: bytes in, arrays out; no I/O, no objects, the GIL released.

Conventions of every kernel here:

    text   (n,) uint8, C-contiguous. A span is a pair (start, end) of int64, end exclusive, within
           0 <= start <= end <= n, as `index_lines` makes them. No load leaves a span, whatever the
           bytes are: every index is compared with the span's end before it is used.
    lines  (n_lines, 11) int64: where a line starts, its first nine tabs, where it ends (without its
           line end); columns named LINE_START, FIRST_TAB .. NINTH_TAB, LINE_END.

The callers pass arrays of these types and layouts only, so that each kernel is compiled once per
machine and kept on disk.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import kernel

Text = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LINE_START = 0
FIRST_TAB = 1
SECOND_TAB = 2
THIRD_TAB = 3
FOURTH_TAB = 4
FIFTH_TAB = 5
EIGHTH_TAB = 8
NINTH_TAB = 9
LINE_END = 10
N_LINE_COLUMNS = 11

MAX_POSITION = 2**31 - 1

MIN_LINE_BYTES = 11
"""Nine tabs, a digit of POS and a line end."""

BAD_POSITION = -1
TOO_FEW_COLUMNS = -2

_TAB = 9
_NEWLINE = 10
_RETURN = 13
_COMMA = 44
_DOT = 46
_ZERO = 48
_LESS = 60
_LEFT_BRACKET = 91
_RIGHT_BRACKET = 93
_STRIDE = 64


@kernel
def count_newlines(text: Text) -> int:
    """How many line ends `text` holds."""
    n = 0
    for i in range(text.shape[0]):
        n += text[i] == _NEWLINE
    return n


@kernel
def find_newline(text: Text, start: int, stop: int) -> int:
    """The first line end in start..stop; `stop` where there is none."""
    i = start
    while i + _STRIDE <= stop:
        hits = 0
        for j in range(_STRIDE):  # no early exit: the compiler makes it a few vector compares
            hits += text[i + j] == _NEWLINE
        if hits > 0:
            break
        i += _STRIDE
    while i < stop and text[i] != _NEWLINE:
        i += 1
    return i


@kernel
def end_of_lines(text: Text) -> int:
    """Where the last complete line ends: behind the last line end; 0 without one."""
    i = text.shape[0]
    while i > 0 and text[i - 1] != _NEWLINE:
        i -= 1
    return i


@kernel
def index_lines(
    text: Text, lines: Ints, positions: Ints, same_contig: npt.NDArray[np.bool_]
) -> int:
    """Find the columns of every line that is not empty; returns how many lines those are.

    Stops behind the first line with a bad position, which nobody can use; so every other line has
    at least MIN_LINE_BYTES, and a text of line ends needs no memory.

    text         complete lines: it is empty or its last byte is a line end. CR LF is one, too.
    lines        (m, 11), m at least min(line ends, n // MIN_LINE_BYTES + 1); rows beyond the result
                 are undefined
    positions    (m,) POS; BAD_POSITION where it is no integer of 0 .. 2**31 - 1, TOO_FEW_COLUMNS
                 where the line has no ninth tab (absent tabs stand at the line's end)
    same_contig  (m,) CHROM is the bytes of the line before; False for the first
    """
    n, n_lines, start = text.shape[0], 0, 0
    while start < n:
        at, tab = start, FIRST_TAB
        while at < n and tab <= NINTH_TAB and text[at] != _NEWLINE:
            if text[at] == _TAB:
                lines[n_lines, tab] = at
                tab += 1
            at += 1
        newline = find_newline(text, at, n)
        end = newline
        if end > start and text[end - 1] == _RETURN:
            end -= 1
        if end > start:
            lines[n_lines, LINE_START] = start
            lines[n_lines, LINE_END] = end
            is_complete = tab > NINTH_TAB
            while tab <= NINTH_TAB:
                lines[n_lines, tab] = end
                tab += 1
            positions[n_lines] = TOO_FEW_COLUMNS
            if is_complete:
                positions[n_lines] = _position(
                    text, lines[n_lines, FIRST_TAB] + 1, lines[n_lines, SECOND_TAB]
                )
            same_contig[n_lines] = n_lines > 0 and _equal_spans(
                text,
                lines[n_lines - 1, LINE_START],
                lines[n_lines - 1, FIRST_TAB],
                start,
                lines[n_lines, FIRST_TAB],
            )
            n_lines += 1
            if positions[n_lines - 1] < 0:
                break
        start = newline + 1
    return n_lines


@kernel
def _position(text: Text, start: int, end: int) -> int:
    """POS as written in a span; BAD_POSITION where it is none."""
    if end <= start or end - start > 18:
        return BAD_POSITION
    value = 0
    for i in range(start, end):
        digit = np.int64(text[i]) - _ZERO
        if digit < 0 or digit > 9:
            return BAD_POSITION
        value = value * 10 + digit
    return int(value) if value <= MAX_POSITION else BAD_POSITION


@kernel
def _equal_spans(text: Text, start: int, end: int, other: int, other_end: int) -> bool:
    if end - start != other_end - other:
        return False
    for i in range(end - start):  # noqa: SIM110 - compiled
        if text[start + i] != text[other + i]:
            return False
    return True


@kernel
def count_alts(text: Text, lines: Ints, n_alts: Ints) -> None:
    """n_alts (n_lines,), overwritten: ALT alleles of each line; 0 for ".", no ALT."""
    for i in range(lines.shape[0]):
        start, end = lines[i, FOURTH_TAB] + 1, lines[i, FIFTH_TAB]
        commas = 0
        for at in range(start, end):
            commas += text[at] == _COMMA
        is_none = end - start == 1 and text[start] == _DOT
        n_alts[i] = 0 if is_none else commas + 1


@kernel
def alt_spans(text: Text, lines: Ints, starts: Ints, ends: Ints) -> None:
    """Spans of the rows' ALT alleles, line after line; starts, ends (rows,), overwritten.

    Rows are max(1, n_alts) for each line, as `count_alts` counts them.
    """
    row = 0
    for i in range(lines.shape[0]):
        start, end = lines[i, FOURTH_TAB] + 1, lines[i, FIFTH_TAB]
        for at in range(start, end):
            if text[at] == _COMMA:
                starts[row], ends[row] = start, at
                start = at + 1
                row += 1
        starts[row], ends[row] = start, end
        row += 1


@kernel
def gather(
    text: Text,
    starts: Ints,
    ends: Ints,
    fold_case: bool,
    offsets: npt.NDArray[np.int32],
    out: Bytes,
) -> bool:
    """Copy spans behind each other, the layout of an Arrow string column.

    starts, ends  (n,) spans of text
    fold_case     write a to z as A to Z in spans without "<", "[" or "]" (symbolic alleles and
                  breakends name things, others are bases)
    offsets       (n + 1,) overwritten; the lengths' sum fits in int32
    out           (sum of lengths,) uint8, overwritten
    Returns whether all bytes are ASCII.
    """
    at, high = 0, np.uint8(0)
    for i in range(starts.shape[0]):
        offsets[i] = at
        folds = fold_case
        for j in range(starts[i], ends[i]):
            byte = text[j]
            folds = folds and byte != _LESS and byte != _LEFT_BRACKET and byte != _RIGHT_BRACKET
        for j in range(starts[i], ends[i]):
            byte = text[j]
            high |= byte
            if folds and 97 <= byte <= 122:
                byte -= np.uint8(32)
            out[at] = byte
            at += 1
    offsets[starts.shape[0]] = at
    return bool(high < 128)
