"""Background work: its state, the list of a user's jobs, how to end one early or try it again."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from core.job import Job, JobState
from core.records.idempotency_keys import Answer
from core.records.repositories import UnitOfWork
from jobs.submit import retry
from serve.errors import problem_responses
from serve.idempotency import OnceOf
from serve.schemas.genomic_data import RecordId, UserIdText
from serve.schemas.jobs import JobEvents, JobLog, JobOut, JobPage, LogLineOut
from serve.schemas.page import PageSize, PageToken, link_next, page_start, page_token
from serve.services import ServicesOf

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("", responses=problem_responses(422))
def list_jobs(
    request: Request,
    response: Response,
    services: ServicesOf,
    user_id: Annotated[UserIdText, Query(examples=["alice"])],
    state: Annotated[list[JobState] | None, Query(description="Any of these states.")] = None,
    limit: PageSize = 50,
    page: PageToken = None,
) -> JobPage:
    """A user's jobs, newest first."""
    before = page_start(page)
    with services.database.reading() as tx:
        jobs = tx.jobs.of_user(user_id, states=state or (), limit=limit + 1, before=before)
        items = _out(tx, jobs[:limit])
    token = page_token(items[-1].id) if len(jobs) > limit else None
    link_next(request, response, token)
    return JobPage(items=items, next_page_token=token)


@router.get("/{job_id}", responses=problem_responses(404, 422))
def get_job(job_id: RecordId, services: ServicesOf) -> JobOut:
    """States are those of GA4GH WES; `problem` says why a job failed and what to do."""
    with services.database.reading() as tx:
        (job,) = _out(tx, [tx.jobs.get(job_id, user_id=None)])
    return job


@router.post(
    "/{job_id}/cancel",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(404, 409, 422),
)
def cancel_job(job_id: RecordId, services: ServicesOf) -> JobOut:
    """Ask for the end of a job. It is CANCELING at once, and CANCELED when what it had begun is
    undone: at once where it waited, within ten seconds of its next finished shard where it ran.

    Asking again changes nothing. A job that completes meanwhile is COMPLETE, and one that has
    ended is answered with 409.
    """
    with services.database.transaction() as tx:
        (job,) = _out(tx, [tx.jobs.cancel(job_id, user_id=None)])
    services.announce(tx.recorded)
    return job


@router.post(
    "/{job_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    response_model=JobOut,
    responses=problem_responses(400, 404, 409, 422),
)
def retry_job(job_id: RecordId, services: ServicesOf, once: OnceOf) -> Response:
    """Try a job that ended in SYSTEM_ERROR again, with all its tries; of its shards only those that
    were not finished are done. What failed by its own data, or was canceled, is submitted anew.
    """
    with services.database.transaction() as tx:
        owner = tx.jobs.get(job_id, user_id=None).user_id
        answer = once.answer(tx, owner, "", partial(_retry, tx, job_id))
    services.announce(tx.recorded)
    return answer


def _retry(tx: UnitOfWork, job_id: int) -> Answer:
    (job,) = _out(tx, [retry(tx, job_id, user_id=None)])
    return Answer(HTTPStatus.ACCEPTED, f"/api/jobs/{job_id}", job.model_dump_json(by_alias=True))


@router.get("/{job_id}/events", responses=problem_responses(404, 422))
def list_job_events(
    job_id: RecordId,
    services: ServicesOf,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The last `sequence` seen.")] = 0,
    limit: PageSize = 50,
) -> JobEvents:
    """What the log has of a job, oldest first: the messages of its user's WebSocket, but for
    progress, which is in the job. `sequence` counts over all events of the user."""
    with services.database.reading() as tx:
        job = tx.jobs.get(job_id, user_id=None)
        events = tx.events.of_job(job.id, after, limit=limit)
    return JobEvents(items=[event.message for event in events])


@router.get("/{job_id}/log", responses=problem_responses(404, 422))
def get_job_log(
    job_id: RecordId,
    services: ServicesOf,
    tail: Annotated[int, Query(ge=1, le=1000, description="How many lines.")] = 100,
) -> JobLog:
    """The newest lines of what the job's attempts said, oldest first; of one that runs, those of
    its last heartbeat."""
    with services.database.reading() as tx:
        job = tx.jobs.get(job_id, user_id=None)
        lines = tx.job_log.tail(job.id, limit=tail)
    return JobLog(items=[LogLineOut.model_validate(line) for line in lines])


def _out(tx: UnitOfWork, jobs: Sequence[Job]) -> list[JobOut]:
    places, now = tx.jobs.places(jobs), tx.now()
    return [JobOut.of(job, places.get(job.id), now=now) for job in jobs]
