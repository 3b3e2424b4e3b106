"""Workers killed or stopped at each fault point: jobs end, and leave what a run without faults
does."""

import os
import signal
from collections.abc import Callable

import pytest

from core.job import Job, JobKind, JobState
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.storage.objects import ObjectStore, delete_folder, put_text
from jobs.attempt import Bodies, JobBody, JobContext, JobEnvironment, run_attempt
from tests.builders import job_bodies
from tests.builders.job_bodies import result_key
from tests.builders.records import USER
from tests.faults.invariants import Expected, broken
from tests.faults.workers import KIND, lease, start_worker, submit, take_back, wait_until_expired


def _checkpoint(job: Job) -> str:
    return f"checkpoints/job-{job.id}"


def _run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
    put_text(context.objects, f"{_checkpoint(job)}/attempt-{job.attempt}", "finished")
    return job_bodies.run(job, context)


def _clean_up(job: Job, state: JobState, database: Database, objects: ObjectStore) -> None:
    """What is unused is what no row names, as of the bodies that there are."""
    with database.reading() as tx:
        data = tx.genomic_data.get(job.params["genomic_data_id"], user_id=None)
    if (data.metadata_json or {}).get("attempt") != job.attempt:
        objects.delete(result_key(job))
    if not state.may_go_on:
        delete_folder(objects, _checkpoint(job))


BODIES: Bodies = {
    kind: JobBody(run=_run, fail=job_bodies.fail, clean_up=_clean_up) for kind in JobKind
}


def _state(job: Job, database: Database) -> JobState:
    with database.reading() as tx:
        return tx.jobs.get(job.id, user_id=None).state


@pytest.mark.parametrize(
    ("point", "attempts"), [("heartbeat", 2), ("results_stored", 2), ("completed", 1)]
)
def test_a_worker_that_is_killed_costs_an_attempt_and_leaves_nothing(
    point: str, attempts: int, database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    submit(database, "slow" if point == "heartbeat" else "complete", "complete")
    job = lease(database)
    worker = start_worker(job, environment, f"{point}:kill", BODIES)
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
    take_back(job, environment, database, BODIES)
    if attempts == 2:
        job = lease(database)
        run_attempt(job, environment, BODIES[KIND])
    assert _state(job, database) is JobState.COMPLETE
    expected = Expected(USER, (job.id,), {result_key(job): b"result"})
    assert broken(expected, database, objects) == []


def test_workers_that_the_same_input_kills_end_the_job(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    job = submit(database, "complete")
    for _ in range(environment.retry.max_attempts):
        job = lease(database)
        start_worker(job, environment, "results_stored:kill", BODIES).join(30)
        take_back(job, environment, database, BODIES)
    assert _state(job, database) is JobState.SYSTEM_ERROR
    expected = Expected(USER, (job.id,), {}, prefixes=("results",))
    assert broken(expected, database, objects) == []


def test_a_stopped_worker_that_goes_on_after_its_lease_changes_nothing(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    submit(database, "complete")
    stopped = lease(database)
    worker = start_worker(stopped, environment, "results_stored:stop", BODIES)
    assert worker.pid is not None
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WNOWAIT)
    wait_until_expired(stopped, database)
    take_back(stopped, environment, database, BODIES)
    job = lease(database)
    run_attempt(job, environment, BODIES[KIND])
    put_text(objects, f"{_checkpoint(job)}/late", "written by the stopped one")
    os.kill(worker.pid, signal.SIGCONT)
    worker.join(30)
    assert worker.exitcode == 0
    assert _state(job, database) is JobState.COMPLETE
    expected = Expected(USER, (job.id,), {result_key(job): b"result"})
    assert broken(expected, database, objects) == []


@pytest.mark.parametrize("point", ["heartbeat", "results_stored", "completed"])
def test_a_fault_point_that_raises_loses_no_job(
    point: str,
    database: Database,
    environment: JobEnvironment,
    objects: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit(database, "slow" if point == "heartbeat" else "complete")
    job = lease(database, seconds=5)
    with monkeypatch.context() as patch:
        patch.setenv("CURAGENIE_FAULTPOINT", f"{point}:raise")
        run_attempt(job, environment, BODIES[KIND])
    if _state(job, database) is JobState.QUEUED:
        job = lease(database)
        run_attempt(job, environment, BODIES[KIND])
    expected = Expected(USER, (job.id,), {result_key(job): b"result"})
    assert broken(expected, database, objects) == []
