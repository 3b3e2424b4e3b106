"""Pictures of specifications: complete, inert, and the same bytes in every process."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.plots import svg_of

SVG = "{http://www.w3.org/2000/svg}"
BARS = {
    "data": {"values": [{"name": "a", "n": 3}, {"name": "b", "n": 5}]},
    "mark": "bar",
    "encoding": {
        "x": {"field": "n", "type": "quantitative"},
        "y": {"field": "name", "type": "nominal"},
    },
}


def test_a_picture_says_what_it_is_and_its_text_is_text() -> None:
    svg = svg_of(BARS, "Bars", "Two bars.")
    root = ET.fromstring(svg)
    assert (root.get("role"), root.get("aria-label")) == ("img", "Bars")
    assert [element.tag for element in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert [element.text for element in root][:2] == ["Bars", "Two bars."]
    assert {"a", "b"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_a_picture_takes_the_colour_of_the_text_around_it_and_has_no_style_of_its_own() -> None:
    root = ET.fromstring(svg_of(BARS, "Bars"))
    assert {text.get("fill") for text in root.iter(f"{SVG}text")} == {"currentColor"}
    assert not [e for e in root.iter() if e.tag in (f"{SVG}style", f"{SVG}script", f"{SVG}image")]
    assert not [e for e in root.iter() if e.get("style") or e.get("id") or e.get("href")]


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=40))
def test_any_title_is_shown_as_it_is(title: str) -> None:
    root = ET.fromstring(svg_of(BARS, title, title))
    assert root.get("aria-label") == title
    assert "".join(root.findtext(f"{SVG}title") or "") == title


@pytest.mark.parametrize("character", ["\0", "\x01", "\x1b", "\ud800", "\uffff"], ids=ascii)
def test_what_no_xml_may_have_is_replaced_and_ends_no_process(character: str) -> None:
    bars = {**BARS, "data": {"values": [{"name": f"a{character}b", "n": 3}]}}
    root = ET.fromstring(svg_of(bars, character))
    assert root.get("aria-label") == "\N{REPLACEMENT CHARACTER}"
    assert "a\N{REPLACEMENT CHARACTER}b" in [text.text for text in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/data.json", "https://127.0.0.1:9/data.json"])
def test_data_is_asked_of_nobody(url: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        svg_of({**BARS, "data": {"url": url}}, "Bars")


def test_another_process_draws_the_same_bytes() -> None:
    program = (
        "import sys; from core.plots import svg_of; from tests.core.test_plots import BARS;"
        "sys.stdout.write(svg_of(BARS, 'Bars'))"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert run.stdout.decode() == svg_of(BARS, "Bars") == svg_of(BARS, "Bars")
