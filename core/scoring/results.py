"""The three files of a scoring run, published together: tables first, summary last.

A folder that holds `summary.json` holds complete results. A report of them comes after, if at all.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCORES, MATCHES, SUMMARY = "scores.parquet", "matches.parquet", "summary.json"
REPORT_JSON, REPORT_PAGE = "report.json", "report.html"


def begin_results(folder: Path) -> None:
    """From here to `end_results` the folder holds no complete results, and no report of others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (SUMMARY, REPORT_JSON, REPORT_PAGE):
        (folder / name).unlink(missing_ok=True)


def write_table(path: Path, parts: Iterable[pa.Table]) -> None:
    """Replace a Parquet file by one made of `parts`, of which only two are held at a time.

    Nothing half-written carries the final name. Raises ValueError where there is no part.
    """
    tables = _one_ahead(parts)
    first = next(tables, None)
    if first is None:
        raise ValueError(f"no table to write to {path}")
    repeated = [name for name in first.schema.names if name in _REPEATED]
    with pq.ParquetWriter(
        _unfinished(path),
        first.schema,
        compression="zstd",
        use_dictionary=repeated,
        write_statistics=[name for name in first.schema.names if name in _LOOKED_UP],
        store_schema=False,  # WORDS are strings to a reader
    ) as writer:
        for table in chain([first], tables):
            writer.write_table(table)
    _unfinished(path).replace(path)


def _one_ahead(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same tables; while one is used, the next is made in a thread of its own."""
    making = iter(tables)
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, making, None)
        while (table := coming.result()) is not None:
            coming = thread.submit(next, making, None)
            yield table


def end_results(folder: Path, summary: Mapping[str, object]) -> None:
    """Publish: the summary is what makes the folder complete."""
    write_text(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file by `text`; nothing half-written carries the final name."""
    _unfinished(path).write_text(text, encoding="utf-8")
    _unfinished(path).replace(path)


_REPEATED = frozenset(
    (
        *("accession", "contig", "effect_allele", "other_allele", "matched_allele", "match_type"),
        *("status", "reason", "n_matched", "coverage", "weight_coverage", "denominator"),
    )
)
"""Columns of few values. A dictionary of the others is only built to be thrown away."""

_LOOKED_UP = frozenset(("accession", "sample_id", "row_number", "contig", "position"))
"""Columns that a reader finds rows by: each row group says its least and greatest value."""


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")
