"""One block into the sums: each term goes to the kernels for its kind of calls.

hard      diploid hard calls that count as they are written
imputed   the same of imputed dosages, additive
general   everything else
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.block import DosageBlock
from core.scoring import weighted_sum as kernels
from core.scoring.general_terms import add_general
from core.scoring.hard_terms import add_hard
from core.scoring.imputed_terms import add_imputed
from core.scoring.matching import BlockMatches
from core.scoring.policy import Ploidy
from core.scoring.sums import Sums
from core.scoring.terms import TermContext, Terms, terms_of

Bools = npt.NDArray[np.bool_]


def add_block(context: TermContext, block: DosageBlock, matches: BlockMatches, sums: Sums) -> Bools:
    """Add a block's matched rows to `sums`.

    Returns (M,) for the matches: a missing Y call belongs to a sample of unknown sex.
    """
    terms = terms_of(context, block, matches)
    plain = _is_plain(context, block, terms)
    add_hard(context, block, terms.take(plain).by_row(), sums)
    add_imputed(context, block, terms.take(plain).by_row(), sums)
    general = terms.take(~plain).by_row()
    sex_unknown = np.zeros(len(matches.row), bool)
    sex_unknown[general.match[add_general(context, block, general, sums)]] = True
    return sex_unknown


def _is_plain(context: TermContext, block: DosageBlock, terms: Terms) -> Bools:
    """(T,) diploid calls of one ALT row that count as they are written."""
    several_alts = block.column("n_alts").to_numpy()[terms.variant] > 1
    plain = terms.place == kernels.DIPLOID
    if context.policy.ploidy is Ploidy.OBSERVED:
        plain = terms.place != kernels.Y
    plain &= ~(terms.is_ref & several_alts)
    if block.hard_calls is None:
        plain &= terms.effect_type == kernels.ADDITIVE
    if block.ploidy is not None:
        plain &= (block.ploidy == 2).all(axis=1)[terms.variant]
    return plain
