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

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

P = ParamSpec("P")
R = TypeVar("R")

Text = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def _kernel(function: Callable[P, R]) -> Callable[P, R]:
    """numba's decorator has no types."""
    compiled: Any = njit(nogil=True, cache=True)(function)
    return cast("Callable[P, R]", compiled)


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

OK = 0
TOO_FEW_SAMPLES = 1
TOO_MANY_SAMPLES = 2
MALFORMED_GT = 3
UNKNOWN_ALLELE = 4
HALF_CALL = 5
PLOIDY_TOO_HIGH = 6
MALFORMED_DS = 7
WRONG_DS_COUNT = 8
DS_OUT_OF_RANGE = 9

HALF_CALL_MISSING = 0
HALF_CALL_HAPLOID = 1
HALF_CALL_REFERENCE = 2
HALF_CALL_ERROR = 3

MAX_PLOIDY = 254
DS_TOLERANCE = 0.01
"""How far a DS may lie outside 0..2 because someone rounded it."""
MISSING = 255

_TAB = 9
_NEWLINE = 10
_RETURN = 13
_PLUS = 43
_COMMA = 44
_MINUS = 45
_DOT = 46
_SLASH = 47
_ZERO = 48
_NINE = 57
_COLON = 58
_LESS = 60
_LEFT_BRACKET = 91
_RIGHT_BRACKET = 93
_BAR = 124
_STRIDE = 64

_POWERS_OF_TEN = 10.0 ** np.arange(23)
"""All exact in float64."""


@_kernel
def count_newlines(text: Text) -> int:
    """How many line ends `text` holds."""
    n = 0
    for i in range(text.shape[0]):
        n += text[i] == _NEWLINE
    return n


@_kernel
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


@_kernel
def end_of_lines(text: Text) -> int:
    """Where the last complete line ends: behind the last line end; 0 without one."""
    i = text.shape[0]
    while i > 0 and text[i - 1] != _NEWLINE:
        i -= 1
    return i


@_kernel
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


@_kernel
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


@_kernel
def _equal_spans(text: Text, start: int, end: int, other: int, other_end: int) -> bool:
    if end - start != other_end - other:
        return False
    for i in range(end - start):  # noqa: SIM110 - compiled
        if text[start + i] != text[other + i]:
            return False
    return True


@_kernel
def count_alts(text: Text, lines: Ints, n_alts: Ints) -> None:
    """n_alts (n_lines,), overwritten: ALT alleles of each line; 0 for ".", no ALT."""
    for i in range(lines.shape[0]):
        start, end = lines[i, FOURTH_TAB] + 1, lines[i, FIFTH_TAB]
        commas = 0
        for at in range(start, end):
            commas += text[at] == _COMMA
        is_none = end - start == 1 and text[start] == _DOT
        n_alts[i] = 0 if is_none else commas + 1


@_kernel
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


@_kernel
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


@_kernel
def _format_index(text: Text, start: int, end: int, first: int, second: int) -> int:
    """Which colon-separated field of a span is the two letters; -1 for none."""
    field, at = 0, start
    while at <= end:
        stop = at
        while stop < end and text[stop] != _COLON:
            stop += 1
        if stop - at == 2 and text[at] == first and text[at + 1] == second:
            return field
        field += 1
        at = stop + 1
    return -1


