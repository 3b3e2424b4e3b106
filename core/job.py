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
        return not TRANSITIONS[self]


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
        _S.SYSTEM_ERROR: frozenset(),
        _S.CANCELED: frozenset(),
    }
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


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often an infrastructure error is tried again; a user's error never is.

    Delays are exponential with full jitter: uniform in [0, min(cap, first * 2^(attempt - 1))].
    """

    max_attempts: int = 5
    first_delay_seconds: float = 1.0
    max_delay_seconds: float = 60.0

    def allows(self, error: BaseException, *, attempt: int) -> bool:
        """Whether `attempt` (counted from 1), ended by `error`, may be followed by another."""
        return isinstance(error, InfrastructureError) and attempt < self.max_attempts

    def delay_seconds(self, attempt: int, *, rng: random.Random) -> float:
        """Seconds to wait after the failure of `attempt`, counted from 1."""
        ceiling = min(self.max_delay_seconds, self.first_delay_seconds * 2 ** (attempt - 1))
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
