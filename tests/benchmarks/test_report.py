"""The tables, the JSON and the chart of what was found; and the command line."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import compare
from tests.benchmarks.chart import Scale, scaling_svg
from tests.benchmarks.compare import main
from tests.benchmarks.measure import CommandFailedError, Measured, measure_command
from tests.benchmarks.report import Report, as_json, as_markdown
from tests.benchmarks.results import Found, Target, Timing, wall_ratio
from tests.benchmarks.waiting import NotBuilt

TIMINGS = (
    Timing("ours", (Measured(1.0, 2.0, 3 * 2**20), Measured(2.0, 2.0, 5 * 2**20))),
    Timing("plink2", (Measured(9.0, 9.0, 2**20),)),
)


def found(*targets: Target) -> Found:
    by_name = {timing.program: timing for timing in TIMINGS}
    measured = [target.measured(by_name) for target in targets]
    return Found("row", "a work", "a goal", "ours", TIMINGS, measured, {"gone": "no such peer"})


def goals(*rows: Found) -> list[str]:
    text = as_markdown(Report(rows, (), 5, 60.0))
    return text.split("## Goals\n\n")[1].split("\n\n")[0].splitlines()[2:]


def test_a_row_states_goal_ratio_verdict_and_peak_memory():
    line = "| a work | a goal | 6× plink2 | yes | 5 |"
    assert goals(found(wall_ratio("plink2", "ours", "plink2", 6))) == [line]


def test_one_goal_that_is_not_met_is_enough_for_no():
    targets = (wall_ratio("plink2", "ours", w, bound) for w, bound in (("a", 6), ("b", 6.1)))
    assert goals(found(*targets)) == ["| a work | a goal | 6× a; 6× b | **no** | 5 |"]


def test_a_ratio_that_could_not_be_measured_is_no_verdict():
    line = "| a work | a goal | gnomon: gnomon was not measured | – | 5 |"
    assert goals(found(wall_ratio("gnomon", "ours", "gnomon", 6))) == [line]


def test_a_row_without_numbers_says_why():
    row = Found("row", "a work", "a goal", why_not="nobody built it")
    assert goals(row) == ["| a work | a goal | not available: nobody built it | – | |"]


def test_genotypes_per_second_are_those_of_the_file_by_wall_time():
    row = Found(
        "row", "a work", "a goal", "ours", TIMINGS, facts={"n_samples": 3_000, "n_variants": 1_000}
    )
    text = as_markdown(Report([row], (), 5, 60.0))
    assert "| row |  | ours | 2 | 1.500 | 2.000 | 2 | 5 |" in text


def test_a_missing_program_is_named():
    text = as_markdown(Report([found()], (), 5, 60.0))
    assert "- **gone did not take part**: no such peer" in text


def test_the_json_holds_every_run_and_the_machine():
    document = json.loads(as_json(Report([found()], (), 5, 60.0)))
    assert document["machine"]["cores"]
    (row,) = document["rows"]
    ours, _ = row["timings"]
    assert (ours["wall_seconds"], ours["peak_bytes"]) == (1.5, 5 * 2**20)
    assert [run["wall_seconds"] for run in ours["runs"]] == [1.0, 2.0]


def test_the_99th_percentile_is_the_nearest_rank():
    runs = tuple(Measured(float(n), 0.0, 0) for n in range(1, 201))
    assert Timing("events", runs).p99_seconds == 198.0


def test_the_chart_is_an_svg_with_a_line_per_program_and_axis():
    rows = [
        Found(f"by {axis}", "", "", "ours", TIMINGS, facts={f"n_{axis}": n})
        for axis in ("samples", "variants")
        for n in (10, 1_000)
    ]
    svg = ET.fromstring(scaling_svg(rows))
    lines = [element for element in svg.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 4
    texts = {element.text for element in svg.iter() if element.tag.endswith("text")}
    assert {"wall seconds by samples", "wall seconds by variants", "ours", "plink2"} <= texts


def test_a_scale_gives_every_decade_the_same_length():
    scale = Scale.over([2, 300], start=100, pixels=300)
    assert [scale.at(value) for value in scale.decades] == [100, 200, 300, 400]


def test_a_command_is_measured_without_the_memory_of_this_process(tmp_path: Path):
    held = np.ones(300 * 2**20, np.uint8)  # what this process holds must not be counted
    nothing = measure_command(["true"], log=tmp_path / "log")
    assert nothing.peak_bytes < held.nbytes / 4


def test_a_command_that_fails_says_what_it_said(tmp_path: Path):
    with pytest.raises(CommandFailedError, match=r"no such cohort\s+exit status 3") as failed:
        measure_command(["sh", "-c", "echo no such cohort; exit 3"], log=tmp_path / "log")
    assert failed.value.in_one_line == "no such cohort"


def test_the_command_lists_its_rows(capsys: pytest.CaptureFixture[str]):
    assert main(["--quick", "--list"]) == 0
    listed = capsys.readouterr().out
    assert "dense " in listed
    assert "fastq " in listed


def test_a_row_alone_is_printed_as_json_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    waiting = NotBuilt("later", "what nobody built", "fast", "an issue builds it")
    monkeypatch.setattr(compare, "all_rows", lambda _shapes, _peers: [waiting])
    assert main(["--quick", "--row", "later", "--output", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["why_not"] == "an issue builds it"
    assert list(tmp_path.iterdir()) == []
