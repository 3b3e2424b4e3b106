"""GET /metrics: the state of the work, in Prometheus' text format.

It comes from the database at each scrape, so any replica answers for the whole service. What a
process counts by itself (requests, sockets, tasks) is exported by Ray on every node.
"""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from core.job import JobState, Queue
from serve.services import ServicesOf

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(services: ServicesOf) -> Response:
    """Jobs by queue and state, and the depth of each queue; no label names a person or a file."""
    with services.database.reading() as tx:
        counts = tx.jobs.count_by_state()
    return Response(_exposition(counts), media_type=CONTENT_TYPE_LATEST)


def _exposition(counts: dict[tuple[Queue, JobState], int]) -> bytes:
    registry = CollectorRegistry()
    jobs = Gauge("curagenie_jobs", "Jobs in the database.", ["queue", "state"], registry=registry)
    depth = Gauge(
        "curagenie_queue_depth", "Jobs that wait for a worker.", ["queue"], registry=registry
    )
    for (queue, state), n in counts.items():
        jobs.labels(queue, state).set(n)
        if state is JobState.QUEUED:
            depth.labels(queue).set(n)
    return generate_latest(registry)
