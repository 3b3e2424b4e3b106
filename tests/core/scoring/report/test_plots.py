"""The plots of a report: bars as long as their numbers, whatever the numbers and names are."""

import re
import xml.etree.ElementTree as ET
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.scoring.matching import Status
from core.scoring.report.distribution import MIN_FOR_HISTOGRAM, Histogram, distribution_of
from core.scoring.report.plots import Panel, histograms_plot, rows_by_status

SVG = "{http://www.w3.org/2000/svg}"
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=60)
RECTANGLE = re.compile(r"M[^,]+,[^h]+h([^v]+)v([^h]+)h[^v]+Z")


def bars_in(svg: str) -> list[tuple[float, float]]:
    """Widths and heights of the filled rectangles, in the order of the plot."""
    paths = [path for path in ET.fromstring(svg).iter(f"{SVG}path") if path.get("fill")]
    found = [RECTANGLE.fullmatch(path.get("d") or "") for path in paths]
    return [(float(bar[1]), float(bar[2])) for bar in found if bar is not None]


def texts_in(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter(f"{SVG}text")]


def drawn(histogram: Histogram) -> str:
    return histograms_plot([Panel(histogram, "sum", "samples")], "Sums")


def test_bars_are_as_high_as_their_counts():
    bars = bars_in(drawn({"edges": [0.0, 0.5, 1.0, 1.5, 2.0], "counts": [1, 0, 4, 2]}))
    heights = [height for _, height in bars]
    assert np.array(heights) / max(heights) == pytest.approx([0.25, 1.0, 0.5])


def test_bins_that_differ_in_width_have_equal_bars_and_edges_with_names():
    svg = drawn({"edges": [0.0, 1e-50, 0.001, 0.5, 1.0], "counts": [3, 1, 2, 6]})
    bars = bars_in(svg)
    assert {round(width) for width, _ in bars} == {round(bars[0][0])}
    assert [height / bars[3][1] for _, height in bars] == pytest.approx([3 / 6, 1 / 6, 2 / 6, 1])
    assert {"0", "1e-50", "0.001", "0.5", "1"} <= set(texts_in(svg))


def test_whole_numbers_have_whole_numbers_on_their_axis():
    texts = texts_in(drawn({"edges": [0, 1, 2, 3], "counts": [9, 1, 1]}))
    assert {"0", "1", "2", "3"} <= set(texts)
    assert "0.5" not in texts


def test_what_has_no_value_is_not_drawn():
    empty: Histogram = {"edges": [0.0, 1.0], "counts": [0]}
    full: Histogram = {"edges": [0.0, 1.0], "counts": [1]}
    assert drawn(empty) == histograms_plot([], "Nothing") == ""
    svg = histograms_plot([Panel(empty, "r2", "ALTs"), Panel(full, "F", "samples")], "Both")
    assert "F" in texts_in(svg)
    assert "r2" not in texts_in(svg)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, st.integers(0, 60), elements=st.floats(width=64)))
def test_any_sums_are_drawn_or_have_no_histogram(sums: np.ndarray):
    found = distribution_of(sums)
    finite = sums[np.isfinite(sums)]
    if found is None or found["histogram"] is None:
        with np.errstate(over="ignore"):
            spread = np.ptp(finite) if len(finite) else 0.0
        assert len(finite) < MIN_FOR_HISTOGRAM or spread == 0 or np.isinf(spread)
        return
    counts = found["histogram"]["counts"]
    assert len(bars_in(drawn(found["histogram"]))) == np.count_nonzero(counts)


@pytest.mark.parametrize("sums", [[], [0.5], [np.nan] * 30, [0.25] * 30], ids=str)
def test_nobody_one_person_nothing_known_and_all_alike_have_no_histogram(sums: list[float]):
    found = distribution_of(np.array(sums))
    assert found is None or found["histogram"] is None


def score(accession: str, **shares: float) -> Any:
    fates = [{"status": Status(status), "share": share} for status, share in shares.items()]
    return cast("Any", {"accession": accession, "fates": fates})


def test_rows_of_each_score_are_a_bar_divided_by_what_became_of_them():
    bars = bars_in(
        rows_by_status([score("A", matched=0.75, unmatched=0.25), score("B", matched=1)])
    )
    widths = sorted(width for width, _ in bars if width > 20)
    assert np.array(widths) / widths[-1] == pytest.approx([0.25, 0.75, 1.0], rel=0.02)


def test_every_status_has_its_colour():
    shares = dict.fromkeys(map(str, Status), 1 / len(Status))
    texts = texts_in(rows_by_status([score("A", **shares)]))
    assert set(map(str, Status)) <= set(texts)


def test_names_that_begin_alike_and_never_end_have_bars_of_their_own():
    svg = rows_by_status([score("W" * 10**6 + end, matched=1) for end in "ab"])
    assert len([width for width, _ in bars_in(svg) if width > 20]) == 2


@settings(max_examples=25, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_any_accession_stands_beside_its_bar_and_is_only_text(names: list[str]):
    svg = rows_by_status([score(name, matched=1) for name in names])
    shown = texts_in(svg)
    assert all(any(text.startswith(name[:20]) for text in shown) for name in names)
    assert {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()} == {
        *("svg", "title", "desc", "g", "path", "line", "text")
    }
