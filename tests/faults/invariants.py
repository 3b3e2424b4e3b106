"""What must hold after any fault: `broken` names each promise that does not.

Every accepted job has ended; a user's events are numbered 1, 2, 3 …; what a job stored is what a
run without faults stores; and there is no object that no row names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.job import Job
from core.records.session import Database
from core.storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Expected:
    """`job_ids` were accepted, all of `user_id`; `objects` are the golden bytes by key, and all
    that there may be below the folders `prefixes`."""

    user_id: str
    job_ids: tuple[int, ...]
    objects: Mapping[str, bytes]
    prefixes: tuple[str, ...] = ("results", "checkpoints")


def broken(expected: Expected, database: Database, objects: ObjectStore) -> list[str]:
    """One sentence for each promise that does not hold; none where all do."""
    return [
        *_jobs_without_end(expected, database),
        *_gaps(expected, database),
        *_wrong_objects(expected, objects),
        *_orphans(expected, objects),
    ]


def _jobs_without_end(expected: Expected, database: Database) -> Iterator[str]:
    with database.reading() as tx:
        jobs: list[Job] = [tx.jobs.get(job_id, user_id=None) for job_id in expected.job_ids]
    for job in jobs:
        if not job.state.is_terminal:
            yield f"job {job.id} is {job.state}"


def _gaps(expected: Expected, database: Database) -> Iterator[str]:
    with database.reading() as tx:
        seen = [event.sequence for event in tx.events.after(expected.user_id, 0)]
    if seen != list(range(1, len(seen) + 1)):
        yield f"events are numbered {seen}"


def _wrong_objects(expected: Expected, objects: ObjectStore) -> Iterator[str]:
    for key, golden in expected.objects.items():
        if not objects.exists(key):
            yield f"{key} is missing"
            continue
        with objects.open(key) as source:
            if source.read() != golden:
                yield f"{key} is not what a run without faults stores"


def _orphans(expected: Expected, objects: ObjectStore) -> Iterator[str]:
    for prefix in expected.prefixes:
        for key in objects.keys(prefix):
            if key not in expected.objects:
                yield f"nobody needs {key}"
