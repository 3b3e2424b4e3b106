"""Live events over one event log: a hub per replica, a mailbox per WebSocket or event stream.

The event table is the truth, the JobStatus actor only says quickly what was added to it. Each
socket knows the `sequence` it has sent last: the next one goes straight out, a gap is filled from
the table, an old one is dropped. So whatever is lost on the way (a publish, the actor, a full
mailbox), the client gets every state and result event once and in order. Progress is merged and may
be dropped.

Messages are those of core.events. Close codes:

    code  meaning                                       reconnect?
    1000  the client closed                             -
    1001  this replica stops                            yes, with ?after=SEQUENCE
    1008  malformed, or a page of an origin that the    no (HTTP 403 before the handshake)
          settings do not allow
    1012  the connection reached its maximum age        yes, with ?after=SEQUENCE
    1013  the client reads too slowly, or the event     yes, later, with ?after=SEQUENCE
          table is away
    1006  (no frame) the replica or the network died    yes, with ?after=SEQUENCE

An event stream (server-sent events, WHATWG HTML section 9.2) has no codes: it ends where a socket
would be closed, and browsers come back by themselves with Last-Event-ID, the last sequence.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from anyio import create_task_group, fail_after, sleep
from anyio.to_thread import run_sync
from fastapi import WebSocket, WebSocketDisconnect
from ray.exceptions import RayError

from core.errors import InfrastructureError
from core.events import Connected, EventType, Message, unrecorded_message
from core.job import JobState
from core.records.session import Database
from jobs.status import START, Batch, Cursor, LiveMessage, status_actor

logger = logging.getLogger(__name__)


class CloseCode(IntEnum):
    """RFC 6455 §7.4; the module's docstring says when to come back."""

    GOING_AWAY = 1001
    POLICY = 1008
    RESTART = 1012
    TRY_AGAIN_LATER = 1013


@dataclass(frozen=True, slots=True)
class LiveLimits:
    mailbox_messages: int = 256
    replay_page: int = 500
    max_age_seconds: float = 15 * 60.0
    send_timeout_seconds: float = 20.0
    comment_seconds: float = 15.0
    poll_seconds: float = 10.0
    sweep_seconds: float = 1.0
    sweep_without_status_seconds: float = 0.5


class StatusFeed(Protocol):
    """The JobStatus actor as a hub sees it."""

    async def poll(self, cursor: Cursor, timeout_seconds: float) -> Batch:
        """What was published after `cursor`; waits up to the timeout for something.

        Raises InfrastructureError while the actor cannot be reached.
        """
        ...


class ActorFeed:
    """The real actor; its handle is looked up again after every failure."""

    def __init__(self) -> None:
        self._actor: Any = None

    async def poll(self, cursor: Cursor, timeout_seconds: float) -> Batch:
        try:
            if self._actor is None:
                self._actor = await run_sync(status_actor)
            return await self._actor.poll.remote(cursor, timeout_seconds)
        except (ValueError, RayError) as error:
            self._actor = None
            raise InfrastructureError(
                "The job status actor does not answer.", fix="Ray starts it again by itself."
            ) from error


class EventLog(Protocol):
    """The event table, read without blocking the loop."""

    async def after(self, user_id: str, sequence: int, limit: int) -> Sequence[Message]:
        """The user's events after `sequence`, in order, at most `limit` of them."""
        ...

    async def last_sequences(self, user_ids: Collection[str]) -> Mapping[str, int]:
        """The newest sequence per user; 0 for a user without events."""
        ...


class DatabaseEventLog:
    """The table; each question is one short read transaction in a worker thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def after(self, user_id: str, sequence: int, limit: int) -> Sequence[Message]:
        return await run_sync(self._after, user_id, sequence, limit)

    async def last_sequences(self, user_ids: Collection[str]) -> Mapping[str, int]:
        return await run_sync(self._last_sequences, user_ids)

    def _after(self, user_id: str, sequence: int, limit: int) -> Sequence[Message]:
        with self._database.reading() as tx:
            events = tx.events.after(user_id, sequence, limit=limit)
            return [event.message for event in events]

    def _last_sequences(self, user_ids: Collection[str]) -> Mapping[str, int]:
        with self._database.reading() as tx:
            return tx.events.last_sequences(user_ids)


class Mailbox:
    """What waits for one socket. Bounded: when full it forgets all and says so.

    Forgetting loses nothing that counts, because states are in the table and progress comes again.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[Message] = []
        self._progress_at: dict[int, int] = {}
        self._behind = False
        self._filled = asyncio.Event()

    def put(self, message: Message) -> None:
        job_id = message["data"].get("job_id")
        if message["event"] != EventType.PROGRESS:
            # Progress that follows a state of the same job must not overtake it.
            self._progress_at.pop(job_id, None)
            self._append(message)
        elif job_id in self._progress_at:
            self._waiting[self._progress_at[job_id]] = message
        else:
            self._progress_at[job_id] = len(self._waiting)
            self._append(message)

    def _append(self, message: Message) -> None:
        self._waiting.append(message)
        if len(self._waiting) > self._limit:
            self._waiting.clear()
            self._progress_at.clear()
            self._behind = True
        self._filled.set()

    def mark_behind(self) -> None:
        """The table has events that this socket has not sent."""
        self._behind = True
        self._filled.set()

    async def take(self) -> tuple[bool, list[Message]]:
        """Wait for something; (the table must be read first, messages in order)."""
        await self._filled.wait()
        self._filled.clear()
        behind, self._behind = self._behind, False
        messages, self._waiting = self._waiting, []
        self._progress_at.clear()
        return behind, messages


