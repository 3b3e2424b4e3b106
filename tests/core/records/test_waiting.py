"""Transactions that meet at one job or one user wait in turn: no two wait for one another."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from core.errors import ConflictError, InfrastructureError
from core.job import Job, JobState, RetryPolicy
from core.records.session import Database
from jobs.attempt import settle
from jobs.catalogue import BODIES
from jobs.submit import submit_prs
from tests.builders.records import USER, running, upload

LOST = InfrastructureError("the worker was lost", fix="It is tried again.")
N_ROUNDS = 20


def at_once(*steps: Callable[[], object]) -> list[object]:
    start = Barrier(len(steps))

    def run(step: Callable[[], object]) -> object:
        start.wait()
        return step()

    with ThreadPoolExecutor(len(steps)) as threads:
        return list(threads.map(run, steps))


def running_job(database: Database) -> Job:
    with database.transaction() as tx:
        data = upload(tx)
        return running(tx, tx.jobs.get(data.job_id or 0, user_id=USER).kind)


def cancel(database: Database, job: Job) -> str:
    """The state, or why not."""
    try:
        with database.transaction() as tx:
            return tx.jobs.cancel(job.id, user_id=USER).state
    except ConflictError as error:
        return error.what


def end(database: Database, job: Job) -> JobState:
    """As the dispatcher ends a job whose worker was lost, for good."""
    with database.transaction() as tx:
        return settle(tx, job, LOST, RetryPolicy(max_attempts=1), BODIES[job.kind])


def test_a_cancel_and_the_end_of_the_same_attempt_both_have_an_answer(database: Database) -> None:
    for _ in range(N_ROUNDS):
        job = running_job(database)
        canceled, ended = at_once(lambda: cancel(database, job), lambda: end(database, job))  # noqa: B023
        assert (canceled, ended) in {
            (JobState.CANCELING, JobState.CANCELED),
            (f"Job {job.id} has ended: SYSTEM_ERROR.", JobState.SYSTEM_ERROR),
        }


def test_a_calculation_and_the_end_of_one_of_the_same_scores_both_come_through(
    database: Database,
) -> None:
    """The newer calculation takes over the rows that the older one is about to fail."""
    with database.transaction() as tx:
        data = upload(tx)
        tx.genomic_data.complete(data.id, {"build": "GRCh38"})

    def calculate() -> Job:
        with database.transaction() as tx:
            job, _ = submit_prs(tx, data, ["PGS000001", "PGS000002"])
        return job

    for _ in range(N_ROUNDS):
        submitted = calculate()
        with database.transaction() as tx:
            job = running(tx, submitted.kind)
        _, state = at_once(calculate, lambda: end(database, job))  # noqa: B023
        assert state is JobState.SYSTEM_ERROR
        with database.transaction() as tx:
            left = tx.jobs.lease(submitted.queue, owner="worker", seconds=30)
            assert left is not None
            tx.jobs.advance(tx.jobs.advance(left, JobState.RUNNING), JobState.COMPLETE)


def test_a_cancel_that_waits_for_a_lease_sees_it(database: Database) -> None:
    if database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time, from the beginning of its transaction")
    with database.transaction() as tx:
        data = upload(tx)
        job = tx.jobs.get(data.job_id or 0, user_id=USER)
    leased = Event()

    def complete() -> None:
        with database.transaction() as tx:
            tx.jobs.advance(running(tx, job.kind), JobState.COMPLETE)
            leased.set()
            time.sleep(0.3)  # the cancel waits for the commit

    def cancel_meanwhile() -> str:
        leased.wait()
        return cancel(database, job)

    with ThreadPoolExecutor(2) as threads:
        ended, canceled = threads.submit(complete), threads.submit(cancel_meanwhile)
        assert canceled.result() == f"Job {job.id} has ended: COMPLETE."
        ended.result()
