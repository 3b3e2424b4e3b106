"""Pages and downloads of result files, whatever the row groups look like."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.result_tables import DownloadFormat, download, read_page


def table_of(accessions: list[str]) -> pa.Table:
    n = len(accessions)
    return pa.table(
        {
            "sample_id": [f"S{i}" for i in range(n)],
            "accession": accessions,
            "score_sum": [float("nan") if i % 5 == 4 else i / 7 for i in range(n)],
            "status": [None if i % 3 == 0 else "ok" for i in range(n)],
        }
    )


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    group=st.integers(1, 7),
    size=st.integers(1, 6),
)
def test_pages_put_together_are_the_rows_of_the_accession(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], group: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("pages") / "scores.parquet"
    accessions = [f"A{k}" for k, n in enumerate(counts) for _ in range(n)]
    pq.write_table(table_of(accessions), path, row_group_size=group)
    for k, n in enumerate(counts):
        rows: list[str] = []
        start: int | None = 0
        while start is not None:
            page = read_page(path, {"accession": f"A{k}"}, start=start, size=size)
            assert len(page.rows) == size or page.next_start is None
            rows += [row["sample_id"] for row in page.rows]
            start = page.next_start
        first = sum(counts[:k])
        assert rows == [f"S{i}" for i in range(first, first + n)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "scores.parquet"
    pq.write_table(table_of(["A"] * 12 + ["B"] * 5), path, row_group_size=5)
    return path


def test_a_filter_may_name_several_columns_and_skips_nulls(path: Path) -> None:
    page = read_page(path, {"accession": "A", "status": "ok"}, start=0, size=50)
    assert [row["sample_id"] for row in page.rows] == [f"S{i}" for i in range(12) if i % 3]


def test_a_number_that_is_none_leaves_as_null(path: Path) -> None:
    page = read_page(path, {"accession": "A"}, start=0, size=50)
    assert page.rows[4]["score_sum"] is None
    assert json.dumps(page.rows, allow_nan=False)


def test_a_download_is_valid_for_an_accession_without_rows(path: Path) -> None:
    for kind in DownloadFormat:
        content = b"".join(download(path, {"accession": "none"}, kind, about={"n": 1}))
        match kind:
            case DownloadFormat.JSON:
                assert json.loads(content) == {"n": 1, "items": []}
            case DownloadFormat.PARQUET:
                assert len(pq.read_table(io.BytesIO(content))) == 0
            case _:
                assert content.count(b"\n") == 1


@pytest.mark.parametrize(
    ("sample", "line"),
    [("NA12878", "A,NA12878"), ('x,"y"', '"A","x,""y"""')],
    ids=["plain", "with a delimiter"],
)
def test_values_are_quoted_only_where_some_need_it(tmp_path: Path, sample: str, line: str) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"accession": ["A"], "sample_id": [sample]}), path)
    content = b"".join(download(path, {"accession": "A"}, DownloadFormat.CSV, about={}))
    assert content.decode().splitlines() == ["accession,sample_id", line]
