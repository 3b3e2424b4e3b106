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
    gather_cells,
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
    if end - start == 1 and _ZERO <= text[start] <= _ZERO + min(n_alts, 9):
        if text[start] > _ZERO:
            counts[np.int64(text[start]) - _ZERO - 1] = np.uint8(1)
        return OK, 1, False
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
    status, is_missing = settle_call(ploidy, n_seen, int(first_seen), is_mixed, half_call, counts)
    return status, ploidy, is_missing


@inlined_kernel
def settle_call(
    ploidy: int, n_seen: int, first_seen: int, is_mixed: bool, half_call: int, counts: Bytes
) -> tuple[int, bool]:
    """(status, is_missing) of a call of `ploidy` alleles, of which `n_seen` are named.

    first_seen  one of the named alleles; is_mixed: another one is named, too
    counts      as of `read_call`: copies of each named ALT, changed where half-calls are haploid
    """
    if n_seen == ploidy:
        return OK, False
    if n_seen == 0 or half_call == HALF_CALL_MISSING:
        return OK, True
    if half_call == HALF_CALL_ERROR:
        return HALF_CALL, True
    if half_call == HALF_CALL_HAPLOID:
        if is_mixed:
            return OK, True
        if first_seen > 0:
            counts[first_seen - 1] = np.uint8(ploidy)
    return OK, False


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
    n_samples, row = dosage.shape[1], first_row
    counts = np.zeros(most(n_alts), np.uint8)
    starts = np.empty(n_samples + 1 + LANES, np.int64)
    cells = np.empty(CELL_BYTES, np.uint8)
    for i in range(lines.shape[0]):
        start, end = lines[i, NINTH_TAB] + 1, lines[i, LINE_END]
        gt = format_index(text, lines[i, EIGHTH_TAB] + 1, lines[i, NINTH_TAB], 71, 84)
        n_rows = max(1, n_alts[i])
        for r in range(row, row + n_rows):
            is_diploid[r] = True
        sample = 0
        if gt == 0 and lines[i, NINTH_TAB] - lines[i, EIGHTH_TAB] == 3:
            sample = _decode_cells(text, start, end, n_alts[i], row, dosage)
        if sample < n_samples:
            n_found = find_samples(text, start, end, n_samples, starts)
            status, sample = _decode_found_calls(
                text,
                starts,
                sample,
                min(n_found, n_samples),
                gt,
                n_alts[i],
                half_call,
                counts,
                cells,
                row,
                dosage,
                ploidy,
                is_diploid,
            )
            if status == OK:
                status, sample = check_samples(n_found, n_samples)
            if status != OK:
                return status, i, sample
        row += n_rows
    return OK, lines.shape[0], 0


@inlined_kernel
def check_samples(n_found: int, n_samples: int) -> tuple[int, int]:
    """(status, the first sample too few or too many) of a line on which so many were found."""
    if n_found == n_samples:
        return OK, 0
    return TOO_FEW_SAMPLES if n_found < n_samples else TOO_MANY_SAMPLES, min(n_found, n_samples)


@inner_kernel
def most(n_alts: Ints) -> int:
    """The largest number of ALT alleles, at least 1."""
    largest: int = 1
    for i in range(n_alts.shape[0]):
        largest = max(largest, n_alts[i])
    return largest


@inner_kernel
def _decode_cells(text: Text, start: int, end: int, n_alts: int, row: int, dosage: Bytes) -> int:
    """How many of a line's first calls are decoded; all of them only where the line has no more.

    Decodes tabs with 0|1, 1/1 or ./. behind them, 16 at a time, up to a group with something else.
    What is left behind the samples' last whole group is decoded with calls of that group again.
    """
    n_samples, sample, at = dosage.shape[1], 0, start
    while sample + CELLS <= n_samples and at + CELL_BYTES - 1 <= end:
        if _decode_group(text, at - 1, n_alts, row, sample, dosage) != 0:
            return sample - (sample > 0)  # the call in the last cell may go on
        sample += CELLS
        at += CELL_BYTES
    n_left = n_samples - sample
    if sample == 0 or end - at != 4 * n_left - 1:
        return sample - (sample > 0)
    if n_left == 0:
        return n_samples
    other = _decode_group(text, end - CELL_BYTES, n_alts, row, n_samples - CELLS, dosage)
    return n_samples if other == 0 else sample - 1


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


