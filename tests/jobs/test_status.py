import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import ray

from core.events import Message, Progress, unrecorded_message
from jobs.status import (
    START,
    Batch,
    JobStatus,
    LiveMessage,
    MessageLog,
    publish,
    start_status,
    status_actor,
)
from tests.builders.live import poll

TIME = datetime(2026, 11, 22, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def progress(done: int, *, job_id: int = 1) -> LiveMessage:
    payload = Progress(job_id=job_id, done=done, total=100, snapshot=done)
    return LiveMessage("ada", unrecorded_message(payload))


def state(state: str, *, job_id: int = 1) -> LiveMessage:
    message: Message = {"event": "job_state", "data": {"job_id": job_id, "state": state}}
    return LiveMessage("ada", message)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> MessageLog:
    return MessageLog(capacity=5, progress_seconds=0.25, clock=clock)


def done_of(messages: list[LiveMessage]) -> list[int]:
    return [live.message["data"]["done"] for live in messages]


def test_a_reader_gets_each_message_once_in_order(log: MessageLog) -> None:
    cursor = log.after(START).cursor
    for word in ("QUEUED", "INITIALIZING"):
        log.append(state(word))
    first = log.after(cursor)
    log.append(state("RUNNING"))
    second = log.after(first.cursor)
    assert first.messages == [state("QUEUED"), state("INITIALIZING")]
    assert second.messages == [state("RUNNING")]
    assert not first.missed
    assert not second.missed
    assert log.after(second.cursor).messages == []


def test_a_cursor_of_an_earlier_life_gets_everything_and_is_told_to_read_the_table(
    log: MessageLog,
) -> None:
    log.append(state("QUEUED"))
    for cursor in (START, ("another epoch", 1), (log.epoch, 99)):
        batch = log.after(cursor)
        assert batch.missed
        assert batch.messages == [state("QUEUED")]


def test_a_reader_slower_than_the_log_is_told_that_it_missed_some(log: MessageLog) -> None:
    cursor = log.after(START).cursor
    for job_id in range(5):
        log.append(state("QUEUED", job_id=job_id))
    assert not log.after(cursor).missed
    log.append(state("QUEUED", job_id=5))
    batch = log.after(cursor)
    assert batch.missed
    assert len(batch.messages) == 5


def test_states_are_never_merged_or_held_back(log: MessageLog) -> None:
    cursor = log.after(START).cursor
    assert all(log.append(state(word)) for word in ("QUEUED", "RUNNING", "QUEUED", "RUNNING"))
    assert len(log.after(cursor).messages) == 4


def test_progress_of_a_job_is_merged_to_four_a_second(log: MessageLog, clock: Clock) -> None:
    cursor = log.after(START).cursor
    told: list[int] = []
    for done in range(1, 101):  # one every 20 ms: two seconds
        log.append(progress(done))
        log.release()
        batch = log.after(cursor)
        cursor = batch.cursor
        told += done_of(batch.messages)
        clock.seconds += 0.02
    assert len(told) <= 9
    assert told == sorted(told)
    clock.seconds += 0.25
    assert log.release()
    assert done_of(log.after(cursor).messages) == [100]
    assert log.release_in_seconds is None


def test_jobs_do_not_hold_back_each_others_progress(log: MessageLog) -> None:
    cursor = log.after(START).cursor
    assert log.append(progress(1, job_id=1))
    assert log.append(progress(2, job_id=2))
    assert not log.append(progress(3, job_id=1))
    assert done_of(log.after(cursor).messages) == [1, 2]


def test_a_late_reader_sees_only_the_newest_progress_of_a_job(
    log: MessageLog, clock: Clock
) -> None:
    cursor = log.after(START).cursor
    for done in (1, 2, 3):
        log.append(progress(done))
        clock.seconds += 1
    assert done_of(log.after(cursor).messages) == [3]


def test_no_progress_held_back_follows_the_end_of_its_job(log: MessageLog, clock: Clock) -> None:
    cursor = log.after(START).cursor
    log.append(progress(1))
    log.append(progress(2))
    log.append(state("COMPLETE"))
    clock.seconds += 1
    assert not log.release()
    assert log.after(cursor).messages == [state("COMPLETE")]


def test_progress_is_bounded_however_many_jobs_there_are(log: MessageLog) -> None:
    cursor = log.after(START).cursor
    for job_id in range(50):
        log.append(progress(1, job_id=job_id))
    assert len(log.after(cursor).messages) == 5


def test_a_waiting_reader_is_woken_by_a_message_and_by_released_progress() -> None:
    async def scenario() -> tuple[list[LiveMessage], list[LiveMessage]]:
        status = JobStatus(progress_seconds=0.05, capacity=10)
        cursor = (await status.poll(START, 0)).cursor
        waiting = asyncio.create_task(status.poll(cursor, 5))
        await asyncio.sleep(0)
        await status.publish(*progress(1))
        await status.publish(*progress(2))
        first = await waiting
        second = await status.poll(first.cursor, 5)
        return first.messages, second.messages

    first, second = asyncio.run(scenario())
    assert done_of(first) == [1]
    assert done_of(second) == [2]


def test_a_reader_without_news_gets_an_empty_answer_after_its_timeout() -> None:
    async def scenario() -> bool:
        status = JobStatus(progress_seconds=0.05, capacity=10)
        cursor = (await status.poll(START, 0)).cursor
        batch = await status.poll(cursor, 0.01)
        return batch == (cursor, [], False)

    assert asyncio.run(scenario())


def test_publishing_without_the_actor_is_logged_and_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(LiveMessage("ada", {"event": "job_state"}))
    assert "event table only" in caplog.text


@pytest.fixture
def actor(ray_session: None) -> Iterator[Any]:
    started = start_status(progress_hz=20)
    yield started
    ray.kill(started)


@pytest.mark.ray
def test_the_actor_is_one_and_carries_messages_between_processes(actor: Any) -> None:
    assert start_status()._actor_id == actor._actor_id
    cursor = poll(actor, START, 0).cursor
    waiting = status_actor().poll.remote(cursor, 10)

    @ray.remote(num_cpus=0)
    def tell() -> None:
        publish(state("RUNNING"))

    ray.get(tell.remote())
    batch = cast(Batch, ray.get(waiting))
    assert batch.messages == [state("RUNNING")]


@pytest.mark.ray
@pytest.mark.timeout(60)
def test_a_restarted_actor_tells_its_readers_that_they_missed_something(actor: Any) -> None:
    cursor = poll(actor, START, 0).cursor
    ray.kill(actor, no_restart=False)
    while (batch := poll(actor, cursor, 0, retries=5)).cursor[0] == cursor[0]:
        time.sleep(0.01)  # the kill takes a moment to arrive
    assert batch.missed
