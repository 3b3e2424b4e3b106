"""The hub with the real JobStatus actor and the real event table."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import ray

from core.events import Event, Message
from core.job import JobKind, JobState
from core.records.session import Database
from jobs.status import publish_events, start_status, status_actor
from serve.live import ActorFeed, DatabaseEventLog, Hub, LiveLimits, serve_socket

pytestmark = pytest.mark.ray

LIMITS = LiveLimits(sweep_seconds=30.0, sweep_without_status_seconds=0.05, poll_seconds=1.0)


@pytest.fixture
def actor(ray_session: None) -> Any:
    actor = start_status()
    yield actor
    ray.kill(status_actor(), no_restart=True)


class Client:
    """The server's end of a WebSocket, kept in memory."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def accept(self) -> None:
        return None

    async def send_json(self, message: Message) -> None:
        self.messages.append(message)

    async def receive(self) -> Message:
        await asyncio.sleep(3600)
        return {}

    async def close(self, code: int, reason: str) -> None:
        return None

    @property
    def sequences(self) -> list[int]:
        return [message["sequence"] for message in self.messages if "sequence" in message]


@contextlib.asynccontextmanager
async def connected(database: Database) -> AsyncIterator[Client]:
    hub, client = Hub(ActorFeed(), DatabaseEventLog(database), LIMITS), Client()
    async with hub.running():
        socket = asyncio.create_task(serve_socket(hub, client, "ada", 0))  # pyright: ignore[reportArgumentType]
        await until(lambda: bool(client.messages))
        yield client
        socket.cancel()
        await asyncio.gather(socket, return_exceptions=True)


async def until(is_so: Callable[[], bool], *, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


def submit(database: Database) -> list[Event]:
    with database.transaction() as tx:
        tx.jobs.submit(JobKind.PROCESS_GENOMIC_FILE, "ada", {})
    return tx.recorded


def test_a_published_event_reaches_the_socket(actor: Any, database: Database) -> None:
    async def scenario() -> None:
        async with connected(database) as client:
            publish_events(submit(database))
            await until(lambda: client.sequences == [1])
            assert client.messages[-1]["data"]["state"] == JobState.QUEUED

    asyncio.run(scenario())


def test_events_that_were_never_published_come_before_the_one_that_was(
    actor: Any, database: Database
) -> None:
    async def scenario() -> None:
        async with connected(database) as client:
            submit(database)
            submit(database)
            publish_events(submit(database))
            await until(lambda: client.sequences == [1, 2, 3])

    asyncio.run(scenario())


def test_the_death_of_the_actor_costs_no_event(actor: Any, database: Database) -> None:
    async def scenario() -> None:
        async with connected(database) as client:
            publish_events(submit(database))
            await until(lambda: client.sequences == [1])
            ray.kill(status_actor(), no_restart=False)
            for _ in range(5):
                publish_events(submit(database))
                await asyncio.sleep(0.05)
            await until(lambda: client.sequences == [1, 2, 3, 4, 5, 6])

    asyncio.run(scenario())


def test_without_the_actor_the_table_is_read(ray_session: None, database: Database) -> None:
    async def scenario() -> None:
        async with connected(database) as client:
            submit(database)
            await until(lambda: client.sequences == [1])

    asyncio.run(scenario())
