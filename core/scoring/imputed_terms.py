"""Terms on imputed dosages of autosomes: additive, diploid, straight from the block's float32."""

from typing import cast

import numpy as np
import numpy.typing as npt

from core.genotypes.block import DosageBlock
from core.scoring import imputed_dosages as kernels
from core.scoring import many_scores
from core.scoring.missing_calls import frequencies_differ, frequencies_of, missing_dosages
from core.scoring.sums import Sums
from core.scoring.terms import TermContext, Terms

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def add_imputed(context: TermContext, block: DosageBlock, terms: Terms, sums: Sums) -> None:
    """Add additive terms on imputed dosages of ploidy 2."""
    if not len(terms):
        return
    dosages = cast("kernels.Dosages", block.dosage)
    missing = kernels.has_missing(dosages.view(np.int32), terms.variant)
    is_set = context.rows.patterns.score_set[terms.pattern] >= 0
    many = terms.alone & is_set & ~(missing & frequencies_differ(context, terms))
    for chosen, add in ((many, _add_many), (~many, _add_few)):
        some = terms.where(chosen)
        absent = missing[chosen]
        if add is _add_few:
            some, absent = some.by_row(), np.repeat(absent, some.n_rows)
        if len(some):
            stand_in = _stand_ins(context, block, dosages, some, absent)
            add(context, dosages, some, stand_in, sums)


def _add_few(
    context: TermContext,
    dosages: kernels.Dosages,
    terms: Terms,
    stand_in: Floats,
    sums: Sums,
) -> None:
    """Terms of single rows; `stand_in` (T,) is the dosage of a missing call, NaN: dropped."""
    sign, of_zero = _signs(terms)
    score = context.rows.score[terms.row].astype(np.int64)
    weight = context.rows.effect_weight[terms.row]
    beyond = np.nan_to_num(stand_in, nan=0.0) - of_zero
    scored = kernels.DosageTerms(terms.variant, score, sign * weight, beyond * weight)
    kernels.add_dosages(dosages, dosages.view(np.int32), scored, sums.score_sum)
    sums.score_offset += np.bincount(score, of_zero * weight, len(sums.score_offset))
    _add_dosage_sums(dosages, terms, sums.single_slots() + score, stand_in, sums)


def _add_many(
    context: TermContext,
    dosages: kernels.Dosages,
    terms: Terms,
    stand_in: Floats,
    sums: Sums,
) -> None:
    """Terms of a set of scores each."""
    sign, of_zero = _signs(terms)
    beyond = np.nan_to_num(stand_in, nan=0.0) - of_zero
    weight, score = context.rows.effect_weight, context.rows.score
    many = many_scores.ManyDosages(terms.variant, terms.row, terms.n_rows, sign, beyond)
    n_tile = many_scores.samples_per_tile(len(sums.score_sum))
    bits = dosages.view(np.int32)
    many_scores.add_dosages(dosages, bits, many, weight, score, n_tile, sums.score_sum)
    many_scores.add_to_everyone(of_zero, terms.row, terms.n_rows, weight, score, sums.score_offset)
    slot = context.rows.patterns.score_set[terms.pattern]
    _add_dosage_sums(dosages, terms, slot, stand_in, sums)


def _signs(terms: Terms) -> tuple[Floats, Floats]:
    """(what a dosage of ALT is multiplied with, the effect dosage of 0): REF's is 2 - ALT's."""
    return np.where(terms.is_ref, -1.0, 1.0), np.where(terms.is_ref, 2.0, 0.0)


def _add_dosage_sums(
    dosages: kernels.Dosages, terms: Terms, slot: Indices, stand_in: Floats, sums: Sums
) -> None:
    """Dosage sums, records and missing calls of the slots (T,) of terms."""
    sign, of_zero = _signs(terms)
    bits = dosages.view(np.int32)
    summed = kernels.DosageTerms(terms.variant, slot, sign, -of_zero)
    kernels.add_dosages(dosages, bits, summed, sums.imputed_dosages())
    sums.count_terms(slot, of_zero, terms.record_once)
    chosen = np.flatnonzero(terms.record_once)
    chosen = chosen[kernels.has_missing(bits, terms.variant[chosen])]
    for is_kept in (True, False):
        these = chosen[np.isnan(stand_in[chosen]) != is_kept]
        if len(these):
            counts = sums.missing_calls(kept=is_kept)
            kernels.add_missing(bits, terms.variant[these], slot[these], counts)


def _stand_ins(
    context: TermContext,
    block: DosageBlock,
    dosages: kernels.Dosages,
    terms: Terms,
    missing: Bools,
) -> Floats:
    """(T,) effect dosage of a missing call; NaN: it is dropped, or (where not `missing`) there is
    none."""
    stand_in = np.full(len(terms), np.nan)
    if missing.any():
        chosen = terms.where(missing)
        alternate = kernels.frequencies(dosages, chosen.variant)
        in_cohort = np.where(chosen.is_ref, 1.0 - alternate, alternate)
        frequency = frequencies_of(context, block, chosen, in_cohort)
        stand_in[missing] = missing_dosages(context.policy, chosen, frequency)
    return stand_in
