"""JobStatus: the actor that carries messages from jobs to every ingress replica.

It is a wire, not a record: the event table is the truth about state and results, and a restarted
actor starts empty under a new epoch. A reader polls with the cursor of its last answer; where the
actor cannot know what that reader missed, `missed` tells it to read the table.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple
from uuid import uuid4

import ray
from ray.exceptions import RayError

from core.events import Event, EventType, Message, Progress, unrecorded_message
from jobs.fan_out import FanOut

logger = logging.getLogger(__name__)

NAMESPACE = "curagenie"
ACTOR_NAME = "job_status"

Cursor = tuple[str, int]
"""(epoch, number of the last message seen); ("", 0) at the very start."""

START: Cursor = ("", 0)


class LiveMessage(NamedTuple):
    """A message and whose it is."""

    user_id: str
    message: Message


class Batch(NamedTuple):
    """An answer to `poll`. `missed`: read the event table, messages before these are gone."""

    cursor: Cursor
    messages: list[LiveMessage]
    missed: bool


class MessageLog:
    """The newest messages, numbered from 1. State and result messages leave only by age.

    Progress is a snapshot: the log keeps the newest per job and lets one in at most every
    `progress_seconds`, holding back what comes sooner until `release` finds its time has come.
    """

    def __init__(
        self,
        *,
        capacity: int = 10_000,
        progress_seconds: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epoch = uuid4().hex
        self._capacity = capacity
        self._progress_seconds = progress_seconds
        self._clock = clock
        self._number = 0
        self._states: deque[tuple[int, LiveMessage]] = deque()
        self._dropped = 0
        self._progress: OrderedDict[int, tuple[int, LiveMessage]] = OrderedDict()
        self._held: dict[int, LiveMessage] = {}
        self._told_at: OrderedDict[int, float] = OrderedDict()

    def append(self, live: LiveMessage) -> bool:
        """Whether readers have something new now."""
        if live.message["event"] == EventType.PROGRESS:
            return self._append_progress(live)
        self._drop_progress_of_ended_job(live)
        self._number += 1
        self._states.append((self._number, live))
        if len(self._states) > self._capacity:
            self._dropped, _ = self._states.popleft()
        return True

    def release(self) -> bool:
        """Lets in the progress whose time has come; whether there was any."""
        now = self._clock()
        due = [job for job in self._held if now - self._told_at[job] >= self._progress_seconds]
        for job_id in due:
            self._tell_progress(job_id, self._held.pop(job_id), now)
        return bool(due)

    @property
    def release_in_seconds(self) -> float | None:
        """When to call `release` next; None while nothing is held back."""
        if not self._held:
            return None
        soonest = min(self._told_at[job] for job in self._held) + self._progress_seconds
        return max(0.0, soonest - self._clock())

    def after(self, cursor: Cursor) -> Batch:
        """What follows `cursor`, in order; everything kept, and `missed`, where it is unknown."""
        epoch, number = cursor
        known = epoch == self.epoch and self._dropped <= number <= self._number
        since = number if known else 0
        kept = chain(self._states, self._progress.values())
        newer = dict(entry for entry in kept if entry[0] > since)
        messages = [newer[number] for number in sorted(newer)]
        return Batch((self.epoch, self._number), messages, missed=not known)

    def _append_progress(self, live: LiveMessage) -> bool:
        job_id: int = live.message["data"]["job_id"]
        now = self._clock()
        if now - self._told_at.get(job_id, -1e9) < self._progress_seconds:
            self._held[job_id] = live
            return False
        self._held.pop(job_id, None)
        self._tell_progress(job_id, live, now)
        return True

    def _tell_progress(self, job_id: int, live: LiveMessage, now: float) -> None:
        self._number += 1
        self._progress[job_id] = (self._number, live)
        self._told_at[job_id] = now
        if len(self._progress) > self._capacity:
            oldest, _ = self._progress.popitem(last=False)
            self._told_at.pop(oldest, None)
            self._held.pop(oldest, None)

    def _drop_progress_of_ended_job(self, live: LiveMessage) -> None:
        """A snapshot held back must not say "half done" after COMPLETE."""
        data = live.message["data"]
        if live.message["event"] == EventType.JOB_STATE and data["state"] not in _UNDER_WAY:
            self._held.pop(data["job_id"], None)
            self._progress.pop(data["job_id"], None)
            self._told_at.pop(data["job_id"], None)


_UNDER_WAY = frozenset({"QUEUED", "INITIALIZING", "RUNNING", "PAUSED", "CANCELING", "PREEMPTED"})


class JobStatus:
    """The actor: an async MessageLog whose readers wait for news. With a `redis_url` clusters hear
    what is published in each other."""

    def __init__(
        self, *, progress_seconds: float, capacity: int, redis_url: str | None = None
    ) -> None:
        self._log = MessageLog(capacity=capacity, progress_seconds=progress_seconds)
        self._news = asyncio.Event()
        self._releasing: asyncio.Task[None] | None = None
        self._fan_out = FanOut(redis_url, self._tell) if redis_url is not None else None
        self._fanning_out: asyncio.Task[None] | None = None

    async def publish(self, user_id: str, message: Message) -> None:
        self._join_others()
        self._tell(user_id, message)
        if self._fan_out is not None:
            self._fan_out.send(user_id, message)

    def _join_others(self) -> None:
        """With the first call, when the actor's loop runs."""
        if self._fan_out is not None and self._fanning_out is None:
            self._fanning_out = asyncio.create_task(self._fan_out.run())

    def _tell(self, user_id: str, message: Message) -> None:
        if self._log.append(LiveMessage(user_id, message)):
            self._wake_readers()
        if self._log.release_in_seconds is not None and self._releasing is None:
            self._releasing = asyncio.create_task(self._release_held())

    async def poll(self, cursor: Cursor, timeout_seconds: float) -> Batch:
        """What follows `cursor`, at once or as soon as there is any; empty after the timeout."""
        self._join_others()
        batch = self._log.after(cursor)
        if batch.messages or batch.missed:
            return batch
        try:
            await asyncio.wait_for(self._news.wait(), timeout_seconds)
        except TimeoutError:
            return batch
        return self._log.after(cursor)

    async def _release_held(self) -> None:
        while (seconds := self._log.release_in_seconds) is not None:
            await asyncio.sleep(seconds)
            if self._log.release():
                self._wake_readers()
        self._releasing = None

    def _wake_readers(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def start_status(
    *, progress_hz: float = 4.0, capacity: int = 10_000, redis_url: str | None = None
) -> Any:
    """A handle of the cluster's one JobStatus actor, made where it does not exist yet."""
    actor = ray.remote(JobStatus)
    return actor.options(
        name=ACTOR_NAME,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=-1,
        max_concurrency=1000,
    ).remote(progress_seconds=1.0 / progress_hz, capacity=capacity, redis_url=redis_url)


def status_actor() -> Any:
    """A handle of JobStatus. Raises ValueError before `start_status`; take a new one after an
    actor error."""
    return named_actor(ACTOR_NAME)


def status_answers(timeout_seconds: float) -> None:
    """Raises ValueError where there is no JobStatus, RayError where it does not answer in time."""
    ray.get(status_actor().__ray_ready__.remote(), timeout=timeout_seconds)


def named_actor(name: str) -> Any:
    """A handle. Raises ValueError where there is no such actor; never starts a cluster to find
    out, as Ray's own call would."""
    if not ray.is_initialized():
        raise ValueError("this process is not connected to Ray")
    return ray.get_actor(name, namespace=NAMESPACE)


def publish(*messages: LiveMessage) -> None:
    """Fire and forget: readers that miss it find state and results in the event table."""
    if not messages:
        return
    try:
        actor = status_actor()
    except (ValueError, RayError):
        names = ", ".join(message["event"] for _, message in messages)
        logger.warning("JobStatus is not running: %s is in the event table only", names)
        return
    for user_id, message in messages:
        actor.publish.remote(user_id, message)


def publish_events(events: list[Event]) -> None:
    """Tells committed events to the clients that are connected."""
    publish(*(LiveMessage(event.user_id, event.message) for event in events))


def publish_progress(user_id: str, progress: Progress) -> None:
    publish(LiveMessage(user_id, unrecorded_message(progress)))
