"""Coverage: how much of a score the genotypes could answer, by rows and by weight."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Coverage:
    """`count` is matched rows over all rows of the scoring file, `weight` the same over |weight|;
    rows that no one can score stay in both denominators (a row without one weight has none of
    the mass). `reasons` counts the rows left out."""

    n_rows: int
    n_matched: int
    n_excluded: int
    n_unmatched: int
    count: float
    weight: float
    reasons: Mapping[str, int]


def coverage_of(rows: pa.Table) -> Coverage:
    """Of one scoring file: `rows` is its part of a run's match table."""
    status = rows.column("status")
    matched = pc.equal(status, "matched").to_numpy()
    weight = np.abs(pc.fill_null(rows.column("effect_weight"), 0.0).to_numpy())
    reasons = pc.value_counts(rows.filter(pa.array(~matched)).column("reason")).to_pylist()
    n_matched, n_rows = int(matched.sum()), len(rows)
    return Coverage(
        n_rows=n_rows,
        n_matched=n_matched,
        n_excluded=int(pc.sum(pc.equal(status, "excluded")).as_py() or 0),
        n_unmatched=int(pc.sum(pc.equal(status, "unmatched")).as_py() or 0),
        count=n_matched / n_rows if n_rows else 0.0,
        weight=float(weight[matched].sum() / weight.sum()) if weight.sum() > 0 else 0.0,
        reasons={pair["values"]: pair["counts"] for pair in reasons},
    )
