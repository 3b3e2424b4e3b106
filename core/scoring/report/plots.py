"""The plots of a report, as SVG: what became of the rows of every score, and histograms."""

from collections.abc import Sequence
from itertools import pairwise

from core.plots import svg_of
from core.scoring.matching import Status
from core.scoring.report.distribution import Histogram
from core.scoring.report.schema import ScoreReport

MAX_PLOTTED_SCORES = 20
"""Of more scores, only so many get plots of their own, which take a fiftieth of a second each."""

_MAX_SCORES_IN_ONE_PLOT = 200
_HEIGHT = 140
_COLOURS = {
    Status.MATCHED: "#2a9d6f",
    Status.ASSUMED: "#4a90c2",
    Status.IMPUTED: "#8f7fc0",
    Status.EXCLUDED: "#d07f2f",
    Status.UNMATCHED: "#848d97",
}


def rows_by_status(scores: Sequence[ScoreReport]) -> str:
    """A bar for each score, divided by what became of its rows; of the first scores, if many."""
    shares = [
        {
            "score": score["accession"],
            "status": status,
            "place": place,
            "share": sum(fate["share"] for fate in score["fates"] if fate["status"] == status),
        }
        for score in scores[:_MAX_SCORES_IN_ONE_PLOT]
        for place, status in enumerate(_COLOURS)
    ]
    met = [
        status for status in _COLOURS if any(s["share"] for s in shares if s["status"] == status)
    ]
    chart = {
        "height": {"step": 18},
        "data": {"values": [share for share in shares if share["share"]]},
        "mark": "bar",
        "encoding": {
            "y": {"field": "score", "type": "nominal", "sort": None, "title": None},
            "x": {"field": "share", "type": "quantitative", "title": "share of rows"},
            "order": {"field": "place"},
            "color": {
                "field": "status",
                "type": "nominal",
                "title": None,
                "scale": {"domain": met, "range": [_COLOURS[status] for status in met]},
            },
        },
    }
    return svg_of(chart, "Rows of each score by what became of them")


def histogram_plot(histogram: Histogram, title: str, axis: str, counted: str) -> str:
    """A bar for each bin, whose area is its count: bins differ in width."""
    edges, counts = histogram["edges"], histogram["counts"]
    bins = [
        {"low": low, "high": high, "count": count, "density": count / (high - low)}
        for (low, high), count in zip(pairwise(edges), counts, strict=True)
    ]
    widths = [high - low for low, high in pairwise(edges)]
    alike = max(widths) - min(widths) <= 1e-6 * max(widths)
    chart = {
        "height": _HEIGHT,
        "data": {"values": bins},
        "mark": "bar",
        "encoding": {
            "x": {"field": "low", "type": "quantitative", "bin": {"binned": True}, "title": axis},
            "x2": {"field": "high"},
            "y": {
                "field": "count" if alike else "density",
                "type": "quantitative",
                "title": counted if alike else f"{counted} per unit",
            },
        },
    }
    described = f"A histogram from {edges[0]:.6g} to {edges[-1]:.6g}; its numbers are in the table."
    return svg_of(chart, title, described)
