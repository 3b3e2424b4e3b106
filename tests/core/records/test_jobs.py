import threading
import time

import pytest

from core.errors import ConflictError, NotFoundError
from core.events import EventType
from core.job import Failures, Job, JobKind, JobState, Place, Priority, Queue
from core.records.repositories import LeaseLostError, UnitOfWork
from core.records.session import Database
from tests.builders.records import USER, running

KIND = JobKind.PROCESS_GENOMIC_FILE
QUEUE = KIND.queue
PROBLEM = {"code": "infrastructure_error", "detail": "the worker was lost"}


def submit(tx: UnitOfWork, *, user_id: str = USER, kind: JobKind = KIND) -> Job:
    return tx.jobs.submit(kind, user_id, {"genomic_data_id": 7})


def test_a_submitted_job_is_queued_with_its_first_event(database: Database) -> None:
    with database.transaction() as tx:
        job = submit(tx)
    assert (job.state, job.attempt, job.queue) == (JobState.QUEUED, 0, QUEUE)
    with database.reading() as tx:
        (event,) = tx.events.after(USER, 0)
    assert event.type is EventType.JOB_STATE
    assert event.data["job_id"] == job.id
    assert event.data["state"] == "QUEUED"
    assert tx.recorded == []


def test_another_users_job_is_not_found(database: Database) -> None:
    with database.transaction() as tx:
        job = submit(tx)
        with pytest.raises(NotFoundError):
            tx.jobs.get(job.id, user_id="eve")
        assert tx.jobs.get(job.id, user_id=None) == job


def test_a_lease_takes_the_oldest_job_of_its_queue(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx, kind=JobKind.CALCULATE_PRS_SCORE)
        oldest, _ = submit(tx), submit(tx)
    with database.transaction() as tx:
        leased = tx.jobs.lease(QUEUE, owner="worker", seconds=30)
        assert tx.jobs.lease(Queue.ML_INFERENCE, owner="worker", seconds=30) is None
    assert leased is not None
    assert leased.id == oldest.id
    assert (leased.state, leased.attempt) == (JobState.INITIALIZING, 1)
    assert leased.lease_owner == "worker"
    assert leased.lease_until is not None


