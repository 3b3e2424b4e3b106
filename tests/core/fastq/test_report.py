"""The page of a file's quality: whole, without a network, and without a stranger's markup."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from core.fastq.encoding import find_encodings
from core.fastq.quality import file_facts, totals
from core.fastq.report import charts_of, report_html
from core.plots import svg_of
from tests.builders.fastq import Read, count, fastq_text, random_reads


def facts(path: Path, reads: list[Read], name: str = "reads.fastq") -> dict:
    counts = count(path, fastq_text(reads))
    (found,) = find_encodings({name: counts.qualities.sum(axis=0)}, stated=None)
    return {
        "is_paired": False,
        **totals([(counts, found)]),
        "files": [{"file": name, **file_facts(counts, found)}],
    }


def test_the_page_has_the_numbers_and_six_pictures_and_needs_nothing_else(tmp_path: Path) -> None:
    page = report_html(facts(tmp_path / "reads.fastq", random_reads(300)))
    assert page.count("<svg") == 6
    assert "<td>45,000</td>" in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//|@import|<script|<link", page)


def test_a_file_name_is_text(tmp_path: Path) -> None:
    page = report_html(facts(tmp_path / "r.fastq", random_reads(3), "<script>alert(1)</script>"))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("reads", [[Read("r", "", "")], random_reads(3, 2_000)], ids=["0", "2000"])
def test_reads_of_any_length_have_a_page(tmp_path: Path, reads: list[Read]) -> None:
    assert report_html(facts(tmp_path / "reads.fastq", reads)).count("<svg") == 6


def test_every_chart_is_a_picture_of_its_data(tmp_path: Path) -> None:
    curves = facts(tmp_path / "reads.fastq", random_reads(300))["files"][0]["curves"]
    for caption, chart in charts_of(curves):
        svg = ET.fromstring(svg_of(chart, caption))
        assert len(list(svg.iter("{http://www.w3.org/2000/svg}path"))) > 4, caption
