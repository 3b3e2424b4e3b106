"""The checker sees each violation that is planted, and none where there is none."""

import pytest
from sqlalchemy import text

from core.job import Job
from core.records.session import Database
from core.storage.objects import ObjectStore, put_text
from jobs.attempt import JobEnvironment, run_attempt
from tests.builders.job_bodies import BODIES, result_key
from tests.builders.records import USER
from tests.faults.invariants import Expected, broken
from tests.faults.workers import KIND, lease, submit


@pytest.fixture
def done(database: Database, environment: JobEnvironment) -> Job:
    submit(database, "complete")
    job = lease(database)
    run_attempt(job, environment, BODIES[KIND])
    return job


@pytest.fixture
def expected(done: Job) -> Expected:
    return Expected(USER, (done.id,), {result_key(done): b"result"})


def test_a_run_without_faults_breaks_no_promise(
    expected: Expected, database: Database, objects: ObjectStore
) -> None:
    assert broken(expected, database, objects) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE jobs SET state = 'RUNNING'", "job 1 is RUNNING"),
        ("DELETE FROM events WHERE sequence = 2", "events are numbered [1, 3, 4, 5]"),
    ],
)
def test_jobs_without_end_and_lost_events_are_seen(
    expected: Expected, database: Database, objects: ObjectStore, statement: str, said: str
) -> None:
    with database.transaction() as tx:
        tx._session.execute(text(statement))
    assert broken(expected, database, objects) == [said]


def test_other_bytes_missing_objects_and_orphans_are_seen(
    done: Job, expected: Expected, database: Database, objects: ObjectStore
) -> None:
    put_text(objects, result_key(done), "another")
    put_text(objects, f"checkpoints/job-{done.id}/left", "x")
    assert broken(expected, database, objects) == [
        f"{result_key(done)} is not what a run without faults stores",
        f"nobody needs checkpoints/job-{done.id}/left",
    ]
    objects.delete(result_key(done))
    assert broken(expected, database, objects)[0] == f"{result_key(done)} is missing"
