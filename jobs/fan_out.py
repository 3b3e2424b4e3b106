"""Carries live messages between clusters that share a database, by Redis publish/subscribe.

Redis is a wire: the event table is the truth, and a hub compares it with what was sent every
second. So whatever Redis loses, a client gets it within that second, and nothing here waits for it.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import redis.asyncio as redis
from redis.asyncio.connection import parse_url

from core.events import Message

logger = logging.getLogger(__name__)

CHANNEL = "curagenie:live"

_ANSWER_SECONDS = 1.0
_COME_BACK_SECONDS = 0.5
_SILENCE_SECONDS = 5.0
"""So often a connection that brings nothing is asked whether it lives."""

_WAITING = 1000
"""Messages kept while Redis is away."""


class FanOut:
    """One per cluster. `receive(user_id, message)` is called for each message of another one."""

    def __init__(self, url: str, receive: Callable[[str, Message], None]) -> None:
        """Raises ValueError for a `url` that is none of Redis."""
        parse_url(url)
        self._url = url
        self._receive = receive
        self._sender = uuid4().hex
        self._waiting = asyncio.Queue[str](_WAITING)
        self._works = {"sending": True, "receiving": True}

    def send(self, user_id: str, message: Message) -> None:
        """Never waits; what does not fit is in the event table."""
        text = json.dumps({"from": self._sender, "user_id": user_id, "message": message})
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(text)

    async def run(self) -> None:
        """Until it is canceled; comes back by itself where Redis was away."""
        await asyncio.gather(
            self._for_ever("sending", self._send_what_waits),
            self._for_ever("receiving", self._receive_what_comes),
        )

    async def _for_ever(self, what: str, work: Callable[[redis.Redis], Awaitable[None]]) -> None:
        while True:
            client = redis.Redis.from_url(
                self._url,
                socket_connect_timeout=_ANSWER_SECONDS,
                socket_timeout=_ANSWER_SECONDS,
                health_check_interval=_SILENCE_SECONDS,
                retry=None,
            )
            try:
                await work(client)
            except (redis.RedisError, OSError) as error:
                # the address may have a password: only the class of the error is told
                if self._works[what]:
                    logger.warning("Redis is away (%s): %s", what, type(error).__name__)
                self._works[what] = False
            finally:
                with suppress(redis.RedisError, OSError):
                    await client.aclose()
            await asyncio.sleep(_COME_BACK_SECONDS)

    async def _send_what_waits(self, client: redis.Redis) -> None:
        while True:
            text = await self._waiting.get()
            await client.publish(CHANNEL, text)
            self._answers("sending")

    async def _receive_what_comes(self, client: redis.Redis) -> None:
        async with client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            self._answers("receiving")
            while True:
                found = await channel.get_message(timeout=_SILENCE_SECONDS)
                if found is not None:
                    self._take(found["data"])

    def _take(self, data: bytes) -> None:
        """What cannot be read, as of a cluster of another version, must not end the reading."""
        try:
            said = json.loads(data)
            sender, user_id, message = said["from"], said["user_id"], said["message"]
        except (ValueError, KeyError, TypeError):
            logger.warning("a message of another cluster cannot be read; the event table has it")
            return
        if sender != self._sender:
            self._receive(user_id, message)

    def _answers(self, what: str) -> None:
        if not self._works[what]:
            logger.info("Redis is back (%s)", what)
        self._works[what] = True
