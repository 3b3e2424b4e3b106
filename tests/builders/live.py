"""What a hub does with JobStatus, for tests: asking it and waiting for the answer."""

from typing import Any, cast

import ray

from jobs.status import Batch, Cursor


def poll(actor: Any, cursor: Cursor, timeout_seconds: float, *, retries: int = 0) -> Batch:
    """`retries` are those after the actor died while it was asked."""
    asking = actor.poll.options(max_task_retries=retries)
    return cast(Batch, ray.get(asking.remote(cursor, timeout_seconds)))
