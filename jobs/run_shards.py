"""Run one function over all shards of a cohort: threads in this process, or tasks on Ray.

Results come in the order they finish, each with its shard's index; whoever merges puts them back
into the order of the plan. The function is the same in both places.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import pyarrow as pa

from core.errors import CuraGenieError, InfrastructureError
from core.genotypes.source import Cohort, GenotypeShard
from jobs.local_ray import join_or_start_ray

ShardFunction = Callable[[GenotypeShard], pa.Table]


class Executor(StrEnum):
    """`auto` keeps a small local run in this process, where a cluster's start would cost more than
    the work."""

    AUTO = "auto"
    INLINE = "inline"
    RAY = "ray"


_SMALL_RUN_BYTES = 1 << 30


def choose_executor(asked: Executor, cohort: Cohort[GenotypeShard]) -> Executor:
    """What `auto` means here: Ray where a cluster is given by RAY_ADDRESS or the files are large or
    remote, threads else."""
    if asked is not Executor.AUTO:
        return asked
    remote = any("://" in file.uri and not file.uri.startswith("file://") for file in cohort.files)
    large = sum(file.size_bytes for file in cohort.files) > _SMALL_RUN_BYTES
    on_cluster = "RAY_ADDRESS" in os.environ
    return Executor.RAY if on_cluster or remote or large else Executor.INLINE


def run_shards(
    shards: Sequence[GenotypeShard], work: ShardFunction, executor: Executor
) -> Iterator[tuple[int, pa.Table]]:
    """(shard index, table) of every shard, as they finish.

    Raises the CuraGenieError of the first shard that fails; InfrastructureError where workers died
    more often than Ray retries.
    """
    if executor is Executor.RAY:
        return _on_ray(shards, work)
    return _inline(shards, work)


def _inline(shards: Sequence[GenotypeShard], work: ShardFunction) -> Iterator[tuple[int, pa.Table]]:
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as threads:
        index_of = {threads.submit(work, shard): shard.index for shard in shards}
        try:
            for future in as_completed(index_of):
                # A future keeps its result: the tables of all shards need not be in memory at once
                yield index_of.pop(future), future.result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Shard work for Ray Data: the shard's index travels with the table."""

    work: ShardFunction

    def __call__(self, shard: GenotypeShard) -> Iterator[pa.Table]:
        table = self.work(shard)
        yield table.append_column("shard", pa.array([shard.index] * len(table), pa.int32()))


def _on_ray(shards: Sequence[GenotypeShard], work: ShardFunction) -> Iterator[tuple[int, pa.Table]]:
    if not shards:
        return
    join_or_start_ray()
    # Ray takes a second to import, which a small run in threads need not pay
    from ray.exceptions import RayError  # noqa: PLC0415

    from jobs.read_vcf import dataset_of  # noqa: PLC0415

    try:
        dataset = dataset_of(shards, _Numbered(work))
        for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
            table = cast(pa.Table, batch)
            for row in range(len(table)):
                one = table.slice(row, 1)
                yield one.column("shard")[0].as_py(), one.drop_columns("shard")
    except RayError as error:
        raise _cause(error) from error


def _cause(error: BaseException) -> BaseException:
    """What a task raised, on purpose or by mistake; InfrastructureError where a worker died."""
    from ray.exceptions import RayError, RayTaskError  # noqa: PLC0415 - see _on_ray

    seen: BaseException | None = error
    while seen is not None:
        # Ray's wrapper is an instance of the wrapped error's class too, but not that error.
        if isinstance(seen, CuraGenieError) and not isinstance(seen, RayError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    if isinstance(error, RayTaskError):
        return error
    return InfrastructureError(
        f"a shard could not be finished on Ray ({type(error).__name__}).",
        fix="See the Ray dashboard and logs for the worker that failed; the job can be retried.",
    )
