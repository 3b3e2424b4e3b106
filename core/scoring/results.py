"""The three files of a scoring run, published together: results first, summary last.

A folder that holds `summary.json` holds complete results.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCORES, MATCHES, SUMMARY = "scores.parquet", "matches.parquet", "summary.json"


def write_results(
    folder: Path, scores: pa.Table, matches: pa.Table, summary: Mapping[str, object]
) -> None:
    """Replace whatever results `folder` held; nothing half-written carries a final name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).unlink(missing_ok=True)
    for name, table in ((SCORES, scores), (MATCHES, matches)):
        pq.write_table(table, _unfinished(folder / name), compression="zstd")
        _unfinished(folder / name).replace(folder / name)
    text = json.dumps(summary, indent=2) + "\n"
    _unfinished(folder / SUMMARY).write_text(text, encoding="utf-8")
    _unfinished(folder / SUMMARY).replace(folder / SUMMARY)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")
