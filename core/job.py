"""Jobs: kinds, queues, states, the one transition table and the retry policy.

States are the words of GA4GH WES 1.1: EXECUTOR_ERROR is the user's data or request at fault,
SYSTEM_ERROR is ours. A job is fenced by its attempt number: only the current attempt may change
it, so a worker that comes back from the dead changes nothing.
"""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from core.errors import CuraGenieError, InfrastructureError


class JobState(StrEnum):
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    CANCELING = "CANCELING"
    PREEMPTED = "PREEMPTED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in TERMINAL

    @property
    def may_go_on(self) -> bool:
        """Whether another attempt may follow, by itself or when somebody asks for one."""
        return bool(TRANSITIONS[self])


_S = JobState

# What may follow what. Every UPDATE of a job's state asks this table and nothing else.
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        _S.QUEUED: frozenset({_S.INITIALIZING, _S.CANCELING}),
        _S.INITIALIZING: frozenset({_S.RUNNING, _S.QUEUED, _S.SYSTEM_ERROR, _S.CANCELING}),
        _S.RUNNING: frozenset(
            {
                _S.COMPLETE,
                _S.EXECUTOR_ERROR,
                _S.SYSTEM_ERROR,
                _S.PREEMPTED,
                _S.PAUSED,
                _S.CANCELING,
            }
        ),
        _S.PAUSED: frozenset({_S.RUNNING, _S.PREEMPTED, _S.CANCELING}),
        _S.PREEMPTED: frozenset({_S.QUEUED, _S.SYSTEM_ERROR, _S.CANCELED}),
        _S.CANCELING: frozenset({_S.CANCELED, _S.COMPLETE}),
        _S.COMPLETE: frozenset(),
        _S.EXECUTOR_ERROR: frozenset(),
        _S.SYSTEM_ERROR: frozenset({_S.QUEUED}),  # when somebody asks for another try
        _S.CANCELED: frozenset(),
    }
)

TERMINAL: frozenset[JobState] = frozenset(
    {_S.COMPLETE, _S.EXECUTOR_ERROR, _S.SYSTEM_ERROR, _S.CANCELED}
)

LEASED: frozenset[JobState] = frozenset({_S.INITIALIZING, _S.RUNNING, _S.PAUSED, _S.CANCELING})
"""The states in which an attempt holds a lease and must send heartbeats."""

WORKING: frozenset[JobState] = frozenset({_S.INITIALIZING, _S.RUNNING})
"""The states in which a lost worker means another attempt."""


def sources_of(state: JobState) -> frozenset[JobState]:
    """The states that a job may be in just before `state`."""
    return frozenset(before for before, after in TRANSITIONS.items() if state in after)


class Queue(StrEnum):
    GENOMIC_PROCESSING = "genomic_processing"
    PRS_CALCULATION = "prs_calculation"
    ML_INFERENCE = "ml_inference"


class JobKind(StrEnum):
    PROCESS_GENOMIC_FILE = "process_genomic_file"
    SUMMARISE_READ_PAIR = "summarise_read_pair"
    CALCULATE_PRS_SCORE = "calculate_prs_score"

    @property
    def queue(self) -> Queue:
        return _QUEUE_OF_KIND[self]


_QUEUE_OF_KIND = {
    JobKind.PROCESS_GENOMIC_FILE: Queue.GENOMIC_PROCESSING,
    JobKind.SUMMARISE_READ_PAIR: Queue.GENOMIC_PROCESSING,
    JobKind.CALCULATE_PRS_SCORE: Queue.PRS_CALCULATION,
}


class Priority(StrEnum):
    """Which of one user's waiting jobs goes first. Between users it says nothing: they take turns,
    so nobody gains by calling everything urgent."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class WorkerLostError(InfrastructureError):
    """The process or the machine of an attempt ended under it."""

    code = "worker_lost"


@dataclass(frozen=True, slots=True)
class Failures:
    """What went wrong since the job was submitted, or since somebody asked for another try:
    attempts that failed, and of these the ones whose worker was lost."""

    n_failed: int = 0
    n_lost: int = 0

    def after(self, error: BaseException) -> "Failures":
        """With one more attempt, ended by `error`."""
        return Failures(self.n_failed + 1, self.n_lost + isinstance(error, WorkerLostError))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often an infrastructure error is tried again; a user's error never is.

    Work that loses its worker again and again may be what kills it, so it gets fewer tries. Delays
    are exponential with full jitter: uniform in [0, min(cap, first * 2^(n_failed - 1))].
    """

    max_attempts: int = 5
    max_lost: int = 3
    first_delay_seconds: float = 1.0
    max_delay_seconds: float = 60.0

    def allows(self, error: BaseException, failures: Failures) -> bool:
        """Whether another attempt may follow; `failures` has the one that `error` ended."""
        within = failures.n_failed < self.max_attempts and failures.n_lost < self.max_lost
        return isinstance(error, InfrastructureError) and within

    def delay_seconds(self, failures: Failures, *, rng: random.Random) -> float:
        """Seconds to wait after the last of `failures`."""
        ceiling = min(
            self.max_delay_seconds, self.first_delay_seconds * 2 ** (failures.n_failed - 1)
        )
        return rng.uniform(0.0, ceiling)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something failed, for people (`detail`, `fix`) and for programs (`code`)."""

    code: str
    detail: str
    file: str | None = None
    line: int | None = None
    field: str | None = None
    fix: str | None = None

    @classmethod
    def of(cls, error: CuraGenieError) -> Self:
        where = error.where
        return cls(
            code=error.code,
            detail=error.what,
            file=where.file if where is not None else None,
            line=where.line if where is not None else None,
            field=where.field if where is not None else None,
            fix=error.fix,
        )

    def as_dict(self) -> dict[str, Any]:
        """Only the facts that are known."""
        return {name: fact for name, fact in asdict(self).items() if fact is not None}


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the job table. Times are UTC and come from the database's clock."""

    id: int
    kind: JobKind
    queue: Queue
    user_id: str
    state: JobState
    params: Mapping[str, Any]
    attempt: int
    priority: Priority
    n_failed: int
    n_lost: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    not_before: datetime | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = None
    done: int | None = None
    total: int | None = None
    problem: Mapping[str, Any] | None = field(default=None)

    @property
    def failures(self) -> Failures:
        return Failures(self.n_failed, self.n_lost)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a QUEUED job stands: how many older jobs of its queue wait too, how many run there now,
    and how long jobs there took lately, where any has completed."""

    n_ahead: int
    n_under_way: int
    typical_seconds: float | None


def eta_seconds(job: Job, place: Place | None, *, now: datetime) -> float | None:
    """Seconds until the end of `job`, as far as anything tells: its finished shards, or its place.

    While it waits, jobs are taken to end as evenly as they lately did, side by side as now.
    """
    if job.state is JobState.QUEUED and place is not None and place.typical_seconds is not None:
        rounds = place.n_ahead / max(place.n_under_way, 1) + 1
        return rounds * place.typical_seconds
    if job.state is JobState.RUNNING and job.started_at is not None and job.done and job.total:
        elapsed = (now - job.started_at).total_seconds()
        return max(elapsed, 0.0) * (job.total - job.done) / job.done
    return None
