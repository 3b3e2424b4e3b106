"""Imputed dosages (DS, HDS, GP) of a line's samples, and their calls where a dosage is missing.

Kernels with the conventions of vcf_calls.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.decimals import read_decimal
from core.genotypes.simd import (
    LANES,
    bit_count,
    differ_mask,
    equal_mask,
    inlined_kernel,
    inner_kernel,
    kernel,
    trailing_zeros,
)
from core.genotypes.simd_cells import load_word
from core.genotypes.simd_dosages import SAMPLES, store_dosages
from core.genotypes.vcf_calls import (
    MAX_PLOIDY,
    OK,
    check_samples,
    find_field,
    find_samples,
    format_index,
    most,
    read_call,
    store_ploidy,
)
from core.genotypes.vcf_kernels import (
    EIGHTH_TAB,
    LINE_END,
    NINTH_TAB,
    Bytes,
    Floats,
    Ints,
    Text,
)

FIELD_DS = 0
FIELD_HDS = 1
FIELD_GP = 2

# Behind the status codes of vcf_calls.
MALFORMED_DS = 7
WRONG_DS_COUNT = 8
DS_OUT_OF_RANGE = 9
MALFORMED_HDS = 10
WRONG_HDS_COUNT = 11
HDS_OUT_OF_RANGE = 12
MALFORMED_GP = 13
WRONG_GP_COUNT = 14
GP_OUT_OF_RANGE = 15
GP_NOT_ONE = 16

DOSAGE_TOLERANCE = 0.01
"""How far a dosage or a probability may lie outside its range because someone rounded it."""

SUM_TOLERANCE = 0.15
"""How far probabilities may be from adding up to 1: three, rounded to one decimal each."""

_MOST_FIELDS = 8
"""Of a line whose samples are decoded side by side; more take longer."""

_FIELDS_AT_ONCE = 8
_TAB = 9
_COMMA = 44
_DOT = 46
_COLON = 58
_NO_CALL = 0x2E002E
_FIRST_ALLELES = 0x300030

Sums = npt.NDArray[np.float64]


@kernel
def decode_dosages(
    text: Text,
    lines: Ints,
    n_alts: Ints,
    half_call: int,
    field: int,
    first_row: int,
    dosage: Floats,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int, int]:
    """Decode a field of all samples of all lines; a value that is missing falls back to GT.

    As `decode_gt`, but `dosage` is float32 with NaN missing.

    field  FIELD_DS: one expected number of copies for each ALT (Number=A), each what
           float32(float64(text)) is. A single value for several ALTs (Number=1) says nothing about
           each of them and counts as missing.
           FIELD_HDS: one for each haplotype, which add up to the dosage; for records with one ALT,
           others count as missing.
           FIELD_GP: the probability of every genotype in the order of VCF (Number=G), haploid or
           diploid; the dosage is the expected number of copies. VCF 4.3 on: no Phred scores.
    Ploidy is GT's; where GT is missing, that of the number of values; 2 without either.
    """
    n_samples = dosage.shape[1]
    row = first_row
    counts, sums = np.zeros(most(n_alts), np.uint8), np.zeros(most(n_alts), np.float64)
    starts = np.empty(n_samples * _MOST_FIELDS + 1 + LANES, np.int64)
    for i in range(lines.shape[0]):
        format_start, format_end = lines[i, EIGHTH_TAB] + 1, lines[i, NINTH_TAB]
        gt = format_index(text, format_start, format_end, 71, 84)
        index = _field_index(text, format_start, format_end, field)
        n_rows = max(1, n_alts[i])
        is_diploid[row : row + n_rows] = True
        start, end = lines[i, NINTH_TAB] + 1, lines[i, LINE_END]
        is_even = field == FIELD_DS and n_alts[i] == 1 and gt == 0 and index > 0
        if is_even:
            n_fields = _count_fields(text, format_start, format_end)
            is_even = _find_fields(text, start, end, n_samples, n_fields, starts)
            is_even = is_even and _decode_even_ds(
                text,
                starts,
                n_fields,
                index,
                half_call,
                counts,
                sums,
                row,
                dosage,
                ploidy,
                is_diploid,
            )
        if not is_even:
            is_diploid[row : row + n_rows] = True
            n_found = find_samples(text, start, end, n_samples, starts)
            status, sample = _decode_samples(
                text,
                starts,
                min(n_found, n_samples),
                gt,
                index,
                field,
                n_alts[i],
                half_call,
                counts,
                sums,
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


@inner_kernel
def _field_index(text: Text, start: int, end: int, field: int) -> int:
    """Which colon-separated field of FORMAT is DS, HDS or GP; -1 for none."""
    if field == FIELD_DS:
        return format_index(text, start, end, 68, 83)
    if field == FIELD_GP:
        return format_index(text, start, end, 71, 80)
    index, at = 0, start
    while at < end:
        stop = at
        while stop < end and text[stop] != _COLON:
            stop += 1
        if stop - at == 3 and text[at] == 72 and text[at + 1] == 68 and text[at + 2] == 83:
            return index
        index += 1
        at = stop + 1
    return -1


@inner_kernel
def _count_fields(text: Text, start: int, end: int) -> int:
    """How many colon-separated fields a span has."""
    n_fields = 1
    for at in range(start, end):
        n_fields += text[at] == _COLON
    return n_fields


@inner_kernel
def _find_fields(
    text: Text, start: int, end: int, n_samples: int, n_fields: int, ends: Ints
) -> bool:
    """Whether start..end has as many tabs and colons as that many samples of that many fields.

    ends  (at least n_samples * _MOST_FIELDS + 1 + LANES,) overwritten: where the tabs and colons
          are, the one before `start` first, and `end`; undefined for False, which is also the
          answer for more than _MOST_FIELDS fields or fewer than SAMPLES samples
    """
    if n_fields > _MOST_FIELDS or n_samples < SAMPLES:
        return False
    ends[0], n, n_tabs = start - 1, 1, 1
    for window in range(start, end, LANES):
        tabs, colons = equal_mask(text, window, _TAB), equal_mask(text, window, _COLON)
        if end - window < LANES:
            tabs &= (1 << (end - window)) - 1
            colons &= (1 << (end - window)) - 1
        found = tabs | colons
        stop = n + bit_count(found)
        n_tabs += bit_count(tabs)
        # Eight at once, wanted or not: a branch for each is guessed wrong too often.
        while n < stop:
            for i in range(_FIELDS_AT_ONCE):
                ends[n + i] = window + trailing_zeros(found)
                found &= found - 1
            n += _FIELDS_AT_ONCE
        n = stop
        if n > n_samples * n_fields:
            return False
    if n != n_samples * n_fields or n_tabs != n_samples:
        return False
    ends[n] = end
    return True


@inner_kernel
def _decode_even_ds(
    text: Text,
    ends: Ints,
    n_fields: int,
    index: int,
    half_call: int,
    counts: Bytes,
    sums: Sums,
    row: int,
    dosage: Floats,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> bool:
    """Whether a line with one ALT, GT first and DS as field `index` has every field of every sample
    and no problem; its dosages are stored then.

    ends  as of `_find_fields`. Where some sample lacks a field, one of those that begin samples
          here is no tab, and what it begins is none of the samples that are decoded at once.
    """
    n_samples, sample = dosage.shape[1], 0
    most_copies = 2 + DOSAGE_TOLERANCE
    while sample < n_samples:
        group = min(sample, n_samples - SAMPLES)  # the last group has decoded samples in it, too
        other = store_dosages(
            text, ends, group * n_fields, n_fields, index, most_copies, dosage, row, group
        )
        sample = group + SAMPLES
        if not is_diploid[row]:
            ploidy[row, group:sample] = 2
        while other != 0:
            s = group + trailing_zeros(other)
            other &= other - 1
            at, end = ends[s * n_fields] + 1, ends[(s + 1) * n_fields]
            if text[at - 1] != _TAB:
                return False
            status, copies = _decode_sample(
                text, at, end, 0, index, FIELD_DS, 1, half_call, counts, sums, row, s, dosage
            )
            if status != OK:
                return False
            if copies != 2:
                store_ploidy(ploidy, is_diploid, row, 1, s, sample, copies)
    return True


@inner_kernel
def _decode_samples(
    text: Text,
    starts: Ints,
    n_samples: int,
    gt: int,
    index: int,
    field: int,
    n_alts: int,
    half_call: int,
    counts: Bytes,
    sums: Sums,
    row: int,
    dosage: Floats,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int]:
    """(status, sample) of one line. A sample with the text of an earlier one gets its dosages.

    starts     as of `find_samples`
    gt, index  which fields of a sample are GT and `field`, -1 for none
    """
    n_rows = max(1, n_alts)
    same = -1  # an earlier sample that is diploid
    for sample in range(n_samples):
        at, end = starts[sample], starts[sample + 1] - 1
        if same >= 0 and _are_equal(text, starts[same], starts[same + 1] - 1, at, end):
            for r in range(row, row + n_rows):
                dosage[r, sample] = dosage[r, same]
            copies = 2
        else:
            is_done = field == FIELD_DS and n_alts == 1
            is_done = is_done and _decode_one_ds(text, at, end, gt, index, row, sample, dosage)
            copies = 2
            if not is_done:
                status, copies = _decode_sample(
                    text,
                    at,
                    end,
                    gt,
                    index,
                    field,
                    n_alts,
                    half_call,
                    counts,
                    sums,
                    row,
                    sample,
                    dosage,
                )
                if status != OK:
                    return status, sample
            if copies == 2:
                same = sample
        if copies != 2 or not is_diploid[row]:
            store_ploidy(ploidy, is_diploid, row, n_rows, sample, sample + 1, copies)
    return OK, 0


@inlined_kernel
def _are_equal(text: Text, start: int, end: int, other: int, other_end: int) -> bool:
    """Whether two spans of up to 64 bytes are the same bytes; False for longer ones."""
    n_bytes = end - start
    if n_bytes != other_end - other or n_bytes > LANES:
        return False
    difference = differ_mask(text, start, text, other)
    if n_bytes < LANES:
        difference &= (1 << n_bytes) - 1
    return difference == 0


@inlined_kernel
def _decode_one_ds(
    text: Text, at: int, end: int, gt: int, index: int, row: int, sample: int, dosage: Floats
) -> bool:
    """Whether a sample has a diploid call of one ALT first (or no GT) and a DS from 0 to 2 of at
    most 8 letters; stores it then."""
    if gt == 0:
        call = np.int64(load_word(text, at) & np.uint64(0xFFFFFFFF))
        phase = (call >> 8) & 255
        is_call = (phase == 47) | (phase == 124)
        is_call &= (call & 0xFE00FE == _FIRST_ALLELES) | (call & 0xFF00FF == _NO_CALL)
        if not is_call or call >> 24 != _COLON or at + 3 >= end:
            return False
    if gt > 0 or index < 0:
        return False
    first, last = find_field(text, at, end, index)
    value, is_number = read_decimal(text, first, last)
    dosage[row, sample] = np.float32(value)
    return first >= 0 and is_number and 0 <= value <= 2 + DOSAGE_TOLERANCE


@inner_kernel
def _decode_sample(
    text: Text,
    at: int,
    end: int,
    gt: int,
    index: int,
    field: int,
    n_alts: int,
    half_call: int,
    counts: Bytes,
    sums: Sums,
    row: int,
    sample: int,
    dosage: Floats,
) -> tuple[int, int]:
    """(status, ploidy) of the sample in at..end; writes its dosages."""
    n_rows = max(1, n_alts)
    copies, is_missing = 2, True
    if gt >= 0:
        first, last = find_field(text, at, end, gt)
        if first >= 0:
            status, copies, is_missing = read_call(text, first, last, n_alts, half_call, counts)
            if status != OK:
                return status, copies
    for r in range(n_rows):
        called = np.float32(counts[r]) if n_alts > 0 else np.float32(0.0)
        dosage[row + r, sample] = np.float32(np.nan) if is_missing else called
    if index < 0:
        return OK, copies
    first, last = find_field(text, at, end, index)
    if first < 0 or (last - first == 1 and text[first] == _DOT):
        return OK, copies
    if field == FIELD_DS:
        status = _read_ds(text, first, last, n_rows, copies, row, sample, dosage)
        return status, copies
    expected = 0 if is_missing else copies
    if field == FIELD_HDS:
        status, written = _read_hds(text, first, last, n_alts, expected, row, sample, dosage)
    else:
        status, written = _read_gp(text, first, last, n_alts, expected, sums, row, sample, dosage)
    return status, copies if written == 0 else written


@inlined_kernel
def _read_ds(
    text: Text,
    first: int,
    end: int,
    n_rows: int,
    copies: int,
    row: int,
    sample: int,
    dosage: Floats,
) -> int:
    """The status of a DS in first..end; writes what is not missing."""
    if n_rows > 1 and _next_comma(text, first, end) == end:
        return OK
    for r in range(n_rows):
        stop = _next_comma(text, first, end)
        if (stop == end) != (r == n_rows - 1):
            return WRONG_DS_COUNT
        status, value = _read_part(text, first, stop, max(copies, 2), MALFORMED_DS, DS_OUT_OF_RANGE)
        if status != OK:
            return status
        if not np.isnan(value):
            dosage[row + r, sample] = np.float32(value)
        first = stop + 1
    return OK


@inlined_kernel
def _read_hds(
    text: Text,
    first: int,
    end: int,
    n_alts: int,
    expected: int,
    row: int,
    sample: int,
    dosage: Floats,
) -> tuple[int, int]:
    """(status, ploidy) of an HDS in first..end, ploidy 0 where a value is missing; writes the sum.

    expected  the call's ploidy, 0 where it says none
    """
    if n_alts != 1:
        return OK, 0
    total, n_values = 0.0, 0
    while first <= end:
        stop = _next_comma(text, first, end)
        status, value = _read_part(text, first, stop, 1, MALFORMED_HDS, HDS_OUT_OF_RANGE)
        if status != OK:
            return status, 0
        total += value
        n_values += 1
        first = stop + 1
    if n_values > MAX_PLOIDY or (expected > 0 and n_values != expected):
        return WRONG_HDS_COUNT, 0
    if np.isnan(total):
        return OK, 0
    dosage[row, sample] = np.float32(total)
    return OK, n_values


@inlined_kernel
def _read_gp(
    text: Text,
    first: int,
    end: int,
    n_alts: int,
    expected: int,
    sums: Sums,
    row: int,
    sample: int,
    dosage: Floats,
) -> tuple[int, int]:
    """(status, ploidy) of a GP in first..end, ploidy 0 where a value is missing; writes the
    expected copies of each ALT.

    expected  the call's ploidy, 0 where it says none
    sums      (at least max(1, n_alts),) float64, overwritten
    """
    n_values = 1 + _count_commas(text, first, end)
    copies = 1 if n_values == n_alts + 1 else 2
    if copies == 2 and n_values != (n_alts + 1) * (n_alts + 2) // 2:
        return WRONG_GP_COUNT, 0
    if n_alts == 0:
        copies = expected if expected > 0 else 2  # one genotype whatever the ploidy
    if expected not in (0, copies):
        return WRONG_GP_COUNT, 0
    for r in range(max(1, n_alts)):
        sums[r] = 0.0
    left, right, total = 0, 0, 0.0
    for _ in range(n_values):
        stop = _next_comma(text, first, end)
        status, value = _read_part(text, first, stop, 1, MALFORMED_GP, GP_OUT_OF_RANGE)
        if status != OK:
            return status, 0
        total += value
        if left > 0:
            sums[left - 1] += value
        if right > 0:
            sums[right - 1] += value
        # The genotypes' order is 0/0, 0/1, 1/1, 0/2, ..; of haploids 0, 1, 2, ..
        if copies == 1 or left == right:
            left, right = 0, right + 1
        else:
            left += 1
        first = stop + 1
    if np.isnan(total):
        return OK, 0
    if not abs(total - 1) <= SUM_TOLERANCE:
        return GP_NOT_ONE, 0
    for r in range(max(1, n_alts)):
        dosage[row + r, sample] = np.float32(sums[r])
    return OK, copies


@inlined_kernel
def _read_part(
    text: Text, first: int, stop: int, most_copies: int, malformed: int, out_of_range: int
) -> tuple[int, float]:
    """(status, value) of one number between commas; NaN, which no number is, where it is "."."""
    if stop - first == 1 and text[first] == _DOT:
        return OK, np.nan
    value, is_number = read_decimal(text, first, stop)
    if not is_number:
        return malformed, 0.0
    if not -DOSAGE_TOLERANCE <= value <= most_copies + DOSAGE_TOLERANCE:
        return out_of_range, 0.0
    return OK, value


@inlined_kernel
def _next_comma(text: Text, start: int, end: int) -> int:
    """The first comma of start..end; `end` without one."""
    for window in range(start, end, LANES):
        commas = equal_mask(text, window, _COMMA)
        if commas != 0:
            return min(end, window + trailing_zeros(commas))
    return end


@inlined_kernel
def _count_commas(text: Text, start: int, end: int) -> int:
    n = 0
    for window in range(start, end, LANES):
        commas = equal_mask(text, window, _COMMA)
        if end - window < LANES:
            commas &= (1 << (end - window)) - 1
        n += bit_count(commas)
    return n
