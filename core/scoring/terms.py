"""Terms: the matched rows of one block, made ready for the kernels of `weighted_sum`.

A term whose row holds diploid hard calls that count as they are written goes to the table kernel;
all others go to the general one. Within a kernel, terms keep the order of the file.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from core.genome_build import GenomeBuild, par_intervals
from core.genotypes.block import MISSING_CALL, DosageBlock
from core.scoring import weighted_sum as kernels
from core.scoring.frequencies import Frequencies
from core.scoring.matching import BlockMatches
from core.scoring.policy import ImputedNonadditive, Missing, Par, Ploidy, ScoringPolicy, XMale
from core.scoring.rows import ScoreRows

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_MISSING_RULES: dict[Missing, int] = {
    Missing.MEAN_EXTERNAL: kernels.IMPUTED,
    Missing.MEAN_COHORT: kernels.IMPUTED,
    Missing.ZERO: kernels.AS_ZERO,
    Missing.REFERENCE: kernels.AS_REFERENCE,
    Missing.FAIL: kernels.DROPPED,
    Missing.DROP: kernels.DROPPED,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """T matched rows in file order. `variant` is the block row, `row` the row of ScoreRows."""

    row: Indices
    variant: Indices
    score: Indices
    weight: Floats
    effect_type: npt.NDArray[np.int8]
    is_ref: Bools
    place: npt.NDArray[np.int8]
    doubled: Bools
    record_once: Bools

    def __len__(self) -> int:
        return len(self.row)

    def take(self, chosen: Bools) -> "Terms":
        return Terms(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class TermContext:
    """What every block of a run is scored with. `sex` is (S,) int8 as in core.samples; `build` is
    known wherever a row lies on X and PAR is by build."""

    rows: ScoreRows
    policy: ScoringPolicy
    sex: npt.NDArray[np.int8]
    build: GenomeBuild | None
    frequencies: Frequencies | None


def add_block(
    context: TermContext, block: DosageBlock, matches: BlockMatches, sums: kernels.Sums
) -> Bools:
    """Add a block's matched rows to `sums`.

    Returns (M,) for the matches: a missing Y call belongs to a sample of unknown sex.
    """
    terms = _terms(context, block, matches)
    plain = _is_plain(context, block, terms)
    _add_plain(context, block, terms.take(plain), sums)
    sex_unknown = _add_general(context, block, terms.take(~plain), sums)
    if not sex_unknown.any():
        return np.zeros(len(matches.row), bool)
    return np.isin(matches.row, terms.row[~plain][sex_unknown])


def _terms(context: TermContext, block: DosageBlock, matches: BlockMatches) -> Terms:
    matched = np.flatnonzero(matches.matched)
    matched = matched[np.argsort(matches.variant[matched], kind="stable")]
    n_rows = matches.n_rows[matched]
    of = np.repeat(matched, n_rows)
    within = np.arange(len(of)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    row, variant = matches.row[of] + within, matches.variant[of]
    rows = context.rows
    place, doubled = _places(context, block)
    return Terms(
        row=row,
        variant=variant,
        score=rows.score[row].astype(np.int64),
        weight=rows.effect_weight[row],
        effect_type=rows.patterns.effect_type[matches.pattern[of]],
        is_ref=matches.effect_is_ref[of],
        place=place[variant],
        doubled=doubled[variant],
        record_once=_first_of_record(rows.score[row], block.record[variant]),
    )


def _first_of_record(score: npt.NDArray[np.int32], record: npt.NDArray[np.int32]) -> Bools:
    """(T,) whether no earlier term names another allele of the same record for the same score."""
    pair = score.astype(np.int64) << 32 | record.astype(np.int64)
    _, first = np.unique(pair, return_index=True)
    once = np.zeros(len(score), bool)
    once[first] = True
    return once


def _places(context: TermContext, block: DosageBlock) -> tuple[npt.NDArray[np.int8], Bools]:
    """(block rows,) each row's place, and whether haploid calls count twice there."""
    contig = block.column("contig")
    on_x, on_y, on_mt = (
        pc.equal(contig, name).to_numpy(zero_copy_only=False) for name in ("X", "Y", "MT")
    )
    policy = context.policy
    if policy.par is Par.BY_BUILD and on_x.any():
        on_x &= ~_in_par(block.position, context.build)
    place = np.full(block.n_rows, kernels.DIPLOID, np.int8)
    place[on_x], place[on_y], place[on_mt] = kernels.X_NON_PAR, kernels.Y, kernels.MT
    return place, on_x & (policy.x_male is XMale.DOUBLED)


