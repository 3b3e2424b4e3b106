"""Quality over HTTP: counted by the real job, read as a summary and as pages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.job import Queue
from core.storage.objects import ObjectsLocation
from jobs.attempt import JobEnvironment, run_attempt
from jobs.catalogue import BODIES
from jobs.run_shards import Executor
from serve.services import Services
from tests.builders.vcf import Record, bgzip, sample_names, vcf_text

pytestmark = pytest.mark.ray  # a job tells its events through Ray

CALLS = ["0/0", "0/1", "1/1", "./.", "0/1"]
RunJobs = Callable[[], None]


@pytest.fixture
def run_jobs(ray_session: None, services: Services, tmp_path: Path) -> RunJobs:
    environment = JobEnvironment(
        database_url=services.database.engine.url.render_as_string(hide_password=False),
        objects=ObjectsLocation(root=tmp_path / "objects"),
        scoring_files_dir=services.scoring_files.folder,
        shard_bytes=64 * 1024,
        executor=Executor.INLINE,
    )

    def run() -> None:
        with services.database.transaction() as tx:
            job = tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="test", seconds=60)
        assert job is not None
        run_attempt(job, environment, BODIES[job.kind])

    return run


def upload(client: TestClient, calls: list[str]) -> int:
    records = [Record("1", 1000 + i, calls) for i in range(20)]
    content = bgzip(vcf_text(records, samples=sample_names(len(calls))))
    answer = client.post(
        "/api/genomic-data/upload", data={"user_id": "ann"}, files={"file": ("a.vcf.gz", content)}
    )
    return answer.json()["id"]


def test_a_file_has_a_summary_of_its_quality(client: TestClient, run_jobs: RunJobs) -> None:
    url = f"/api/genomic-data/{upload(client, CALLS)}"
    run_jobs()
    answer = client.get(f"{url}/quality")
    assert answer.status_code == 200, answer.text
    quality = answer.json()
    assert quality == client.get(url).json()["metadata"]["quality"]
    assert quality["samples"]["n_samples"] == 5
    assert quality["samples"]["inferred_sex"] == {"male": 0, "female": 0, "unknown": 5}
    assert quality["samples"]["call_rate_quantiles"]["values"][0] == 0.0
    assert quality["samples"]["n_heterozygosity_outliers"] is None
    assert sum(quality["variants"]["allele_frequency"]["counts"]) == 20
    assert quality["person"] is None


def test_people_are_paged_in_the_order_of_the_file(client: TestClient, run_jobs: RunJobs) -> None:
    url = f"/api/genomic-data/{upload(client, CALLS)}/quality/samples?limit=2"
    run_jobs()
    items: list[dict] = []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        url = answer.links.get("next", {}).get("url", "")
    assert [item["sample_id"] for item in items] == sample_names(5)
    assert [item["n_het"] for item in items] == [0, 20, 0, 0, 20]
    assert [item["call_rate"] for item in items] == [1, 1, 1, 0, 1]


def test_one_person_has_their_own_numbers(client: TestClient, run_jobs: RunJobs) -> None:
    url = f"/api/genomic-data/{upload(client, ['0/1'])}/quality"
    run_jobs()
    person = client.get(url).json()["person"]
    assert (person["sample_id"], person["n_het"], person["ti_tv"]) == ("S1", 20, None)
    assert person["contamination_reason"] == "too_few_variants"
    assert client.get(f"{url}/samples").json()["items"] == [person]


def test_before_it_is_counted_there_is_no_quality(client: TestClient) -> None:
    url = f"/api/genomic-data/{upload(client, CALLS)}/quality"
    for route in (url, f"{url}/samples"):
        answer = client.get(route)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "still being processed" in answer.json()["detail"]


def test_a_file_that_failed_has_no_quality(client: TestClient, run_jobs: RunJobs) -> None:
    answer = client.post(
        "/api/genomic-data/upload",
        data={"user_id": "ann"},
        files={"file": ("a.vcf", b"##fileformat=VCFv4.2\n#CHROM\tPOS\n")},
    )
    run_jobs()
    answer = client.get(f"/api/genomic-data/{answer.json()['id']}/quality")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_what_was_processed_before_quality_was_counted_says_so(
    client: TestClient, services: Services
) -> None:
    data_id = upload(client, CALLS)
    with services.database.transaction() as tx:
        tx.genomic_data.complete(data_id, {"store": "genotypes-1.cgstore"})
    answer = client.get(f"/api/genomic-data/{data_id}/quality")
    assert answer.status_code == 409
    assert "without its quality" in answer.json()["detail"]
