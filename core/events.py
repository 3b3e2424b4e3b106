"""Events: their types, their payloads and the one message shape that clients see.

    {"event": "upload_complete", "status": "success", "data": {...},
     "id": "42", "sequence": 7, "time": "2026-11-22T21:48:30.123456Z"}

State and result events are rows of the event table: `sequence` counts from 1 without a gap per
user. `connected` and `progress` are never stored and carry no sequence: progress is a snapshot
(absolute done of total) that may be merged or dropped.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from core.job import Job, JobState


class EventType(StrEnum):
    CONNECTED = "connected"
    UPLOAD_COMPLETE = "upload_complete"
    PRS_READY = "prs_ready"
    JOB_STATE = "job_state"
    PROGRESS = "progress"


class EventStatus(StrEnum):
    SUCCESS = "success"
    ERROR = "error"
    IN_PROGRESS = "in_progress"
    CANCELED = "canceled"


Message = dict[str, Any]
"""What goes over the wire, as JSON."""


class Payload(Protocol):
    """What an event says. `data` holds JSON values only and leaves out what is not known."""

    type: ClassVar[EventType]

    @property
    def status(self) -> EventStatus: ...

    @property
    def data(self) -> dict[str, Any]: ...


def _known(payload: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(payload).items() if value is not None}


@dataclass(frozen=True, slots=True)
class UploadComplete:
    """A genomic file was checked, alone or with its mate; `problem` says why it cannot be used."""

    type: ClassVar[EventType] = EventType.UPLOAD_COMPLETE

    id: int
    filename: str
    metadata: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None

    @property
    def status(self) -> EventStatus:
        return EventStatus.SUCCESS if self.problem is None else EventStatus.ERROR

    @property
    def data(self) -> dict[str, Any]:
        return _known(self)


@dataclass(frozen=True, slots=True)
class PrsReady:
    """One score of one genomic data record is readable, or failed with a `problem`."""

    type: ClassVar[EventType] = EventType.PRS_READY

    id: int
    genomic_data_id: int
    accession: str
    disease_type: str | None
    score: float | None
    score_reason: str | None
    raw_sum: float | None
    coverage: float | None
    weight_coverage: float | None
    job_id: int | None
    problem: Mapping[str, Any] | None = None

    @property
    def status(self) -> EventStatus:
        return EventStatus.SUCCESS if self.problem is None else EventStatus.ERROR

    @property
    def data(self) -> dict[str, Any]:
        """`score` stays in the message when it is null: its reason stands beside it."""
        return {"score": None, **_known(self)}


_STATUS_OF_STATE = {
    JobState.COMPLETE: EventStatus.SUCCESS,
    JobState.EXECUTOR_ERROR: EventStatus.ERROR,
    JobState.SYSTEM_ERROR: EventStatus.ERROR,
    JobState.CANCELED: EventStatus.CANCELED,
}


@dataclass(frozen=True, slots=True)
class JobStateChanged:
    """A job entered `job.state`."""

    type: ClassVar[EventType] = EventType.JOB_STATE

    job: Job

    @property
    def status(self) -> EventStatus:
        return _STATUS_OF_STATE.get(self.job.state, EventStatus.IN_PROGRESS)

    @property
    def data(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "job_id": self.job.id,
            "kind": str(self.job.kind),
            "queue": str(self.job.queue),
            "state": str(self.job.state),
            "attempt": self.job.attempt,
            "genomic_data_id": self.job.params.get("genomic_data_id"),
            "problem": dict(self.job.problem) if self.job.problem is not None else None,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` shards; a larger `snapshot` of the same job is newer."""

    type: ClassVar[EventType] = EventType.PROGRESS

    job_id: int
    done: int
    total: int
    snapshot: int

    @property
    def status(self) -> EventStatus:
        return EventStatus.IN_PROGRESS

    @property
    def data(self) -> dict[str, Any]:
        return _known(self)


@dataclass(frozen=True, slots=True)
class Connected:
    """The first message of a connection; `sequence` is the user's newest event."""

    type: ClassVar[EventType] = EventType.CONNECTED

    user_id: str
    sequence: int

    @property
    def status(self) -> EventStatus:
        return EventStatus.SUCCESS

    @property
    def data(self) -> dict[str, Any]:
        return {"user_id": self.user_id, "last_sequence": self.sequence}


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the event table."""

    id: int
    user_id: str
    sequence: int
    type: EventType
    status: EventStatus
    data: Mapping[str, Any]
    time: datetime
    job_id: int | None = None

    @property
    def message(self) -> Message:
        shape = message(self.type, self.status, self.data, time=self.time)
        return shape | {"id": str(self.id), "sequence": self.sequence}


def message(
    event: EventType, status: EventStatus, data: Mapping[str, Any], *, time: datetime
) -> Message:
    """The contract's shape; `time` must know its time zone and leaves as RFC 3339 in UTC."""
    return {
        "event": str(event),
        "status": str(status),
        "data": dict(data),
        "time": time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }


def unrecorded_message(payload: Connected | Progress) -> Message:
    """A message that no table keeps: no `id`, no `sequence`."""
    return message(payload.type, payload.status, payload.data, time=datetime.now(UTC))
