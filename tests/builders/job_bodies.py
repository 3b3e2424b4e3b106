"""A job body whose life is written in its parameters: only the machinery around it is tested.

`{"genomic_data_id": 1, "plan": ["kill", "complete"]}` kills its worker in the first attempt and
completes in the second; the last word holds for every attempt after it.
"""

import os
import signal
import time
from collections.abc import Callable

from core.errors import GenotypeFileError, InfrastructureError, Where
from core.job import Job, JobKind, JobState, Problem
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.storage.objects import ObjectStore
from jobs.attempt import Bodies, JobBody, JobContext

N_SHARDS = 4


def result_key(job: Job) -> str:
    return f"results/job-{job.id}/attempt-{job.attempt}"


def run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
    with context.objects.put_stream(result_key(job)) as writer:
        writer.write(b"result")
    for done in range(1, N_SHARDS + 1):
        context.on_progress(done, N_SHARDS)
    plan: list[str] = job.params["plan"]
    life = plan[min(job.attempt, len(plan)) - 1]
    if life == "canceled":
        _until_canceled(context)
    _LIVES[life]()
    return lambda tx: _write_result(tx, job)


def _until_canceled(context: JobContext) -> None:
    """Goes on with its shards; raises when it hears of it."""
    for _ in range(1000):
        context.on_progress(N_SHARDS, N_SHARDS)
        time.sleep(0.02)


def _write_result(tx: UnitOfWork, job: Job) -> None:
    tx.genomic_data.complete(job.params["genomic_data_id"], {"attempt": job.attempt})


def fail(tx: UnitOfWork, job: Job, problem: Problem) -> None:
    tx.genomic_data.fail(job.params["genomic_data_id"], problem.as_dict())


def clean_up(job: Job, state: JobState, database: Database, objects: ObjectStore) -> None:
    if state is not JobState.COMPLETE:
        objects.delete(result_key(job))


def _complete() -> None:
    pass


def _user_error() -> None:
    raise GenotypeFileError("not a number", where=Where("sample.vcf", line=7), fix="Write one.")


def _infrastructure_error() -> None:
    raise InfrastructureError("the object store went away", fix="Wait.")


def _mistake_of_ours() -> None:
    _ = {}["the secret of the traceback"]


def _no_space() -> None:
    raise OSError(28, "No space left on device")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _slow() -> None:
    time.sleep(1.0)


_LIVES = {
    "complete": _complete,
    "user_error": _user_error,
    "infrastructure_error": _infrastructure_error,
    "mistake_of_ours": _mistake_of_ours,
    "no_space": _no_space,
    "kill": _kill,
    "slow": _slow,
    "canceled": _complete,
}

BODIES: Bodies = {kind: JobBody(run=run, fail=fail, clean_up=clean_up) for kind in JobKind}
