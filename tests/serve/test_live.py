"""The hub: in order, gap-free, whatever is lost between the table and the socket."""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from core.errors import InfrastructureError
from core.events import Message
from jobs.status import Batch, Cursor, LiveMessage
from serve.live import Hub, LiveLimits, Mailbox, serve_socket

QUICK = LiveLimits(sweep_seconds=0.05, sweep_without_status_seconds=0.02, poll_seconds=0.2)


def state(sequence: int, job_id: int = 1, word: str = "RUNNING") -> Message:
    return {
        "event": "job_state",
        "status": "in_progress",
        "sequence": sequence,
        "data": {"job_id": job_id, "state": word},
    }


def progress(done: int, job_id: int = 1) -> Message:
    return {
        "event": "progress",
        "status": "in_progress",
        "data": {"job_id": job_id, "done": done, "total": 9, "snapshot": done},
    }


class Table:
    """An event log in memory: same promises as the table."""

    def __init__(self) -> None:
        self.events: dict[str, list[Message]] = {}
        self.is_away = False

    def append(self, user_id: str, **facts: Any) -> Message:
        events = self.events.setdefault(user_id, [])
        events.append(state(len(events) + 1, **facts))
        return events[-1]

    async def after(self, user_id: str, sequence: int, limit: int) -> Sequence[Message]:
        self._answer()
        return self.events.get(user_id, [])[sequence : sequence + limit]

    async def last_sequences(self, user_ids: Collection[str]) -> Mapping[str, int]:
        self._answer()
        return {user_id: len(self.events.get(user_id, [])) for user_id in user_ids}

    def _answer(self) -> None:
        if self.is_away:
            raise InfrastructureError("the database does not answer.")


class Feed:
    """A status feed in memory that can die and come back with a new epoch."""

    def __init__(self) -> None:
        self.epoch = 1
        self.published: list[LiveMessage] = []
        self.is_away = False
        self.polls = 0

    def publish(self, user_id: str, message: Message) -> None:
        self.published.append(LiveMessage(user_id, message))

    def die(self) -> None:
        self.epoch += 1
        self.published = []

    async def poll(self, cursor: Cursor, timeout_seconds: float) -> Batch:
        self.polls += 1
        if self.is_away:
            raise InfrastructureError("job status does not answer.")
        known = cursor[0] == str(self.epoch)
        start = cursor[1] if known else 0
        ends = time.monotonic() + timeout_seconds
        while known and len(self.published) <= start and time.monotonic() < ends:
            await asyncio.sleep(0.005)
        cursor = (str(self.epoch), len(self.published))
        return Batch(cursor, self.published[start:], not known)


@contextmanager
def live(
    table: Table, feed: Feed | None, limits: LiveLimits = QUICK
) -> Iterator[tuple[TestClient, Hub]]:
    hub = Hub(feed, table, limits)
    app = FastAPI(lifespan=lambda _: hub.running())

    @app.websocket("/ws/{user_id}")
    async def socket(socket: WebSocket, user_id: str, after: int | None = None) -> None:
        await serve_socket(hub, socket, user_id, after)

    with TestClient(app) as client:
        yield client, hub


def read(socket: WebSocketTestSession, n: int) -> list[Message]:
    return [socket.receive_json() for _ in range(n)]


def sequences(messages: list[Message]) -> list[int]:
    return [message["sequence"] for message in messages]


def test_connected_comes_first_and_tells_the_newest_sequence() -> None:
    table = Table()
    table.append("ann")
    with live(table, Feed()) as (client, _), client.websocket_connect("/ws/ann") as socket:
        first = socket.receive_json()
    assert first["event"] == "connected"
    assert first["status"] == "success"
    assert first["data"]["last_sequence"] == 1
    assert "sequence" not in first


def test_after_replays_the_table_then_goes_on_live() -> None:
    table, feed = Table(), Feed()
    for _ in range(7):
        table.append("ann")
    with (
        live(table, feed, LiveLimits(replay_page=2)) as (client, _),
        client.websocket_connect("/ws/ann?after=3") as socket,
    ):
        assert sequences(read(socket, 5)[1:]) == [4, 5, 6, 7]
        feed.publish("ann", table.append("ann"))
        assert socket.receive_json()["sequence"] == 8


