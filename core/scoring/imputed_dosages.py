"""Weighted sums over imputed diploid dosages, additive: the inner loops. Arrays in, arrays out.

Dosages are (R, S) float32 as a block has them, NaN missing; sums are float64. Each cell receives
its terms in their order. All rows are in range, all arrays C-contiguous.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import LANES, kernel

Bools = npt.NDArray[np.bool_]
Dosages = npt.NDArray[np.float32]
Bits = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

TILE = 4096
"""Samples whose sums are worked on together: they stay in the L2 cache."""

_MAGNITUDE, _INFINITY = 0x7FFFFFFF, 0x7F800000


class DosageTerms(NamedTuple):
    """T terms.

    row, score          (T,) int64
    weight              (T,) float64: what a dosage is multiplied with
    sign                (T,) float64: the same for the dosage sum, 1 or -1
    missing             (T,) float64: what a missing dosage adds
    missing_dosage      (T,) float64: what it adds to the dosage sum
    """

    row: Indices
    score: Indices
    weight: Floats
    sign: Floats
    missing: Floats
    missing_dosage: Floats


@kernel
def has_missing(bits: Bits, rows: Indices) -> Bools:
    """(T,) some dosage of the row is NaN. bits (R, S): the dosages, read as int32."""
    found = np.zeros(len(rows), np.bool_)
    for t in range(len(rows)):
        highest = np.int32(0)
        for word in bits[rows[t]]:
            highest = max(highest, np.int32(word & _MAGNITUDE))
        found[t] = highest > _INFINITY
    return found


@kernel
def frequencies(dosages: Dosages, rows: Indices) -> Floats:
    """(T,) frequency of ALT among the dosages that are not missing; NaN where all are."""
    found = np.full(len(rows), np.nan)
    for t in range(len(rows)):
        total, n_observed = 0.0, 0
        for dosage in dosages[rows[t]]:
            if not np.isnan(dosage):
                total += dosage
                n_observed += 1
        if n_observed > 0:
            found[t] = total / (2.0 * n_observed)
    return found


@kernel
def add_dosages(
    dosages: Dosages, bits: Bits, terms: DosageTerms, sums: Floats, dosage_sums: Floats
) -> None:
    """Add terms to `sums` and `dosage_sums`, both (K, S); 64 dosages of 0 are passed over."""
    n_samples = dosages.shape[1]
    rows, scores, weight, sign = terms.row, terms.score, terms.weight, terms.sign
    missing, missing_dosage = terms.missing, terms.missing_dosage
    for start in range(0, n_samples, TILE):
        end = min(start + TILE, n_samples)
        for t in range(len(rows)):
            row, k = rows[t], scores[t]
            for at in range(start, end, LANES):
                stop = min(at + LANES, end)
                if _any(bits[row, at:stop]):
                    part = dosages[row, at:stop]
                    _add(part, sums[k, at:stop], weight[t], missing[t])
                    _add(part, dosage_sums[k, at:stop], sign[t], missing_dosage[t])


@kernel
def _any(bits: Bits) -> bool:
    found = np.int32(0)
    for word in bits:
        found |= word
    return found != 0


@kernel
def _add(dosages: Dosages, sums: Floats, weight: float, missing: float) -> None:
    for i in range(len(sums)):
        dosage = float(dosages[i])
        sums[i] += missing if np.isnan(dosage) else weight * dosage


@kernel
def add_missing(bits: Bits, rows: Indices, slots: Indices, counts: npt.NDArray[np.int32]) -> None:
    """Count the missing dosages of each row into its slot of `counts` (slots, S)."""
    for t in range(len(rows)):
        words, count = bits[rows[t]], counts[slots[t]]
        for i in range(len(count)):
            count[i] += np.int32(word_is_nan(words[i]))


@kernel
def word_is_nan(word: int) -> bool:
    return (word & _MAGNITUDE) > _INFINITY
