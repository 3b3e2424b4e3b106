"""The table of a score past the service: from a real S3 server, where a setting asks for it."""

import io
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from core.records.records import ScoreResult
from core.storage.byte_ranges import S3Access, s3_client
from core.storage.objects import ObjectsLocation, open_objects
from serve.api import create_api
from serve.services import Services
from tests.builders.records import calculation
from tests.builders.s3_server import running_s3_server

TABLE = pa.table({"accession": ["PGS000001"], "sample": ["S1"], "sum": [0.5]})


@pytest.fixture
def services(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        access = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
        s3_client(access).create_bucket(Bucket="curagenie")
        location = ObjectsLocation(tmp_path_factory.getbasetemp(), "curagenie", access)
        yield replace(services, objects=open_objects(location), presigned_downloads=True)


def completed(services: Services, accessions: list[str]) -> int:
    """The first score of a calculation whose table is stored."""
    with services.database.transaction() as tx:
        job, scores = calculation(tx, accessions)
        place = f"prs_scores/job-{job.id}/attempt-1"
        for score in scores:
            result = ScoreResult(score.accession, 0.5, 1, 1.0, 1.0, place, {})
            tx.prs_scores.finish(score.id, result)
    content = io.BytesIO()
    pq.write_table(TABLE, content)
    with services.objects.put_stream(f"{place}/scores.parquet") as writer:
        writer.write(content.getvalue())
    return scores[0].id


def test_a_table_of_one_score_is_fetched_from_the_store(
    client: TestClient, services: Services
) -> None:
    prs_id = completed(services, ["PGS000001"])
    path = f"/api/prs/scores/{prs_id}/download"
    answer = client.get(path, params={"format": "parquet"}, follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["Cache-Control"] == "no-store"
    with urllib.request.urlopen(answer.headers["Location"]) as stored:
        assert pq.read_table(io.BytesIO(stored.read())).equals(TABLE)
        assert "PGS000001_scores_research_use_only.parquet" in stored.headers["Content-Disposition"]


def test_what_is_not_stored_as_it_is_asked_for_comes_from_the_service(
    client: TestClient, services: Services
) -> None:
    one, of_two = (
        completed(services, ["PGS000001"]),
        completed(services, ["PGS000001", "PGS000002"]),
    )
    for prs_id, kind in ((one, "tsv"), (of_two, "parquet")):
        answer = client.get(
            f"/api/prs/scores/{prs_id}/download", params={"format": kind}, follow_redirects=False
        )
        assert answer.status_code == 200


def test_without_the_setting_everything_comes_from_the_service(services: Services) -> None:
    prs_id = completed(services, ["PGS000001"])
    api = create_api(replace(services, presigned_downloads=False), cors_origins=[])
    with TestClient(api) as client:
        answer = client.get(
            f"/api/prs/scores/{prs_id}/download",
            params={"format": "parquet"},
            follow_redirects=False,
        )
    assert answer.status_code == 200
