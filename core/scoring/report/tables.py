"""What the report counts in matches.parquet and scores.parquet, a few row groups at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.genotypes.block import numbers

_ROWS_AT_ONCE = 1 << 18
_FATE = ("accession", "status", "reason", "match_type")
_SUMS = ("n_rows", "n_without_weight", "weight", "lowest", "highest")


@dataclass(frozen=True, slots=True)
class FateCount:
    """Rows of one scoring file with the same status, reason and match type.

    n_without_weight   of n_rows, those without one weight
    weight             sum of |weight|
    lowest, highest    what 0 to 2 effect alleles of every row could add to a sum
    """

    status: str
    reason: str | None
    match_type: str | None
    n_rows: int
    n_without_weight: int
    weight: float
    lowest: float
    highest: float


def count_fates(matches: Path) -> dict[str, list[FateCount]]:
    """accession -> counts, in the order of their first rows."""
    columns = (*_FATE, "effect_weight")
    parts = [_added_up(_with_sums(table)) for table in _row_groups(matches, columns)]
    counts: dict[str, list[FateCount]] = {}
    for row in _added_up(pa.concat_tables(parts)).to_pylist():
        counts.setdefault(row.pop("accession"), []).append(FateCount(**row))
    return counts


def _with_sums(table: pa.Table) -> pa.Table:
    weight = table.column("effect_weight")
    twice = pc.fill_null(pc.multiply(weight, 2.0), 0.0)
    columns = {name: table.column(name) for name in _FATE} | {
        "n_rows": numbers(np.ones(len(table), np.int64)),
        "n_without_weight": pc.cast(pc.is_null(weight), pa.int64()),
        "weight": pc.abs(pc.fill_null(weight, 0.0)),
        "lowest": pc.min_element_wise(twice, 0.0),
        "highest": pc.max_element_wise(twice, 0.0),
    }
    return pa.table(columns)


def _added_up(table: pa.Table) -> pa.Table:
    """The same columns, a row for each fate."""
    sums = table.group_by(list(_FATE), use_threads=False).aggregate([(c, "sum") for c in _SUMS])
    return sums.select([*_FATE, *(f"{c}_sum" for c in _SUMS)]).rename_columns([*_FATE, *_SUMS])


def lines_of_scores(
    scores: Path, columns: Sequence[str], n_samples: int
) -> Iterator[tuple[str, pa.Table]]:
    """Each accession with `columns` of its `n_samples` lines, one score after the other."""
    waiting: list[pa.Table] = []
    for table in _row_groups(scores, ("accession", *columns)):
        lines = pa.concat_tables([*waiting, table])
        n_whole = len(lines) // n_samples
        for start in range(0, n_whole * n_samples, n_samples):
            of_score = lines.slice(start, n_samples)
            yield of_score.column("accession")[0].as_py(), of_score.drop_columns(["accession"])
        waiting = [lines.slice(n_whole * n_samples)]


def _row_groups(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """All rows in order: small row groups together, a large one alone."""
    with pq.ParquetFile(path) as file:
        groups: list[int] = []
        n_rows = 0
        for group in range(file.metadata.num_row_groups):
            more = file.metadata.row_group(group).num_rows
            if groups and n_rows + more > _ROWS_AT_ONCE:
                yield file.read_row_groups(groups, columns=list(columns))
                groups, n_rows = [], 0
            groups.append(group)
            n_rows += more
        if groups:
            yield file.read_row_groups(groups, columns=list(columns))
