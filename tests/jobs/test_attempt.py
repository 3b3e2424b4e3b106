"""Attempts in this process, on the real table, with a body that does as its parameters say."""

import threading
import time
from dataclasses import replace

import pytest

from core.job import Job, JobKind, JobState
from core.records.records import GenomicData
from core.records.session import Database
from core.storage.objects import ObjectStore
from jobs.attempt import JobEnvironment, run_attempt
from tests.builders import job_bodies
from tests.builders.job_bodies import BODIES, N_SHARDS, result_key
from tests.builders.records import USER

KIND = JobKind.PROCESS_GENOMIC_FILE
SECRET_OF_THE_TRACEBACK = "the secret of the traceback"


def submit(database: Database, *plan: str) -> Job:
    with database.transaction() as tx:
        data = tx.genomic_data.create(
            user_id=USER, filename="sample.vcf", file_url="x", sha256="0" * 64, size_bytes=1
        )
        return tx.jobs.submit(KIND, USER, {"genomic_data_id": data.id, "plan": list(plan)})


def lease(database: Database) -> Job:
    with database.transaction() as tx:
        job = tx.jobs.lease(KIND.queue, owner="test", seconds=5)
    assert job is not None
    return job


def attempt(database: Database, environment: JobEnvironment) -> Job:
    """One attempt at the job; the job as the table then has it."""
    job = lease(database)
    run_attempt(job, environment, BODIES[KIND])
    with database.reading() as tx:
        return tx.jobs.get(job.id, user_id=None)


def genomic_data_of(database: Database, job: Job) -> GenomicData:
    with database.reading() as tx:
        return tx.genomic_data.get(job.params["genomic_data_id"], user_id=USER)


def states_of(database: Database, job: Job) -> list[str]:
    with database.reading() as tx:
        events = tx.events.after(USER, 0)
    return [e.data.get("state", str(e.type)) for e in events if e.job_id in (job.id, None)]


