"""Plots on pages: Vega-Lite specifications become SVG that asks nothing of a network.

Lines and text take the colour of the text around them, so that a plot is readable in the light
theme and in the dark one.
"""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

Chart = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

WIDTH = 560

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, which nothing asks for
_TEXT = "currentColor"
_CONFIG: Chart = {
    "aria": False,  # the marks of an image are not read out; their names are a third of its bytes
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


_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""All but Char of XML 1.0 (2.2). The library ends the process where a text to draw has one."""


def svg_of(chart: Chart, title: str, description: str = "") -> str:
    """The picture of a specification, as an `<svg>` element that says what it shows. Characters
    that no XML may have are drawn as U+FFFD."""
    import vl_convert  # noqa: PLC0415 - a JavaScript engine, which nothing but a page needs

    spec = {"$schema": _SCHEMA, "width": WIDTH, "background": None, "config": _CONFIG, **chart}
    svg = vl_convert.vegalite_to_svg(_drawable(spec), allowed_base_urls=[])
    start, _, content = svg.partition(">")
    name, said = (escape(_drawable(text)) for text in (title, description or title))
    head = f"<title>{name}</title><desc>{said}</desc>"
    return f'{start} role="img" aria-label="{name}">{head}{content}'


def _drawable(value: Any) -> Any:
    """The same JSON without what cannot stand in XML."""
    if isinstance(value, str):
        return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {_drawable(key): _drawable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_drawable(item) for item in value]
    return value
