"""/metrics, read by Prometheus' own parser."""

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from core.job import JobKind, JobState, Queue
from core.records.session import Database


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_jobs_are_counted_by_queue_and_state(client: TestClient, database: Database) -> None:
    with database.transaction() as tx:
        job = tx.jobs.submit(JobKind.PROCESS_GENOMIC_FILE, "canary-user", {"genomic_data_id": 1})
        tx.jobs.submit(JobKind.PROCESS_GENOMIC_FILE, "canary-user", {"genomic_data_id": 2})
        assert tx.jobs.lease(job.queue, owner="test", seconds=60.0)
    found = samples(client)
    of_queue = {key: value for key, value in found.items() if key[1] == job.queue and value}
    assert found[("curagenie_queue_depth", job.queue)] == 1
    assert sum(v for key, v in of_queue.items() if key[0] == "curagenie_jobs") == 2
    assert "canary-user" not in client.get("/metrics").text


def test_every_state_of_every_queue_is_there_before_the_first_job(client: TestClient) -> None:
    found = samples(client)
    assert {key for key in found if key[0] == "curagenie_jobs"} == {
        ("curagenie_jobs", queue, state) for queue in Queue for state in JobState
    }
