"""What a missing call counts as, term by term: the policy over arrays."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.block import DosageBlock, strings
from core.scoring import weighted_sum as kernels
from core.scoring.alleles import NO_ALLELE, alleles_of
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
    of_ref_alone = np.flatnonzero(_has_ref_alone(context, block, terms))
    if len(of_ref_alone):
        chosen = terms.take(of_ref_alone)
        external[of_ref_alone] = _frequencies_of_rows(context, context.frequencies, block, chosen)
    return np.where(np.isnan(external), in_file, external)


def _has_ref_alone(context: TermContext, block: DosageBlock, terms: Terms) -> Bools:
    """(T,) the record has no ALT to look up, and the row knows both alleles."""
    has_no_alt = np.asarray(pc.equal(block.column("alt"), "."))[terms.variant]
    return has_no_alt & (context.rows.patterns.other[terms.pattern] != NO_ALLELE)


def _frequencies_of_rows(
    context: TermContext, frequencies: Frequencies, block: DosageBlock, terms: Terms
) -> Floats:
    """(T,) by the alleles of the terms' rows, two bases of which one is the record's REF, or the
    reference's base inside a block."""
    patterns, pattern = context.rows.patterns, terms.pattern
    at = pa.array(terms.variant)
    ref = _first_bytes(block.column("ref").take(at))
    ref = np.where(ref == _UNKNOWN_BASE, patterns.ref_base[pattern], ref)
    effect, other = patterns.effect[pattern] & 255, patterns.other[pattern] & 255
    is_flipped = (effect != ref) & (other != ref)
    alleles = (
        np.where(is_flipped, flipped[pattern] & 255, allele)
        for flipped, allele in ((patterns.other_flipped, other), (patterns.effect_flipped, effect))
    )
    place = [block.column(name).take(at) for name in ("contig", "position", "id")]
    return frequencies.of_alts(*place, *map(_bases, alleles))


_UNKNOWN_BASE = ord("N")


def _first_bytes(alleles: pa.Array) -> npt.NDArray[np.uint8]:
    found = alleles_of(alleles)
    return found.data[found.offsets[:-1]]


def _bases(codes: Indices) -> pa.Array:
    """Strings of one byte each."""
    return strings(np.arange(len(codes) + 1, dtype=np.int32), codes.astype(np.uint8))


def _named_frequencies(frequencies: Frequencies, block: DosageBlock) -> Floats:
    """(block rows,) frequency of each ALT in the named source; NaN where it has none."""
    sites = [block.column(name) for name in ("contig", "position", "id", "ref", "alt")]
    return frequencies.of_alts(*sites)


def frequencies_differ(context: TermContext, terms: Terms) -> npt.NDArray[np.bool_]:
    """(T,) the rows of a term may impute with different frequencies, those of their files."""
    from_file = context.policy.missing is Missing.MEAN_EXTERNAL
    return ~context.rows.patterns.one_frequency[terms.pattern] & from_file
