"""Imputed dosages (DS) of a line's samples, and their calls where a dosage is missing.

Kernels with the conventions of vcf_calls.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.decimals import parse_number
from core.genotypes.simd import kernel
from core.genotypes.vcf_calls import (
    OK,
    TOO_FEW_SAMPLES,
    TOO_MANY_SAMPLES,
    format_index,
    most,
    read_call,
    store_ploidy,
    subfield,
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

# Behind the status codes of vcf_calls.
MALFORMED_DS = 7
WRONG_DS_COUNT = 8
DS_OUT_OF_RANGE = 9

DS_TOLERANCE = 0.01
"""How far a DS may lie outside 0..2 because someone rounded it."""

_TAB = 9
_COMMA = 44
_DOT = 46


@kernel
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
    counts = np.zeros(most(n_alts), np.uint8)
    for i in range(lines.shape[0]):
        format_start, format_end = lines[i, EIGHTH_TAB] + 1, lines[i, NINTH_TAB]
        gt = format_index(text, format_start, format_end, 71, 84)
        ds = format_index(text, format_start, format_end, 68, 83)
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
                store_ploidy(ploidy, is_diploid, row, n_rows, s, copies)
            while at < end and text[at] != _TAB:
                at += 1
            at += 1
        if at != end + 1:
            return TOO_MANY_SAMPLES, i, n_samples
        row += n_rows
    return OK, lines.shape[0], 0


@kernel
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
    first, last, _ = subfield(text, start, end, gt)
    if first >= 0:
        status, copies, is_missing = read_call(text, first, last, n_alts, half_call, counts)
        if status != OK:
            return status, copies
    for r in range(n_rows):
        called = np.float32(counts[r]) if n_alts > 0 else np.float32(0.0)
        dosage[row + r, sample] = np.float32(np.nan) if is_missing else called
    first, last, _ = subfield(text, start, end, ds)
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


@kernel
def _has_comma(text: Text, start: int, end: int) -> bool:
    for at in range(start, end):  # noqa: SIM110 - compiled
        if text[at] == _COMMA:
            return True
    return False
