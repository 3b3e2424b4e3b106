"""Weighted sums over imputed diploid dosages, additive: the inner loops. Arrays in, arrays out.

Dosages are (R, S) float32 as a block has them, NaN missing; sums are float64. Each cell receives
its terms in their order. All rows are in range, all arrays C-contiguous.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import kernel
from core.scoring.alleles import Element

Bools = npt.NDArray[np.bool_]
Dosages = npt.NDArray[np.float32]
Bits = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

TILE = 4096
"""Samples whose sums are worked on together: they stay in the L2 cache."""

_CHUNK = 512

_MAGNITUDE, _INFINITY = np.int32(0x7FFFFFFF), np.int32(0x7F800000)


class DosageTerms(NamedTuple):
    """T terms.

    row, target    (T,) int64: row of the dosages, row of the sums
    times          (T,) float64: what a dosage is multiplied with
    missing        (T,) float64: what a missing dosage adds
    """

    row: Indices
    target: Indices
    times: Floats
    missing: Floats


@kernel
def has_missing(bits: Bits, rows: Indices) -> Bools:
    """(T,) some dosage of the row is NaN. bits (R, S): the dosages, read as int32."""
    found = np.zeros(len(rows), np.bool_)
    for t in range(len(rows)):
        words, signs = bits[rows[t]], np.int32(0)
        for i in range(len(words)):
            # A NaN is above infinity: the difference is negative
            signs |= np.int32(_INFINITY - np.int32(words[i] & _MAGNITUDE))
        found[t] = signs < 0
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
def add_dosages(dosages: Dosages, bits: Bits, terms: DosageTerms, sums: Floats) -> None:
    """Add terms to `sums` (targets, S); chunks of only 0 are passed over."""
    n_samples = dosages.shape[1]
    rows, targets, times, missing = terms.row, terms.target, terms.times, terms.missing
    for start in range(0, n_samples, TILE):
        end = min(start + TILE, n_samples)
        for t in range(len(rows)):
            row, k = rows[t], targets[t]
            for at in range(start, end, _CHUNK):
                stop = min(at + _CHUNK, end)
                if any_bit(bits[row, at:stop]):
                    _add(dosages[row, at:stop], sums[k, at:stop], times[t], missing[t])


@kernel
def any_bit(bits: Bits) -> bool:
    """Whether some dosage is not 0."""
    found = np.int32(0)
    for word in bits:
        found |= word
    return found != 0


@kernel
def _add(dosages: Dosages, sums: Floats, times: Element, missing: Element) -> None:
    for i in range(len(sums)):
        dosage = float(dosages[i])
        sums[i] += missing if np.isnan(dosage) else times * dosage


@kernel
def add_missing(bits: Bits, rows: Indices, slots: Indices, counts: npt.NDArray[np.int32]) -> None:
    """Count the missing dosages of each row into its slot of `counts` (slots, S)."""
    for t in range(len(rows)):
        words, count = bits[rows[t]], counts[slots[t]]
        for i in range(len(count)):
            count[i] += np.int32(words[i] & _MAGNITUDE) > _INFINITY
