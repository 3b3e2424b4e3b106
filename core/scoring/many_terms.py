"""Terms of many scores on diploid hard calls, which are summed for all of their scores at once."""

import numpy as np
import numpy.typing as npt

from core.scoring import many_scores as kernels
from core.scoring.hard_calls import add_dosages, count_calls
from core.scoring.hard_terms import count_missing, observed_dosages, small_dosages
from core.scoring.sums import Sums
from core.scoring.terms import TermContext, Terms

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def add_many(
    context: TermContext, calls: Bytes, terms: Terms, stand_in: Floats, sums: Sums
) -> None:
    """Add terms none of whose scores has another term on the record.

    calls       the block's hard calls, flat
    stand_in    (T,) effect dosage of a missing call, for all scores of the term; NaN: dropped
    """
    if not len(terms):
        return
    n_samples = sums.score_sum.shape[1]
    counts = count_calls(calls, n_samples, terms.call)
    observed = observed_dosages(terms)
    slot = context.rows.patterns.score_set[terms.pattern]
    many = _many_terms(terms, counts, observed, stand_in, by_row=slot < 0)
    weight, score = context.rows.effect_weight, context.rows.score
    dosages = np.zeros((0, 0), np.int32)
    if many.by_row.any():
        single = sums.single_slots()  # makes them in a new array
        dosages = sums.dosage[single:]
    n_tile = kernels.samples_per_tile(len(sums.score_sum))
    kernels.add_to_everyone(
        many.everyone, many.first, many.n_rows, weight, score, sums.score_offset
    )
    kernels.add_calls(calls, n_samples, many, weight, score, n_tile, sums.score_sum, dosages)
    _add_set_dosages(calls, terms, slot, observed, sums)
    of, slots = _slots(context, terms, slot, sums)
    # The dosages of a set are counted from a call of 0, the others from the common call
    of_everyone = np.where(
        many.by_row, observed[np.arange(len(terms)), many.common], observed[:, 0]
    )
    each = terms.take(of)
    sums.count_terms(slots, of_everyone[of], each.record_once)
    count_missing(calls, each, slots, stand_in[of], sums)


def _many_terms(
    terms: Terms, counts: Indices, observed: Floats, stand_in: Floats, *, by_row: Bools
) -> kernels.ManyTerms:
    common = np.where(counts[:, 2] > counts[:, 0], 2, 0)
    dosages = np.column_stack([observed, np.nan_to_num(stand_in, nan=0.0)])
    everyone = np.take_along_axis(dosages, common[:, None], axis=1)
    summed = np.column_stack([observed, np.zeros(len(observed))])
    return kernels.ManyTerms(
        row=terms.call,
        first=terms.row,
        n_rows=terms.n_rows,
        common=common,
        everyone=everyone[:, 0].copy(),
        times=dosages - everyone,
        dosage=(summed - everyone).astype(np.int32),
        by_row=by_row,
    )


def _add_set_dosages(
    calls: Bytes, terms: Terms, slot: Indices, observed: Floats, sums: Sums
) -> None:
    """Dosage sums of terms whose scores are a set: once for all of them."""
    in_set = np.flatnonzero(slot >= 0)
    in_set = in_set[np.argsort(slot[in_set], kind="stable")]
    small = small_dosages(observed[in_set])
    n_samples = sums.dosage.shape[1]
    add_dosages(calls, n_samples, terms.call[in_set], slot[in_set], small, sums.dosage)


def _slots(
    context: TermContext, terms: Terms, slot: Indices, sums: Sums
) -> tuple[Indices, Indices]:
    """(term, slot): that of the set, or those of each score by itself."""
    in_set, alone = np.flatnonzero(slot >= 0), np.flatnonzero(slot < 0)
    if not len(alone):
        return in_set, slot[in_set]
    n_rows = terms.n_rows[alone]
    first = terms.row[alone] - (np.cumsum(n_rows) - n_rows)
    row = np.repeat(first, n_rows) + np.arange(n_rows.sum())
    single = sums.single_slots() + context.rows.score[row].astype(np.int64)
    return np.append(in_set, np.repeat(alone, n_rows)), np.append(slot[in_set], single)
