"""Results are published together."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.scoring.results import MATCHES, SCORES, begin_results, end_results, write_table

TABLE = pa.table({"score_sum": [0.1], "status": ["ok"]})


def write_all(folder, summary):
    begin_results(folder)
    write_table(folder / MATCHES, [TABLE, TABLE])
    write_table(folder / SCORES, [TABLE])
    end_results(folder, summary)


def test_the_three_files_are_there_and_nothing_else(tmp_path):
    write_all(tmp_path / "new", {"n": 1})
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"scores.parquet", "matches.parquet", "summary.json"}
    assert pq.read_table(tmp_path / "new/scores.parquet").equals(TABLE)
    assert pq.read_table(tmp_path / "new/matches.parquet").equals(pa.concat_tables([TABLE, TABLE]))
    assert json.loads((tmp_path / "new/summary.json").read_text()) == {"n": 1}


def test_a_failure_in_between_leaves_no_summary_that_vouches_for_mixed_results(tmp_path):
    write_all(tmp_path, {"run": 1})
    with pytest.raises(TypeError):
        write_all(tmp_path, {"run": object()})
    assert not (tmp_path / "summary.json").exists()


def test_a_table_that_fails_halfway_leaves_the_one_before(tmp_path):
    def parts():
        yield TABLE
        raise ConnectionError

    write_table(tmp_path / SCORES, [TABLE])
    with pytest.raises(ConnectionError):
        write_table(tmp_path / SCORES, parts())
    assert pq.read_table(tmp_path / SCORES).equals(TABLE)


def test_no_table_at_all_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no table"):
        write_table(tmp_path / SCORES, [])