def test_without_after_only_what_is_new_is_sent() -> None:
    table, feed = Table(), Feed()
    table.append("ann")
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        feed.publish("ann", table.append("ann"))
        assert socket.receive_json()["sequence"] == 2


def test_an_after_from_the_future_does_not_hide_what_comes() -> None:
    table, feed = Table(), Feed()
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann?after=99") as socket:
        socket.receive_json()
        feed.publish("ann", table.append("ann"))
        assert socket.receive_json()["sequence"] == 1


def test_an_event_whose_publish_was_lost_is_read_from_the_table() -> None:
    table, feed = Table(), Feed()
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        table.append("ann")
        table.append("ann")
        assert sequences(read(socket, 2)) == [1, 2]


def test_a_gap_is_filled_from_the_table_before_the_newer_event() -> None:
    table, feed = Table(), Feed()
    limits = LiveLimits(sweep_seconds=60, sweep_without_status_seconds=60)
    with live(table, feed, limits) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        table.append("ann")
        table.append("ann")
        feed.publish("ann", table.append("ann"))
        assert sequences(read(socket, 3)) == [1, 2, 3]


def test_events_told_twice_or_out_of_order_are_sent_once_and_in_order() -> None:
    table, feed = Table(), Feed()
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        events = [table.append("ann") for _ in range(3)]
        for event in (events[2], events[0], events[2], events[1]):
            feed.publish("ann", event)
        feed.publish("ann", table.append("ann"))
        assert sequences(read(socket, 4)) == [1, 2, 3, 4]


def test_one_user_never_gets_what_is_another_users() -> None:
    table, feed = Table(), Feed()
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        feed.publish("bob", table.append("bob"))
        feed.publish("ann", table.append("ann", job_id=5))
        assert socket.receive_json()["data"]["job_id"] == 5


def test_the_status_actor_may_die_and_come_back_empty() -> None:
    table, feed = Table(), Feed()
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        feed.publish("ann", table.append("ann"))
        assert socket.receive_json()["sequence"] == 1
        feed.is_away = True
        table.append("ann")
        assert socket.receive_json()["sequence"] == 2
        feed.die()
        feed.is_away = False
        feed.publish("ann", table.append("ann"))
        assert socket.receive_json()["sequence"] == 3


def test_the_hub_polls_once_for_all_sockets_of_a_replica() -> None:
    table, feed = Table(), Feed()
    with (
        live(table, feed) as (client, hub),
        client.websocket_connect("/ws/ann") as one,
        client.websocket_connect("/ws/ann") as two,
    ):
        assert [read(each, 1)[0]["event"] for each in (one, two)] == ["connected"] * 2
        assert hub.n_sockets == 2
        before = feed.polls
        feed.publish("ann", table.append("ann"))
        assert one.receive_json() == two.receive_json()
        assert feed.polls - before <= 2


def test_without_an_actor_the_table_is_enough() -> None:
    table = Table()
    with live(table, None) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        table.append("ann")
        assert socket.receive_json()["sequence"] == 1


def test_a_table_that_is_away_for_a_moment_costs_no_event() -> None:
    table, feed = Table(), Feed()
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        table.is_away = True
        table.append("ann")
        feed.publish("ann", table.append("ann"))
        time.sleep(0.1)
        table.is_away = False
        assert sequences(read(socket, 2)) == [1, 2]


def test_a_client_that_comes_while_the_table_is_away_is_told_to_come_later() -> None:
    table = Table()
    table.is_away = True
    with live(table, Feed()) as (client, _), client.websocket_connect("/ws/ann") as socket:
        with pytest.raises(WebSocketDisconnect) as sent_away:
            socket.receive_json()
        assert sent_away.value.code == 1013