def test_two_workers_never_lease_the_same_job(database: Database) -> None:
    with database.transaction() as tx:
        expected = {submit(tx).id for _ in range(12)}
    leased: list[int] = []

    def lease_until_empty() -> None:
        while True:
            with database.transaction() as tx:
                job = tx.jobs.lease(QUEUE, owner=threading.current_thread().name, seconds=30)
            if job is None:
                return
            leased.append(job.id)

    threads = [threading.Thread(target=lease_until_empty) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(leased) == sorted(expected)


def test_a_heartbeat_moves_the_lease_and_keeps_the_progress(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx)
        job = running(tx, KIND, seconds=1)
        beaten = tx.jobs.heartbeat(job, seconds=60, done=3, total=10)
        assert (beaten.done, beaten.total) == (3, 10)
        assert job.lease_until is not None
        assert beaten.lease_until is not None
        assert beaten.lease_until > job.lease_until


def test_progress_writes_no_event(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx)
        job = running(tx, KIND)
        before = tx.events.last_sequence(USER)
        tx.jobs.heartbeat(job, seconds=60, done=3, total=10)
        assert tx.events.last_sequence(USER) == before


def test_an_expired_lease_is_found_and_the_job_can_be_leased_again(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx)
        job = running(tx, KIND, seconds=0.01)
    time.sleep(0.05)
    with database.transaction() as tx:
        (expired,) = tx.jobs.expired()
        assert expired.id == job.id
        requeued = tx.jobs.requeue(expired, delay_seconds=0, problem=PROBLEM)
        assert requeued.state is JobState.QUEUED
        assert requeued.lease_owner is None
    with database.transaction() as tx:
        second = running(tx, KIND)
        assert second.attempt == 2
        assert second.problem is None
        assert tx.jobs.expired() == []


def test_a_worker_that_comes_back_after_its_lease_changes_nothing(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx)
        zombie = running(tx, KIND)
        tx.jobs.requeue(zombie, delay_seconds=0, problem=PROBLEM)
        current = running(tx, KIND)
    for attempt in (
        lambda tx: tx.jobs.heartbeat(zombie, seconds=30),
        lambda tx: tx.jobs.advance(zombie, JobState.COMPLETE),
        lambda tx: tx.jobs.requeue(zombie, delay_seconds=0, problem=PROBLEM),
    ):
        with pytest.raises(LeaseLostError), database.transaction() as tx:
            attempt(tx)
    with database.reading() as tx:
        assert tx.jobs.get(current.id, user_id=USER) == current


def test_a_delayed_job_waits_until_it_is_due(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx)
        job = running(tx, KIND)
        tx.jobs.requeue(job, delay_seconds=0.3, problem=PROBLEM)
        assert tx.jobs.lease(QUEUE, owner="worker", seconds=30) is None
    time.sleep(0.35)
    with database.transaction() as tx:
        assert tx.jobs.lease(QUEUE, owner="worker", seconds=30) is not None


def test_requeueing_a_running_job_goes_by_way_of_preempted(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx)
        job = running(tx, KIND)
        tx.recorded.clear()
        tx.jobs.requeue(job, delay_seconds=0, problem=PROBLEM)
        assert [event.data["state"] for event in tx.recorded] == ["PREEMPTED", "QUEUED"]
        assert all(event.data["problem"] == PROBLEM for event in tx.recorded)


def test_a_terminal_job_has_an_end_no_lease_and_never_moves_again(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx)
        job = running(tx, KIND)
        ended = tx.jobs.advance(job, JobState.EXECUTOR_ERROR, problem=PROBLEM)
        assert ended.problem == PROBLEM
        assert ended.ended_at is not None
        assert ended.lease_until is None
        for state in JobState:
            with pytest.raises(LeaseLostError):
                tx.jobs.advance(ended, state)


def test_a_completed_job_tells_success_and_a_failed_one_error(database: Database) -> None:
    with database.transaction() as tx:
        for _ in range(2):
            submit(tx)
        tx.jobs.advance(running(tx, KIND), JobState.COMPLETE)
        assert tx.recorded[-1].message["status"] == "success"
        tx.jobs.advance(running(tx, KIND), JobState.SYSTEM_ERROR, problem=PROBLEM)
        assert tx.recorded[-1].message["status"] == "error"
        assert tx.recorded[-1].message["data"]["problem"] == PROBLEM


def test_a_users_jobs_are_listed_newest_first_by_state_and_page(database: Database) -> None:
    with database.transaction() as tx:
        jobs = [submit(tx) for _ in range(4)]
        submit(tx, user_id="eve")
        tx.jobs.cancel(jobs[1].id, user_id=USER)
        ids = [job.id for job in jobs]
        assert [job.id for job in tx.jobs.of_user(USER)] == ids[::-1]
        assert [job.id for job in tx.jobs.of_user(USER, limit=2, before=ids[3])] == ids[2:0:-1]
        queued = tx.jobs.of_user(USER, states=[JobState.QUEUED])
        assert [job.id for job in queued] == [ids[3], ids[2], ids[0]]


def test_those_ahead_are_the_older_queued_jobs_of_the_queue(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx, kind=JobKind.CALCULATE_PRS_SCORE)
        jobs = [submit(tx), submit(tx, user_id="eve"), submit(tx)]
        first, _, third = jobs
        assert [tx.jobs.places(jobs)[job.id].n_ahead for job in jobs] == [0, 1, 2]
        tx.jobs.lease(QUEUE, owner="worker", seconds=30)
        assert tx.jobs.places([third]) == {
            third.id: Place(n_ahead=1, n_under_way=1, typical_seconds=None)
        }
        assert tx.jobs.places([tx.jobs.get(first.id, user_id=None)]) == {}


def test_jobs_typically_take_what_the_last_attempts_of_completed_ones_took(
    database: Database,
) -> None:
    with database.transaction() as tx:
        submit(tx)
        failed = running(tx, KIND)
        tx.jobs.advance(failed, JobState.EXECUTOR_ERROR, problem=PROBLEM)
        submit(tx)
        job = running(tx, KIND)
    time.sleep(0.1)
    with database.transaction() as tx:
        ended = tx.jobs.advance(job, JobState.COMPLETE)
        waits, other = submit(tx), submit(tx, kind=JobKind.CALCULATE_PRS_SCORE)
        places = tx.jobs.places([waits, other])
    assert ended.started_at is not None
    assert ended.ended_at is not None
    took = (ended.ended_at - ended.started_at).total_seconds()
    assert took >= 0.1
    assert places[waits.id].typical_seconds == pytest.approx(took)
    assert places[other.id].typical_seconds is None


def test_of_a_users_jobs_the_urgent_go_first_but_not_before_those_of_others(
    database: Database,
) -> None:
    with database.transaction() as tx:
        low, normal, high, second_high = (
            tx.jobs.submit(KIND, USER, {}, priority=priority)
            for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.HIGH)
        )
        of_eve = tx.jobs.submit(KIND, "eve", {}, priority=Priority.LOW)
        leased = [tx.jobs.lease(QUEUE, owner="worker", seconds=30) for _ in range(5)]
    ids = [job.id for job in leased if job is not None]
    assert ids == [high.id, of_eve.id, second_high.id, normal.id, low.id]