class Subscription:
    """One socket's place in its user's event log."""

    def __init__(self, user_id: str, sequence: int, limits: LiveLimits) -> None:
        self.user_id = user_id
        self.sequence = sequence
        self.mailbox = Mailbox(limits.mailbox_messages)


class Hub:
    """One per replica: polls the actor once and hands each message to that user's sockets."""

    def __init__(
        self, feed: StatusFeed | None, log: EventLog, limits: LiveLimits | None = None
    ) -> None:
        self.log = log
        self.limits = limits or LiveLimits()
        self.stopping = asyncio.Event()
        self._feed = feed
        self._feed_works = False
        self._subscriptions: dict[str, set[Subscription]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The hub's own tasks, for as long as the replica lives."""
        tasks = [asyncio.create_task(self._sweep_for_ever())]
        if self._feed is not None:
            tasks.append(asyncio.create_task(self._poll_for_ever(self._feed)))
        try:
            yield
        finally:
            self.stopping.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def subscribe(self, user_id: str, sequence: int) -> Subscription:
        subscription = Subscription(user_id, sequence, self.limits)
        self._subscriptions.setdefault(user_id, set()).add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        of_user = self._subscriptions.get(subscription.user_id, set())
        of_user.discard(subscription)
        if not of_user:
            self._subscriptions.pop(subscription.user_id, None)

    @property
    def n_sockets(self) -> int:
        return sum(map(len, self._subscriptions.values()))

    async def _poll_for_ever(self, feed: StatusFeed) -> None:
        cursor = START
        while True:
            try:
                cursor, messages, missed = await feed.poll(cursor, self.limits.poll_seconds)
                if missed:
                    await self._sweep()
            except Exception as error:
                self._stumbled("job status", error, known=not self._feed_works)
                self._feed_works = False
                await asyncio.sleep(self.limits.sweep_without_status_seconds)
                continue
            self._feed_works = True
            for live in messages:
                self._hand_out(live)

    def _hand_out(self, live: LiveMessage) -> None:
        for subscription in self._subscriptions.get(live.user_id, ()):
            subscription.mailbox.put(live.message)

    def _stumbled(self, what: str, error: Exception, *, known: bool = False) -> None:
        """No error ends the hub: every socket of its replica depends on it."""
        if not isinstance(error, InfrastructureError):
            logger.error("%s failed", what, exc_info=error)
        elif not known:
            logger.warning("%s is away: %s", what, error)

    async def _sweep_for_ever(self) -> None:
        """Compare the table with what was sent: a publish may be lost, the table may not."""
        while True:
            await asyncio.sleep(self._sweep_seconds)
            try:
                await self._sweep()
            except Exception as error:
                self._stumbled("the event table", error)

    @property
    def _sweep_seconds(self) -> float:
        limits = self.limits
        return limits.sweep_seconds if self._feed_works else limits.sweep_without_status_seconds

    async def _sweep(self) -> None:
        if not self._subscriptions:
            return
        newest = await self.log.last_sequences(list(self._subscriptions))
        for user_id, sequence in newest.items():
            for subscription in self._subscriptions.get(user_id, ()):
                if subscription.sequence < sequence:
                    subscription.mailbox.mark_behind()


async def serve_socket(hub: Hub, socket: WebSocket, user_id: str, after: int | None) -> None:
    """One client, from `connected` to its close.

    `after` is the last sequence that the client has; without it only what is new is sent.
    """
    await socket.accept()
    try:
        newest = (await hub.log.last_sequences([user_id])).get(user_id, 0)
    except InfrastructureError as error:
        logger.warning("a client is sent away: %s", error)
        await _close(socket, CloseCode.TRY_AGAIN_LATER)
        return
    subscription = hub.subscribe(user_id, newest if after is None else min(after, newest))
    try:
        await socket.send_json(unrecorded_message(Connected(user_id=user_id, sequence=newest)))
        code = await _until_the_end(hub, socket.send_json, subscription, _client_leaves(socket))
        if code is not None:
            await _close(socket, code)
    except WebSocketDisconnect:
        logger.debug("a client left while it was being sent to")
    finally:
        hub.unsubscribe(subscription)


async def open_stream(hub: Hub, user_id: str, after: int | None) -> AsyncIterator[str]:
    """The text of one client's event stream, which begins with `connected`.

    `after` as in serve_socket. A comment says that the stream lives where there is nothing else.
    Raises InfrastructureError, before anything is sent, while the event table is away.
    """
    newest = (await hub.log.last_sequences([user_id])).get(user_id, 0)
    seen = newest if after is None else min(after, newest)
    return _stream(hub, Connected(user_id=user_id, sequence=newest), seen)


async def _stream(hub: Hub, connected: Connected, seen: int) -> AsyncIterator[str]:
    subscription = hub.subscribe(connected.user_id, seen)
    outbox = asyncio.Queue[Message | None](1)  # a client that reads slowly holds up its sender

    async def send_all() -> None:
        try:
            await _until_the_end(hub, outbox.put, subscription)
        finally:
            hub.unsubscribe(subscription)
        await outbox.put(None)

    sending = asyncio.create_task(send_all())
    try:
        yield f"retry: {_COME_BACK_MILLISECONDS}\n{_as_text(unrecorded_message(connected))}"
        while True:
            try:
                message = await asyncio.wait_for(outbox.get(), hub.limits.comment_seconds)
            except TimeoutError:
                yield ": nothing new\n\n"
                continue
            if message is None:
                return
            yield _as_text(message)
    finally:
        sending.cancel()


_COME_BACK_MILLISECONDS = 2000


def _as_text(message: Message) -> str:
    """Of an event that is in the table, the id is its sequence."""
    sequence = f"id: {message['sequence']}\n" if "sequence" in message else ""
    return f"{sequence}event: {message['event']}\ndata: {json.dumps(message)}\n\n"


Send = Callable[[Message], Awaitable[None]]


async def _until_the_end(
    hub: Hub, send: Send, subscription: Subscription, *others: Awaitable[None]
) -> CloseCode | None:
    """Send until the client reads too slowly, grows too old, or the replica stops, or one of the
    others is done, which has no code."""
    subscription.mailbox.mark_behind()
    ended: list[CloseCode | None] = []
    async with create_task_group() as group:

        async def race(end: Awaitable[CloseCode | None]) -> None:
            ended.append(await end)
            group.cancel_scope.cancel()

        group.start_soon(race, _Sender(hub, send, subscription).run())
        group.start_soon(race, _replica_stops(hub))
        group.start_soon(race, _grows_old(hub.limits))
        for other in others:
            group.start_soon(race, other)
    return ended[0]


async def _close(socket: WebSocket, code: CloseCode) -> None:
    # The other side may have gone in the same moment; then there is nobody to tell.
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code, reason="reconnect with ?after= the last sequence")


