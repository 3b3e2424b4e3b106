"""GET /api/jobs/{id}: the state of a piece of background work."""

from fastapi import APIRouter

from serve.errors import problem_responses
from serve.schemas.genomic_data import RecordId
from serve.schemas.jobs import JobOut
from serve.services import ServicesOf

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("/{job_id}", responses=problem_responses(404, 422))
def get_job(job_id: RecordId, services: ServicesOf) -> JobOut:
    """States are those of GA4GH WES; `problem` says why a job failed and what to do."""
    with services.database.reading() as tx:
        return JobOut.of(tx.jobs.get(job_id, user_id=None))
