"""Weighted sums of effect dosages of any calls: the inner loops. Arrays in, arrays out.

A *term* is one matched row of a scoring file: weight times effect dosage of one allele of one
record. What is nearly all there is has kernels of its own (`hard_calls`, `imputed_dosages`); here
is every rule of the field, for sex chromosomes, other ploidies and all effect types. Terms are
added in their order, so that a block gives the same bits wherever it is scored.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import kernel
from core.scoring.sums import OtherSums

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


ADDITIVE, DOMINANT, RECESSIVE, NONADDITIVE = 0, 1, 2, 3
"""Effect types; a nonadditive term has a weight for each number of copies."""

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
    at_copies           (T, 3) weights of a nonadditive term at 0, 1 and 2 copies; of others, any
    is_ref              (T,) the effect allele is REF: its dosage is ploidy - dosage
    effect_type, place  (T,) the codes above
    doubled             (T,) a haploid call counts twice
    record_once         (T,) first term of its (score, record): its ploidy counts
    """

    row: Indices
    score: Indices
    weight: Floats
    at_copies: Floats
    frequency: Floats
    is_ref: Bools
    effect_type: Codes
    place: Codes
    doubled: Bools
    record_once: Bools


@kernel
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


@kernel
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


@kernel
def weight_at(at_copies: Floats, dosage: float) -> float:
    """What a nonadditive term adds at a dosage in 0..2; between two numbers of copies, as imputed
    dosages are and 0/1 where a contig has one copy, in proportion.

    A GenoBoost score is written so (PGS Catalog columns dosage_0_weight to dosage_2_weight).
    """
    low = 0 if dosage < 1.0 else 1
    return at_copies[low] + (dosage - low) * (at_copies[low + 1] - at_copies[low])


@kernel
def expected_weight(at_copies: Floats, frequency: float, ploidy: float) -> float:
    """What a nonadditive term of a missing call, of one or two copies, is expected to add at an
    effect allele frequency, in Hardy-Weinberg proportions."""
    rest = 1.0 - frequency
    if ploidy == 1.0:
        return rest * at_copies[0] + frequency * at_copies[1]
    het = 2.0 * rest * frequency * at_copies[1]
    return rest * rest * at_copies[0] + het + frequency * frequency * at_copies[2]


@kernel
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


@kernel
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


@kernel
def add_dosages(
    dosage: Floats,
    ploidy: Bytes,
    sex: Codes,
    by_contig: bool,
    terms: DosageTerms,
    missing: int,
    hardy_weinberg: bool,
    sex_unknown: Bools,
    score_sum: Floats,
    sums: OtherSums,
) -> None:
    """Add terms on `dosage` (R, S) of each row's ALT, NaN missing, with `ploidy` (R, S).

    No weight is known of more than two copies: there, calls of nonadditive terms are missing, and
    dropped.

    sex          (S,) 0 unknown, 1 male, 2 female
    by_contig    as in as_placed
    missing      what a missing call does; IMPUTED without a frequency drops it
    sex_unknown  (T,) overwritten: a missing Y call belongs to a sample of unknown sex, who may not
                 have the chromosome at all and is not imputed
    score_sum    (K, S), added to, as the arrays of `sums` are
    """
    for t in range(terms.row.shape[0]):
        row, k, once = terms.row[t], terms.score[t], terms.record_once[t]
        weight, is_ref, effect_type = terms.weight[t], terms.is_ref[t], terms.effect_type[t]
        place, known_frequency = terms.place[t], not np.isnan(terms.frequency[t])
        at_copies, is_nonadditive = terms.at_copies[t], effect_type == NONADDITIVE
        sex_unknown[t] = False
        for s in range(dosage.shape[1]):
            d, p = as_placed(dosage[row, s], float(ploidy[row, s]), place, sex[s], by_contig)
            if p == 0.0:
                continue
            if terms.doubled[t] and p == 1.0:
                d, p = d * 2.0, 2.0
            is_beyond = is_nonadditive and p > 2.0
            observed = not (np.isnan(d) or is_beyond)
            counts, added = True, 0.0
            if observed:
                x = effect_dosage(p - d if is_ref else d, p, effect_type)
                added = weight_at(at_copies, x) if is_nonadditive else weight * x
                sums.dosage_sum[k, s] += x
            elif place == Y and sex[s] == _UNKNOWN:
                counts, sex_unknown[t] = False, True
            elif is_beyond:
                counts = False
            elif missing == IMPUTED and known_frequency:
                if is_nonadditive:
                    added = expected_weight(at_copies, terms.frequency[t], p)
                else:
                    x = expected_dosage(terms.frequency[t], p, effect_type, hardy_weinberg)
                    added = weight * x
            elif missing == AS_REFERENCE:
                x = effect_dosage(p if is_ref else 0.0, p, effect_type)
                added = weight_at(at_copies, x) if is_nonadditive else weight * x
            else:
                counts = missing == AS_ZERO
            score_sum[k, s] += added
            if once:
                sums.n_missing[k, s] += not observed
                sums.allele_count[k, s] += int(p) if observed else 0
                sums.denominator[k, s] += int(p) if counts else 0
