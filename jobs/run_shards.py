"""Run one function over shards, or runs of several: threads in this process, or tasks on Ray.

Results come in the order they finish, each with its task's number; whoever merges puts them back
into the order of the plan. The function is the same in both places.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, NamedTuple, Protocol, TypeVar, cast

import pyarrow as pa

from core.lean_imports import let_in
from core.memory import give_back_memory
from jobs.local_ray import has_cluster, join_or_start_ray
from jobs.parcels import PARCEL_BYTES, Unpacking, parcels_of

Task = TypeVar("Task")


class Executor(StrEnum):
    """`auto` keeps a run in this process where a plan on a cluster, or a cluster's start, would
    cost more than the work."""

    AUTO = "auto"
    INLINE = "inline"
    RAY = "ray"


_SMALL_RUN_BYTES = 32 << 20
_LOCAL_RUN_BYTES = 1 << 30


class NamedFile(Protocol):
    @property
    def uri(self) -> str: ...


class InputFiles(Protocol):
    """What a run reads: the files of a cohort, or of reads."""

    @property
    def files(self) -> Sequence[NamedFile]: ...

    @property
    def size_bytes(self) -> int: ...


def choose_executor(asked: Executor, inputs: InputFiles) -> Executor:
    """What `auto` means here: threads for what one task would hold; else Ray where this process is
    on a cluster or RAY_ADDRESS names one, or the files are very large or remote."""
    if asked is not Executor.AUTO:
        return asked
    remote = any("://" in file.uri and not file.uri.startswith("file://") for file in inputs.files)
    limit = _SMALL_RUN_BYTES if remote or has_cluster() else _LOCAL_RUN_BYTES
    return Executor.INLINE if inputs.size_bytes <= limit else Executor.RAY


class Finished(NamedTuple):
    """A task's place among the tasks, its table, and the Arrow file that the table is mapped from,
    where it came in one: who takes the table may move the file, which is gone afterwards."""

    number: int
    table: pa.Table
    file: Path | None = None


def run_shards(
    tasks: Sequence[Task],
    work: Callable[[Task], pa.Table],
    executor: Executor,
    *,
    room_for: object = None,
) -> Iterator[Finished]:
    """The result of every task, a shard or several, as they finish.

    `room_for`: what later calls will broadcast, for which a Ray that is started now needs room.
    Raises the CuraGenieError of the first task that fails; InfrastructureError where Ray failed, as
    where workers died more often than it retries.
    """
    if executor is Executor.RAY:
        return _on_ray(tasks, work, room_for)
    return _inline(tasks, work)


def _inline(tasks: Sequence[Task], work: Callable[[Task], pa.Table]) -> Iterator[Finished]:
    """No task starts before the table of an earlier one is done with: there are never more than
    one table for each thread, made or being made."""
    n_threads = len(os.sched_getaffinity(0))
    waiting = iter(enumerate(tasks))
    running: dict[Future[pa.Table], int] = {}
    with ThreadPoolExecutor(n_threads) as threads:
        try:
            while True:
                for number, task in islice(waiting, n_threads - len(running)):
                    running[threads.submit(work, task)] = number
                if not running:
                    return
                yield _first_finished(running)
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


def _first_finished(running: dict[Future[pa.Table], int]) -> Finished:
    """Takes it out of `running`: a future keeps its table."""
    future = next(as_completed(running))
    return Finished(running.pop(future), future.result())


@dataclass(frozen=True, slots=True)
class _Numbered(Generic[Task]):
    """Work for Ray Data: the task's number travels with the parcels of its table."""

    work: Callable[[Task], pa.Table]

    def __call__(self, numbered: tuple[int, Task]) -> Iterator[pa.Table]:
        number, task = numbered
        yield from parcels_of(number, lambda: self.work(task))
        give_back_memory()  # this process may stay idle for long, and the next task has other needs


def _on_ray(
    tasks: Sequence[Task], work: Callable[[Task], pa.Table], room_for: object
) -> Iterator[Finished]:
    if not tasks:
        return
    let_in("pandas")
    join_or_start_ray((tuple(tasks), work, room_for))
    # Ray takes a second to import, which a small run in threads need not pay
    from ray.exceptions import RayError  # noqa: PLC0415

    from jobs.ray_errors import cause_of  # noqa: PLC0415
    from jobs.read_vcf import dataset_of  # noqa: PLC0415

    try:
        dataset = dataset_of(list(enumerate(tasks)), _Numbered(work), PARCEL_BYTES)
        with TemporaryDirectory() as folder:
            unpacking = Unpacking(Path(folder))
            for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
                complete = unpacking.add(cast(pa.Table, batch))
                del batch  # pages of the object store count as this process's
                give_back_memory()
                for number in complete:
                    table, file = unpacking.table(number)
                    yield Finished(number, table, file)
                    del table
                    file.unlink(missing_ok=True)
    except RayError as error:
        raise cause_of(error) from error
