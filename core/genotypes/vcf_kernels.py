"""Where a line of a VCF has its columns: bytes in, arrays out.

Conventions of the reader's kernels:

    text   (n,) uint8, C-contiguous, with simd.PADDING readable bytes behind the last line. A span
           is a pair (start, end) of int64, end exclusive. No load leaves the array, whatever the
           bytes are, and no result depends on bytes outside the span.
    lines  (n_lines, 11) int64: where a line starts, its first nine tabs, where it ends (without its
           line end); columns named LINE_START, FIRST_TAB .. NINTH_TAB, LINE_END.

The callers pass arrays of these types and layouts only, so that each kernel is compiled once per
machine and kept on disk.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import LANES, equal_mask, inlined_kernel, trailing_zeros

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
MAX_POSITION_BYTES = 18

_TAB = 9
_NEWLINE = 10
_COMMA = 44
_DOT = 46
_ZERO = 48


@inlined_kernel
def find_newline(text: Text, start: int, stop: int) -> int:
    """The first line end in start..stop; `stop` where there is none."""
    at = start
    while at + 4 * LANES <= stop:
        first = equal_mask(text, at, _NEWLINE) | equal_mask(text, at + LANES, _NEWLINE)
        second = equal_mask(text, at + 2 * LANES, _NEWLINE)
        second |= equal_mask(text, at + 3 * LANES, _NEWLINE)
        if (first | second) != 0:
            break
        at += 4 * LANES
    while at < stop:
        mask = equal_mask(text, at, _NEWLINE)
        if mask != 0:
            return min(at + trailing_zeros(mask), stop)
        at += LANES
    return stop


@inlined_kernel
def index_columns(text: Text, start: int, end: int, lines: Ints, row: int) -> int:
    """Write lines[row] of the line start..end; how many tabs it has, at most nine.

    Absent tabs stand at the line's end.
    """
    lines[row, LINE_START], lines[row, LINE_END] = start, end
    at, tab = start, FIRST_TAB
    while at < end and tab <= NINTH_TAB:
        mask = equal_mask(text, at, _TAB)
        while mask != 0 and tab <= NINTH_TAB:
            found = at + trailing_zeros(mask)
            mask &= mask - 1
            if found >= end:
                break
            lines[row, tab] = found
            tab += 1
        at += LANES
    for absent in range(tab, NINTH_TAB + 1):
        lines[row, absent] = end
    return tab - FIRST_TAB


@inlined_kernel
def read_position(text: Text, start: int, end: int) -> int:
    """POS as written in a span; -1 where it is no integer of 0 .. 2**31 - 1."""
    if end <= start or end - start > MAX_POSITION_BYTES:
        return -1
    value = 0
    for i in range(start, end):
        digit = int(text[i]) - _ZERO
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value if value <= MAX_POSITION else -1


@inlined_kernel
def is_name(text: Text, start: int, end: int, name: Bytes, length: int) -> bool:
    """Whether a span holds the first `length` bytes of `name`; no span does for a length of -1."""
    if end - start != length:
        return False
    for i in range(length):  # noqa: SIM110 - compiled
        if text[start + i] != name[i]:
            return False
    return True


@inlined_kernel
def count_alts(text: Text, start: int, end: int) -> int:
    """The alleles of an ALT; 0 for ".", no ALT."""
    if end - start == 1 and text[start] == _DOT:
        return 0
    commas = 0
    for at in range(start, end):
        commas += text[at] == _COMMA
    return commas + 1
