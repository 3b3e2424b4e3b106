"""Plots on pages: Vega-Lite specifications become SVG that asks nothing of a network.

Lines and text take the colour of the text around them, so that a plot is readable in the light
theme and in the dark one.
"""

from html import escape
from typing import Any

Chart = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

WIDTH = 560

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, which nothing asks for
_TEXT = "currentColor"
_CONFIG: Chart = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "bar": {"color": "#2b8cbe"},
    "line": {"color": "#2b8cbe"},
    "axis": {
        **{f"{part}Color": _TEXT for part in ("domain", "grid", "label", "tick", "title")},
        "gridOpacity": 0.15,
        "labelLimit": 240,
    },
    "legend": {"labelColor": _TEXT, "titleColor": _TEXT},
}


def svg_of(chart: Chart, title: str, description: str = "") -> str:
    """The picture of a specification, as an `<svg>` element that says what it shows."""
    import vl_convert  # noqa: PLC0415 - a JavaScript engine, which nothing but a page needs

    svg = vl_convert.vegalite_to_svg(
        {"$schema": _SCHEMA, "width": WIDTH, "background": None, "config": _CONFIG, **chart},
        allowed_base_urls=[],
    )
    start, _, content = svg.partition(">")
    said = f"<title>{escape(title)}</title><desc>{escape(description or title)}</desc>"
    return f'{start} role="img" aria-label="{escape(title)}">{said}{content}'
