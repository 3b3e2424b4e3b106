"""The dispatcher on a real Ray, with a body that does as its parameters say."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import ray

from core.job import Job, JobKind, JobState, Queue, RetryPolicy
from core.records.session import Database
from core.storage.objects import open_objects, put_text
from jobs.attempt import JobEnvironment
from jobs.dispatcher import start_dispatcher
from jobs.status import START, start_status
from jobs.submit import announce, wake_dispatcher
from tests.builders.job_bodies import BODIES, result_key
from tests.builders.live import poll
from tests.builders.records import USER

pytestmark = pytest.mark.ray

LIMITS = {Queue.GENOMIC_PROCESSING: 2, Queue.PRS_CALCULATION: 1, Queue.ML_INFERENCE: 1}
DEADLINE_SECONDS = 60.0


@pytest.fixture
def environment(environment: JobEnvironment) -> JobEnvironment:
    """Leases, and a tidying, that a test can wait for."""
    retry = RetryPolicy(max_attempts=2, first_delay_seconds=0.1)
    seconds = {"lease_seconds": 3, "heartbeat_seconds": 0.5, "tidy_seconds": 0.5}
    return replace(environment, **seconds, retry=retry)


@pytest.fixture
def start(ray_session: None, environment: JobEnvironment) -> Iterator[Callable[[], Any]]:
    """Starts the dispatcher of this test's database."""
    actors: list[Any] = []

    def start() -> Any:
        actors.append(start_dispatcher(environment, LIMITS, bodies=BODIES, poll_seconds=0.2))
        return actors[-1]

    yield start
    for actor in actors:
        ray.kill(actor)


def submit(database: Database, *plan: str, kind: JobKind = JobKind.PROCESS_GENOMIC_FILE) -> Job:
    with database.transaction() as tx:
        data = tx.genomic_data.create(
            user_id=USER, filename="sample.vcf", file_url="x", sha256="0" * 64, size_bytes=1
        )
        return tx.jobs.submit(kind, USER, {"genomic_data_id": data.id, "plan": list(plan)})


