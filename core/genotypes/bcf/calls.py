"""Calls and imputed dosages of a BCF's records: values in, copies of each ALT out.

The rules are those of vcf_calls and vcf_dosages, whose codes these kernels give. A vector has its
missing value (0x80, 0x8000, 0x80000000, a NaN 0x7F800001) and, behind a sample's last value, its
end (one more); a GT's allele is (number + 1) << 1 | phased, 0 where it is missing.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.bcf.records import (
    FLOAT,
    GT_LENGTH,
    GT_START,
    GT_TYPE,
    INT8,
    INT16,
    INT32,
    N_ALTS,
    VALUE_LENGTH,
    VALUE_START,
    VALUE_TYPE,
    VOID,
    size_of,
)
from core.genotypes.simd import inlined_kernel, inner_kernel, kernel
from core.genotypes.vcf_calls import (
    MALFORMED_GT,
    MAX_PLOIDY,
    MISSING,
    OK,
    PLOIDY_TOO_HIGH,
    UNKNOWN_ALLELE,
    settle_call,
    store_ploidy,
)
from core.genotypes.vcf_dosages import (
    DOSAGE_TOLERANCE,
    DS_OUT_OF_RANGE,
    FIELD_DS,
    FIELD_HDS,
    GP_NOT_ONE,
    GP_OUT_OF_RANGE,
    HDS_OUT_OF_RANGE,
    MALFORMED_DS,
    MALFORMED_GP,
    MALFORMED_HDS,
    SUM_TOLERANCE,
    WRONG_DS_COUNT,
    WRONG_GP_COUNT,
    WRONG_HDS_COUNT,
)
from core.genotypes.vcf_kernels import Bytes, Floats, Ints

Alleles = npt.NDArray[np.int32]
Values = npt.NDArray[np.float64]

MAX_VALUES = 1 << 24
"""Of one sample; nothing larger is allocated for."""

_MISSING_ALLELE = 0
_NO_MORE = -1
_NO_ALLELE = -2

_END_VALUE = np.inf
_NO_VALUE = -np.inf
"""In an array of values, in which NaN is missing; neither is a dosage."""

_MISSING_FLOAT = 0x7F800001
_END_FLOAT = 0x7F800002
_MOST_INT8_ALLELES = 63


@inlined_kernel
def _integer(text: Bytes, at: int, n_bytes: int) -> int:
    """Little-endian, signed."""
    value = 0
    for i in range(n_bytes):
        value |= np.int64(text[at + i]) << (8 * i)
    half = 1 << (8 * n_bytes - 1)
    return int(value - 2 * half if value >= half else value)


@inner_kernel
def _load_alleles(text: Bytes, record: Ints, sample: int, alleles: Alleles) -> None:
    """Number + 1 of each allele of a sample, 0 missing, _NO_MORE behind the last one, _NO_ALLELE
    for a number below 0; alleles (most of a sample,) is overwritten."""
    n_bytes = size_of(record[GT_TYPE])
    lowest = -(1 << (8 * n_bytes - 1))
    at = record[GT_START] + sample * alleles.shape[0] * n_bytes
    for i in range(alleles.shape[0]):
        value = _integer(text, at + i * n_bytes, n_bytes)
        if value >= 0:
            alleles[i] = value >> 1
        elif value == lowest:
            alleles[i] = _MISSING_ALLELE
        else:
            alleles[i] = _NO_MORE if value == lowest + 1 else _NO_ALLELE


@inner_kernel
def _load_values(
    text: Bytes, record: Ints, sample: int, words: npt.NDArray[np.uint32], values: Values
) -> None:
    """The numbers of a sample, NaN missing, _END_VALUE behind the last one, _NO_VALUE for what is
    no finite number; values (most of a sample,) is overwritten, and words (1,), the bits of a
    float."""
    is_float = record[VALUE_TYPE] == FLOAT
    n_bytes = size_of(record[VALUE_TYPE])
    lowest = -(1 << (8 * n_bytes - 1))
    at = record[VALUE_START] + sample * values.shape[0] * n_bytes
    floats = words.view(np.float32)
    for i in range(values.shape[0]):
        value = _integer(text, at + i * n_bytes, n_bytes)
        missing, end, number = lowest, lowest + 1, np.float64(value)
        if is_float:
            words[0] = np.uint32(value & 0xFFFFFFFF)
            missing, end, number = _MISSING_FLOAT, _END_FLOAT, np.float64(floats[0])
        if value == missing:
            values[i] = np.nan
        elif value == end:
            values[i] = _END_VALUE
        else:
            values[i] = number if np.isfinite(number) else _NO_VALUE


@kernel
def decode_calls(
    text: Bytes,
    table: Ints,
    half_call: int,
    dosage: Bytes,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int, int]:
    """As vcf_calls.decode_gt, of the records of a `table` of bcf.records; their rows begin with
    row 0."""
    n_samples, row = dosage.shape[1], 0
    for i in range(table.shape[0]):
        n_alts = table[i, N_ALTS]
        n_rows = max(1, n_alts)
        is_diploid[row : row + n_rows] = True
        if table[i, GT_TYPE] == VOID or table[i, GT_LENGTH] == 0:
            dosage[row : row + n_rows] = MISSING
        elif not INT8 <= table[i, GT_TYPE] <= INT32:
            return MALFORMED_GT, i, 0
        elif table[i, GT_LENGTH] > MAX_PLOIDY:
            return PLOIDY_TOO_HIGH, i, 0
        elif not _decode_even_calls(text, table[i], n_alts, dosage[row : row + n_rows]):
            alleles, counts = np.empty(table[i, GT_LENGTH], np.int32), np.zeros(n_rows, np.uint8)
            for s in range(n_samples):
                _load_alleles(text, table[i], s, alleles)
                status, copies, is_missing = _count(alleles, n_alts, half_call, counts)
                if status != OK:
                    return status, i, s
                for r in range(n_rows):
                    dosage[row + r, s] = MISSING if is_missing else counts[r]
                if copies != 2 or not is_diploid[row]:
                    store_ploidy(ploidy, is_diploid, row, n_rows, s, s + 1, copies)
        row += n_rows
    return OK, table.shape[0], 0


@inner_kernel
def _decode_even_calls(text: Bytes, record: Ints, n_alts: int, dosage: Bytes) -> bool:
    """Whether all calls of a record are two alleles of a byte each, both known or both missing;
    their dosages (rows, samples) are stored then."""
    if record[GT_TYPE] != INT8 or record[GT_LENGTH] != 2:
        return False
    at, highest = record[GT_START], min(n_alts + 1, _MOST_INT8_ALLELES)
    is_other = False
    for s in range(dosage.shape[1]):
        left, right = text[at + 2 * s] >> 1, text[at + 2 * s + 1] >> 1
        is_other |= (left == 0) != (right == 0)
        is_other |= (left > highest) | (right > highest)
    if is_other:
        return False
    for r in range(dosage.shape[0]):
        alt = np.uint8(min(r + 2, _MOST_INT8_ALLELES + 1))
        for s in range(dosage.shape[1]):
            left, right = text[at + 2 * s] >> 1, text[at + 2 * s + 1] >> 1
            copies = np.uint8(left == alt) + np.uint8(right == alt)
            dosage[r, s] = np.uint8(MISSING) if left == 0 else copies
    return True


@inner_kernel
def _count(alleles: Alleles, n_alts: int, half_call: int, counts: Bytes) -> tuple[int, int, bool]:
    """(status, ploidy, is_missing) of one call; `counts` (rows,) overwritten: copies of ALTs."""
    counts[:] = 0
    ploidy, n_seen, first_seen, is_mixed = 0, 0, -1, False
    for i in range(alleles.shape[0]):
        if alleles[i] == _NO_MORE:
            break
        if alleles[i] == _NO_ALLELE:
            return MALFORMED_GT, 0, False
        ploidy += 1
        if alleles[i] == _MISSING_ALLELE:
            continue
        allele = int(alleles[i]) - 1
        if allele > n_alts:
            return UNKNOWN_ALLELE, 0, False
        if allele > 0 and ploidy <= MAX_PLOIDY:
            counts[allele - 1] += np.uint8(1)
        is_mixed = is_mixed or (n_seen > 0 and allele != first_seen)
        first_seen = allele
        n_seen += 1
    if ploidy > MAX_PLOIDY:
        return PLOIDY_TOO_HIGH, 0, False
    if ploidy == 0:
        return OK, 1, True  # a "." of text
    status, is_missing = settle_call(ploidy, n_seen, first_seen, is_mixed, half_call, counts)
    return status, ploidy, is_missing


@kernel
def decode_values(
    text: Bytes,
    table: Ints,
    half_call: int,
    field: int,
    dosage: Floats,
    ploidy: Bytes,
    is_diploid: npt.NDArray[np.bool_],
) -> tuple[int, int, int]:
    """As vcf_dosages.decode_dosages, of the records of a `table` of bcf.records; their rows begin
    with row 0. A value is the float32 of the file, in which HDS and GP are added up as float64."""
    n_samples, row = dosage.shape[1], 0
    words = np.zeros(1, np.uint32)
    for i in range(table.shape[0]):
        n_alts = table[i, N_ALTS]
        n_rows = max(1, n_alts)
        is_diploid[row : row + n_rows] = True
        has_calls = table[i, GT_TYPE] != VOID and table[i, GT_LENGTH] > 0
        has_values = table[i, VALUE_TYPE] != VOID and table[i, VALUE_LENGTH] > 0
        if has_calls and not INT8 <= table[i, GT_TYPE] <= INT32:
            return MALFORMED_GT, i, 0
        if has_calls and table[i, GT_LENGTH] > MAX_PLOIDY:
            return PLOIDY_TOO_HIGH, i, 0
        if has_values and table[i, VALUE_TYPE] not in (INT8, INT16, INT32, FLOAT):
            return _malformed(field), i, 0
        if table[i, VALUE_LENGTH] > MAX_VALUES:
            return _wrong_count(field), i, 0
        alleles = np.empty(table[i, GT_LENGTH] if has_calls else 0, np.int32)
        values = np.empty(table[i, VALUE_LENGTH] if has_values else 0, np.float64)
        counts, sums = np.zeros(n_rows, np.uint8), np.zeros(n_rows, np.float64)
        for s in range(n_samples):
            copies, is_missing = 2, True
            if has_calls:
                _load_alleles(text, table[i], s, alleles)
                status, copies, is_missing = _count(alleles, n_alts, half_call, counts)
                if status != OK:
                    return status, i, s
            for r in range(n_rows):
                dosage[row + r, s] = np.float32(np.nan) if is_missing else np.float32(counts[r])
            if has_values:
                known = 0 if is_missing else copies
                _load_values(text, table[i], s, words, values)
                status, written = _decode_value(
                    values, field, n_alts, copies, known, sums, row, s, dosage
                )
                if status != OK:
                    return status, i, s
                copies = copies if written == 0 else written
            if copies != 2 or not is_diploid[row]:
                store_ploidy(ploidy, is_diploid, row, n_rows, s, s + 1, copies)
        row += n_rows
    return OK, table.shape[0], 0


@inlined_kernel
def _malformed(field: int) -> int:
    if field == FIELD_DS:
        return MALFORMED_DS
    return MALFORMED_HDS if field == FIELD_HDS else MALFORMED_GP


@inlined_kernel
def _wrong_count(field: int) -> int:
    if field == FIELD_DS:
        return WRONG_DS_COUNT
    return WRONG_HDS_COUNT if field == FIELD_HDS else WRONG_GP_COUNT


@inner_kernel
def _decode_value(
    values: Values,
    field: int,
    n_alts: int,
    copies: int,
    known: int,
    sums: Values,
    row: int,
    sample: int,
    dosage: Floats,
) -> tuple[int, int]:
    """(status, ploidy that the values tell, 0 where they do not) of one sample; writes what is not
    missing.

    copies, known  the call's ploidy; the same, but 0 where the call is missing
    """
    n_values = 0
    while n_values < values.shape[0] and values[n_values] != _END_VALUE:
        n_values += 1
    if n_values == 0 or (n_values == 1 and np.isnan(values[0])):
        return OK, 0
    if field == FIELD_DS:
        return _take_ds(values, n_values, max(1, n_alts), copies, row, sample, dosage), 0
    if field == FIELD_HDS:
        return _take_hds(values, n_values, n_alts, known, row, sample, dosage)
    return _take_gp(values, n_values, n_alts, known, sums, row, sample, dosage)


@inlined_kernel
def _check(value: float, most: int, malformed: int, out_of_range: int) -> int:
    """The status of one value, which may be missing."""
    if value == _NO_VALUE:
        return malformed
    if np.isnan(value) or -DOSAGE_TOLERANCE <= value <= most + DOSAGE_TOLERANCE:
        return OK
    return out_of_range


@inner_kernel
def _take_ds(
    values: Values, n_values: int, n_rows: int, copies: int, row: int, sample: int, dosage: Floats
) -> int:
    if n_rows > 1 and n_values == 1:
        return OK
    if n_values != n_rows:
        return WRONG_DS_COUNT
    for r in range(n_rows):
        status = _check(values[r], max(copies, 2), MALFORMED_DS, DS_OUT_OF_RANGE)
        if status != OK:
            return status
        if not np.isnan(values[r]):
            dosage[row + r, sample] = np.float32(values[r])
    return OK


@inner_kernel
def _take_hds(
    values: Values, n_values: int, n_alts: int, known: int, row: int, sample: int, dosage: Floats
) -> tuple[int, int]:
    if n_alts != 1:
        return OK, 0
    total = 0.0
    for i in range(n_values):
        status = _check(values[i], 1, MALFORMED_HDS, HDS_OUT_OF_RANGE)
        if status != OK:
            return status, 0
        total += values[i]
    if n_values > MAX_PLOIDY or (known > 0 and n_values != known):
        return WRONG_HDS_COUNT, 0
    if np.isnan(total):
        return OK, 0
    dosage[row, sample] = np.float32(total)
    return OK, n_values


@inner_kernel
def _take_gp(
    values: Values,
    n_values: int,
    n_alts: int,
    known: int,
    sums: Values,
    row: int,
    sample: int,
    dosage: Floats,
) -> tuple[int, int]:
    copies = 1 if n_values == n_alts + 1 else 2
    if copies == 2 and n_values != (n_alts + 1) * (n_alts + 2) // 2:
        return WRONG_GP_COUNT, 0
    if n_alts == 0:
        copies = known if known > 0 else 2  # one genotype whatever the ploidy
    if known not in (0, copies):
        return WRONG_GP_COUNT, 0
    sums[:] = 0.0
    left, right, total = 0, 0, 0.0
    for i in range(n_values):
        status = _check(values[i], 1, MALFORMED_GP, GP_OUT_OF_RANGE)
        if status != OK:
            return status, 0
        total += values[i]
        if left > 0:
            sums[left - 1] += values[i]
        if right > 0:
            sums[right - 1] += values[i]
        # The genotypes' order is 0/0, 0/1, 1/1, 0/2, ..; of haploids 0, 1, 2, ..
        if copies == 1 or left == right:
            left, right = 0, right + 1
        else:
            left += 1
    if np.isnan(total):
        return OK, 0
    if not abs(total - 1) <= SUM_TOLERANCE:
        return GP_NOT_ONE, 0
    for r in range(max(1, n_alts)):
        dosage[row + r, sample] = np.float32(sums[r])
    return OK, copies
