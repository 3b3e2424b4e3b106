"""Score the shards of a cohort: tasks of several shards, sums added along the tree, and stored.

Rows that fit records in several blocks are settled in a second stage, which reads again only the
subtrees that have to let go of one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField
from core.genotypes.source import GenotypeShard
from core.genotypes.vcf_wanted import Wanted
from core.memory import give_back_memory
from core.scoring.contested_rows import contested_rows
from core.scoring.shard import (
    RowsByBlock,
    ScorePlan,
    ShardScores,
    add_partials,
    add_scores,
    from_partial,
    matches_of,
    score_shard,
    to_partial,
)
from core.scoring.shard_tree import Subtree, add_in_tree, subtrees
from core.scoring.sums import Sums
from core.storage.byte_ranges import S3Access
from jobs.partials import Partials
from jobs.progress_bar import OnProgress
from jobs.run_shards import Executor, run_shards
from jobs.shard_plan import Cut

_DIRECTORIES = "directories"
"""A column beside those of a partial, which only travels."""

Load = Callable[..., pa.Table]
"""Gives a subtree's partial, or the columns of it that it is called with."""


@dataclass(frozen=True, slots=True)
class ScoreShards:
    """The work of one task: read and score a subtree of shards, return one row of partial sums.

    `contested` maps a shard's index to the rows that another block holds the better record of.
    """

    plan: ScorePlan
    wanted: Wanted
    genotype_field: GenotypeField
    s3: S3Access | None
    contested: Mapping[int, RowsByBlock] = field(default_factory=dict[int, RowsByBlock])

    def __call__(self, shards: Sequence[GenotypeShard]) -> pa.Table:
        directories: list[bytes | None] = []
        scores = add_in_tree((self._score(shard, directories) for shard in shards), add_scores)
        give_back_memory()  # of the blocks: Ray is about to copy the sums
        column = pa.array([directories], pa.list_(pa.binary()))
        return to_partial(scores).append_column(_DIRECTORIES, column)

    def _score(self, shard: GenotypeShard, directories: list[bytes | None]) -> ShardScores:
        """Appends the directory of the shard's blocks to `directories`."""
        reader = shard.reader(
            field=self.genotype_field,
            half_call=self.plan.context.policy.half_call,
            wanted=self.wanted,
            s3=self.s3,
        )
        plan = replace(self.plan, settled=self.contested.get(shard.index, {}))
        scores = score_shard(plan, reader, shard.index)
        directories.append(reader.directory.to_bytes() if reader.directory is not None else None)
        return replace(scores, n_records=reader.n_records)


@dataclass(frozen=True, slots=True)
class Merged:
    """All shards: the sums of subtrees of one size, in order, each mapped anew whenever it is read;
    MATCH_SCHEMA of the rows that met a record; how many records there are."""

    subtrees: Sequence[Callable[[], Sums]]
    matches: pa.Table
    n_records: int


@dataclass(frozen=True, slots=True)
class ShardRun:
    """Every shard of a cohort, scored; partial sums in `folder`.

    `directories`: of the blocks of shards, by index, that this run has read from end to end.
    """

    cut: Cut
    work: ScoreShards
    executor: Executor
    folder: Path
    directories: dict[int, BlockDirectory] = field(default_factory=dict[int, BlockDirectory])

    def run_missing(self, on_progress: OnProgress) -> int:
        """Score what an earlier attempt did not finish; returns how many shards it had finished."""
        partials = self._partials("first")
        n_resumed = done = partials.n_finished()
        if n_resumed:
            on_progress(done, len(self.cut.shards))
        tasks = partials.missing(self._task_size)
        for subtree in self._score(tasks, self.work, partials):
            done += partials.n_shards_in(subtree)
            on_progress(done, len(self.cut.shards))
        return n_resumed

    def merge_settled(self) -> Merged:
        """The sum of all shards, each row of a scoring file counted once."""
        first, settled = self._partials("first"), self._partials("settled")
        kept = list(subtrees(len(self.cut.shards), self.cut.kept_size))
        matches = [matches_of(first.load(subtree, ["matches"])) for subtree in kept]
        contested = contested_rows(len(self.work.plan.context.rows.row_number), matches)
        again = [one for one in kept if not contested.keys().isdisjoint(range(one.start, one.stop))]
        work = replace(self.work, contested=contested)
        tasks = [
            task
            for task in settled.missing(self._task_size)
            if any(subtree.holds(task) for subtree in again)
        ]
        for _ in self._score(tasks, work, settled):
            pass
        return _merged([partial((settled if one in again else first).load, one) for one in kept])

    def _score(
        self, tasks: Sequence[Subtree], work: ScoreShards, partials: Partials
    ) -> Iterator[Subtree]:
        """Score and store; gives each subtree when it is stored."""
        shards = [self.cut.shards[task.start : task.stop] for task in tasks]
        for number, table, file in run_shards(shards, work, self.executor):
            self._take_directories(tasks[number], table.column(_DIRECTORIES)[0].as_py())
            partials.save(tasks[number], table.drop_columns(_DIRECTORIES), file)
            del table  # the next one is made meanwhile
            yield tasks[number]

    def _take_directories(self, task: Subtree, directories: Sequence[bytes | None]) -> None:
        for index, data in enumerate(directories, start=task.start):
            if data is not None:
                self.directories[index] = BlockDirectory.from_bytes(data)

    def _partials(self, stage: str) -> Partials:
        n_shards, kept_size = len(self.cut.shards), self.cut.kept_size
        return Partials(self.folder / stage, n_shards, kept_size, add_partials)

    @property
    def _task_size(self) -> int:
        """Threads take single shards, which cost them nothing."""
        return self.cut.task_size if self.executor is Executor.RAY else 1


def _merged(load: Sequence[Load]) -> Merged:
    facts = [loaded(["matches", "n_records"]) for loaded in load]
    return Merged(
        subtrees=[partial(_sums, loaded) for loaded in load],
        matches=pa.concat_tables(map(matches_of, facts)),
        n_records=sum(table.column("n_records")[0].as_py() for table in facts),
    )


def _sums(load: Load) -> Sums:
    return from_partial(load()).sums
