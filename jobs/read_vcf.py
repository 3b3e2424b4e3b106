"""Ray Data datasource over the shards of a cohort.

One read task per shard. By default its blocks are DosageBlocks; given `work`, the task runs it on
the shard instead, so that reading and scoring are one task and only what `work` returns leaves it.
Overheads: about 25 ms a task, hence shards of some seconds' work.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import pyarrow as pa
import ray
from ray.data import DataContext, Dataset
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask
from ray.util.annotations import RayDeprecationWarning

from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.source import GenotypeShard, plan_shards
from core.storage.byte_ranges import S3Access

_MAX_RETRIES = 3
"""How often a shard runs again after its worker died. Ray Data tries without end, so that a shard
which kills its worker would occupy the cluster for ever."""

ShardWork = Callable[[GenotypeShard], Iterable[pa.Table]]


class ShardDatasource(Datasource):
    """`work` and the shards, whose files name every sample, are broadcast once through the object
    store and unpacked once per worker process; a task carries its shard's number."""

    def __init__(self, shards: Sequence[GenotypeShard], work: ShardWork) -> None:
        super().__init__()
        self._shards = tuple(shards)
        self._broadcast = ray.put((self._shards, work))

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
                BlockMetadata(
                    num_rows=None, size_bytes=None, input_files=(shard.file.uri,), exec_stats=None
                ),
                per_task_row_limit=per_task_row_limit,
            )
            for number, shard in enumerate(self._shards)
        ]


class _ReadShard:
    def __init__(self, broadcast: ray.ObjectRef, number: int) -> None:
        self._broadcast = broadcast
        self._number = number

    def __call__(self) -> Iterator[pa.Table]:
        shards, work = _load(self._broadcast)
        yield from work(shards[self._number])


@lru_cache(maxsize=1)
def _load(broadcast: ray.ObjectRef) -> tuple[tuple[GenotypeShard, ...], ShardWork]:
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

    `uris` are VCFs (bgzip, gzip or plain) or stores, local or s3://; shards hold about
    `shard_bytes` of each.
    """
    cohort = open_cohort(uris, s3=s3)
    shards = plan_shards(cohort, shard_bytes)
    return dataset_of(shards, _ReadBlocks(field, half_call, s3))


def dataset_of(shards: Sequence[GenotypeShard], work: ShardWork) -> Dataset:
    """The lazy dataset of what `work` makes of each shard, in no fixed order."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    with warnings.catch_warnings():
        # Named parameters are to replace this one, but none of them bounds the retries yet
        warnings.simplefilter("ignore", RayDeprecationWarning)
        return ray.data.read_datasource(
            ShardDatasource(shards, work),
            override_num_blocks=max(len(shards), 1),
            ray_remote_args={"max_retries": _MAX_RETRIES},
        )