def test_progress_of_a_job_that_has_ended_is_dropped() -> None:
    table, feed = Table(), Feed()
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        feed.publish("ann", progress(1))
        assert socket.receive_json()["data"]["done"] == 1
        feed.publish("ann", table.append("ann", word="COMPLETE"))
        assert socket.receive_json()["sequence"] == 1
        feed.publish("ann", progress(2))
        feed.publish("ann", table.append("ann", job_id=2))
        assert socket.receive_json()["data"]["job_id"] == 2


def test_an_old_connection_is_closed_and_asked_to_come_back() -> None:
    limits = LiveLimits(max_age_seconds=0.1)
    with (
        live(Table(), Feed(), limits) as (client, hub),
        client.websocket_connect("/ws/ann") as socket,
    ):
        socket.receive_json()
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1012
        assert hub.n_sockets == 0


def test_a_replica_that_stops_says_so() -> None:
    with (
        live(Table(), Feed()) as (client, hub),
        client.websocket_connect("/ws/ann") as socket,
    ):
        socket.receive_json()
        client.portal.call(hub.stopping.set)  # pyright: ignore[reportOptionalMemberAccess]
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1001


class StuckSocket:
    """A client whose network takes nothing after the first message."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.closed_with: int | None = None

    async def accept(self) -> None:
        return None

    async def send_json(self, message: Message) -> None:
        if self.sent:
            await asyncio.sleep(60)
        self.sent.append(message)

    async def receive(self) -> Message:
        await asyncio.sleep(60)
        return {"type": "websocket.disconnect"}

    async def close(self, code: int, reason: str) -> None:
        self.closed_with = code


def test_a_client_that_reads_too_slowly_is_closed_with_1013() -> None:
    table, socket = Table(), StuckSocket()
    table.append("ann")
    hub = Hub(None, table, LiveLimits(send_timeout_seconds=0.05))
    asyncio.run(serve_socket(hub, socket, "ann", 0))  # pyright: ignore[reportArgumentType]
    assert socket.closed_with == 1013
    assert hub.n_sockets == 0


def taken(mailbox: Mailbox) -> tuple[bool, list[Message]]:
    return asyncio.run(mailbox.take())


def test_progress_that_waits_is_replaced_by_newer_progress() -> None:
    mailbox = Mailbox(10)
    for message in (progress(1), progress(1, job_id=2), progress(2), progress(3)):
        mailbox.put(message)
    assert taken(mailbox) == (False, [progress(3), progress(1, job_id=2)])


def test_progress_never_overtakes_a_state_of_its_job() -> None:
    mailbox = Mailbox(10)
    messages = [progress(1), state(1), progress(2)]
    for message in messages:
        mailbox.put(message)
    assert taken(mailbox) == (False, messages)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3)), max_size=60), st.integers(1, 20))
def test_a_mailbox_is_bounded_and_forgets_a_state_only_with_notice(
    puts: list[tuple[bool, int]], limit: int
) -> None:
    mailbox = Mailbox(limit)
    states: list[Message] = []
    for number, (is_state, job_id) in enumerate(puts, start=1):
        message = state(number, job_id) if is_state else progress(number, job_id)
        states += [message] if is_state else []
        mailbox.put(message)
    mailbox.mark_behind() if not puts else None
    behind, messages = taken(mailbox)
    assert len(messages) <= limit
    kept = [message for message in messages if "sequence" in message]
    assert behind or kept == states
    assert kept == states[len(states) - len(kept) :]


def test_an_error_that_nobody_foresaw_does_not_end_the_hub(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Feed):
        async def poll(self, cursor: Cursor, timeout_seconds: float) -> Batch:
            if self.polls < 2:
                self.polls += 1
                raise KeyError("a mistake of ours")
            return await super().poll(cursor, timeout_seconds)

    table, feed = Table(), Broken()
    with live(table, feed) as (client, _), client.websocket_connect("/ws/ann") as socket:
        socket.receive_json()
        feed.publish("ann", table.append("ann"))
        assert socket.receive_json()["sequence"] == 1
        while feed.polls < 3:
            time.sleep(0.01)
    assert "a mistake of ours" in caplog.text