@_kernel
def _read_call(
    text: Text, start: int, end: int, n_alts: int, half_call: int, counts: Bytes
) -> tuple[int, int, bool]:
    """(status, ploidy, is_missing) of a GT such as 0|1, ./., 1 or 0/1/2.

    counts  (at least max(1, n_alts),) uint8; its first n_alts overwritten with copies of each ALT
    """
    for i in range(n_alts):
        counts[i] = 0
    if end - start == 3 and (text[start + 1] == _SLASH or text[start + 1] == _BAR):
        left, right = np.int64(text[start]) - _ZERO, np.int64(text[start + 2]) - _ZERO
        if 0 <= left <= min(n_alts, 9) and 0 <= right <= min(n_alts, 9):
            if left > 0:
                counts[left - 1] += np.uint8(1)
            if right > 0:
                counts[right - 1] += np.uint8(1)
            return OK, 2, False
    ploidy, n_seen, first_seen, is_mixed = 0, 0, -1, False
    at = start
    if at < end and (text[at] == _SLASH or text[at] == _BAR):
        at += 1  # VCF 4.4 may write the first allele's phasing
    while True:
        allele, token = 0, at
        while at < end and at - token < 9 and _ZERO <= text[at] <= _NINE:
            allele = allele * 10 + (np.int64(text[at]) - _ZERO)
            at += 1
        if at > token:
            if allele > n_alts:
                return UNKNOWN_ALLELE, 0, False
            if allele > 0 and ploidy < MAX_PLOIDY:
                counts[allele - 1] += np.uint8(1)
            is_mixed = is_mixed or (n_seen > 0 and allele != first_seen)
            first_seen = allele
            n_seen += 1
        elif at < end and text[at] == _DOT:
            at += 1
        else:
            return MALFORMED_GT, 0, False
        ploidy += 1
        if at >= end:
            break
        if text[at] != _SLASH and text[at] != _BAR:
            return MALFORMED_GT, 0, False
        at += 1
    if ploidy > MAX_PLOIDY:
        return PLOIDY_TOO_HIGH, 0, False
    if n_seen == ploidy:
        return OK, ploidy, False
    if n_seen == 0 or half_call == HALF_CALL_MISSING:
        return OK, ploidy, True
    if half_call == HALF_CALL_ERROR:
        return HALF_CALL, ploidy, True
    if half_call == HALF_CALL_HAPLOID:
        if is_mixed:
            return OK, ploidy, True
        if first_seen > 0:
            counts[first_seen - 1] = np.uint8(ploidy)
    return OK, ploidy, False


@_kernel
def _decode_fixed_width(text: Text, start: int, end: int, n_samples: int, calls: Bytes) -> bool:
    """A line of nothing but 0/0, 0|1, 1/1, ./. of one ALT: calls (n_samples,) overwritten.

    False where the line is something else; `calls` is undefined then.
    """
    if end - start != 4 * n_samples - 1:
        return False
    is_other = np.uint8(0)
    for s in range(n_samples):
        at = start + 4 * s
        left, phase, right = text[at], text[at + 1], text[at + 2]
        # "&" and "|", not "and" and "or": without branches the loop becomes vector code
        is_missing = (left == _DOT) & (right == _DOT)
        is_called = (left & 254 == _ZERO) & (right & 254 == _ZERO)
        is_phase = (phase == _SLASH) | (phase == _BAR)
        is_other |= np.uint8(not ((is_missing | is_called) & is_phase))
        calls[s] = np.uint8(MISSING) if is_missing else np.uint8((left & 1) + (right & 1))
    for s in range(n_samples - 1):
        is_other |= np.uint8(text[start + 4 * s + 3] != _TAB)
    return is_other == 0