async def _client_leaves(socket: WebSocket) -> None:
    """Clients have nothing to say here; reading is how their leaving is noticed."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue


async def _replica_stops(hub: Hub) -> CloseCode:
    await hub.stopping.wait()
    return CloseCode.GOING_AWAY


async def _grows_old(limits: LiveLimits) -> CloseCode:
    # Spread over a tenth, so that sockets of one moment do not all come back at one moment.
    await sleep(limits.max_age_seconds * random.uniform(0.9, 1.0))
    return CloseCode.RESTART


class _Sender:
    """Writes one subscription to its client; returns when the client is too slow."""

    def __init__(self, hub: Hub, send: Send, subscription: Subscription) -> None:
        self._hub = hub
        self._send_json = send
        self._place = subscription
        self._ended_jobs: set[int] = set()

    async def run(self) -> CloseCode | None:
        try:
            while True:
                await self._send_what_waits()
        except TimeoutError:
            return CloseCode.TRY_AGAIN_LATER
        except WebSocketDisconnect:
            return None

    async def _send_what_waits(self) -> None:
        behind, messages = await self._place.mailbox.take()
        try:
            if behind:
                await self._catch_up()
            for message in messages:
                await self._forward(message)
        except InfrastructureError as error:
            logger.warning("the event table is away: %s", error)
            await asyncio.sleep(self._hub.limits.sweep_without_status_seconds)
            self._place.mailbox.mark_behind()

    async def _forward(self, message: Message) -> None:
        sequence = message.get("sequence")
        if sequence is None:
            await self._send_progress(message)
        elif sequence == self._place.sequence + 1:
            await self._send_event(message)
        elif sequence > self._place.sequence:
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Everything in the table after what was sent, page by page."""
        page = self._hub.limits.replay_page
        while True:
            events = await self._hub.log.after(self._place.user_id, self._place.sequence, page)
            for message in events:
                await self._send_event(message)
            if len(events) < page:
                return

    async def _send_event(self, message: Message) -> None:
        await self._send(message)
        self._place.sequence = message["sequence"]
        if message["event"] == EventType.JOB_STATE:
            job_id, state = message["data"]["job_id"], JobState(message["data"]["state"])
            # a job may come back: somebody may ask for another try
            (self._ended_jobs.add if state.is_terminal else self._ended_jobs.discard)(job_id)

    async def _send_progress(self, message: Message) -> None:
        """Progress of a job whose end was sent already would confuse, so it is dropped."""
        if message["data"].get("job_id") not in self._ended_jobs:
            await self._send(message)

    async def _send(self, message: Message) -> None:
        with fail_after(self._hub.limits.send_timeout_seconds):
            await self._send_json(message)
