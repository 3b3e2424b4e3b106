"""Weighted sums of effect dosages: the inner loops. Arrays in, arrays out; nothing else is here.

A *term* is one matched row of a scoring file: weight times effect dosage of one allele of one
record. Two kernels add terms to the same sums, always in the order of the terms, so that a block
gives the same bits wherever it is scored:

    add_hard_calls   diploid uint8 rows: every cell is looked up in a table of four values
    add_dosages      everything else: imputed dosages, other ploidies, sex chromosomes
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class Sums(NamedTuple):
    """Partial sums of K scores over S samples; all arrays (K, S), C-contiguous.

    score_sum     float64   weight times effect dosage, imputed calls included
    dosage_sum    float64   effect dosages of observed calls
    n_missing     int32     matched records whose call is missing
    denominator   int32     ploidy of the records that count, each record once
    allele_count  int32     ploidy of the observed calls, each record once
    """

    score_sum: Floats
    dosage_sum: Floats
    n_missing: Counts
    denominator: Counts
    allele_count: Counts

    @classmethod
    def zeros(cls, n_scores: int, n_samples: int) -> "Sums":
        shape = (n_scores, n_samples)
        return cls(
            score_sum=np.zeros(shape, np.float64),
            dosage_sum=np.zeros(shape, np.float64),
            n_missing=np.zeros(shape, np.int32),
            denominator=np.zeros(shape, np.int32),
            allele_count=np.zeros(shape, np.int32),
        )


def add_sums(left: Sums, right: Sums) -> Sums:
    """left + right: the order of two fixes the bits."""
    return Sums(
        score_sum=left.score_sum + right.score_sum,
        dosage_sum=left.dosage_sum + right.dosage_sum,
        n_missing=left.n_missing + right.n_missing,
        denominator=left.denominator + right.denominator,
        allele_count=left.allele_count + right.allele_count,
    )


@njit(cache=True, nogil=True)
def count_calls(dosage: Bytes, rows: Indices, counts: Indices) -> None:
    """How often a row holds 0, 1, 2, anything else.

    dosage (R, S); rows (T,), in range; counts (T, 4), overwritten.
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


MISSING = 3
"""Column of HardTerms.values, and of `count_calls`, for a missing call."""


class HardTerms(NamedTuple):
    """T terms on diploid hard calls.

    row, score    (T,) row of the dosages and score of the sums; in range
    values        (T, 4) what a call of 0, 1, 2, missing adds to score_sum
    dosages       (T, 4) what it adds to dosage_sum (0 for missing)
    has_missing   (T,) the row holds a missing call
    record_once   (T,) first term of its (score, record): its ploidy counts
    keeps_ploidy  (T,) a missing call stays in the denominator
    """

    row: Indices
    score: Indices
    values: Floats
    dosages: Floats
    has_missing: Bools
    record_once: Bools
    keeps_ploidy: Bools


@njit(cache=True, nogil=True)
def add_hard_calls(dosage: Bytes, terms: HardTerms, sums: Sums) -> None:
    """Add terms on `dosage` (R, S): 0, 1, 2, or 255 missing (whatever is above 2 is missing).

    Ploidy that everyone shares is the caller's: add 2 to denominator and allele_count for every
    (score, record). Only what missing calls take away is taken here, so complete data touch two
    of the five arrays.
    """
    n_samples = dosage.shape[1]
    for t in range(terms.row.shape[0]):
        row, k = terms.row[t], terms.score[t]
        for s in range(n_samples):
            call = min(int(dosage[row, s]), MISSING)
            sums.score_sum[k, s] += terms.values[t, call]
            sums.dosage_sum[k, s] += terms.dosages[t, call]
        if not (terms.has_missing[t] and terms.record_once[t]):
            continue
        for s in range(n_samples):
            if dosage[row, s] > 2:
                sums.n_missing[k, s] += 1
                sums.allele_count[k, s] -= 2
                if not terms.keeps_ploidy[t]:
                    sums.denominator[k, s] -= 2


ADDITIVE, DOMINANT, RECESSIVE = 0, 1, 2
"""Effect types."""

DROPPED, IMPUTED, AS_ZERO, AS_REFERENCE = 0, 1, 2, 3
"""What a missing call does."""

DIPLOID, X_NON_PAR, Y, MT = 0, 1, 2, 3
"""The place of a record, which says how many copies people have: autosomes and the PAR are
DIPLOID."""

_UNKNOWN, _MALE, _FEMALE = 0, 1, 2


class DosageTerms(NamedTuple):
    """T terms on any calls.

    row, score          (T,) row of the dosages and score of the sums; in range
    weight, frequency   (T,) frequency of the effect allele, NaN: unknown
    is_ref              (T,) the effect allele is REF: its dosage is ploidy - dosage
    effect_type, place  (T,) the codes above
    doubled             (T,) a haploid call counts twice
    record_once         (T,) first term of its (score, record): its ploidy counts
    """

    row: Indices
    score: Indices
    weight: Floats
    frequency: Floats
    is_ref: Bools
    effect_type: Codes
    place: Codes
    doubled: Bools
    record_once: Bools


