"""RESULTS.md keeps its other sections, and says what was found and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.summary import replace_section, write_summary

FOUND: dict[str, Any] = {
    "seed": 7,
    "minutes": 2.0,
    "faults": {"head lost": 2, "S3 killed": 1},
    "walks": {"scored": 5},
    "jobs": 9,
    "answers": {"200": 70, "503": 3},
    "api_seconds": {"p50": 0.02},
    "events_received": 400,
    "event_seconds": {},
    "reconnects": 4,
    "clients": 200,
    "violations": [],
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "RESULTS.md"


def test_a_section_is_written_anew_and_the_others_stay(results: Path) -> None:
    replace_section(results, "## One", ["first"])
    replace_section(results, "## Two", ["second"])
    replace_section(results, "## One", ["third", r"with \\1 in it"])
    assert results.read_text() == (
        "# What faults cost\n\n## One\n\nthird\nwith \\\\1 in it\n\n## Two\n\nsecond\n"
    )


def test_the_summary_counts_faults_and_names_what_broke(results: Path) -> None:
    write_summary(results, FOUND)
    assert "3 faults, **0 promises broken**" in results.read_text()
    assert "BROKEN" not in results.read_text()
    write_summary(results, FOUND | {"violations": ["job 3 is SYSTEM_ERROR"]})
    text = results.read_text()
    assert "**1 promises broken**" in text
    assert text.endswith("- BROKEN: job 3 is SYSTEM_ERROR\n")
    assert text.count("## Chaos") == 1
