"""One shard's work: blocks in, partial sums and matches out; the same function inline and on Ray.

Plan, one shard, merge: `ScorePlan` is made once from the scoring files and broadcast, `score_shard`
is the work of one task and may run again anywhere, `core.scoring.scores` merges in shard order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.block import DosageBlock
from core.scoring.alleles import alleles_of, variant_ids
from core.scoring.matching import REASONS, BlockMatches, Reason, Status, match_block
from core.scoring.terms import TermContext, add_block
from core.scoring.weighted_sum import Sums

MATCH_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("n_rows", pa.int64()),
        ("block", pa.int32()),
        ("status", pa.int8()),
        ("reason", pa.int8()),
        ("match_type", pa.int8()),
        ("variant_id", pa.string()),
        ("matched_allele", pa.string()),
    ]
)
"""Rows of ScoreRows that met a record in a block, in ranges of `n_rows` from `row` that had the same
fate; blocks are numbered within their shard. `status`
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
    """Partial sums of one shard, and a MATCH_SCHEMA table of the rows that it met."""

    sums: Sums
    matches: pa.Table


def score_shard(plan: ScorePlan, blocks: Iterable[DosageBlock]) -> ShardScores:
    """Partial sums over the blocks of one shard, added in file order."""
    rows, policy = plan.context.rows, plan.context.policy
    sums = Sums.zeros(rows.n_scores, plan.n_samples)
    met: list[pa.RecordBatch] = []
    for number, block in enumerate(blocks):
        matches = match_block(rows, block, policy, plan.settled.get(number, _NO_ROWS))
        sex_unknown = add_block(plan.context, block, matches, sums)
        met.append(_match_batch(number, block, matches, sex_unknown))
    return ShardScores(sums, pa.Table.from_batches(met, MATCH_SCHEMA))


def _match_batch(
    number: int, block: DosageBlock, matches: BlockMatches, sex_unknown: npt.NDArray[np.bool_]
) -> pa.RecordBatch:
    mismatch = matches.match_type < 0
    status = np.where(matches.matched, STATUSES.index(Status.MATCHED), 0)
    status[~matches.matched] = STATUSES.index(Status.EXCLUDED)
    status[mismatch] = STATUSES.index(Status.UNMATCHED)
    reason = np.where(sex_unknown, REASONS.index(Reason.SEX_UNKNOWN), matches.reason)
    named = pa.array(np.where(mismatch, 0, matches.variant), mask=mismatch)
    ref, alt = block.column("ref").take(named), block.column("alt").take(named)
    columns = [
        pa.array(matches.row),
        pa.array(matches.n_rows),
        pa.array(np.full(len(matches.row), number, np.int32)),
        pa.array(status.astype(np.int8)),
        pa.array(reason.astype(np.int8)),
        pa.array(matches.match_type),
        _variant_ids(block, np.where(mismatch, -1, matches.variant)),
        pc.if_else(pa.array(matches.effect_is_ref), ref, alt),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=MATCH_SCHEMA)


def _variant_ids(block: DosageBlock, variant: npt.NDArray[np.int64]) -> pa.Array:
    contig, ref, alt = (alleles_of(block.column(name)) for name in ("contig", "ref", "alt"))
    return variant_ids(contig, block.position, ref, alt, variant)


PARTIAL_SCHEMA = pa.schema(
    [
        *((name, pa.large_binary()) for name in Sums._fields),
        ("n_scores", pa.int32()),
        ("matches", pa.large_binary()),
    ]
)


_SUM_DTYPES: tuple[npt.DTypeLike, ...] = (np.float64, np.float64, np.int32, np.int32, np.int32)


def to_partial(scores: ShardScores) -> pa.Table:
    """One row of PARTIAL_SCHEMA: what leaves a task and what a resumed run reads back."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, MATCH_SCHEMA) as writer:
        writer.write_table(scores.matches)
    arrays = {name: getattr(scores.sums, name) for name in Sums._fields}
    row = {name: [array.tobytes()] for name, array in arrays.items()}
    row |= {"n_scores": [len(scores.sums.score_sum)], "matches": [sink.getvalue().to_pybytes()]}
    return pa.table(row, schema=PARTIAL_SCHEMA)


def from_partial(partial: pa.Table) -> ShardScores:
    """The inverse of `to_partial`; the arrays are read-only."""
    n_scores = partial.column("n_scores")[0].as_py()
    arrays = {
        name: np.frombuffer(partial.column(name)[0].as_buffer(), dtype).reshape(n_scores, -1)
        for name, dtype in zip(Sums._fields, _SUM_DTYPES, strict=True)
    }
    return ShardScores(Sums(**arrays), matches_of(partial))


def matches_of(partial: pa.Table) -> pa.Table:
    """The MATCH_SCHEMA table of a partial; its other columns need not be loaded, nor stay so."""
    return pa.ipc.open_stream(partial.column("matches")[0].as_py()).read_all()