def _in_par(position: Indices, build: GenomeBuild | None) -> Bools:
    if build is None:
        return np.zeros(len(position), bool)
    return np.logical_or.reduce(
        [(position >= first) & (position <= last) for first, last in par_intervals(build)]
    )


def _is_plain(context: TermContext, block: DosageBlock, terms: Terms) -> Bools:
    """(T,) diploid hard calls of one ALT row that count as they are written."""
    if block.hard_calls is None:
        return np.zeros(len(terms), bool)
    several_alts = block.column("n_alts").to_numpy()[terms.variant] > 1
    as_written = terms.place == kernels.DIPLOID
    if context.policy.ploidy is Ploidy.OBSERVED:
        as_written = terms.place != kernels.Y
    plain = as_written & ~(terms.is_ref & several_alts)
    if block.ploidy is not None:
        plain &= (block.ploidy == 2).all(axis=1)[terms.variant]
    return plain


def _add_plain(context: TermContext, block: DosageBlock, terms: Terms, sums: kernels.Sums) -> None:
    """Terms of the table kernel; ploidy 2 is added once per record and score for all samples."""
    calls = block.hard_calls
    if calls is None or not len(terms):
        return
    counts = np.empty((len(terms), 4), np.int64)
    kernels.count_calls(calls, terms.variant, counts)
    frequency = _frequencies(context, block, terms, _frequency_of_counts(counts, terms.is_ref))
    values, dosages = _call_tables(context.policy, terms, frequency)
    hard = kernels.HardTerms(
        row=terms.variant,
        score=terms.score,
        values=np.where(np.isnan(values), 0.0, values),
        dosages=dosages,
        has_missing=counts[:, kernels.MISSING] > 0,
        record_once=terms.record_once,
        keeps_ploidy=~np.isnan(values[:, kernels.MISSING]),
    )
    kernels.add_hard_calls(calls, hard, sums)
    records = np.bincount(terms.score[terms.record_once], minlength=len(sums.denominator))
    ploidy = 2 * records.astype(np.int32)[:, None]
    np.add(sums.denominator, ploidy, out=sums.denominator)
    np.add(sums.allele_count, ploidy, out=sums.allele_count)


def _call_tables(policy: ScoringPolicy, terms: Terms, frequency: Floats) -> tuple[Floats, Floats]:
    """(T, 4) what 0, 1, 2, missing add to the score sum (NaN: missing is dropped) and to the
    dosage sum."""
    calls = np.array([0.0, 1.0, 2.0])
    named = np.where(terms.is_ref[:, None], 2.0 - calls, calls)
    observed = _effect_dosages(named, 2.0, terms.effect_type[:, None])
    missing = _missing_dosages(policy, terms, frequency)
    values = np.column_stack([observed, missing]) * terms.weight[:, None]
    return values, np.column_stack([observed, np.zeros(len(terms))])


def _effect_dosages(dosage: Floats, ploidy: float, effect_type: npt.NDArray[np.int8]) -> Floats:
    """`weighted_sum.effect_dosage`, over an array."""
    dominant, recessive = effect_type == kernels.DOMINANT, effect_type == kernels.RECESSIVE
    return np.where(
        dominant,
        np.minimum(dosage, 1.0),
        np.where(recessive, np.maximum(dosage - (ploidy - 1.0), 0.0), dosage),
    )


