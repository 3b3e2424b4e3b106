"""Genotype calls (GT) of a line's samples: bytes in, copies of each ALT out.

Kernels with the conventions of vcf_kernels, and one more: `text` goes on for at least simd.PADDING
bytes behind the end of every line, whatever they are: 64 bytes are loaded at once, and no result
depends on bytes outside the line.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import (
    LANES,
    bit_count,
    equal_mask,
    inlined_kernel,
    inner_kernel,
    kernel,
    trailing_zeros,
)
from core.genotypes.simd_cells import (
    CELL_BYTES,
    CELLS,
    load_word,
    store_calls,
    store_calls_of_one_alt,
)
from core.genotypes.vcf_kernels import (
    EIGHTH_TAB,
    LINE_END,
    NINTH_TAB,
    Bytes,
    Ints,
    Text,
)

OK = 0
TOO_FEW_SAMPLES = 1
TOO_MANY_SAMPLES = 2
MALFORMED_GT = 3
UNKNOWN_ALLELE = 4
HALF_CALL = 5
PLOIDY_TOO_HIGH = 6

HALF_CALL_MISSING = 0
HALF_CALL_HAPLOID = 1
HALF_CALL_REFERENCE = 2
HALF_CALL_ERROR = 3

MAX_PLOIDY = 254
MISSING = 255

_TAB = 9
_DOT = 46
_SLASH = 47
_ZERO = 48
_NINE = 57
_COLON = 58
_BAR = 124
_TABS_AT_ONCE = 4


@inner_kernel
def format_index(text: Text, start: int, end: int, first: int, second: int) -> int:
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


@inner_kernel
def read_call(
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


@kernel
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

    text        goes on for simd.PADDING bytes behind the last line's end
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
    row = first_row
    counts = np.zeros(most(n_alts), np.uint8)
    starts = np.empty(dosage.shape[1] + 1 + LANES, np.int64)
    for i in range(lines.shape[0]):
        start, end = lines[i, NINTH_TAB] + 1, lines[i, LINE_END]
        gt = format_index(text, lines[i, EIGHTH_TAB] + 1, lines[i, NINTH_TAB], 71, 84)
        n_rows = max(1, n_alts[i])
        for r in range(row, row + n_rows):
            is_diploid[r] = True
        if gt == 0 and lines[i, NINTH_TAB] - lines[i, EIGHTH_TAB] == 3:
            status, sample = _decode_lone_calls(
                text, start, end, n_alts[i], half_call, counts, row, dosage, ploidy, is_diploid
            )
        elif gt == 0:
            status, sample = _decode_first_calls(
                text,
                start,
                end,
                n_alts[i],
                half_call,
                counts,
                starts,
                row,
                dosage,
                ploidy,
                is_diploid,
            )
        else:
            status, sample = _decode_later_calls(
                text, start, end, gt, n_alts[i], half_call, counts, row, dosage, ploidy, is_diploid
            )
        if status != OK:
            return status, i, sample
        row += n_rows
    return OK, lines.shape[0], 0


@inner_kernel
def most(n_alts: Ints) -> int:
    """The largest number of ALT alleles, at least 1."""
    largest = 1
    for i in range(n_alts.shape[0]):
        largest = max(largest, n_alts[i])
    return largest


@inner_kernel
def _decode_lone_calls(
    text: Text,
    start: int,
    end: int,
    n_alts: int,
    half_call: int,
    counts: Bytes,
    row: int,
    dosage: Bytes,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int]:
    """(status, sample) of a line whose FORMAT is GT: cells of four bytes wherever there are 16."""
    n_samples = dosage.shape[1]
    at, sample = start, 0
    while sample < n_samples:
        first = sample
        at, sample = _decode_cells(text, at, end, sample, n_alts, row, dosage)
        if not is_diploid[row]:
            ploidy[row : row + max(1, n_alts), first:sample] = 2
        stop = min(sample + CELLS, n_samples)
        while sample < stop:
            if at > end:
                return TOO_FEW_SAMPLES, sample
            status, at = _decode_call(
                text, at, end, 0, n_alts, half_call, counts, row, sample, dosage, ploidy, is_diploid
            )
            if status != OK:
                return status, sample
            sample += 1
    return (OK, 0) if at == end + 1 else (TOO_MANY_SAMPLES, n_samples)


@inner_kernel
def _decode_cells(
    text: Text, at: int, end: int, sample: int, n_alts: int, row: int, dosage: Bytes
) -> tuple[int, int]:
    """(at, sample) of the first call that was not decoded, from `sample`, which begins at `at`.

    Decodes tabs with 0|1, 1/1 or ./. behind them, 16 at a time, up to a group with something else.
    What is left behind the samples' last whole group is decoded with calls of that group again.
    """
    n_samples, first = dosage.shape[1], sample
    while sample + CELLS <= n_samples and at + CELL_BYTES - 1 <= end:
        if _decode_group(text, at - 1, n_alts, row, sample, dosage) != 0:
            break
        sample += CELLS
        at += CELL_BYTES
    if sample == first:
        return at, sample
    n_left = n_samples - sample
    if (
        0 < n_left < CELLS
        and end - at == 4 * n_left - 1
        and _decode_group(text, end - CELL_BYTES, n_alts, row, n_samples - CELLS, dosage) == 0
    ):
        return end + 1, n_samples
    if at <= end and text[at - 1] != _TAB:
        return at - 4, sample - 1  # the call in the last cell goes on
    return at, sample


@inner_kernel
def _decode_group(text: Text, at: int, n_alts: int, row: int, sample: int, dosage: Bytes) -> int:
    """The mask of 16 cells from the tab at `at` that are none; the others' dosages are stored."""
    if n_alts == 1:
        return store_calls_of_one_alt(text, at, dosage, row, sample)
    other = 0
    for r in range(max(1, n_alts)):
        other |= store_calls(text, at, dosage, row + r, sample, r + 1, min(n_alts, 9))
    return other


