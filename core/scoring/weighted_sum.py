"""Weighted sums of effect dosages: the inner loops. Arrays in, arrays out; nothing else happens here.

A *term* is one matched row of a scoring file: weight times effect dosage of one allele of one
record. Two kernels add terms to the same accumulators, always in the order of the terms, so a block
gives the same bits wherever it is scored:

    add_hard_calls   terms on diploid uint8 rows: every cell is looked up in a table of four values
    add_dosages      everything else: imputed dosages, other ploidies, sex chromosomes

Accumulators are (K scores, S samples). `denominator` and `allele_count` start at 0 and take what
differs from the diploid terms' common part, which `add_hard_calls` leaves to its caller (2 for each
record): thus complete diploid data touch two of the five arrays only.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

MISSING_COLUMN = 3
"""Column of a term's table that holds what a missing call is worth."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Partial sums of K scores over S samples; all arrays C-contiguous.

    score_sum     (K, S) float64   weight times effect dosage, imputed calls included
    dosage_sum    (K, S) float64   effect dosages of observed calls
    n_missing     (K, S) int32     matched records whose call is missing
    denominator   (K, S) int32     ploidy of the records that count, each record once
    allele_count  (K, S) int32     ploidy of the observed calls, each record once
    """

    score_sum: Floats
    dosage_sum: Floats
    n_missing: Ints
    denominator: Ints
    allele_count: Ints

    @classmethod
    def zeros(cls, n_scores: int, n_samples: int) -> "Sums":
        shape = (n_scores, n_samples)
        floats = [np.zeros(shape, np.float64) for _ in range(2)]
        ints = [np.zeros(shape, np.int32) for _ in range(3)]
        return cls(*floats, *ints)

    def add(self, other: "Sums") -> None:
        """In place; the caller fixes the order, which fixes the bits."""
        for name in self.__slots__:
            getattr(self, name).__iadd__(getattr(other, name))


@njit(cache=True, nogil=True)
def count_calls(dosage, rows, counts):  # pragma: no cover - compiled
    """How often a row holds 0, 1, 2, anything else.

    dosage (R, S) uint8; rows (T,) int64, in range; counts (T, 4) int64, overwritten.
    """
    n_samples = dosage.shape[1]
    for t in range(rows.shape[0]):
        row = rows[t]
        n1 = n2 = n3 = 0
        for s in range(n_samples):
            call = dosage[row, s]
            n1 += call == 1
            n2 += call == 2
            n3 += call > 2
        counts[t, 0] = n_samples - n1 - n2 - n3
        counts[t, 1] = n1
        counts[t, 2] = n2
        counts[t, 3] = n3


@njit(cache=True, nogil=True)
def add_hard_calls(
    dosage, rows, scores, values, dosages, has_missing, record_once, keeps_ploidy,
    score_sum, dosage_sum, n_missing, denominator, allele_count,
):  # fmt: skip  # pragma: no cover - compiled
    """Add T terms on diploid hard calls.

    dosage        (R, S) uint8: 0, 1, 2, or 255 missing (any value above 2 counts as missing)
    rows, scores  (T,) int64: row of `dosage`, score of the accumulators; in range
    values        (T, 4) float64: what a call of 0, 1, 2, missing adds to score_sum
    dosages       (T, 4) float64: what it adds to dosage_sum (0 for missing)
    has_missing   (T,) bool: the row holds a missing call
    record_once   (T,) bool: first term of its (score, record): ploidy counts
    keeps_ploidy  (T,) bool: a missing call stays in the denominator
    """
    n_samples = dosage.shape[1]
    for t in range(rows.shape[0]):
        row, k = rows[t], scores[t]
        for s in range(n_samples):
            call = min(dosage[row, s], 3)
            score_sum[k, s] += values[t, call]
            dosage_sum[k, s] += dosages[t, call]
        if not (has_missing[t] and record_once[t]):
            continue
        for s in range(n_samples):
            if dosage[row, s] > 2:
                n_missing[k, s] += 1
                allele_count[k, s] -= 2
                if not keeps_ploidy[t]:
                    denominator[k, s] -= 2


ADDITIVE, DOMINANT, RECESSIVE = 0, 1, 2

# What a missing call does in `add_dosages`
DROPPED, IMPUTED, AS_ZERO, AS_REFERENCE = 0, 1, 2, 3

# The ploidy rule of a record's place in the genome
AS_WRITTEN, X_HAPLOID_IN_MALES, Y_OF_MALES = 0, 1, 2

_UNKNOWN, _MALE, _FEMALE = 0, 1, 2


@njit(cache=True, nogil=True)
def effect_dosage(dosage, ploidy, effect_type):  # pragma: no cover - compiled
    """The dosage that a weight multiplies.

    dominant: any effect allele; recessive: every allele is the effect allele (d - 1 in a diploid,
    d in a haploid call, which has no second allele to wait for).
    """
    if effect_type == DOMINANT:
        return min(dosage, 1.0)
    if effect_type == RECESSIVE:
        return max(dosage - (ploidy - 1.0), 0.0)
    return dosage


@njit(cache=True, nogil=True)
def expected_dosage(frequency, ploidy, effect_type, hardy_weinberg):  # pragma: no cover - compiled
    """The expected effect dosage of a call that is missing, at an effect allele frequency."""
    if effect_type == ADDITIVE:
        return ploidy * frequency
    if not hardy_weinberg:
        return frequency
    if effect_type == DOMINANT:
        return 1.0 - (1.0 - frequency) ** ploidy
    return frequency**ploidy


@njit(cache=True, nogil=True)
def as_sexed(dosage, ploidy, place, sex):  # pragma: no cover - compiled
    """(dosage, ploidy) of one call as its place and the sample's sex have it; ploidy 0: no such
    chromosome. A male call written diploid on X counts as the haploid it is."""
    if place == X_HAPLOID_IN_MALES and sex == _MALE and ploidy == 2.0:
        return dosage * 0.5, 1.0
    if place == Y_OF_MALES and sex == _FEMALE:
        return 0.0, 0.0
    return dosage, ploidy


@njit(cache=True, nogil=True)
def cohort_frequencies(
    dosage, ploidy, rows, is_ref, place, sex, frequency
):  # pragma: no cover - compiled
    """The effect allele's frequency among the observed calls; NaN where there are none.

    dosage (R, S) float64, NaN missing; ploidy (R, S) uint8; rows (T,) int64; is_ref (T,) bool;
    place (T,) int8; sex (S,) int8; frequency (T,) float64, overwritten. Haploid calls count once.
    """
    for t in range(rows.shape[0]):
        row = rows[t]
        alleles, effects = 0.0, 0.0
        for s in range(dosage.shape[1]):
            d, p = as_sexed(dosage[row, s], float(ploidy[row, s]), place[t], sex[s])
            if not np.isnan(d):
                alleles += p
                effects += p - d if is_ref[t] else d
        frequency[t] = effects / alleles if alleles > 0 else np.nan


@njit(cache=True, nogil=True)
def add_dosages(
    dosage, ploidy, sex,
    rows, scores, weights, is_ref, effect_types, frequencies, places, doubled, record_once,
    missing_rule, hardy_weinberg, sex_unknown,
    score_sum, dosage_sum, n_missing, denominator, allele_count,
):  # fmt: skip  # pragma: no cover - compiled
    """Add T terms on any calls.

    dosage          (R, S) float64 dosage of the row's ALT, NaN missing
    ploidy          (R, S) uint8
    sex             (S,) int8: 0 unknown, 1 male, 2 female
    rows, scores    (T,) int64, in range; weights, frequencies (T,) float64, frequency NaN: unknown
    is_ref          (T,) bool: the effect allele is REF, its dosage ploidy - dosage
    effect_types, places (T,) int8: the codes above
    doubled         (T,) bool: a haploid call counts twice (`x_male=doubled`)
    record_once     (T,) bool: first term of its (score, record): ploidy counts
    missing_rule    DROPPED | IMPUTED | AS_ZERO | AS_REFERENCE
    sex_unknown     (T,) bool, overwritten: some missing Y call belongs to a sample of unknown sex
    """
    for t in range(rows.shape[0]):
        row, k, once = rows[t], scores[t], record_once[t]
        sex_unknown[t] = False
        for s in range(dosage.shape[1]):
            d, p = as_sexed(dosage[row, s], float(ploidy[row, s]), places[t], sex[s])
            if p == 0.0:
                continue
            if doubled[t] and p == 1.0:
                d, p = d * 2.0, 2.0
            if not np.isnan(d):
                x = effect_dosage(p - d if is_ref[t] else d, p, effect_types[t])
                score_sum[k, s] += weights[t] * x
                dosage_sum[k, s] += x
                if once:
                    denominator[k, s] += int(p)
                    allele_count[k, s] += int(p)
                continue
            n_missing[k, s] += once
            if places[t] == Y_OF_MALES and sex[s] == _UNKNOWN:
                sex_unknown[t] = True
                continue
            if missing_rule == DROPPED or (missing_rule == IMPUTED and np.isnan(frequencies[t])):
                continue
            if missing_rule == IMPUTED:
                x = expected_dosage(frequencies[t], p, effect_types[t], hardy_weinberg)
                score_sum[k, s] += weights[t] * x
            elif missing_rule == AS_REFERENCE:
                x = effect_dosage(p if is_ref[t] else 0.0, p, effect_types[t])
                score_sum[k, s] += weights[t] * x
            if once:
                denominator[k, s] += int(p)