@_kernel
def decode_gt(
    text: Text,
    lines: Ints,
    n_alts: Ints,
    half_call: int,
    first_row: int,
    dosage: Bytes,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int, int]:
    """Decode GT of all samples of all lines, wherever FORMAT has it.

    lines       (n, 11); n_alts (n,) as by count_alts. A line has max(1, n_alts) rows, the first
                line's from `first_row` on. Without ALT the row's dosage is 0 for called samples.
    half_call   HALF_CALL_MISSING: missing. HALF_CALL_HAPLOID: the seen allele stands for all (mixed
                seen alleles in a polyploid: missing). HALF_CALL_REFERENCE: unseen is REF.
    dosage      (rows, samples) copies of ALT, 255 missing; rows of these lines overwritten
    ploidy      (rows, samples) as written; written only where is_diploid becomes False
    is_diploid  (rows,) overwritten: every call of the row's line is diploid
    A sample without a GT is missing and diploid. Returns (status, line, sample) of the first
    problem; (OK, n, 0).
    """
    n_samples = dosage.shape[1]
    row = first_row
    counts = np.zeros(_most(n_alts), np.uint8)
    for i in range(lines.shape[0]):
        start, end = lines[i, NINTH_TAB] + 1, lines[i, LINE_END]
        n_rows = max(1, n_alts[i])
        gt = _format_index(text, lines[i, EIGHTH_TAB] + 1, lines[i, NINTH_TAB], 71, 84)
        for r in range(row, row + n_rows):
            is_diploid[r] = True
        is_done = (
            gt == 0
            and n_alts[i] == 1
            and _decode_fixed_width(text, start, end, n_samples, dosage[row])
        )
        if not is_done:
            status, sample = _decode_calls(
                text, start, end, gt, n_alts[i], half_call, counts, row, dosage, ploidy, is_diploid
            )
            if status != OK:
                return status, i, sample
        row += n_rows
    return OK, lines.shape[0], 0


@_kernel
def _most(n_alts: Ints) -> int:
    most = 1
    for i in range(n_alts.shape[0]):
        most = max(most, n_alts[i])
    return most


@_kernel
def _decode_calls(
    text: Text,
    start: int,
    end: int,
    gt: int,
    n_alts: int,
    half_call: int,
    counts: Bytes,
    row: int,
    dosage: Bytes,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int]:
    """(status, sample) of one line's samples in start..end; `gt` is GT's field, -1 for none."""
    n_samples, n_rows = dosage.shape[1], max(1, n_alts)
    at = start
    for s in range(n_samples):
        if at > end:
            return TOO_FEW_SAMPLES, s
        copies, is_missing, is_simple = 2, True, False
        left = right = np.uint8(0)
        if gt == 0 and n_alts == 1 and at + 3 <= end:
            left, phase, right = text[at], text[at + 1], text[at + 2]
            is_simple = (
                left & 254 == _ZERO
                and right & 254 == _ZERO
                and phase in (_SLASH, _BAR)
                and (at + 3 == end or text[at + 3] == _TAB or text[at + 3] == _COLON)
            )
        if is_simple:
            dosage[row, s] = (left & 1) + (right & 1)
            is_missing = False
            at += 3
        else:
            first, last, at = _subfield(text, at, end, gt)
            if first >= 0:
                status, copies, is_missing = _read_call(
                    text, first, last, n_alts, half_call, counts
                )
                if status != OK:
                    return status, s
            for r in range(n_rows):
                value = counts[r] if n_alts > 0 else np.uint8(0)
                dosage[row + r, s] = MISSING if is_missing else value
        if copies != 2 or not is_diploid[row]:
            _store_ploidy(ploidy, is_diploid, row, n_rows, s, copies)
        while at < end and text[at] != _TAB:
            at += 1
        at += 1
    return (OK, 0) if at == end + 1 else (TOO_MANY_SAMPLES, n_samples)


@_kernel
def _store_ploidy(
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
    row: int,
    n_rows: int,
    sample: int,
    copies: int,
) -> None:
    """The first call that is not diploid fills the samples before it."""
    for r in range(row, row + n_rows):
        if is_diploid[r]:
            for s in range(sample):
                ploidy[r, s] = 2
            is_diploid[r] = False
        ploidy[r, sample] = copies


@_kernel
def _subfield(text: Text, start: int, end: int, field: int) -> tuple[int, int, int]:
    """(start, end, at) of a sample's colon-separated field; start -1 where it is dropped.

    The sample begins at `start` and ends at a tab or at `end`; `at` is within the sample.
    """
    at = start
    for _ in range(field):
        while at < end and text[at] != _COLON and text[at] != _TAB:
            at += 1
        if at >= end or text[at] == _TAB:
            return -1, -1, at
        at += 1
    first = at
    while at < end and text[at] != _COLON and text[at] != _TAB:
        at += 1
    return (first, at, at) if field >= 0 else (-1, -1, at)


