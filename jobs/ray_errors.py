"""What Ray's errors mean to a job."""

from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from core.errors import CuraGenieError, InfrastructureError
from core.job import WorkerLostError

_WORKER_LOST = (LocalRayletDiedError, NodeDiedError, OutOfMemoryError, WorkerCrashedError)


def cause_of(error: BaseException) -> BaseException:
    """What a task raised, on purpose or by mistake, out of what Ray wrapped around it; where Ray
    itself failed the InfrastructureError that says so, a WorkerLostError where a worker is gone."""
    if not isinstance(error, RayError):
        return error
    seen: BaseException | None = error
    while seen is not None:
        # Ray's wrapper is an instance of the wrapped error's class too, but not that error.
        if isinstance(seen, CuraGenieError) and not isinstance(seen, RayError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    if isinstance(error, RayTaskError):
        return error.cause or error
    return _infrastructure_error(error)


def _infrastructure_error(error: RayError) -> InfrastructureError:
    kind = WorkerLostError if isinstance(error, _WORKER_LOST) else InfrastructureError
    return kind(
        f"Ray could not finish the work ({type(error).__name__}).",
        fix="The job is tried again by itself; the Ray dashboard and the logs have the cause.",
    )
