"""Numbers of many samples in few: mean, quantiles and a histogram."""

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
MIN_FOR_HISTOGRAM = 20
_MAX_BINS = 40


class Quantile(TypedDict):
    share: float
    value: float


class Histogram(TypedDict):
    """`counts[i]` values v have edges[i] <= v < edges[i + 1]; the last bin has its upper edge,
    too."""

    edges: Sequence[float]
    counts: Sequence[int]


class Distribution(TypedDict):
    """Of `n` samples. The standard deviation is the sample's (n - 1), null for one value; quantiles
    are interpolated linearly; there is no histogram of fewer than MIN_FOR_HISTOGRAM values, nor of
    equal ones."""

    n: int
    mean: float
    standard_deviation: float | None
    quantiles: list[Quantile]
    histogram: Histogram | None


def distribution_of(values: npt.NDArray[Any]) -> Distribution | None:
    """Of the finite ones of (n,) numbers, whole or not; None where there are none."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # an infinity says that there is no number
        found = np.quantile(values, QUANTILES).tolist()
        mean, deviation = float(values.mean()), float(values.std(ddof=min(1, len(values) - 1)))
    return {
        "n": len(values),
        "mean": mean,
        "standard_deviation": deviation if len(values) > 1 else None,
        "quantiles": [
            {"share": share, "value": value} for share, value in zip(QUANTILES, found, strict=True)
        ],
        "histogram": _histogram(values, found[0], found[-1]),
    }


def _histogram(values: npt.NDArray[Any], least: float, greatest: float) -> Histogram | None:
    if len(values) < MIN_FOR_HISTOGRAM or not 0 < greatest - least < math.inf:
        return None
    if np.issubdtype(values.dtype, np.integer):
        edges = _whole_edges(int(least), int(greatest))
    else:
        n_bins = min(_MAX_BINS, math.ceil(math.sqrt(len(values))))
        with np.errstate(over="ignore"):  # of the last edge, which is replaced by `greatest`
            edges = np.linspace(least, greatest, n_bins + 1)
    counts, _ = np.histogram(values, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _whole_edges(least: int, greatest: int) -> npt.NDArray[np.int64]:
    """Bins of equally many whole numbers each; the last edge is beyond the greatest."""
    width = math.ceil((greatest - least + 1) / _MAX_BINS)
    n_bins = math.ceil((greatest - least + 1) / width)
    return least + width * np.arange(n_bins + 1)
