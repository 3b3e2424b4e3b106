"""Rows of scoring files that fit records in several blocks: which block keeps each."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.scoring.shard import MATCH_SCHEMA, RowsByBlock

_COLUMNS = ["row", "n_rows", "shard", "block", "match_type"]
_NONE = MATCH_SCHEMA.empty_table().select(_COLUMNS)


def contested_rows(n_rows: int, matches: Sequence[pa.Table]) -> dict[int, RowsByBlock]:
    """Rows that fit an allele in several blocks: by shard and block, those to let go of.

    `matches` are MATCH_SCHEMA tables of one or several shards each, about `n_rows` rows of
    ScoreRows. The best match type keeps the row; among equals, the first in the order of shards.
    Only unsorted files, overlapping files and repeated IDs come to this: the records of one
    position lie in one block. Memory: some bytes a line of `matches`; where rows are met several
    times, some bytes a row as well.
    """
    all_shards = pa.concat_tables([_NONE, *(table.select(_COLUMNS) for table in matches)])
    fits = all_shards.filter(pc.greater_equal(all_shards.column("match_type"), 0))
    if _are_apart(fits):
        return {}
    held = _some_twice(fits, _met_twice(n_rows, fits))
    row, _, shard, block, kind = (held.column(name).to_numpy() for name in _COLUMNS)
    order = np.lexsort((block, shard, kind, row))
    loses = order[1:][row[order][1:] == row[order][:-1]]
    lost: dict[int, RowsByBlock] = {}
    for index in np.unique(shard[loses]).tolist():
        here = loses[shard[loses] == index]
        lost[index] = {n: row[here[block[here] == n]] for n in np.unique(block[here]).tolist()}
    return lost


def _are_apart(matches: pa.Table) -> bool:
    """Whether no row is in two ranges of the table."""
    first, count = (matches.column(name).to_numpy() for name in ("row", "n_rows"))
    order = np.argsort(first, kind="stable")  # the ranges of a shard are in order: fast
    return bool((first[order][1:] >= (first + count)[order][:-1]).all())


def _met_twice(n_rows: int, matches: pa.Table) -> npt.NDArray[np.bool_]:
    """(n_rows,) whether several ranges of the table hold a row."""
    first, count = (matches.column(name).to_numpy() for name in ("row", "n_rows"))
    change = np.bincount(first, minlength=n_rows + 1)
    change -= np.bincount(first + count, minlength=n_rows + 1)
    return np.cumsum(change)[:-1] > 1


def _some_twice(table: pa.Table, twice: npt.NDArray[np.bool_]) -> pa.Table:
    """The rows of a MATCH_SCHEMA table that are met twice, each on a line of its own."""
    up_to = np.append(0, np.cumsum(twice))
    first, count = (table.column(name).to_numpy() for name in ("row", "n_rows"))
    lines = _by_row(table.filter(pa.array(up_to[first + count] > up_to[first])))
    return lines.filter(pa.array(twice[lines.column("row").to_numpy()]))


def _by_row(matches: pa.Table) -> pa.Table:
    """MATCH_SCHEMA with one line per row."""
    n_rows = matches.column("n_rows").to_numpy()
    if (n_rows == 1).all():
        return matches
    of = np.repeat(np.arange(len(n_rows)), n_rows)
    within = np.arange(len(of)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    lines = matches.take(pa.array(of))
    row = pa.array(lines.column("row").to_numpy() + within)
    ones = pa.array(np.ones(len(of), np.int64))
    return lines.set_column(0, "row", row).set_column(1, "n_rows", ones)
