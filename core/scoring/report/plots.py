"""The plots of a report, as SVG: what became of the rows of every score, and histograms."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from core.plots import Chart, svg_of
from core.scoring.matching import Status
from core.scoring.report.distribution import Histogram
from core.scoring.report.schema import ScoreReport

MAX_PLOTTED_SCORES = 10
"""Of more scores, only so many have histograms: those of one take 22 kB, their numbers included."""

MAX_BARS = 200
"""Of more scores, only so many are in the plot of all."""

_PANEL_WIDTH, _PANEL_HEIGHT = 230, 100
_SAME_WIDTH = 1e-6
_MAX_NAME = 60
_COLOURS = {
    Status.MATCHED: "#2a9d6f",
    Status.ASSUMED: "#4a90c2",
    Status.IMPUTED: "#8f7fc0",
    Status.EXCLUDED: "#d07f2f",
    Status.UNMATCHED: "#848d97",
}


def rows_by_status(scores: Sequence[ScoreReport]) -> str:
    """A bar for each score, divided by what became of its rows; of the first MAX_BARS."""
    shares = [
        {
            "score": _short(score["accession"], number),
            "status": status,
            "place": place,
            "share": sum(fate["share"] for fate in score["fates"] if fate["status"] == status),
        }
        for number, score in enumerate(scores[:MAX_BARS], 1)
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


def _short(accession: str, number: int) -> str:
    """Still another for each score. The width of a text takes a time that grows with the square of
    its length."""
    if len(accession) <= _MAX_NAME:
        return accession
    return f"{accession[:_MAX_NAME]}… (score {number})"


class Panel(NamedTuple):
    """A histogram, what its values are, and what its counts count."""

    histogram: Histogram
    values: str
    counted: str


def histograms_plot(panels: Sequence[Panel], title: str) -> str:
    """Histograms beside each other, each with axes of its own; those without a value are left
    out, and nothing is drawn where that is all of them."""
    filled = [panel for panel in panels if any(panel.histogram["counts"])]
    if not filled:
        return ""
    chart = {"columns": 2, "spacing": 24, "concat": [_panel(*panel) for panel in filled]}
    named = ", ".join(panel.values for panel in filled)
    return svg_of(chart, title, f"Histograms ({named}); their numbers are in tables.")


def _panel(histogram: Histogram, values: str, counted: str) -> Chart:
    """A bar for each bin that is not empty."""
    edges, counts = histogram["edges"], histogram["counts"]
    is_even = _is_even(edges)
    places = edges if is_even else range(len(edges))
    bins = [
        {"low": low, "high": high, "count": count}
        for (low, high), count in zip(pairwise(places), counts, strict=True)
        if count
    ]
    x = {
        "field": "low",
        "type": "quantitative",
        "bin": {"binned": True},
        "scale": {"domain": [places[0], places[-1]], "nice": False},
        "title": values,
        "axis": _even_axis(edges) if is_even else _named_axis(edges),
    }
    y = {"field": "count", "type": "quantitative", "title": counted, "axis": {"tickCount": 3}}
    encoding = {"x": x, "x2": {"field": "high"}, "y": y}
    size = {"width": _PANEL_WIDTH, "height": _PANEL_HEIGHT}
    return {**size, "data": {"values": bins}, "mark": "bar", "encoding": encoding}


def _is_even(edges: Sequence[float]) -> bool:
    widths = [high - low for low, high in pairwise(edges)]
    return max(widths) - min(widths) <= _SAME_WIDTH * max(widths)


def _even_axis(edges: Sequence[float]) -> Chart:
    is_whole = all(isinstance(edge, int) for edge in edges)
    return {"grid": False, "tickCount": 5} | ({"tickMinStep": 1} if is_whole else {})


def _named_axis(edges: Sequence[float]) -> Chart:
    """Of bins that differ in width: their bars do not, or those of a call rate near 1 and of a
    small p could not be seen; the edges are names of the places 0, 1, 2 …"""
    names = json.dumps([f"{edge:g}" for edge in edges])
    return {
        "grid": False,
        "values": list(range(len(edges))),
        "labelExpr": f"{names}[datum.value]",
        "labelOverlap": True,
        "labelSeparation": 4,
    }
