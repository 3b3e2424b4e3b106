"""What a missing call counts as, term by term: the policy over arrays."""

import numpy as np
import numpy.typing as npt

from core.genotypes.block import DosageBlock
from core.scoring import weighted_sum as kernels
from core.scoring.frequencies import Frequencies
from core.scoring.policy import ImputedNonadditive, Missing, ScoringPolicy
from core.scoring.terms import TermContext, Terms

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MISSING_RULES: dict[Missing, int] = {
    Missing.MEAN_EXTERNAL: kernels.IMPUTED,
    Missing.MEAN_COHORT: kernels.IMPUTED,
    Missing.ZERO: kernels.AS_ZERO,
    Missing.REFERENCE: kernels.AS_REFERENCE,
    Missing.FAIL: kernels.DROPPED,
    Missing.DROP: kernels.DROPPED,
}


def missing_dosages(policy: ScoringPolicy, terms: Terms, frequency: Floats) -> Floats:
    """(T,) effect dosage that stands for a missing diploid call; NaN: the call is dropped."""
    rule = MISSING_RULES[policy.missing]
    if rule == kernels.IMPUTED:
        return _expected_dosages(policy, frequency, terms.effect_type)
    if rule == kernels.AS_ZERO:
        return np.zeros(len(terms))
    if rule == kernels.AS_REFERENCE:
        return effect_dosages(np.where(terms.is_ref, 2.0, 0.0), 2.0, terms.effect_type)
    return np.full(len(terms), np.nan)


def _expected_dosages(
    policy: ScoringPolicy, frequency: Floats, effect_type: npt.NDArray[np.int8]
) -> Floats:
    """`weighted_sum.expected_dosage` of a diploid call, over an array."""
    if policy.imputed_nonadditive is ImputedNonadditive.FREQUENCY:
        return np.where(effect_type == kernels.ADDITIVE, 2.0 * frequency, frequency)
    dominant, recessive = effect_type == kernels.DOMINANT, effect_type == kernels.RECESSIVE
    nonadditive = np.where(dominant, 1.0 - (1.0 - frequency) ** 2, frequency**2)
    return np.where(dominant | recessive, nonadditive, 2.0 * frequency)


def effect_dosages(dosage: Floats, ploidy: float, effect_type: npt.NDArray[np.int8]) -> Floats:
    """`weighted_sum.effect_dosage`, over an array."""
    dominant, recessive = effect_type == kernels.DOMINANT, effect_type == kernels.RECESSIVE
    return np.where(
        dominant,
        np.minimum(dosage, 1.0),
        np.where(recessive, np.maximum(dosage - (ploidy - 1.0), 0.0), dosage),
    )


def frequencies_of(
    context: TermContext, block: DosageBlock, terms: Terms, in_cohort: Floats
) -> Floats:
    """(T,) the effect allele frequency that the policy imputes with; NaN: none."""
    if context.policy.missing is Missing.MEAN_COHORT:
        return in_cohort
    in_file = context.rows.effect_frequency[terms.row]
    if context.policy.missing is not Missing.MEAN_EXTERNAL or context.frequencies is None:
        return in_file
    named = _named_frequencies(context.frequencies, block)
    alternate = named[terms.variant]
    reference = 1.0 - np.bincount(block.record, weights=named)[block.record[terms.variant]]
    external = np.where(terms.is_ref, reference, alternate)
    return np.where(np.isnan(external), in_file, external)


def _named_frequencies(frequencies: Frequencies, block: DosageBlock) -> Floats:
    """(block rows,) frequency of each ALT in the named source; NaN where it has none."""
    sites = [block.column(name) for name in ("contig", "position", "id", "ref", "alt")]
    return frequencies.of_alts(*sites)


def frequencies_differ(context: TermContext, terms: Terms) -> npt.NDArray[np.bool_]:
    """(T,) the rows of a term may impute with different frequencies, those of their files."""
    from_file = context.policy.missing is Missing.MEAN_EXTERNAL
    return ~context.rows.patterns.one_frequency[terms.pattern] & from_file