@inlined_kernel
def find_field(text: Text, start: int, end: int, index: int) -> tuple[int, int]:
    """The span of a colon-separated field of start..end; (-1, -1) where it is dropped."""
    colons = equal_mask(text, start, _COLON)
    if end - start < LANES:
        colons &= (1 << (end - start)) - 1
    first = start
    while bit_count(colons) < index:
        index -= bit_count(colons)
        start += LANES
        if start >= end:
            return -1, -1
        colons = equal_mask(text, start, _COLON)
        if end - start < LANES:
            colons &= (1 << (end - start)) - 1
    for _ in range(index):
        first = start + trailing_zeros(colons) + 1
        colons &= colons - 1
    while colons == 0 and start + LANES < end:
        start += LANES
        colons = equal_mask(text, start, _COLON)
        if end - start < LANES:
            colons &= (1 << (end - start)) - 1
    return first, min(end, start + trailing_zeros(colons))


@inner_kernel
def _decode_found_calls(
    text: Text,
    starts: Ints,
    first: int,
    stop: int,
    gt: int,
    n_alts: int,
    half_call: int,
    counts: Bytes,
    cells: Bytes,
    row: int,
    dosage: Bytes,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int]:
    """(status, sample) of the samples first .. stop of a line, whose GT is field `gt`, -1 for none.

    starts  as of `find_samples`
    cells   (CELL_BYTES,) overwritten
    """
    n_rows = max(1, n_alts)
    sample = first
    while sample < stop:
        group, other = sample, (1 << CELLS) - 1
        if gt == 0 and stop >= CELLS:
            group = min(sample, stop - CELLS)  # the last group has decoded calls in it, too
            other = gather_cells(text, starts, group, cells)
            other |= _decode_group(cells, 0, n_alts, row, group, dosage)
        sample = min(group + CELLS, stop)
        if not is_diploid[row]:
            ploidy[row : row + n_rows, group:sample] = 2
        while other != 0:
            s = group + trailing_zeros(other)
            other &= other - 1
            if s >= stop:
                break
            at, end = starts[s], starts[s + 1] - 1
            if gt == 0 and _decode_diploid(text, at, end, n_alts, row, s, dosage):
                continue
            status, copies = _decode_call(
                text, at, end, gt, n_alts, half_call, counts, row, s, dosage
            )
            if status != OK:
                return status, s
            if copies != 2:
                store_ploidy(ploidy, is_diploid, row, n_rows, s, sample, copies)
    return OK, 0


@inlined_kernel
def _decode_diploid(
    text: Text, at: int, end: int, n_alts: int, row: int, sample: int, dosage: Bytes
) -> bool:
    """Whether the first field of a sample in at..end is a call such as 0|1 or ./.; its dosages are
    stored then."""
    call = np.int64(load_word(text, at) & np.uint64(0xFFFFFFFF))
    phase, behind = (call >> 8) & 255, call >> 24
    is_whole = (at + 3 == end) | ((at + 3 < end) & (behind == _COLON))
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
) -> tuple[int, int]:
    """(status, ploidy) of any sample in at..end; writes its dosages."""
    copies, is_missing = 2, True
    if gt >= 0:
        first, last = find_field(text, at, end, gt)
        if first >= 0:
            status, copies, is_missing = read_call(text, first, last, n_alts, half_call, counts)
            if status != OK:
                return status, copies
    for r in range(max(1, n_alts)):
        called = counts[r] if n_alts > 0 else np.uint8(0)
        dosage[row + r, sample] = np.uint8(MISSING) if is_missing else called
    return OK, copies


@inlined_kernel
def store_ploidy(
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
    row: int,
    n_rows: int,
    sample: int,
    stop: int,
    copies: int,
) -> None:
    """Of a call that is not diploid; the row's first one makes the others up to `stop` diploid."""
    if is_diploid[row]:
        is_diploid[row : row + n_rows] = False
        ploidy[row : row + n_rows, :stop] = 2
    ploidy[row : row + n_rows, sample] = copies
