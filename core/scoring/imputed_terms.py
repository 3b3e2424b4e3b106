"""Terms on imputed dosages of autosomes: additive, diploid, straight from the block's float32."""

from typing import cast

import numpy as np
import numpy.typing as npt

from core.genotypes.block import DosageBlock
from core.scoring import imputed_dosages as kernels
from core.scoring.missing_calls import frequencies_of, missing_dosages
from core.scoring.sums import Sums
from core.scoring.terms import TermContext, Terms

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def add_imputed(context: TermContext, block: DosageBlock, terms: Terms, sums: Sums) -> None:
    """Add additive terms of single rows on imputed dosages of ploidy 2."""
    if block.hard_calls is not None or not len(terms):
        return
    dosages = cast("kernels.Dosages", block.dosage)
    bits = dosages.view(np.int32)
    missing = kernels.has_missing(bits, terms.variant)
    stand_in = _stand_ins(context, block, dosages, terms, missing)
    score = context.rows.score[terms.row].astype(np.int64)
    weight = context.rows.effect_weight[terms.row]
    # REF's dosage is 2 - ALT's
    sign, of_zero = np.where(terms.is_ref, -1.0, 1.0), np.where(terms.is_ref, 2.0, 0.0)
    dosage_terms = kernels.DosageTerms(
        row=terms.variant,
        score=score,
        weight=sign * weight,
        sign=sign,
        missing=(np.nan_to_num(stand_in, nan=0.0) - of_zero) * weight,
        missing_dosage=-of_zero,
    )
    single = sums.single_slots()
    into = sums.imputed_dosages()[single:]
    kernels.add_dosages(dosages, bits, dosage_terms, sums.score_sum, into)
    sums.score_offset += np.bincount(score, of_zero * weight, len(sums.score_offset))
    once = terms.record_once
    sums.count_terms(single + score, of_zero, once)
    for is_kept in (True, False):
        chosen = missing & once & (np.isnan(stand_in) != is_kept)
        if chosen.any():
            counts = sums.missing_calls(kept=is_kept)
            kernels.add_missing(bits, terms.variant[chosen], single + score[chosen], counts)


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
        chosen = terms.take(missing)
        alternate = kernels.frequencies(dosages, chosen.variant)
        in_cohort = np.where(chosen.is_ref, 1.0 - alternate, alternate)
        frequency = frequencies_of(context, block, chosen, in_cohort)
        stand_in[missing] = missing_dosages(context.policy, chosen, frequency)
    return stand_in
