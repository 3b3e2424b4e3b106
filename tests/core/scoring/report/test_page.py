"""The page: whole, inert, alone, and without a number that the facts do not have."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.scoring.report.page import page_of
from core.scoring.report.plots import MAX_BARS, MAX_PLOTTED_SCORES
from core.scoring.report.quality import OF_A_FILE, GenotypeQuality
from core.scoring.report.schema import QualitySample, QualitySamples
from tests.builders.cohort_run import run_scoring, write_run_report
from tests.builders.report_page import Page, numbers_in, parse_page
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import Record, vcf_text, write_vcf

HOSTILE = "<img src=x onerror=alert(1)>"
CALLS = ["0/0", "0/1", "1/1", "./."]
METADATA = {
    "n_variants": 3,
    "ti_tv": 2.125,
    "call_rate": 0.875,
    "variants_by_type": {"snv": 3, HOSTILE: 7},
    "quality": {
        "samples": {
            "inferred_sex": {"male": 11, "female": 13},
            "call_rate_quantiles": {"shares": [0.0, 1.0], "values": [0.25, 0.75]},
            "call_rate": {"edges": [0.0, 0.9, 1.0], "counts": [17, 19], "n_undefined": 23},
        },
        "person": None,
    },
}

OUTLIER: QualitySample = {
    "sample_id": HOSTILE,
    "call_rate": 0.625,
    "het_hom_ratio": 3.75,
    "ti_tv": None,
    "n_singletons": 29,
    "heterozygosity_f": -0.4375,
    "inferred_sex": "unknown",
    "sex_reason": "no_x_evidence",
    "contamination_hint": "high_heterozygosity",
    "contamination_reason": "cohort_f",
}
OUTLIERS: QualitySamples = {
    "which": "heterozygosity_outliers",
    "n_samples": 31,
    "samples": [OUTLIER],
}
QUALITY = GenotypeQuality(METADATA, OUTLIERS, f"{HOSTILE} is why.")


def report_in(folder: Path, n_samples: int = 40, sample: str = "S") -> tuple[str, dict[str, Any]]:
    """page, facts: of a run with matched, excluded, absent rows and a refused file."""
    samples = [f"{sample}{at}" for at in range(n_samples)]
    calls = [CALLS[at % 4] for at in range(n_samples)]
    records = [Record("1", 100, calls), Record("1", 200, calls[::-1], ref="A", alt="T")]
    rows = [Row("1", position, "G", "A", 0.37) for position in (100, 300, 400)]
    rows.append(Row("1", 200, "T", "A", 0.11))
    header = {
        "pgs_name": f'"{HOSTILE}',
        "trait_reported": HOSTILE,
        "license": f"</dd><script>alert(1)</script>{HOSTILE}",
        "citation": f"javascript:alert(1) doi:10.1234/x'onclick='alert(1) {HOSTILE}",
    }
    good = write_scoring_file(folder / f"good{HOSTILE}.txt", rows, accession=HOSTILE, header=header)
    bad = folder / f"bad{HOSTILE}.txt"
    bad.write_text(f"{HOSTILE}\n1\n")
    vcf = write_vcf(folder / f"{HOSTILE}.vcf", vcf_text(records, samples=samples))
    run_scoring(Path(vcf), [good, bad], folder / "out")
    facts = write_run_report(vcf, folder / "out", QUALITY)
    return (folder / "out/report.html").read_text(encoding="utf-8"), facts


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, dict[str, Any], str]:
    html, facts = report_in(tmp_path_factory.mktemp("report"), sample=HOSTILE)
    return parse_page(html), facts, html


def test_every_number_of_the_facts_is_on_the_page(report):
    page, facts, _ = report
    assert numbers_in(facts) - page.numbers == set()


def test_the_page_is_made_from_the_facts_alone(report):
    _, facts, html = report
    assert page_of(facts) == html


def test_hostile_names_are_shown_and_do_nothing(report):
    page, _, html = report
    assert page.names() & {"script", "img", "iframe", "object", "form", "link", "base"} == set()
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.text.count(HOSTILE) > 40
    assert HOSTILE not in html


def test_nothing_is_loaded_and_links_lead_to_the_publication_only(report):
    page, _, html = report
    links = [(tag, name, value) for tag, attrs in page.tags for name, value in attrs.items()]
    assert {name for _, name, _ in links} & {
        "src",
        "srcset",
        "xlink:href",
        "data",
        "action",
    } == set()
    targets = [value for _, name, value in links if name == "href"]
    assert [t for t in targets if not t.startswith("#")] == [
        "https://doi.org/10.1234/x%27onclick%3D%27alert%281"
    ]
    assert not re.search(r"@import|url\(", html)
    assert ("meta", "http-equiv", "Content-Security-Policy") in links


def test_what_it_may_be_used_for_is_said_first_and_last(report):
    page, _, _ = report
    notices = [match.start() for match in re.finditer("Research use only", page.text)]
    assert len(notices) == 2


def test_plots_and_tables_can_be_read_without_seeing_them(report):
    page, _, _ = report
    tags = [tag for tag, _ in page.tags]
    plots = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(plots) == 3  # fates; sums and missing calls; call rate
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in plots)
    assert tags.count("desc") == len(plots)
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in page.tags if tag == "th")
    assert ("html", {"lang": "en"}) in page.tags


def test_one_person_has_no_histogram_and_is_told_what_absent_sites_mean(tmp_path):
    html, facts = report_in(tmp_path, n_samples=1)
    page = parse_page(html)
    assert numbers_in(facts) - page.numbers == set()
    assert "What the absent sites mean for this number" in page.text
    assert [tag for tag, _ in page.tags].count("svg") == 1  # fates


def test_quality_lists_outliers_says_how_many_there_are_and_what_is_not_here(report):
    page, _, _ = report
    quality = page.text[page.text.index("Quality of the genotypes") :]
    assert "Not computed here, or not all of it" in quality
    assert "31 samples have a heterozygosity that is far from that of the others" in quality
    assert "the first 1 are listed" in quality
    assert "high_heterozygosity (cohort_f)" in quality


def test_genotypes_whose_quality_nobody_counted_say_so(tmp_path):
    records = [Record("1", 100, ["0/1"])]
    vcf = write_vcf(tmp_path / "a.vcf", vcf_text(records, samples=["S1"]))
    rows = [Row("1", 100, "G", "A", 0.5)]
    file = write_scoring_file(tmp_path / "s.txt", rows, accession="PGS000001")
    run_scoring(Path(vcf), file, tmp_path / "out")
    facts = write_run_report(vcf, tmp_path / "out")
    assert (facts["genotypes"], facts["quality_samples"]) == (None, None)
    assert facts["quality_missing"] == OF_A_FILE
    assert OF_A_FILE in parse_page((tmp_path / "out/report.html").read_text()).text


def test_of_many_scores_the_first_are_drawn_and_the_page_says_so(report):
    _, facts, _ = report
    scores = [{**facts["scores"][0], "accession": f"S{at}"} for at in range(MAX_BARS + 1)]
    many: Any = {**facts, "scores": scores}
    page = parse_page(page_of(many))
    assert [tag for tag, _ in page.tags].count("svg") == 1 + MAX_PLOTTED_SCORES + 1
    assert f"Histograms are drawn for the first {MAX_PLOTTED_SCORES} scores" in page.text
    assert f"of the first {MAX_BARS} scores" in page.text
    known = [{**score, "sums": None, "missing_calls": None} for score in scores]
    assert numbers_in(known) - page.numbers == set()


ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
MARKUP = st.sampled_from(
    ["<script>x</script>", "</svg><script>", '" onload="x', "]]>", "{{ 7*7 }}"]
)
NAMES = st.builds(str.__add__, ANYTHING, MARKUP | ANYTHING)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(accession=NAMES, trait=NAMES, sample=NAMES)
def test_any_names_leave_the_same_tags(report, accession: str, trait: str, sample: str):
    """But for the plot of all scores, whose text may take several lines or none."""
    page, facts, _ = report
    line = {"sample_id": sample}
    score = facts["scores"][0]
    lines = [{**one, **line} for one in score["samples"]]
    renamed = {**score, "accession": accession, "trait": trait, "samples": lines}
    quality = {**OUTLIERS, "samples": [{**OUTLIER, **line}]}
    changed: Any = {**facts, "scores": [renamed], "quality_samples": quality}
    assert tags_of(parse_page(page_of(changed))) == tags_of(page)


def tags_of(page: Page) -> list[str]:
    return [tag for tag, _ in page.tags if tag not in ("text", "line", "tspan", "g", "path")]
