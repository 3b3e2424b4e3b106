"""Where the bars of the report's plots are; the page's template draws them.

Shapes without colours or scripts: the page's style gives them those of the reader's theme.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from core.scoring.report.distribution import Histogram
from core.scoring.report.schema import Fate

PLOT_WIDTH, PLOT_HEIGHT = 640, 160


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle in units of the plot, y from the top, and what it says."""

    x: float
    y: float
    width: float
    height: float
    label: str


def histogram_bars(histogram: Histogram) -> list[Bar]:
    """A bar for each bin that is not empty; the area of a bar is its count."""
    edges, counts = histogram["edges"], histogram["counts"]
    span = edges[-1] - edges[0]
    places = [PLOT_WIDTH * (edge - edges[0]) / span for edge in edges]
    heights = _heights(edges, counts)
    return [
        Bar(
            x=round(left, 2),
            y=round(PLOT_HEIGHT - height, 2),
            width=round(right - left, 2),
            height=round(height, 2),
            label=f"{low:.6g} to {high:.6g}: {count}",
        )
        for left, right, height, low, high, count in zip(
            *(places[:-1], places[1:], heights, edges[:-1], edges[1:], counts), strict=True
        )
        if count
    ]


def _heights(edges: Sequence[float], counts: Sequence[int]) -> list[float]:
    """Counts over widths of bins, the greatest as high as the plot."""
    densities = [
        count / (high - low) for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    top = max(densities)
    return [PLOT_HEIGHT * density / top if top else 0.0 for density in densities]


def fate_segments(fates: Sequence[Fate]) -> list[Bar]:
    """The rows of a scoring file as one bar, divided by what became of them."""
    widths = [PLOT_WIDTH * fate["share"] for fate in fates]
    starts = accumulate(widths, initial=0.0)
    return [
        Bar(round(start, 2), 0, round(width, 2), 24, f"{_name(fate)}: {fate['n_rows']} rows")
        for start, width, fate in zip(starts, widths, fates, strict=False)
    ]


def _name(fate: Fate) -> str:
    return fate["status"] if fate["reason"] is None else f"{fate['status']}, {fate['reason']}"