def test_a_complete_job_has_its_result_its_progress_and_its_events(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    submit(database, "complete")
    job = attempt(database, environment)
    assert job.state is JobState.COMPLETE
    assert (job.done, job.total) == (N_SHARDS, N_SHARDS)
    assert genomic_data_of(database, job).metadata_json == {"attempt": 1}
    assert objects.exists(result_key(job))
    assert states_of(database, job) == [
        "QUEUED",
        "INITIALIZING",
        "RUNNING",
        "upload_complete",
        "COMPLETE",
    ]


def test_a_users_error_ends_the_job_at_once_with_file_line_and_fix(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    submit(database, "user_error", "complete")
    job = attempt(database, environment)
    assert job.state is JobState.EXECUTOR_ERROR
    assert job.problem == {
        "code": "invalid_genotype_file",
        "detail": "not a number",
        "file": "sample.vcf",
        "line": 7,
        "fix": "Write one.",
    }
    assert genomic_data_of(database, job).problem == job.problem
    assert not objects.exists(result_key(job))
    assert states_of(database, job)[-2:] == ["upload_complete", "EXECUTOR_ERROR"]


@pytest.mark.parametrize("failure", ["infrastructure_error", "no_space"])
def test_an_infrastructure_error_puts_the_job_back_and_the_next_attempt_completes(
    database: Database, environment: JobEnvironment, objects: ObjectStore, failure: str
) -> None:
    submit(database, failure, "complete")
    first = attempt(database, environment)
    assert first.state is JobState.QUEUED
    assert first.problem is not None
    assert first.problem["code"] == "infrastructure_error"
    assert not objects.exists(result_key(first))
    second = attempt(database, environment)
    assert (second.state, second.attempt) == (JobState.COMPLETE, 2)
    assert second.problem is None
    assert genomic_data_of(database, second).metadata_json == {"attempt": 2}


def test_infrastructure_errors_without_end_are_a_system_error(
    database: Database, environment: JobEnvironment
) -> None:
    submit(database, "infrastructure_error")
    attempts = [attempt(database, environment) for _ in range(3)]
    job = attempts[-1]
    assert [ended.state for ended in attempts] == ["QUEUED", "QUEUED", "SYSTEM_ERROR"]
    assert job.problem is not None
    assert job.problem["detail"] == "the object store went away"
    assert "tried 3 times" in job.problem["fix"]
    assert genomic_data_of(database, job).problem == job.problem


def test_an_unforeseen_error_is_a_system_error_whose_traceback_stays_in_the_log(
    database: Database, environment: JobEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    submit(database, "mistake_of_ours", "complete")
    job = attempt(database, environment)
    assert job.state is JobState.SYSTEM_ERROR
    assert job.problem is not None
    assert job.problem["code"] == "internal_error"
    assert SECRET_OF_THE_TRACEBACK not in str(job.problem)
    assert SECRET_OF_THE_TRACEBACK in caplog.text


def test_an_attempt_that_lost_its_lease_changes_nothing_and_leaves_nothing(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    submit(database, "complete")
    stale = lease(database)
    with database.transaction() as tx:
        tx.jobs.requeue(stale, delay_seconds=0, problem={"code": "x", "detail": "lost"})
    current = lease(database)
    run_attempt(stale, environment, BODIES[KIND])
    with database.reading() as tx:
        assert tx.jobs.get(current.id, user_id=None) == current
    assert not objects.exists(result_key(stale))
    run_attempt(current, environment, BODIES[KIND])
    assert genomic_data_of(database, current).metadata_json == {"attempt": 2}


def test_an_attempt_that_loses_its_lease_at_work_writes_no_result(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    submit(database, "slow")
    job = lease(database)
    thread = threading.Thread(target=run_attempt, args=(job, environment, BODIES[KIND]))
    thread.start()
    while not objects.exists(result_key(job)):
        time.sleep(0.01)
    with database.transaction() as tx:
        running = tx.jobs.get(job.id, user_id=None)
        tx.jobs.requeue(running, delay_seconds=0, problem={"code": "x", "detail": "lost"})
    thread.join()
    assert genomic_data_of(database, job).metadata_json is None
    assert not objects.exists(result_key(job))
    with database.reading() as tx:
        assert tx.jobs.get(job.id, user_id=None).state is JobState.QUEUED


def test_a_long_attempt_keeps_its_lease_by_heartbeats(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    submit(database, "slow")
    with database.transaction() as tx:
        job = tx.jobs.lease(KIND.queue, owner="test", seconds=0.5)
    assert job is not None
    thread = threading.Thread(target=run_attempt, args=(job, environment, BODIES[KIND]))
    thread.start()
    while thread.is_alive():
        with database.transaction() as tx:
            assert tx.jobs.expired() == []
        time.sleep(0.05)
    with database.reading() as tx:
        assert tx.jobs.get(job.id, user_id=None).state is JobState.COMPLETE


def cancel(database: Database, job: Job) -> Job:
    with database.transaction() as tx:
        return tx.jobs.cancel(job.id, user_id=USER)


def test_a_running_job_that_is_canceled_stops_at_a_shard_and_keeps_nothing(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    environment = replace(environment, heartbeat_seconds=0.05)
    job = submit(database, "canceled")
    leased = lease(database)
    attempt = threading.Thread(target=run_attempt, args=(leased, environment, BODIES[KIND]))
    attempt.start()
    while state_of(database, job) is not JobState.RUNNING:
        time.sleep(0.01)
    assert cancel(database, job).state is JobState.CANCELING
    attempt.join(10)
    assert state_of(database, job) is JobState.CANCELED
    assert genomic_data_of(database, job).problem == {
        "code": "job_canceled",
        "detail": "The job was canceled.",
    }
    assert not objects.exists(result_key(leased))
    assert states_of(database, job)[-3:] == ["CANCELING", "upload_complete", "CANCELED"]


def test_a_job_that_is_canceled_before_it_runs_never_does(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    job = submit(database, "complete")
    leased = lease(database)
    cancel(database, job)
    run_attempt(leased, environment, BODIES[KIND])
    assert state_of(database, job) is JobState.CANCELED
    assert not objects.exists(result_key(leased))


@pytest.mark.parametrize("plan", ["infrastructure_error", "user_error", "mistake_of_ours"])
def test_a_canceled_job_is_not_tried_again_whatever_ends_its_attempt(
    plan: str, database: Database, environment: JobEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(database, plan)
    life = job_bodies._LIVES[plan]

    def canceled_meanwhile() -> None:
        cancel(database, job)
        life()

    monkeypatch.setitem(job_bodies._LIVES, plan, canceled_meanwhile)
    assert attempt(database, environment).state is JobState.CANCELED


def test_a_job_that_is_done_before_it_hears_of_it_is_complete(
    database: Database, environment: JobEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(database, "complete")
    monkeypatch.setitem(job_bodies._LIVES, "complete", lambda: cancel(database, job))
    assert attempt(database, environment).state is JobState.COMPLETE


def state_of(database: Database, job: Job) -> JobState:
    with database.reading() as tx:
        return tx.jobs.get(job.id, user_id=None).state
