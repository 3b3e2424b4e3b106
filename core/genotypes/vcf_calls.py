"""Genotype calls (GT) of a line's samples: bytes in, copies of each ALT out.

Kernels with the conventions of vcf_kernels, and one more: `text` goes on for at least simd.PADDING
bytes behind the end of every line, whatever they are: 64 bytes are loaded at once, and no result
depends on bytes outside the line.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import kernel
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


@kernel
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


@kernel
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
    counts = np.zeros(most(n_alts), np.uint8)
    for i in range(lines.shape[0]):
        start, end = lines[i, NINTH_TAB] + 1, lines[i, LINE_END]
        n_rows = max(1, n_alts[i])
        gt = format_index(text, lines[i, EIGHTH_TAB] + 1, lines[i, NINTH_TAB], 71, 84)
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


@kernel
def most(n_alts: Ints) -> int:
    most = 1
    for i in range(n_alts.shape[0]):
        most = max(most, n_alts[i])
    return most


@kernel
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
            first, last, at = subfield(text, at, end, gt)
            if first >= 0:
                status, copies, is_missing = read_call(text, first, last, n_alts, half_call, counts)
                if status != OK:
                    return status, s
            for r in range(n_rows):
                value = counts[r] if n_alts > 0 else np.uint8(0)
                dosage[row + r, s] = MISSING if is_missing else value
        if copies != 2 or not is_diploid[row]:
            store_ploidy(ploidy, is_diploid, row, n_rows, s, copies)
        while at < end and text[at] != _TAB:
            at += 1
        at += 1
    return (OK, 0) if at == end + 1 else (TOO_MANY_SAMPLES, n_samples)


@kernel
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


@kernel
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