def wait_for_end(database: Database, *jobs: Job) -> list[Job]:
    """The jobs once all have ended."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    seen = list(jobs)
    while time.monotonic() < deadline:
        with database.reading() as tx:
            seen = [tx.jobs.get(job.id, user_id=None) for job in jobs]
        if all(job.state.is_terminal for job in seen):
            return seen
        time.sleep(0.05)
    raise TimeoutError(f"not ended: {seen}")


def test_jobs_of_every_fate_end_as_they_should(
    start: Callable[[], Any], database: Database, environment: JobEnvironment
) -> None:
    start()
    fates = {
        ("complete",): (JobState.COMPLETE, 1),
        ("user_error",): (JobState.EXECUTOR_ERROR, 1),
        ("mistake_of_ours",): (JobState.SYSTEM_ERROR, 1),
        ("infrastructure_error", "complete"): (JobState.COMPLETE, 2),
        ("kill", "complete"): (JobState.COMPLETE, 2),
        ("kill",): (JobState.SYSTEM_ERROR, 2),
    }
    jobs = wait_for_end(database, *(submit(database, *plan) for plan in fates))
    assert [(job.state, job.attempt) for job in jobs] == list(fates.values())
    objects = open_objects(environment.objects)
    complete = sorted(result_key(job) for job in jobs if job.state is JobState.COMPLETE)
    assert list(objects.keys("results")) == complete
    with database.reading() as tx:
        events = tx.events.after(USER, 0)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    results = [event for event in events if event.type == "upload_complete"]
    assert len(results) == len(jobs)


def test_a_wake_up_makes_messages_flow_from_submit_to_complete(
    start: Callable[[], Any], database: Database
) -> None:
    status = start_status(progress_hz=1000)
    start()
    cursor = poll(status, START, 0).cursor
    with database.transaction() as tx:
        data = tx.genomic_data.create(
            user_id=USER, filename="sample.vcf", file_url="x", sha256="0" * 64, size_bytes=1
        )
        tx.jobs.submit(
            JobKind.PROCESS_GENOMIC_FILE,
            USER,
            {"genomic_data_id": data.id, "plan": ["complete"]},
        )
    announce(tx.recorded)
    # Submitter, dispatcher and attempt publish from processes of their own, so the actor may hear
    # of a later event first; the hub puts them in order for the client (test_live).
    seen: dict[int, dict[str, Any]] = {}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(seen) < 5 and time.monotonic() < deadline:
        batch = poll(status, cursor, 5)
        cursor = batch.cursor
        mine = [live.message for live in batch.messages if live.user_id == USER]
        published = [message for message in mine if "sequence" in message]
        assert not seen.keys() & {message["sequence"] for message in published}
        seen |= {message["sequence"]: message for message in published}
    ray.kill(status)
    assert sorted(seen) == [1, 2, 3, 4, 5]
    with database.reading() as tx:
        recorded = [event.message for event in tx.events.after(USER, 0)]
    assert [seen[sequence] for sequence in sorted(seen)] == recorded
    assert recorded[-1]["data"]["state"] == "COMPLETE"


def test_a_queue_never_runs_more_jobs_than_its_limit(
    start: Callable[[], Any], database: Database
) -> None:
    start()
    jobs = [submit(database, "slow", kind=JobKind.CALCULATE_PRS_SCORE) for _ in range(3)]
    ended = wait_for_end(database, *jobs)
    starts = sorted(job.started_at for job in ended if job.started_at is not None)
    ends = sorted(job.ended_at for job in ended if job.ended_at is not None)
    assert all(end <= start for end, start in zip(ends[:-1], starts[1:], strict=True))


def test_a_lost_job_that_cannot_be_ended_does_not_stop_the_others(
    start: Callable[[], Any], database: Database
) -> None:
    with database.transaction() as tx:
        tx.jobs.submit(JobKind.PROCESS_GENOMIC_FILE, USER, {"plan": "of no record"})
        first = tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="a dead worker", seconds=0)
        assert first is not None
        tx.jobs.requeue(first, delay_seconds=0, problem={})
        assert tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="a dead worker", seconds=0)
    start()
    (ended,) = wait_for_end(database, submit(database, "complete"))
    assert ended.state is JobState.COMPLETE


def test_a_restarted_dispatcher_finds_what_was_queued_and_what_was_running(
    start: Callable[[], Any], database: Database
) -> None:
    with database.transaction() as tx:
        pass
    lost = submit(database, "complete")
    with database.transaction() as tx:
        leased = tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="a dead worker", seconds=0.5)
        assert leased is not None
        tx.jobs.advance(leased, JobState.RUNNING)
    queued = submit(database, "complete")
    dispatcher = start()
    ray.kill(dispatcher, no_restart=False)
    wake_dispatcher()
    ended = wait_for_end(database, lost, queued)
    assert [(job.state, job.attempt) for job in ended] == [
        (JobState.COMPLETE, 2),
        (JobState.COMPLETE, 1),
    ]


def test_making_workers_ready_holds_up_no_job(
    ray_session: None, database: Database, environment: JobEnvironment
) -> None:
    actor = start_dispatcher(environment, LIMITS, bodies=BODIES, poll_seconds=0.2, n_warm_workers=1)
    try:
        job = submit(database, "complete")
        (ended,) = wait_for_end(database, job)
        assert (ended.state, ended.attempt) == (JobState.COMPLETE, 1)
    finally:
        ray.kill(actor)


def wait_until_running(database: Database, *jobs: Job) -> None:
    deadline, states = time.monotonic() + DEADLINE_SECONDS, set[JobState]()
    while time.monotonic() < deadline:
        with database.reading() as tx:
            states = {tx.jobs.get(job.id, user_id=None).state for job in jobs}
        if states == {JobState.RUNNING}:
            return
        time.sleep(0.02)
    raise TimeoutError(f"not running: {states}")


def test_a_dispatcher_that_stops_gives_back_what_does_not_end_in_time(
    start: Callable[[], Any], database: Database
) -> None:
    dispatcher = start()
    ends, goes_on = submit(database, "slow"), submit(database, "canceled", "complete")
    wait_until_running(database, ends, goes_on)
    waits = submit(database, "complete")
    ray.get(dispatcher.stop.remote(2.0), timeout=DEADLINE_SECONDS)
    with database.reading() as tx:
        jobs = [tx.jobs.get(job.id, user_id=None) for job in (ends, goes_on, waits)]
    assert [(job.state, job.attempt, job.n_failed) for job in jobs] == [
        (JobState.COMPLETE, 1, 0),
        (JobState.QUEUED, 1, 0),
        (JobState.QUEUED, 0, 0),
    ]
    ray.kill(dispatcher)
    start()
    ended = wait_for_end(database, goes_on, waits)
    assert [(job.state, job.attempt) for job in ended] == [
        (JobState.COMPLETE, 2),
        (JobState.COMPLETE, 1),
    ]


def test_canceled_jobs_end_whether_they_wait_run_or_have_lost_their_worker(
    start: Callable[[], Any], database: Database, environment: JobEnvironment
) -> None:
    lost, waits = submit(database, "complete"), submit(database, "complete")
    with database.transaction() as tx:
        tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="a dead worker", seconds=0.5)
        for job in (lost, waits):
            tx.jobs.cancel(job.id, user_id=USER)
    runs = submit(database, "canceled")
    start()
    wait_until_running(database, runs)
    with database.transaction() as tx:
        tx.jobs.cancel(runs.id, user_id=USER)
    ended = wait_for_end(database, lost, waits, runs)
    assert [(job.state, job.attempt) for job in ended] == [
        (JobState.CANCELED, 1),
        (JobState.CANCELED, 0),
        (JobState.CANCELED, 1),
    ]
    assert list(open_objects(environment.objects).keys("results")) == []


def test_what_killed_processes_left_in_the_store_goes_by_itself(
    start: Callable[[], Any], database: Database, environment: JobEnvironment
) -> None:
    objects, orphan = (
        open_objects(environment.objects),
        "prs_scores/job-99/attempt-1/scores.parquet",
    )
    assert database
    for key in (orphan, "prs_scores/job-99/attempt-2/young"):
        put_text(objects, key, "left")
    two_days_ago = time.time() - 2 * 86400
    os.utime(environment.objects.root / orphan, (two_days_ago, two_days_ago))
    start()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while objects.exists(orphan) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(objects.keys("prs_scores")) == ["prs_scores/job-99/attempt-2/young"]