@_kernel
def decode_ds(
    text: Text,
    lines: Ints,
    n_alts: Ints,
    half_call: int,
    first_row: int,
    dosage: Floats,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int, int]:
    """Decode DS of all samples of all lines; a value that is missing falls back to the call's GT.

    As `decode_gt`, but `dosage` is float32 with NaN missing, each value what float32(float64(text))
    is. DS has one value for each ALT (Number=A); a single value for several ALTs (Number=1) says
    nothing about each of them and counts as missing. Ploidy is GT's, 2 without one.
    """
    n_samples = dosage.shape[1]
    row = first_row
    counts = np.zeros(_most(n_alts), np.uint8)
    for i in range(lines.shape[0]):
        format_start, format_end = lines[i, EIGHTH_TAB] + 1, lines[i, NINTH_TAB]
        gt = _format_index(text, format_start, format_end, 71, 84)
        ds = _format_index(text, format_start, format_end, 68, 83)
        n_rows = max(1, n_alts[i])
        for r in range(row, row + n_rows):
            is_diploid[r] = True
        at, end = lines[i, NINTH_TAB] + 1, lines[i, LINE_END]
        for s in range(n_samples):
            if at > end:
                return TOO_FEW_SAMPLES, i, s
            status, copies = _decode_imputed_call(
                text, at, end, gt, ds, n_alts[i], half_call, counts, dosage, row, s
            )
            if status != OK:
                return status, i, s
            if copies != 2 or not is_diploid[row]:
                _store_ploidy(ploidy, is_diploid, row, n_rows, s, copies)
            while at < end and text[at] != _TAB:
                at += 1
            at += 1
        if at != end + 1:
            return TOO_MANY_SAMPLES, i, n_samples
        row += n_rows
    return OK, lines.shape[0], 0


@_kernel
def _decode_imputed_call(
    text: Text,
    start: int,
    end: int,
    gt: int,
    ds: int,
    n_alts: int,
    half_call: int,
    counts: Bytes,
    dosage: Floats,
    row: int,
    sample: int,
) -> tuple[int, int]:
    """(status, ploidy) of the sample that begins at `start`; writes its dosages."""
    n_rows = max(1, n_alts)
    copies, is_missing = 2, True
    first, last, _ = _subfield(text, start, end, gt)
    if first >= 0:
        status, copies, is_missing = _read_call(text, first, last, n_alts, half_call, counts)
        if status != OK:
            return status, copies
    for r in range(n_rows):
        called = np.float32(counts[r]) if n_alts > 0 else np.float32(0.0)
        dosage[row + r, sample] = np.float32(np.nan) if is_missing else called
    first, last, _ = _subfield(text, start, end, ds)
    if first < 0 or (last - first == 1 and text[first] == _DOT):
        return OK, copies
    if n_rows > 1 and not _has_comma(text, first, last):
        return OK, copies
    for r in range(n_rows):
        stop = first
        while stop < last and text[stop] != _COMMA:
            stop += 1
        if (stop == last) != (r == n_rows - 1):
            return WRONG_DS_COUNT, copies
        if not (stop - first == 1 and text[first] == _DOT):
            value, is_number = parse_number(text, first, stop)
            if not is_number:
                return MALFORMED_DS, copies
            if not -DS_TOLERANCE <= value <= max(copies, 2) + DS_TOLERANCE:
                return DS_OUT_OF_RANGE, copies
            dosage[row + r, sample] = np.float32(value)
        first = stop + 1
    return OK, copies


@_kernel
def _has_comma(text: Text, start: int, end: int) -> bool:
    for at in range(start, end):  # noqa: SIM110 - compiled
        if text[at] == _COMMA:
            return True
    return False