@njit(cache=True, nogil=True)
def effect_dosage(dosage: float, ploidy: float, effect_type: int) -> float:
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
def expected_dosage(
    frequency: float, ploidy: float, effect_type: int, hardy_weinberg: bool
) -> float:
    """The expected effect dosage of a missing call, at an effect allele frequency."""
    if effect_type == ADDITIVE:
        return ploidy * frequency
    if not hardy_weinberg:
        return frequency
    if effect_type == DOMINANT:
        return 1.0 - (1.0 - frequency) ** ploidy
    return frequency**ploidy


@njit(cache=True, nogil=True)
def as_placed(
    dosage: float, ploidy: float, place: int, sex: int, by_contig: bool
) -> tuple[float, float]:
    """(dosage, ploidy) of one call as its place and the sample's sex have it.

    Ploidy 0: the sample has no such chromosome. `by_contig` sets the ploidy of every call, else
    only that of a missing ".", which many programs write for any ploidy.
    """
    if place == Y and sex == _FEMALE:
        return 0.0, 0.0
    if not by_contig and (ploidy != 1.0 or not np.isnan(dosage)):
        return dosage, ploidy
    is_diploid = place == DIPLOID or (place == X_NON_PAR and sex != _MALE)
    copies = 2.0 if is_diploid else 1.0
    return dosage * (copies / ploidy), copies


@njit(cache=True, nogil=True)
def cohort_frequencies(
    dosage: Floats,
    ploidy: Bytes,
    sex: Codes,
    by_contig: bool,
    terms: DosageTerms,
    frequency: Floats,
) -> None:
    """The effect allele's frequency among observed calls; NaN where there are none.

    dosage (R, S), NaN missing; ploidy (R, S); sex (S,); by_contig as in as_placed; frequency (T,),
    overwritten. A haploid call is one allele.
    """
    for t in range(terms.row.shape[0]):
        row, place = terms.row[t], terms.place[t]
        alleles, effects = 0.0, 0.0
        for s in range(dosage.shape[1]):
            d, p = as_placed(dosage[row, s], float(ploidy[row, s]), place, sex[s], by_contig)
            if not np.isnan(d):
                alleles += p
                effects += p - d if terms.is_ref[t] else d
        frequency[t] = effects / alleles if alleles > 0 else np.nan


@njit(cache=True, nogil=True)
def add_dosages(
    dosage: Floats,
    ploidy: Bytes,
    sex: Codes,
    by_contig: bool,
    terms: DosageTerms,
    missing: int,
    hardy_weinberg: bool,
    sex_unknown: Bools,
    sums: Sums,
) -> None:
    """Add terms on `dosage` (R, S) of each row's ALT, NaN missing, with `ploidy` (R, S).

    sex          (S,) 0 unknown, 1 male, 2 female
    by_contig    as in as_placed
    missing      what a missing call does; IMPUTED without a frequency drops it
    sex_unknown  (T,) overwritten: a missing Y call belongs to a sample of unknown sex, who may not
                 have the chromosome at all and is not imputed
    """
    for t in range(terms.row.shape[0]):
        row, k, once = terms.row[t], terms.score[t], terms.record_once[t]
        weight, is_ref, effect_type = terms.weight[t], terms.is_ref[t], terms.effect_type[t]
        place, known_frequency = terms.place[t], not np.isnan(terms.frequency[t])
        sex_unknown[t] = False
        for s in range(dosage.shape[1]):
            d, p = as_placed(dosage[row, s], float(ploidy[row, s]), place, sex[s], by_contig)
            if p == 0.0:
                continue
            if terms.doubled[t] and p == 1.0:
                d, p = d * 2.0, 2.0
            observed = not np.isnan(d)
            counts = True
            if observed:
                x = effect_dosage(p - d if is_ref else d, p, effect_type)
                sums.dosage_sum[k, s] += x
            elif place == Y and sex[s] == _UNKNOWN:
                x, counts, sex_unknown[t] = 0.0, False, True
            elif missing == IMPUTED and known_frequency:
                x = expected_dosage(terms.frequency[t], p, effect_type, hardy_weinberg)
            elif missing == AS_REFERENCE:
                x = effect_dosage(p if is_ref else 0.0, p, effect_type)
            else:
                x, counts = 0.0, missing == AS_ZERO
            sums.score_sum[k, s] += weight * x
            if once:
                sums.n_missing[k, s] += not observed
                sums.allele_count[k, s] += int(p) if observed else 0
                sums.denominator[k, s] += int(p) if counts else 0
