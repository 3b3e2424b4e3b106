"""What `/readyz` asks: each part the service leans on, side by side, each with a time limit."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import redis
from ray.exceptions import RayError

from core.errors import InfrastructureError
from core.records.session import Database
from core.storage.objects import ObjectStore
from jobs.status import status_answers
from jobs.submit import dispatcher_pulse

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 3.0
"""A part that answers later counts as away: whoever asks waits no longer than this."""

_IDLE_SECONDS = 60.0
"""A dispatcher looks every second; one that did not for so long is stuck or has no database."""


class StoppingError(Exception):
    """The service is going down in order: it takes no more."""


@dataclass(frozen=True, slots=True)
class Check:
    """`ask` returns, or raises where the part is away. Without a `required` one nothing works."""

    name: str
    ask: Callable[[], object]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found, after how many `seconds`."""

    name: str
    status: Literal["ok", "unavailable", "stopping"]
    required: bool
    seconds: float

    @property
    def refuses(self) -> bool:
        """Whether requests must go elsewhere."""
        return self.status == "stopping" or (self.required and self.status != "ok")


def run_checks(checks: Sequence[Check], limit_seconds: float = LIMIT_SECONDS) -> list[Outcome]:
    """Every check's outcome, in order, after `limit_seconds` at the latest."""
    deadline = time.monotonic() + limit_seconds
    threads = ThreadPoolExecutor(max(1, len(checks)))
    try:
        asked = [(check, threads.submit(_outcome, check)) for check in checks]
        return [_in_time(check, answer, limit_seconds, deadline) for check, answer in asked]
    finally:
        # one that hangs ends by the time limit of its own library
        threads.shutdown(wait=False, cancel_futures=True)


def _in_time(
    check: Check, answer: "Future[Outcome]", limit_seconds: float, deadline: float
) -> Outcome:
    try:
        return answer.result(timeout=max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        logger.warning("not ready: %s did not answer in time", check.name)
        return Outcome(check.name, "unavailable", check.required, limit_seconds)


def _outcome(check: Check) -> Outcome:
    began = time.monotonic()
    status: Literal["ok", "unavailable", "stopping"] = "ok"
    try:
        check.ask()
    except StoppingError:
        status = "stopping"
    except (InfrastructureError, RayError, ValueError, redis.RedisError, OSError) as error:
        # the message may name hosts and users of the database: only its class is told
        logger.warning("not ready: %s is away (%s)", check.name, type(error).__name__)
        status = "unavailable"
    return Outcome(check.name, status, check.required, round(time.monotonic() - began, 6))


def database_check(database: Database) -> Check:
    def ask() -> None:
        with database.reading() as tx:
            tx.now()

    return Check("database", ask, required=True)


def objects_check(objects: ObjectStore) -> Check:
    """A listing, because it fails without the bucket too; there is nothing to find."""
    return Check("object_store", lambda: next(iter(objects.keys("readiness")), None), required=True)


def cluster_checks(redis_url: str | None) -> list[Check]:
    """What a replica on Ray can also ask: jobs wait without these, but they are accepted."""
    checks = [
        Check("job_status", lambda: status_answers(LIMIT_SECONDS)),
        Check("dispatcher", _ask_dispatcher),
    ]
    return checks + ([Check("redis", lambda: _ask_redis(redis_url))] if redis_url else [])


def _ask_dispatcher() -> None:
    pulse = dispatcher_pulse(LIMIT_SECONDS)
    if pulse.stopping:
        raise StoppingError
    if pulse.idle_seconds > _IDLE_SECONDS:
        raise InfrastructureError(
            "The dispatcher does not look for jobs.", fix="See the log of the job_dispatcher actor."
        )


def _ask_redis(url: str) -> None:
    limits = {"socket_timeout": LIMIT_SECONDS, "socket_connect_timeout": LIMIT_SECONDS}
    with redis.Redis.from_url(url, **limits) as client:
        client.ping()