def test_a_job_that_failed_by_our_fault_is_tried_again_when_somebody_asks(
    database: Database,
) -> None:
    with database.transaction() as tx:
        submit(tx)
        job = running(tx, KIND)
        failures = Failures(n_failed=5, n_lost=2)
        ended = tx.jobs.advance(job, JobState.SYSTEM_ERROR, problem=PROBLEM, failures=failures)
        assert ended.failures == failures
        with pytest.raises(NotFoundError):
            tx.jobs.retry(job.id, user_id="eve")
        again = tx.jobs.retry(job.id, user_id=USER)
        assert (again.state, again.failures) == (JobState.QUEUED, Failures())
        assert (again.problem, again.ended_at) == (None, None)
        with pytest.raises(ConflictError, match="is QUEUED"):
            tx.jobs.retry(job.id, user_id=USER)
        leased = tx.jobs.lease(QUEUE, owner="worker", seconds=30)
        assert leased is not None
        assert (leased.id, leased.attempt) == (job.id, 2)


@pytest.mark.parametrize("state", [JobState.COMPLETE, JobState.EXECUTOR_ERROR])
def test_a_job_that_ended_otherwise_is_not_tried_again(database: Database, state: JobState) -> None:
    with database.transaction() as tx:
        submit(tx)
        job = tx.jobs.advance(running(tx, KIND), state)
        with pytest.raises(ConflictError, match=f"is {state}"):
            tx.jobs.retry(job.id, user_id=USER)


def test_attempts_that_are_given_back_are_none_of_the_failures(database: Database) -> None:
    with database.transaction() as tx:
        submit(tx)
        once = Failures(n_failed=1, n_lost=1)
        tx.jobs.requeue(running(tx, KIND), delay_seconds=0, problem=PROBLEM, failures=once)
        tx.jobs.requeue(running(tx, KIND), delay_seconds=0, problem=PROBLEM)
        assert running(tx, KIND).failures == once


def test_what_an_owner_has_under_way_are_its_leased_jobs(database: Database) -> None:
    with database.transaction() as tx:
        for _ in range(3):
            submit(tx)
        leased = [tx.jobs.lease(QUEUE, owner=owner, seconds=30) for owner in ("mine", "other")]
        assert tx.jobs.under_way("mine") == [leased[0]]
        assert tx.jobs.under_way("nobody") == []


def test_a_queued_job_is_canceled_by_whoever_looks_for_lost_ones(database: Database) -> None:
    with database.transaction() as tx:
        job = submit(tx)
        assert tx.jobs.expired() == []
        canceling = tx.jobs.cancel(job.id, user_id=USER)
        assert tx.jobs.expired() == [canceling]
        assert tx.jobs.lease(QUEUE, owner="worker", seconds=30) is None


def test_a_worker_keeps_the_lease_of_a_job_that_is_to_end(database: Database) -> None:
    with database.transaction() as tx:
        job = running(tx, submit(tx).kind)
        tx.jobs.cancel(job.id, user_id=USER)
        assert tx.jobs.expired() == []
        assert tx.jobs.heartbeat(job, seconds=30).state is JobState.CANCELING


def test_only_the_owner_cancels(database: Database) -> None:
    with database.transaction() as tx:
        job = submit(tx)
        with pytest.raises(NotFoundError):
            tx.jobs.cancel(job.id, user_id="eve")
        assert tx.jobs.get(job.id, user_id=USER).state is JobState.QUEUED


def test_users_take_turns_however_many_jobs_one_of_them_has(database: Database) -> None:
    with database.transaction() as tx:
        mine = [submit(tx) for _ in range(4)]
        other = [submit(tx, user_id="eve") for _ in range(2)]
        leased = [tx.jobs.lease(QUEUE, owner="worker", seconds=30) for _ in range(6)]
    in_turn = [mine[0], other[0], mine[1], other[1], mine[2], mine[3]]
    assert [job and job.id for job in leased] == [job.id for job in in_turn]
