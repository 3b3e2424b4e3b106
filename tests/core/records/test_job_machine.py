"""Random lives of jobs against the real table: fencing, transitions and gap-free events hold."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from core.errors import ConflictError
from core.job import LEASED, TRANSITIONS, Job, JobKind, JobState, Priority, Queue
from core.records.repositories import LeaseLostError
from core.records.session import Database
from tests.builders.records import migrated_database, sqlite_url

PROBLEM = {"code": "infrastructure_error", "detail": "lost"}
USERS = ("ada", "eve")
MOST_URGENT_FIRST = (Priority.HIGH, Priority.NORMAL, Priority.LOW)


class JobMachine(RuleBasedStateMachine):
    """`attempts` are jobs as some worker saw them last: many of them are stale on purpose."""

    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.database: Database = migrated_database(sqlite_url(self.folder))
        self.current: dict[int, Job] = {}

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(
        user_id=st.sampled_from(USERS),
        kind=st.sampled_from(JobKind),
        priority=st.sampled_from(Priority),
    )
    def submit(self, user_id: str, kind: JobKind, priority: Priority) -> None:
        with self.database.transaction() as tx:
            job = tx.jobs.submit(kind, user_id, {}, priority=priority)
        self.current[job.id] = job

    @rule(target=attempts, queue=st.sampled_from(sorted({kind.queue for kind in JobKind})))
    def lease(self, queue: Queue) -> Job | None:
        queued = [
            job
            for job in self.current.values()
            if job.queue is queue and job.state is JobState.QUEUED
        ]
        with self.database.transaction() as tx:
            job = tx.jobs.lease(queue, owner="worker", seconds=60)
        if not queued:
            assert job is None
            return None
        assert job is not None
        leased = [
            other.user_id
            for other in self.current.values()
            if other.queue is queue and other.state in LEASED
        ]
        places = [
            (leased.count(other.user_id), MOST_URGENT_FIRST.index(other.priority), other.id)
            for other in queued
        ]
        assert job.id == min(places)[2]
        assert job.attempt == self.current[job.id].attempt + 1
        self.current[job.id] = job
        return job

    @rule(attempt=attempts, state=st.sampled_from(JobState))
    def advance(self, attempt: Job | None, state: JobState) -> None:
        if attempt is None:
            return
        current = self.current[attempt.id]
        allowed = attempt.attempt == current.attempt and state in TRANSITIONS[current.state]
        if not allowed:
            with pytest.raises(LeaseLostError), self.database.transaction() as tx:
                tx.jobs.advance(attempt, state)
            return
        with self.database.transaction() as tx:
            self.current[attempt.id] = tx.jobs.advance(attempt, state)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.current:
            return
        job = self.current[data.draw(st.sampled_from(sorted(self.current)))]
        with self.database.transaction() as tx:
            if job.state.is_terminal and job.state is not JobState.CANCELED:
                with pytest.raises(ConflictError, match=f"has ended: {job.state}"):
                    tx.jobs.cancel(job.id, user_id=job.user_id)
                return
            canceled = tx.jobs.cancel(job.id, user_id=job.user_id)
        expected = job.state if job.state is JobState.CANCELED else JobState.CANCELING
        assert canceled.state is expected
        self.current[job.id] = canceled

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        if not self.current:
            return
        job = self.current[data.draw(st.sampled_from(sorted(self.current)))]
        with self.database.transaction() as tx:
            if job.state is not JobState.SYSTEM_ERROR:
                with pytest.raises(ConflictError, match=f"is {job.state}"):
                    tx.jobs.retry(job.id, user_id=job.user_id)
                return
            self.current[job.id] = tx.jobs.retry(job.id, user_id=job.user_id)

    @rule(attempt=attempts)
    def heartbeat(self, attempt: Job | None) -> None:
        if attempt is None:
            return
        current = self.current[attempt.id]
        if attempt.attempt == current.attempt and current.state in LEASED:
            with self.database.transaction() as tx:
                self.current[attempt.id] = tx.jobs.heartbeat(attempt, seconds=60)
            return
        with pytest.raises(LeaseLostError), self.database.transaction() as tx:
            tx.jobs.heartbeat(attempt, seconds=60)

    @invariant()
    def the_table_is_what_the_model_says(self) -> None:
        with self.database.reading() as tx:
            for job in self.current.values():
                assert tx.jobs.get(job.id, user_id=job.user_id) == job

    @invariant()
    def the_events_of_a_user_have_no_gap_and_follow_the_transitions(self) -> None:
        for user_id in USERS:
            with self.database.reading() as tx:
                events = tx.events.after(user_id, 0)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            for job_id in {event.job_id for event in events}:
                states = [
                    JobState(event.data["state"]) for event in events if event.job_id == job_id
                ]
                assert states[0] is JobState.QUEUED
                assert all(b in TRANSITIONS[a] for a, b in zip(states, states[1:], strict=False))


TestJobMachine = JobMachine.TestCase
TestJobMachine.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
