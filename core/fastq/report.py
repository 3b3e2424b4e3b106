"""The quality of reads as one HTML page that needs no network: numbers, and curves as SVG."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from core.plots import Chart, svg_of

Row = dict[str, Any]

_HEIGHT = 200
_BASE_COLOURS = {
    "A": "#2ca25f",
    "C": "#2b8cbe",
    "G": "#636363",
    "T": "#de2d26",
    "N": "#8856a7",
}
_MOST_POINTS = 300
"""Of a curve; of longer reads every second cycle is drawn, or every third, and so on."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { border-bottom: 1px solid #ddd; padding: .2rem .8rem .2rem 0; text-align: left }
figure { margin: 1.5rem 0 } figcaption { font-weight: 600 } svg { max-width: 100%; height: auto }
"""


def report_html(facts: Mapping[str, Any]) -> str:
    """The page of what jobs.summarise_reads found: `totals` and, of each file, `file_facts`."""
    sections = "".join(_section(file) for file in facts["files"])
    together = {name: fact for name, fact in facts.items() if name != "files"}
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Quality of reads</title><style>{_STYLE}</style></head>"
        f"<body><h1>Quality of reads</h1>{_table(together)}{sections}</body></html>\n"
    )


def _section(file: Mapping[str, Any]) -> str:
    encoding, duplication = file["quality_encoding"], file["duplication"]
    numbers = {
        **{name: fact for name, fact in file.items() if not isinstance(fact, (dict, list))},
        "quality_encoding": encoding["name"] + ("" if encoding["is_certain"] else " (likely)"),
        "duplication_rate": duplication["rate"],
        **{f"reads with {a['name']}": a["rate"] for a in file["adapters"]},
    }
    title = numbers.pop("file")
    charts = "".join(_figure(caption, chart) for caption, chart in charts_of(file["curves"]))
    return f"<h2>{escape(str(title))}</h2>{_table(numbers)}{charts}"


def _table(facts: Mapping[str, Any]) -> str:
    rows = (
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(_text(fact))}</td></tr>"
        for name, fact in facts.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _text(fact: object) -> str:
    match fact:
        case None:
            return "–"
        case bool():
            return "yes" if fact else "no"
        case int():
            return f"{fact:,}"
        case _:
            return str(fact)


def _figure(caption: str, chart: Chart) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg_of(chart, caption)}</figure>"


def charts_of(curves: Mapping[str, Any]) -> Sequence[tuple[str, Chart]]:
    """(caption, Vega-Lite specification) of each picture of a file's curves."""
    quality, content = curves["quality"], curves["content"]
    lengths = [{"x": x, "reads": n} for x, n in curves["lengths"]]
    return (
        ("Quality by cycle: mean, and the scores of the middle 50 and 80 %", _quality(quality)),
        ("Bases by cycle", _lines(content, "share of bases", tuple(_BASE_COLOURS.values()))),
        ("Reads in which an adapter has begun, by cycle", _lines(curves["adapters"], "share")),
        ("Reads by their percentage of G and C", _bars(_counted(curves["gc_percent"]), "% GC")),
        ("Reads by their mean quality", _bars(_counted(curves["mean_quality"]), "Phred score")),
        ("Reads by length", _bars(lengths, "bases")),
    )


def _quality(quality: Mapping[str, Sequence[float]]) -> Chart:
    rows = [dict(zip(("cycle", *quality), row, strict=True)) for row in _points(quality.values())]
    score = {"type": "quantitative", "title": "Phred score"}

    def band(low: str, high: str) -> Chart:
        y = {"field": low, **score}
        mark = {"type": "area", "opacity": 0.25, "color": "#2b8cbe"}
        return {"mark": mark, "encoding": {"x": _CYCLE, "y": y, "y2": {"field": high}}}

    mean = {"mark": "line", "encoding": {"x": _CYCLE, "y": {"field": "mean", **score}}}
    layers = [band("p10", "p90"), band("p25", "p75"), mean]
    return {"height": _HEIGHT, "data": {"values": rows}, "layer": layers}


_CYCLE: Chart = {"field": "cycle", "type": "quantitative"}


def _lines(
    curves: Mapping[str, Sequence[float]], title: str, colours: Sequence[str] | None = None
) -> Chart:
    rows: list[Row] = [
        {"cycle": cycle, "share": value, "curve": name}
        for cycle, *values in _points(curves.values())
        for name, value in zip(curves, values, strict=True)
    ]
    scale = {"domain": list(curves), **({"range": list(colours)} if colours else {})}
    encoding = {
        "x": _CYCLE,
        "y": {"field": "share", "type": "quantitative", "title": title},
        "color": {"field": "curve", "type": "nominal", "title": None, "scale": scale},
    }
    return {"height": _HEIGHT, "data": {"values": rows}, "mark": "line", "encoding": encoding}


def _bars(rows: Sequence[Row], title: str) -> Chart:
    encoding = {
        "x": {"field": "x", "type": "quantitative", "title": title},
        "y": {"field": "reads", "type": "quantitative"},
    }
    return {"height": _HEIGHT, "data": {"values": rows}, "mark": "bar", "encoding": encoding}


def _counted(histogram: Sequence[int]) -> list[Row]:
    return [{"x": x, "reads": n} for x, n in enumerate(histogram)]


def _points(curves: Iterable[Sequence[float]]) -> list[tuple[float, ...]]:
    """(cycle from 1, value of each curve), thinned out."""
    columns = list(curves)
    step = max(len(columns[0]) // _MOST_POINTS, 1)
    return [
        (cycle + 1, *(column[cycle] for column in columns))
        for cycle in range(0, len(columns[0]), step)
    ]
