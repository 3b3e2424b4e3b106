"""Terms on diploid hard calls, which is nearly all there is: what each call adds."""

import numpy as np
import numpy.typing as npt

from core.genotypes.block import DosageBlock
from core.scoring import hard_calls as kernels
from core.scoring.missing_calls import effect_dosages, frequencies_of, missing_dosages
from core.scoring.sums import Sums
from core.scoring.terms import TermContext, Terms

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_CALLS = np.array([0.0, 1.0, 2.0])
_EFFECT_TYPES = np.arange(3, dtype=np.int8)[:, None]
_OBSERVED = np.stack(
    [effect_dosages(named, 2.0, _EFFECT_TYPES) for named in (_CALLS[None], 2.0 - _CALLS[None])]
)
"""(effect allele is REF, effect type, call) → effect dosage."""


def add_few(context: TermContext, calls: Bytes, terms: Terms, stand_in: Floats, sums: Sums) -> None:
    """Add terms of single rows.

    calls       hard calls of ploidy 2, flat
    stand_in    (T,) effect dosage of a missing call; NaN: it is dropped
    """
    if not len(terms):
        return
    n_samples = sums.score_sum.shape[1]
    observed = observed_dosages(terms)
    score = context.rows.score[terms.row].astype(np.int64)
    of_zero, call_terms = _call_terms(context, terms, score, observed, stand_in)
    sums.score_offset += np.bincount(score, of_zero, len(sums.score_offset))
    single = sums.single_slots()
    kernels.add_calls(calls, n_samples, call_terms, sums.score_sum, sums.dosage[single:])
    sums.count_terms(single + score, observed[:, 0], terms.record_once)
    count_missing(calls, terms, single + score, stand_in, sums)


def observed_dosages(terms: Terms) -> Floats:
    """(T, 3) effect dosage of the calls 0, 1, 2."""
    return _OBSERVED[terms.is_ref.view(np.int8), terms.effect_type]


def stand_ins(
    context: TermContext, block: DosageBlock, calls: Bytes, terms: Terms, missing: Bools
) -> Floats:
    """(T,) effect dosage of a missing call of the term's first row; NaN: it is dropped, or (where
    not `missing`) there is none."""
    stand_in = np.full(len(terms), np.nan)
    if missing.any():
        chosen = terms.where(missing)
        counts = kernels.count_calls(calls, block.n_samples, chosen.call)
        in_cohort = _frequency_of_counts(counts, chosen.is_ref)
        frequency = frequencies_of(context, block, chosen, in_cohort)
        stand_in[missing] = missing_dosages(context.policy, chosen, frequency)
    return stand_in


def _frequency_of_counts(counts: Indices, is_ref: Bools) -> Floats:
    """(T,) effect allele frequency among diploid calls; NaN where nobody was called."""
    alleles = 2.0 * counts[:, :3].sum(axis=1)
    alternate = np.full(len(counts), np.nan)
    np.divide(counts[:, 1] + 2.0 * counts[:, 2], alleles, out=alternate, where=alleles > 0)
    return np.where(is_ref, 1.0 - alternate, alternate)


def _call_terms(
    context: TermContext, terms: Terms, score: Indices, observed: Floats, stand_in: Floats
) -> tuple[Floats, kernels.CallTerms]:
    """(what a call of 0 adds, what other calls add beyond it)."""
    dosages = np.column_stack([observed, np.nan_to_num(stand_in, nan=0.0)])
    added = dosages.T * context.rows.effect_weight[terms.row]
    return added[0], kernels.CallTerms(
        row=terms.call,
        score=score,
        one=added[1] - added[0],
        two=added[2] - added[0],
        missing=added[3] - added[0],
        dosages=small_dosages(observed),
    )


def small_dosages(observed: Floats) -> npt.NDArray[np.int8]:
    """(T, 3) what a call of 1, 2, missing adds to the dosage sum beyond a 0."""
    beyond = np.column_stack([observed[:, 1:], np.zeros(len(observed))]) - observed[:, :1]
    return beyond.astype(np.int8)


def count_missing(calls: Bytes, terms: Terms, slot: Indices, stand_in: Floats, sums: Sums) -> None:
    """Count missing calls into the slots (T,) of the terms, each record once."""
    n_samples = sums.dosage.shape[1]
    chosen = np.flatnonzero(terms.record_once)
    chosen = chosen[kernels.has_missing(calls, n_samples, terms.call[chosen])]
    for is_kept in (True, False):
        these = chosen[np.isnan(stand_in[chosen]) != is_kept]
        if len(these):
            into = sums.missing_calls(kept=is_kept)
            kernels.add_missing(calls, n_samples, terms.call[these], slot[these], into)