@inner_kernel
def find_samples(text: Text, start: int, end: int, n_samples: int, starts: Ints) -> int:
    """How many samples start..end has; of more than `n_samples`, some number above it.

    starts  (at least n_samples + 1 + LANES,) overwritten: where each sample begins, and behind the
            last one end + 1, so that sample s is starts[s] .. starts[s + 1] - 1; undefined where
            there are more than `n_samples`
    """
    starts[0], n = start, 1
    for window in range(start, end, LANES):
        tabs = equal_mask(text, window, _TAB)
        if end - window < LANES:
            tabs &= (1 << (end - window)) - 1
        n_tabs = bit_count(tabs)
        # Four at least, wanted or not: a branch for each tab is guessed wrong too often.
        for i in range(_TABS_AT_ONCE):
            starts[n + i] = window + trailing_zeros(tabs) + 1
            tabs &= tabs - 1
        for i in range(_TABS_AT_ONCE, n_tabs):
            starts[n + i] = window + trailing_zeros(tabs) + 1
            tabs &= tabs - 1
        n += n_tabs
        if n > n_samples:
            return n
    starts[n] = end + 1
    return n


@inner_kernel
def _decode_first_calls(
    text: Text,
    start: int,
    end: int,
    n_alts: int,
    half_call: int,
    counts: Bytes,
    starts: Ints,
    row: int,
    dosage: Bytes,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int]:
    """(status, sample) of a line with GT as its first field; `starts` as for `find_samples`."""
    n_samples = dosage.shape[1]
    n_found = find_samples(text, start, end, n_samples, starts)
    for sample in range(min(n_found, n_samples)):
        at = starts[sample]
        if not _decode_diploid(text, at, end, n_alts, row, sample, dosage):
            status, _ = _decode_call(
                text, at, end, 0, n_alts, half_call, counts, row, sample, dosage, ploidy, is_diploid
            )
            if status != OK:
                return status, sample
        elif not is_diploid[row]:
            store_ploidy(ploidy, is_diploid, row, max(1, n_alts), sample, 2)
    if n_found == n_samples:
        return OK, 0
    return (TOO_FEW_SAMPLES, n_found) if n_found < n_samples else (TOO_MANY_SAMPLES, n_samples)


@inlined_kernel
def _decode_diploid(
    text: Text, at: int, end: int, n_alts: int, row: int, sample: int, dosage: Bytes
) -> bool:
    """Whether a sample begins with a whole call such as 0|1 or ./.; its dosages are stored then."""
    call = np.int64(load_word(text, at) & np.uint64(0xFFFFFFFF))
    phase, behind = (call >> 8) & 255, call >> 24
    is_whole = ((behind == _COLON) | (behind == _TAB) | (at + 3 == end)) & (at + 3 <= end)
    is_whole &= (phase == _SLASH) | (phase == _BAR)
    is_missing = call & 0xFF00FF == 0x2E002E
    if n_alts == 1:
        is_called = call & 0xFE00FE == 0x300030
        copies = (call & 1) + ((call >> 16) & 1)
        dosage[row, sample] = np.uint8(MISSING) if is_missing else np.uint8(copies)
        return bool(is_whole & (is_called | is_missing))
    left, right = (call & 255) ^ _ZERO, ((call >> 16) & 255) ^ _ZERO
    is_called = (left <= min(n_alts, 9)) & (right <= min(n_alts, 9))
    for r in range(1, max(1, n_alts) + 1):
        copies = np.uint8(left == r) + np.uint8(right == r)
        dosage[row + r - 1, sample] = np.uint8(MISSING) if is_missing else np.uint8(copies)
    return bool(is_whole & (is_called | is_missing))


@inner_kernel
def _decode_later_calls(
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
    """(status, sample) of a line whose GT is field `gt`, not the first one; -1 for none."""
    n_samples = dosage.shape[1]
    at = start
    for sample in range(n_samples):
        if at > end:
            return TOO_FEW_SAMPLES, sample
        status, at = _decode_call(
            text, at, end, gt, n_alts, half_call, counts, row, sample, dosage, ploidy, is_diploid
        )
        if status != OK:
            return status, sample
    return (OK, 0) if at == end + 1 else (TOO_MANY_SAMPLES, n_samples)


@inner_kernel
def _decode_call(
    text: Text,
    at: int,
    end: int,
    gt: int,
    n_alts: int,
    half_call: int,
    counts: Bytes,
    row: int,
    sample: int,
    dosage: Bytes,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int]:
    """(status, where the next sample begins) of any sample, which begins at `at`."""
    n_rows = max(1, n_alts)
    copies, is_missing = 2, True
    first, last, at = subfield(text, at, end, gt)
    if first >= 0:
        status, copies, is_missing = read_call(text, first, last, n_alts, half_call, counts)
        if status != OK:
            return status, at
    for r in range(n_rows):
        called = counts[r] if n_alts > 0 else np.uint8(0)
        dosage[row + r, sample] = np.uint8(MISSING) if is_missing else called
    if copies != 2 or not is_diploid[row]:
        store_ploidy(ploidy, is_diploid, row, n_rows, sample, copies)
    while at < end and text[at] != _TAB:
        at += 1
    return OK, at + 1


@inner_kernel
def store_ploidy(
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


@inner_kernel
def subfield(text: Text, start: int, end: int, field: int) -> tuple[int, int, int]:
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
