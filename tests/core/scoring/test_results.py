"""Results are published together."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.scoring.results import write_results


def test_the_three_files_are_there_and_nothing_else(tmp_path):
    table = pa.table({"score_sum": [0.1]})
    write_results(tmp_path / "new", [table], table, {"n": 1})
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"scores.parquet", "matches.parquet", "summary.json"}
    assert pq.read_table(tmp_path / "new/scores.parquet").equals(table)
    assert json.loads((tmp_path / "new/summary.json").read_text()) == {"n": 1}


def test_a_failure_in_between_leaves_no_summary_that_vouches_for_mixed_results(tmp_path):
    table = pa.table({"score_sum": [0.1]})
    write_results(tmp_path, [table], table, {"run": 1})
    with pytest.raises(TypeError):
        write_results(tmp_path, [table], table, {"run": object()})
    assert not (tmp_path / "summary.json").exists()
