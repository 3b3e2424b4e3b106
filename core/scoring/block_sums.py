"""One block into the sums: each term goes to the kernels for its kind of calls.

hard      diploid hard calls that count as they are written
imputed   the same of imputed dosages, additive
general   everything else; nonadditive terms
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from core.genotypes.block import MISSING_CALL, DosageBlock
from core.scoring import weighted_sum as kernels
from core.scoring.alleles import read_only
from core.scoring.general_terms import add_general
from core.scoring.hard_calls import has_missing
from core.scoring.hard_terms import add_few, stand_ins
from core.scoring.imputed_terms import add_imputed
from core.scoring.many_terms import add_many
from core.scoring.matching import BlockMatches
from core.scoring.missing_calls import frequencies_differ
from core.scoring.policy import Ploidy
from core.scoring.rows import MANY_ROWS
from core.scoring.sums import Sums
from core.scoring.terms import TermContext, Terms, terms_of

Bools = npt.NDArray[np.bool_]
Calls = npt.NDArray[np.uint8]


def add_block(context: TermContext, block: DosageBlock, matches: BlockMatches, sums: Sums) -> Bools:
    """Add a block's matched rows to `sums`.

    Returns (M,) for the matches: a missing Y call belongs to a sample of unknown sex.
    """
    terms = terms_of(context, matches)
    is_plain = _is_plain(context, block, terms)
    sums_alts = terms.is_ref & (matches.sites.n_alts[terms.variant] > 1)
    if block.hard_calls is None:
        is_plain &= ~sums_alts & (terms.effect_type == kernels.ADDITIVE)
        add_imputed(context, block, terms.where(is_plain), sums)
    else:
        _add_hard(context, block, block.hard_calls, terms.where(is_plain & ~sums_alts), sums)
        summed = terms.where(is_plain & sums_alts)
        _add_hard(context, block, *_summed_alts(block, block.hard_calls, summed), sums)
    general = terms.where(~is_plain).by_row()
    sex_unknown = np.zeros(len(matches.row), bool)
    if len(general):
        sex_unknown[general.match[add_general(context, block, general, sums)]] = True
    return sex_unknown


def _is_plain(context: TermContext, block: DosageBlock, terms: Terms) -> Bools:
    """(T,) diploid calls that count as they are written, times one weight."""
    plain = terms.place == kernels.DIPLOID
    if context.policy.ploidy is Ploidy.OBSERVED:
        plain = terms.place != kernels.Y
    plain &= terms.effect_type != kernels.NONADDITIVE
    if block.ploidy is not None:
        plain &= (block.ploidy == 2).all(axis=1)[terms.variant]
    return plain


def _summed_alts(block: DosageBlock, calls: Calls, terms: Terms) -> tuple[Calls, Terms]:
    """Calls of any ALT of the term's record, as those of one ALT: 2 less them is REF's dosage."""
    if not len(terms):
        return calls, terms
    record, call = np.unique(block.record[terms.variant], return_inverse=True)
    summed = np.empty((len(record), block.n_samples), np.uint8)
    for at, number in enumerate(record.tolist()):
        first, last = np.searchsorted(block.record, [number, number + 1])
        alts = calls[first:last]
        summed[at] = np.where((alts == MISSING_CALL).any(axis=0), MISSING_CALL, alts.sum(axis=0))
    return summed, replace(terms, call=call.astype(np.int64))


def _add_hard(
    context: TermContext, block: DosageBlock, matrix: Calls, terms: Terms, sums: Sums
) -> None:
    """Add terms on diploid calls (rows, samples)."""
    if not len(terms):
        return
    calls = read_only(matrix.reshape(-1))
    missing = has_missing(calls, block.n_samples, terms.call)
    many = (
        terms.alone & (terms.n_rows >= MANY_ROWS) & ~(missing & frequencies_differ(context, terms))
    )
    together, few = terms.where(many), terms.where(~many).by_row()
    stand_in = stand_ins(context, block, calls, together, missing[many])
    add_many(context, calls, together, stand_in, sums)
    missing = np.repeat(missing[~many], terms.n_rows[~many])
    add_few(context, calls, few, stand_ins(context, block, calls, few, missing), sums)
