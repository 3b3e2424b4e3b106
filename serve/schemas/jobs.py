"""Jobs as clients see them; states are the words of GA4GH WES 1.1."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from core.job import Job, JobKind, JobState, Place, Priority, Queue, eta_seconds


class JobProgress(BaseModel):
    done: int
    total: int


class JobLinks(BaseModel):
    self_: str = Field(serialization_alias="self")
    events: str = Field(description="The WebSocket of its user.")
    history: str = Field(description="What the event log has of it.")
    log: str
    cancel: str
    retry: str


class JobOut(BaseModel):
    id: int
    kind: JobKind
    queue: Queue
    user_id: str
    state: JobState
    attempt: int
    priority: Priority
    n_failed: int = Field(description="Attempts that failed, since it was submitted or retried.")
    n_lost: int = Field(description="Of these, those whose worker was lost.")
    progress: JobProgress | None = Field(description="Shards; absent before the plan is made.")
    n_ahead: int | None = Field(description="Older jobs in its queue; users take turns.")
    eta_seconds: float | None = Field(
        description="Until its end: what its finished shards say, or, while it waits, what jobs of "
        "its queue took lately. Null where nothing tells."
    )
    problem: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    links: JobLinks

    @classmethod
    def of(cls, job: Job, place: Place | None, *, now: datetime) -> "JobOut":
        """`place` of a job that waits in its queue, `now` by the database's clock."""
        return cls(
            **asdict(job),
            progress=_progress(job),
            n_ahead=place.n_ahead if place is not None else None,
            eta_seconds=eta_seconds(job, place, now=now),
            links=JobLinks(
                self_=f"/api/jobs/{job.id}",
                events=f"/ws/{job.user_id}",
                history=f"/api/jobs/{job.id}/events",
                log=f"/api/jobs/{job.id}/log",
                cancel=f"/api/jobs/{job.id}/cancel",
                retry=f"/api/jobs/{job.id}/retry",
            ),
        )


class JobEvents(BaseModel):
    items: list[dict[str, Any]]


class LogLineOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    attempt: int
    time: datetime = Field(description="By the clock of the attempt's machine.")
    level: str
    message: str


class JobLog(BaseModel):
    items: list[LogLineOut]


class JobPage(BaseModel):
    items: list[JobOut]
    next_page_token: str | None


def _progress(job: Job) -> JobProgress | None:
    if job.done is None or job.total is None:
        return None
    return JobProgress(done=job.done, total=job.total)
