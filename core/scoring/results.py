"""The three files of a scoring run, published together: results first, summary last.

A folder that holds `summary.json` holds complete results.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCORES, MATCHES, SUMMARY = "scores.parquet", "matches.parquet", "summary.json"


def write_results(
    folder: Path, scores: Iterable[pa.Table], matches: pa.Table, summary: Mapping[str, object]
) -> None:
    """Replace whatever results `folder` held; nothing half-written carries a final name.

    `scores` are the parts of one table, of which only one is held at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).unlink(missing_ok=True)
    for name, tables in ((SCORES, scores), (MATCHES, [matches])):
        _write(_unfinished(folder / name), tables)
        _unfinished(folder / name).replace(folder / name)
    text = json.dumps(summary, indent=2) + "\n"
    _unfinished(folder / SUMMARY).write_text(text, encoding="utf-8")
    _unfinished(folder / SUMMARY).replace(folder / SUMMARY)


def _write(path: Path, tables: Iterable[pa.Table]) -> None:
    """Raises ValueError where there is no table."""
    parts = iter(tables)
    first = next(parts, None)
    if first is None:
        raise ValueError(f"no table to write to {path}")
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        for table in chain([first], parts):
            writer.write_table(table)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")