@_kernel
def parse_number(text: Text, start: int, end: int) -> tuple[float, bool]:
    """(value, is_number) of a decimal number such as 1, .5, 0.0250, 1e-05.

    The float64 nearest to the text up to 19 significant digits; more digits are cut off, which a
    float32 does not show. Infinities and NaN are no numbers.
    """
    at, sign = start, 1.0
    if at < end and (text[at] == _MINUS or text[at] == _PLUS):
        sign = -1.0 if text[at] == _MINUS else 1.0
        at += 1
    mantissa, exponent, n_digits, is_fraction = np.uint64(0), 0, 0, False
    while at < end:
        byte = text[at]
        if _ZERO <= byte <= _NINE:
            n_digits += 1
            if mantissa < np.uint64(10**18):
                mantissa = mantissa * np.uint64(10) + np.uint64(byte - np.uint8(_ZERO))
                exponent -= is_fraction
            else:
                exponent += not is_fraction
        elif byte == _DOT and not is_fraction:
            is_fraction = True
        else:
            break
        at += 1
    if n_digits == 0:
        return 0.0, False
    if at < end:
        written, is_exponent = _read_exponent(text, at, end)
        if not is_exponent:
            return 0.0, False
        exponent += written
    value = _scale(mantissa, exponent)
    return sign * value, value < 3.4028235677973366e38


@_kernel
def _read_exponent(text: Text, start: int, end: int) -> tuple[int, bool]:
    """(exponent, is_exponent) of e-05, E+3, e7 in start..end; cut off at 9,999."""
    if text[start] != 69 and text[start] != 101:
        return 0, False
    at, sign = start + 1, 1
    if at < end and (text[at] == _MINUS or text[at] == _PLUS):
        sign = -1 if text[at] == _MINUS else 1
        at += 1
    if at >= end:
        return 0, False
    value = 0
    for i in range(at, end):
        if text[i] < _ZERO or text[i] > _NINE:
            return 0, False
        value = min(value * 10 + (np.int64(text[i]) - _ZERO), 9999)
    return int(sign * value), True


@_kernel
def _scale(mantissa: np.uint64, exponent: int) -> float:
    """mantissa * 10**exponent.

    One correctly rounded operation where both are exact in float64 (Clinger's fast path); otherwise
    in a pair of float64 (Dekker), 106 bits, rounded once at the end.
    """
    if mantissa == 0 or exponent < -80:
        return 0.0
    if exponent > 60:
        return np.inf
    if mantissa < np.uint64(2**53) and -22 <= exponent <= 22:
        number = np.float64(mantissa)
        if exponent < 0:
            return number / _POWERS_OF_TEN[-exponent]
        return number * _POWERS_OF_TEN[exponent]
    high = np.float64(mantissa >> np.uint64(32)) * 4294967296.0
    low = np.float64(mantissa & np.uint64(0xFFFFFFFF))
    high, low = _renormalise(high, low)
    while exponent > 0:
        step = min(exponent, 22)
        high, low = _multiply(high, low, _POWERS_OF_TEN[step])
        exponent -= step
    while exponent < 0:
        step = min(-exponent, 22)
        high, low = _divide(high, low, _POWERS_OF_TEN[step])
        exponent += step
    return high + low


@_kernel
def _renormalise(high: float, low: float) -> tuple[float, float]:
    """The same sum with |low| at most half a unit in the last place of high."""
    total = high + low
    return total, low - (total - high)


@_kernel
def _product(a: float, b: float) -> tuple[float, float]:
    """(rounded product, its exact error)."""
    split_a, split_b = 134217729.0 * a, 134217729.0 * b
    a_high, b_high = split_a - (split_a - a), split_b - (split_b - b)
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@_kernel
def _multiply(high: float, low: float, factor: float) -> tuple[float, float]:
    product, error = _product(high, factor)
    return _renormalise(product, error + low * factor)


@_kernel
def _divide(high: float, low: float, divisor: float) -> tuple[float, float]:
    quotient = high / divisor
    product, error = _product(quotient, divisor)
    return _renormalise(quotient, (high - product - error + low) / divisor)
