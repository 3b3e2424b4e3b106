"""One shard's work: blocks in, partial sums and matches out; the same function inline and on Ray.

Plan, one shard, merge: `ScorePlan` is made once from the scoring files and broadcast, `score_shard`
is the work of one task and may run again anywhere, `add_scores` adds two of them along the edges of
a fixed tree (`shard_tree`), so the result does not depend on the number of workers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.genotypes.block import DosageBlock
from core.scoring.alleles import variant_ids
from core.scoring.block_sums import add_block
from core.scoring.joined_blocks import joined_blocks
from core.scoring.matching import REASONS, BlockMatches, Reason, Status, match_block
from core.scoring.rows import MANY_ROWS
from core.scoring.sums import OtherSums, ScoreSets, Sums, add
from core.scoring.terms import TermContext

MATCH_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("n_rows", pa.int64()),
        ("shard", pa.int32()),
        ("block", pa.int32()),
        ("status", pa.int8()),
        ("reason", pa.int8()),
        ("match_type", pa.int8()),
        ("variant_id", pa.string()),
    ]
)
"""Rows of ScoreRows that met a record in a block, in ranges of `n_rows` from `row` that had the
same fate; blocks are numbered within their shard. `status`
indexes STATUSES, `reason` REASONS, `match_type` MATCH_TYPES, -1 where there is none; `variant_id`
is contig:position:REF:ALT."""

STATUSES: tuple[Status, ...] = tuple(Status)

RowsByBlock = Mapping[int, npt.NDArray[np.int64]]
_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """What every shard of a run is scored with. `settled` lists, by block of the shard, rows of
    ScoreRows that another block holds the better record of."""

    context: TermContext
    n_samples: int
    settled: RowsByBlock = field(default_factory=dict[int, npt.NDArray[np.int64]])


@dataclass(frozen=True, slots=True)
class ShardScores:
    """Partial sums of some shards, a MATCH_SCHEMA table of the rows that they met, and how many
    records they hold."""

    sums: Sums
    matches: pa.Table
    n_records: int = 0


def score_shard(plan: ScorePlan, blocks: Iterable[DosageBlock], shard: int = 0) -> ShardScores:
    """Partial sums over the blocks of one shard, added in file order; `shard` is its index.

    The bits of the sums depend on where the blocks begin, no more than rounding.
    """
    rows, policy = plan.context.rows, plan.context.policy
    sums = Sums.zeros(rows.sets, rows.n_scores, plan.n_samples)
    met: list[pa.RecordBatch] = []
    if rows.n_scores >= MANY_ROWS:
        blocks = joined_blocks(blocks)
    for number, block in enumerate(blocks):
        matches = match_block(rows, block, policy, plan.settled.get(number, _NO_ROWS))
        sex_unknown = add_block(plan.context, block, matches, sums)
        met.append(_match_batch((shard, number), matches, sex_unknown))
    return ShardScores(sums, pa.Table.from_batches(met, MATCH_SCHEMA))


def _match_batch(
    place: tuple[int, int],
    matches: BlockMatches,
    sex_unknown: npt.NDArray[np.bool_],
) -> pa.RecordBatch:
    mismatch = matches.match_type < 0
    status = np.where(matches.matched, STATUSES.index(Status.MATCHED), 0)
    status[~matches.matched] = STATUSES.index(Status.EXCLUDED)
    status[mismatch] = STATUSES.index(Status.UNMATCHED)
    reason = np.where(sex_unknown, REASONS.index(Reason.SEX_UNKNOWN), matches.reason)
    sites, named = matches.sites, np.where(mismatch, -1, matches.variant)
    columns = [
        pa.array(matches.row),
        pa.array(matches.n_rows),
        *(pa.array(np.full(len(matches.row), number, np.int32)) for number in place),
        pa.array(status.astype(np.int8)),
        pa.array(reason.astype(np.int8)),
        pa.array(matches.match_type),
        variant_ids(sites.contig, sites.position, sites.ref, sites.alt, named),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=MATCH_SCHEMA)


def add_scores(left: ShardScores, right: ShardScores) -> ShardScores:
    """The scores of two neighbouring ranges of shards as those of one range; theirs are lost.

    Floats are added, left + right, so the tree of such additions fixes the bits. Matches follow
    each other; each knows its shard, for `contested_rows`.
    """
    matches = pa.concat_tables([left.matches, right.matches])
    n_records = left.n_records + right.n_records
    return ShardScores(add(left.sums, right.sums), matches, n_records)


_ARRAYS: dict[str, npt.DTypeLike] = {
    "score_sum": np.float64,
    "score_offset": np.float64,
    "dosage": np.int32,
    "dosage_offset": np.int64,
    "records": np.int64,
    "kept": np.int32,
    "dropped": np.int32,
    "imputed": np.float64,
}
_OTHER_ARRAYS: dict[str, npt.DTypeLike] = {
    "dosage_sum": np.float64,
    "n_missing": np.int32,
    "denominator": np.int32,
    "allele_count": np.int32,
}

PARTIAL_SCHEMA = pa.schema(
    [
        *((name, pa.large_binary()) for name in (*_ARRAYS, *_OTHER_ARRAYS)),
        ("set_first", pa.list_(pa.int64())),
        ("set_scores", pa.list_(pa.int64())),
        ("n_samples", pa.int64()),
        ("n_records", pa.int64()),
        ("matches", pa.large_binary()),
    ]
)
"""The arrays of Sums and of its `other`, null where there are none; the scores of its sets; how
many records there are; the matches as an Arrow stream."""


def to_partial(scores: ShardScores) -> pa.Table:
    """One row of PARTIAL_SCHEMA: what leaves a task and what a resumed run reads back."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, MATCH_SCHEMA) as writer:
        writer.write_table(scores.matches)
    sums = scores.sums
    row: dict[str, pa.Array] = {name: _blob(getattr(sums, name)) for name in _ARRAYS}
    row |= {name: _blob(getattr(sums.other, name, None)) for name in _OTHER_ARRAYS}
    row |= {"set_first": pa.array([sums.sets.first]), "set_scores": pa.array([sums.sets.scores])}
    row |= {"n_samples": pa.array([sums.score_sum.shape[1]])}
    row |= {"n_records": pa.array([scores.n_records]), "matches": _blob(sink.getvalue())}
    return pa.table(row, schema=PARTIAL_SCHEMA)


