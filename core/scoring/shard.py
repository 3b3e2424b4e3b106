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
from core.scoring.matching import REASONS, BlockMatches, Reason, Status, match_block
from core.scoring.terms import TermContext, add_block
from core.scoring.weighted_sum import Sums, add_sums

MATCH_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("shard", pa.int32()),
        ("block", pa.int32()),
        ("status", pa.int8()),
        ("reason", pa.int8()),
        ("match_type", pa.int8()),
        ("variant_id", pa.string()),
        ("matched_allele", pa.string()),
    ]
)
"""Rows of ScoreRows that met a record in a block, which is numbered within its shard. `status`
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


def add_shards(left: ShardScores, right: ShardScores) -> ShardScores:
    """left + right, of neighbouring shards: the order of two fixes the bits."""
    return ShardScores(
        sums=add_sums(left.sums, right.sums),
        matches=pa.concat_tables([left.matches, right.matches]),
        n_records=left.n_records + right.n_records,
    )


def score_shard(plan: ScorePlan, blocks: Iterable[DosageBlock], shard: int = 0) -> ShardScores:
    """Partial sums over the blocks of one shard, by its index, added in file order."""
    rows, policy = plan.context.rows, plan.context.policy
    sums = Sums.zeros(rows.n_scores, plan.n_samples)
    met: list[pa.RecordBatch] = []
    for number, block in enumerate(blocks):
        matches = match_block(rows, block, policy, plan.settled.get(number, _NO_ROWS))
        sex_unknown = add_block(plan.context, block, matches, sums)
        met.append(_match_batch((shard, number), block, matches, sex_unknown))
    return ShardScores(sums, pa.Table.from_batches(met, MATCH_SCHEMA))


def _match_batch(
    place: tuple[int, int],
    block: DosageBlock,
    matches: BlockMatches,
    sex_unknown: npt.NDArray[np.bool_],
) -> pa.RecordBatch:
    mismatch = matches.match_type < 0
    status = np.where(matches.matched, STATUSES.index(Status.MATCHED), 0)
    status[~matches.matched] = STATUSES.index(Status.EXCLUDED)
    status[mismatch] = STATUSES.index(Status.UNMATCHED)
    reason = np.where(sex_unknown, REASONS.index(Reason.SEX_UNKNOWN), matches.reason)
    variant, nothing = pa.array(matches.variant), pa.scalar(None, pa.string())
    site = {name: block.column(name).take(variant) for name in ("contig", "position", "ref", "alt")}
    site["position"] = site["position"].cast(pa.string())
    allele = pc.if_else(pa.array(matches.effect_is_ref), site["ref"], site["alt"])
    return pa.RecordBatch.from_arrays(
        [
            pa.array(matches.row),
            *(pa.array(np.full(len(matches.row), number, np.int32)) for number in place),
            pa.array(status.astype(np.int8)),
            pa.array(reason.astype(np.int8)),
            pa.array(matches.match_type),
            pc.if_else(
                pa.array(mismatch), nothing, pc.binary_join_element_wise(*site.values(), ":")
            ),
            pc.if_else(pa.array(mismatch), nothing, allele),
        ],
        schema=MATCH_SCHEMA,
    )


PARTIAL_SCHEMA = pa.schema(
    [
        *((name, pa.large_binary()) for name in Sums._fields),
        ("n_scores", pa.int32()),
        ("n_records", pa.int64()),
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
    row |= {"n_scores": [len(scores.sums.score_sum)], "n_records": [scores.n_records]}
    row |= {"matches": [sink.getvalue().to_pybytes()]}
    return pa.table(row, schema=PARTIAL_SCHEMA)


def from_partial(partial: pa.Table) -> ShardScores:
    """The inverse of `to_partial`; the arrays are read-only."""
    n_scores = partial.column("n_scores")[0].as_py()
    arrays = {
        name: np.frombuffer(partial.column(name)[0].as_buffer(), dtype).reshape(n_scores, -1)
        for name, dtype in zip(Sums._fields, _SUM_DTYPES, strict=True)
    }
    n_records = partial.column("n_records")[0].as_py()
    return ShardScores(Sums(**arrays), matches_of(partial), n_records)


def add_partials(left: pa.Table, right: pa.Table) -> pa.Table:
    """`add_shards` of two partials."""
    return to_partial(add_shards(from_partial(left), from_partial(right)))


def matches_of(partial: pa.Table) -> pa.Table:
    """The MATCH_SCHEMA table of a partial; its other columns need not be loaded, nor stay so."""
    return pa.ipc.open_stream(partial.column("matches")[0].as_buffer()).read_all()
