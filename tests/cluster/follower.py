"""Clients of a user's events that do as the documents tell clients to: whatever ends a socket, they
come back at the next address with the last sequence that they have."""

import asyncio
import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

Message = dict[str, Any]

_PAUSE_SECONDS = 0.2
_OPEN_SECONDS = 10


class Follower:
    """`sequence` is the last event's; `broken` has a sentence for each event that came out of
    order; `seconds_late` are those from an event's time in the database to its arrival, of events
    that were not replayed."""

    def __init__(
        self, urls: Sequence[str], user: str, on_message: Callable[[Message], None] | None = None
    ) -> None:
        self.user = user
        self.sequence = 0
        self.n_connections = 0
        self.broken: list[str] = []
        self.seconds_late: list[float] = []
        self._urls = [f"{url.replace('http', 'ws', 1)}/ws/{user}" for url in urls]
        self._on_message = on_message
        self._newest_at_connect = 0

    async def follow(self) -> None:
        """Until it is canceled."""
        for url in self._for_ever():
            try:
                async with connect(
                    f"{url}?after={self.sequence}", open_timeout=_OPEN_SECONDS, proxy=None
                ) as socket:
                    self.n_connections += 1
                    async for text in socket:
                        self._take(json.loads(text))
            except (OSError, WebSocketException):
                pass  # it comes back
            await asyncio.sleep(_PAUSE_SECONDS * (0.5 + random.random()))

    def _for_ever(self) -> Iterator[str]:
        """Every address in turn, from any of them."""
        return islice(cycle(self._urls), random.randrange(len(self._urls)), None)

    def _take(self, message: Message) -> None:
        if message["event"] == "connected":
            self._newest_at_connect = message["data"].get("last_sequence", 0)
        sequence = message.get("sequence")
        if sequence is not None:
            if sequence != self.sequence + 1:
                self.broken.append(f"{self.user}: event {sequence} came after {self.sequence}")
            self.sequence = sequence
            if sequence > self._newest_at_connect:
                came = datetime.now(UTC) - datetime.fromisoformat(message["time"])
                self.seconds_late.append(came.total_seconds())
        if self._on_message is not None:
            self._on_message(message)


@contextmanager
def following(*followers: Follower) -> Iterator[None]:
    """They follow in a thread of their own until the context ends."""
    stopping = threading.Event()

    async def follow_all() -> None:
        stopped = asyncio.create_task(asyncio.to_thread(stopping.wait))
        tasks = [asyncio.create_task(follower.follow()) for follower in followers]
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a follower ends by an error only

    thread = threading.Thread(target=lambda: asyncio.run(follow_all()), name="followers")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(60)
