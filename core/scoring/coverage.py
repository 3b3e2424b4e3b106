"""Coverage: how much of a score the genotypes could answer, by rows and by weight."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.scoring.matching import REFERENCE_CALL_TYPES
from core.words import is_said, words_of

MANY_ABSENT = 0.1
"""Share of a score's rows at sites that the genotypes have no record of, from which on a reader
must be told what that means for the number."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """`count` is matched rows over all rows of the scoring file, `weight` the same over |weight|;
    rows that no one can score stay in both denominators (a row without one weight has none of
    the mass). `reasons` counts the rows left out. Of the matched rows, `n_from_reference` are
    answered by records that have no ALT (match types ref_only and ref_block). `n_assumed` rows
    count as reference and `n_imputed` rows as missing calls, without a record; neither are any of
    the matched."""

    n_rows: int
    n_matched: int
    n_excluded: int
    n_unmatched: int
    count: float
    weight: float
    reasons: Mapping[str, int]
    n_from_reference: int = 0
    n_assumed: int = 0
    n_imputed: int = 0

    @property
    def count_with_assumed(self) -> float:
        """Matched and assumed rows over all rows."""
        return (self.n_matched + self.n_assumed) / self.n_rows if self.n_rows else 0.0


def coverage_of(rows: pa.Table) -> Coverage:
    """Of one scoring file: `rows` is its part of a run's match table."""
    status = words_of(rows.column("status"))
    matched, excluded, unmatched, assumed, imputed = (
        is_said(status, partial(pc.equal, word))
        for word in ("matched", "excluded", "unmatched", "assumed", "imputed")
    )
    from_reference = is_said(
        words_of(rows.column("match_type")),
        partial(pc.is_in, value_set=pa.array(REFERENCE_CALL_TYPES)),
    )
    weight = np.abs(pc.fill_null(rows.column("effect_weight"), 0.0).to_numpy())
    left_out = pa.array(~matched & ~assumed & ~imputed)
    reasons = pc.value_counts(rows.column("reason").filter(left_out)).to_pylist()
    n_matched, n_rows = int(matched.sum()), len(rows)
    return Coverage(
        n_rows=n_rows,
        n_matched=n_matched,
        n_excluded=int(excluded.sum()),
        n_unmatched=int(unmatched.sum()),
        count=n_matched / n_rows if n_rows else 0.0,
        weight=float(weight[matched].sum() / weight.sum()) if weight.sum() > 0 else 0.0,
        reasons={pair["values"]: pair["counts"] for pair in reasons},
        n_from_reference=int((matched & from_reference).sum()),
        n_assumed=int(assumed.sum()),
        n_imputed=int(imputed.sum()),
    )
