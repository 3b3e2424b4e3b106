"""Terms on any calls: sex chromosomes, haploid calls, imputed dosages of dominant scores, REF of
records with several ALTs. Every rule of the field applies, one call after the other.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.block import MISSING_CALL, DosageBlock
from core.scoring import weighted_sum as kernels
from core.scoring.missing_calls import MISSING_RULES, frequencies_of
from core.scoring.policy import ImputedNonadditive, Ploidy
from core.scoring.sums import Sums
from core.scoring.terms import TermContext, Terms

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_CELLS = 1 << 22
"""Calls that are held as float64 at a time."""


def add_general(context: TermContext, block: DosageBlock, terms: Terms, sums: Sums) -> Bools:
    """Add terms of single rows.

    Returns (T,): a missing Y call belongs to a sample of unknown sex.
    """
    variants = np.cumsum(np.append(True, np.diff(terms.variant) > 0)[: len(terms)])
    part = variants // max(1, _CELLS // block.n_samples)
    parts = [terms.take(part == n) for n in np.unique(part)]
    unknown = [_add_part(context, block, some, sums) for some in parts]
    return np.concatenate([np.empty(0, bool), *unknown])


def _add_part(context: TermContext, block: DosageBlock, terms: Terms, sums: Sums) -> Bools:
    sex_unknown = np.zeros(len(terms), bool)
    dosage, ploidy, row = _general_rows(block, terms)
    policy, rows = context.policy, context.rows
    in_cohort = np.empty(len(terms))
    general = kernels.DosageTerms(
        row=row,
        score=rows.score[terms.row].astype(np.int64),
        weight=rows.effect_weight[terms.row],
        at_copies=rows.weights_at_copies(terms.row),
        frequency=in_cohort,
        is_ref=terms.is_ref,
        effect_type=terms.effect_type,
        place=terms.place,
        doubled=terms.doubled,
        record_once=terms.record_once,
    )
    by_contig = policy.ploidy is Ploidy.BY_CONTIG
    kernels.cohort_frequencies(dosage, ploidy, context.sex, by_contig, general, in_cohort)
    general = general._replace(frequency=frequencies_of(context, block, terms, in_cohort))
    hardy_weinberg = policy.imputed_nonadditive is ImputedNonadditive.HARDY_WEINBERG
    rule = MISSING_RULES[policy.missing]
    kernels.add_dosages(
        *(dosage, ploidy, context.sex, by_contig, general, rule, hardy_weinberg),
        *(sex_unknown, sums.score_sum, sums.other_calls()),
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