def _blob(array: np.ndarray | pa.Buffer | None) -> pa.Array:
    """One large_binary value over the memory of the array."""
    if array is None:
        return pa.nulls(1, pa.large_binary())
    data = pa.py_buffer(array)
    ends = pa.py_buffer(np.array([0, data.size], np.int64))
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, data])


def add_partials(left: pa.Table, right: pa.Table) -> pa.Table:
    """`add_scores` of two partials, which are lost, but for a file's."""
    return to_partial(add_scores(from_partial(left), from_partial(right)))


def from_partial(partial: pa.Table) -> ShardScores:
    """The inverse of `to_partial`; the arrays are the partial's memory, read-only if that is."""
    n_samples = partial.column("n_samples")[0].as_py()
    sets = (partial.column(name)[0].values.to_numpy() for name in ("set_first", "set_scores"))
    arrays = {name: _array(partial, name, dtype, n_samples) for name, dtype in _ARRAYS.items()}
    other = [_array(partial, name, dtype, n_samples) for name, dtype in _OTHER_ARRAYS.items()]
    sums = Sums(
        sets=ScoreSets(*sets),
        other=None if other[0] is None else OtherSums(*other),
        **arrays,
    )
    return ShardScores(sums, matches_of(partial), partial.column("n_records")[0].as_py())


def _array(partial: pa.Table, name: str, dtype: npt.DTypeLike, n_samples: int) -> Any:
    """One number per sample, but for those that everyone shares."""
    data = _blob_of(partial, name)
    if data is None:
        return None
    array = data.view(dtype)
    return array if name in _SHARED else array.reshape(-1, n_samples)


def _blob_of(partial: pa.Table, name: str) -> npt.NDArray[np.uint8] | None:
    """The value of a large_binary column of one row. A scalar of it would be a copy, and a slice of
    its buffer read-only."""
    (column,) = partial.column(name).chunks
    if column.null_count:
        return None
    _, ends, data = column.buffers()
    start, end = np.frombuffer(ends, np.int64)[column.offset : column.offset + 2].tolist()
    return np.frombuffer(data, np.uint8)[start:end]


_SHARED = frozenset({"score_offset", "dosage_offset", "records"})


def matches_of(partial: pa.Table) -> pa.Table:
    """The MATCH_SCHEMA table of a partial; its other columns need not be loaded, nor stay so."""
    return pa.ipc.open_stream(pa.py_buffer(_blob_of(partial, "matches"))).read_all()
