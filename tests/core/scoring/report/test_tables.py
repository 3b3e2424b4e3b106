"""What is counted in the result tables, and how much of them is held at once."""

import os
import subprocess
import sys

import pyarrow as pa
import pytest

from core.scoring.match_table import MATCHES_SCHEMA
from core.scoring.report.tables import FateCount, count_fates, lines_of_scores
from core.scoring.results import write_table


def matches(accession: str, *fates: tuple[str, str | None, str | None, float | None]) -> pa.Table:
    names = ("status", "reason", "match_type", "effect_weight")
    rows = [{"accession": accession, **dict(zip(names, fate, strict=True))} for fate in fates]
    return pa.Table.from_pylist(rows, schema=MATCHES_SCHEMA)


def test_rows_of_one_fate_are_counted_and_weighed_together(tmp_path):
    first = matches(
        "A",
        ("matched", None, "altref", -0.5),
        ("unmatched", "absent_locus", None, 1.0),
        ("unmatched", "absent_locus", None, -0.25),
        ("unmatched", "absent_locus", None, None),
    )
    write_table(tmp_path / "m", [first, matches("B", ("matched", None, "altref_flip", 2.0))])
    counts = count_fates(tmp_path / "m")
    assert counts == {
        "A": [
            FateCount("matched", None, "altref", 1, 0, 0.5, -1.0, 0.0),
            FateCount("unmatched", "absent_locus", None, 3, 1, 1.25, -0.5, 2.0),
        ],
        "B": [FateCount("matched", None, "altref_flip", 1, 0, 2.0, 0.0, 4.0)],
    }


@pytest.mark.parametrize("rows_at_once", [1, 3, 5, 1000])
def test_each_score_has_its_own_lines_however_row_groups_are_read(
    rows_at_once, tmp_path, monkeypatch
):
    monkeypatch.setattr("core.scoring.report.tables._ROWS_AT_ONCE", rows_at_once)
    tables = [
        pa.table({"accession": [name] * 3, "score_sum": [at, at + 1.0, at + 2.0]})
        for at, name in enumerate(["A", "B", "C"])
    ]
    write_table(tmp_path / "s", tables)
    lines = lines_of_scores(tmp_path / "s", ["score_sum"], 3)
    found = {name: table.column("score_sum").to_pylist() for name, table in lines}
    assert found == {"A": [0.0, 1.0, 2.0], "B": [1.0, 2.0, 3.0], "C": [2.0, 3.0, 4.0]}


MANY_SAMPLES = """
import sys
from pathlib import Path
import numpy as np, pyarrow as pa
from core.scoring.coverage import Coverage
from core.scoring.match_table import MATCHES_SCHEMA
from core.scoring.policy import ScoringPolicy
from core.scoring.results import MATCHES, SCORES, end_results, write_table
from core.scoring.scores import score_table
from core.scoring.sums import ScoreTotals

n, names, folder = 500_000, [f"S{k}" for k in range(8)], Path(sys.argv[1])
row = {"status": "matched", "match_type": "altref", "effect_weight": 0.5}
write_table(
    folder / MATCHES,
    (pa.Table.from_pylist([row | {"accession": name}], schema=MATCHES_SCHEMA) for name in names),
)
rng = np.random.default_rng(1)
whole = np.full(n, 2)
totals = (ScoreTotals(rng.normal(size=n), whole * 1.0, whole, whole, whole) for _ in names)
covered = [Coverage(1, 1, 0, 0, 0, 1.0, 1.0, {})] * len(names)
samples = [f"sample-{at}" for at in range(n)]
write_table(folder / SCORES, score_table(samples, names, totals, covered, ScoringPolicy()))
score = {
    "status": "ok", "scoring_file": {"uri": "f", "sha256": "0"}, "build": None, "n_rows": 1,
    "n_matched": 1, "n_excluded": 0, "n_unmatched": 0, "coverage": 1.0, "weight_coverage": 1.0,
    "n_from_reference": 0, "n_assumed_reference": 0, "n_imputed_absent": 0,
    "reasons": {}, "metadata": {},
}
end_results(folder, {
    "versions": {}, "genotypes": [], "frequencies": None, "samples": None, "chain": None,
    "n_samples": n, "build": None, "build_source": "unknown", "build_evidence": None,
    "genotype_field": "auto", "compat": "default",
    "policy": ScoringPolicy().as_dict(), "frequency_source": None, "executor": "inline",
    "scores": dict.fromkeys(names, score), "refused_scoring_files": {},
    "n_records": 1, "seconds": 1.0,
})
"""

REPORT = """
import sys
from pathlib import Path
from core.scoring.report.quality import quality_of_genotypes
from core.scoring.report.write import write_report
from core.plots import svg_of
from tests.builders.processes import peak_bytes

svg_of({"data": {"values": []}, "mark": "bar"}, "the engine that draws takes 100 MiB by itself")
before = peak_bytes()
write_report(Path(sys.argv[1]), None, quality_of_genotypes(["cohort.vcf"]))
print(peak_bytes() - before)
"""


def test_a_report_of_500_000_samples_holds_one_score_at_a_time_and_stays_small(tmp_path):
    subprocess.run([sys.executable, "-c", MANY_SAMPLES, str(tmp_path)], check=True)
    run = [sys.executable, "-c", REPORT, str(tmp_path)]
    # What is freed goes back: each thread's pool keeps what it pleases (70 MiB from run to run).
    env = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
    grown = int(subprocess.run(run, check=True, capture_output=True, text=True, env=env).stdout)
    assert grown < 200 << 20
    assert (tmp_path / "report.html").stat().st_size < 400_000
    assert "sample-499999" not in (tmp_path / "report.html").read_text()