def _missing_dosages(policy: ScoringPolicy, terms: Terms, frequency: Floats) -> Floats:
    """(T,) effect dosage that stands for a missing diploid call; NaN: the call is dropped."""
    rule = _MISSING_RULES[policy.missing]
    if rule == kernels.IMPUTED:
        return _expected_dosages(policy, frequency, terms.effect_type)
    if rule == kernels.AS_ZERO:
        return np.zeros(len(terms))
    if rule == kernels.AS_REFERENCE:
        return _effect_dosages(np.where(terms.is_ref, 2.0, 0.0), 2.0, terms.effect_type)
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


def _frequency_of_counts(counts: Indices, is_ref: Bools) -> Floats:
    """(T,) effect allele frequency among diploid calls; NaN where nobody was called."""
    alleles = 2.0 * counts[:, :3].sum(axis=1)
    alternate = np.full(len(counts), np.nan)
    np.divide(counts[:, 1] + 2.0 * counts[:, 2], alleles, out=alternate, where=alleles > 0)
    return np.where(is_ref, 1.0 - alternate, alternate)


def _frequencies(
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


def _add_general(
    context: TermContext, block: DosageBlock, terms: Terms, sums: kernels.Sums
) -> Bools:
    """Terms of the general kernel. Returns (T,) as `add_block` does."""
    sex_unknown = np.zeros(len(terms), bool)
    if not len(terms):
        return sex_unknown
    dosage, ploidy, row = _general_rows(block, terms)
    policy, unknown = context.policy, np.full(len(terms), np.nan)
    general = kernels.DosageTerms(
        row=row,
        score=terms.score,
        weight=terms.weight,
        frequency=unknown,
        is_ref=terms.is_ref,
        effect_type=terms.effect_type,
        place=terms.place,
        doubled=terms.doubled,
        record_once=terms.record_once,
    )
    in_cohort = np.empty(len(terms))
    by_contig = policy.ploidy is Ploidy.BY_CONTIG
    kernels.cohort_frequencies(dosage, ploidy, context.sex, by_contig, general, in_cohort)
    general = general._replace(frequency=_frequencies(context, block, terms, in_cohort))
    hardy_weinberg = policy.imputed_nonadditive is ImputedNonadditive.HARDY_WEINBERG
    rule = _MISSING_RULES[policy.missing]
    kernels.add_dosages(
        *(dosage, ploidy, context.sex, by_contig, general, rule, hardy_weinberg),
        *(sex_unknown, sums),
    )
    return sex_unknown


def _general_rows(
    block: DosageBlock, terms: Terms
) -> tuple[Floats, npt.NDArray[np.uint8], Indices]:
    """(R, S) float64 dosages with NaN missing, (R, S) ploidies, (T,) the row of each term.

    The row of a term whose effect allele is REF holds the sum of the record's ALTs, so that ploidy
    minus it is REF's dosage at any number of ALTs.
    """
    sums_alts = terms.is_ref & (block.column("n_alts").to_numpy()[terms.variant] > 1)
    needed, rows = np.unique(terms.variant * 2 + sums_alts, return_inverse=True)
    variants = needed // 2
    dosage = _float_dosages(block.dosage, variants)
    for at in np.flatnonzero(needed % 2):
        alts = np.flatnonzero(block.record == block.record[variants[at]])
        dosage[at] = _float_dosages(block.dosage, alts).sum(axis=0)
    if block.ploidy is None:
        ploidy = np.full(dosage.shape, 2, np.uint8)
    else:
        ploidy = block.ploidy[variants]
    return dosage, ploidy, rows.astype(np.int64)


def _float_dosages(dosage: np.ndarray, variants: Indices) -> Floats:
    chosen = dosage[variants].astype(np.float64)
    if dosage.dtype == np.uint8:
        chosen[chosen == MISSING_CALL] = np.nan
    return chosen
