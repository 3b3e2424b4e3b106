"""Ray Data datasource over the shards of a cohort.

`read_vcf` has one read task per shard, whose blocks are DosageBlocks. With other work, reading and
scoring for example, what is to be done once is a task, a shard or several, and only what the work
returns leaves it. Overheads: about 25 ms a task, hence tasks of some seconds' work.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import pyarrow as pa
import ray
from ray.data import DataContext, Dataset
from ray.data._internal.execution import resource_manager, streaming_executor_state
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask
from ray.util.annotations import RayDeprecationWarning

from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.source import GenotypeShard, plan_shards
from core.storage.byte_ranges import S3Access

_MAX_RETRIES = 3
"""How often a task runs again after its worker died. Ray Data tries without end, so that one
which kills its worker would occupy the cluster for ever."""


Task = TypeVar("Task")


class ShardDatasource(Datasource):
    """`work` and the tasks, whose shards' files name every sample, are broadcast once through the
    object store and unpacked once per worker process; a read task carries its number alone."""

    def __init__(self, tasks: Sequence[Any], work: Callable[[Any], Iterable[pa.Table]]) -> None:
        super().__init__()
        self._n_tasks = len(tasks)
        self._broadcast = ray.put((tuple(tasks), work))

    def get_name(self) -> str:
        return "GenotypeShards"

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        return [
            ReadTask(
                _ReadShard(self._broadcast, number),
                BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None),
                per_task_row_limit=per_task_row_limit,
            )
            for number in range(self._n_tasks)
        ]


class _ReadShard:
    def __init__(self, broadcast: ray.ObjectRef, number: int) -> None:
        self._broadcast = broadcast
        self._number = number

    def __call__(self) -> Iterator[pa.Table]:
        tasks, work = _load(self._broadcast)
        yield from work(tasks[self._number])


@lru_cache(maxsize=1)
def _load(broadcast: ray.ObjectRef) -> tuple[tuple[Any, ...], Callable[[Any], Iterable[pa.Table]]]:
    return ray.get(broadcast)


class _ReadBlocks:
    """The plain reader as shard work: every DosageBlock of the shard as an Arrow table."""

    def __init__(self, field: GenotypeField, half_call: HalfCall, s3: S3Access | None) -> None:
        self._field = field
        self._half_call = half_call
        self._s3 = s3

    def __call__(self, shard: GenotypeShard) -> Iterator[pa.Table]:
        reader = shard.reader(
            field=self._field, half_call=self._half_call, wanted=None, s3=self._s3
        )
        for block in reader:
            yield pa.Table.from_batches([block.batch])


def read_vcf(
    uris: Sequence[str],
    *,
    shard_bytes: int,
    field: GenotypeField = GenotypeField.AUTO,
    half_call: HalfCall = HalfCall.MISSING,
    s3: S3Access | None = None,
) -> Dataset:
    """A Ray Dataset of the DosageBlocks of one cohort (columns: core.genotypes.block).

    `uris` are genotype files of any format (core.genotypes.formats); shards hold about
    `shard_bytes` of each.
    """
    cohort = open_cohort(uris, s3=s3)
    shards = plan_shards(cohort, shard_bytes)
    return dataset_of(shards, _ReadBlocks(field, half_call, s3))


def _look_often() -> None:
    """Ray Data asks for the cluster's size once a second, and before its first answer runs one task
    at a time; for finished tasks it looks ten times a second, and a worker waits for that.

    Neither is an option: these are names of Ray's own, which change nothing where it has others.
    """
    limits: Any = resource_manager.ResourceManager
    limits.GLOBAL_LIMITS_UPDATE_INTERVAL_S = 0.05
    streaming_executor_state.WAIT_FOR_TASK_COMPLETION_TIMEOUT_S = 0.01


def dataset_of(
    tasks: Sequence[Task],
    work: Callable[[Task], Iterable[pa.Table]],
    block_bytes: int | None = None,
) -> Dataset:
    """The lazy dataset of what `work` makes of each task, in no fixed order.

    Tables are put together up to `block_bytes`, which None leaves to Ray.
    """
    _look_often()
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = block_bytes or context.target_max_block_size
    with DataContext.current(context), warnings.catch_warnings():
        # Named parameters are to replace this one, but none of them bounds the retries yet
        warnings.simplefilter("ignore", RayDeprecationWarning)
        return ray.data.read_datasource(
            ShardDatasource(tasks, work),
            override_num_blocks=max(len(tasks), 1),
            ray_remote_args={"max_retries": _MAX_RETRIES},
        )
