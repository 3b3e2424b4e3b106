"""A request that is sent again with its Idempotency-Key is done once, whatever was lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import make_url, update

from core.events import Event
from core.job import JobState
from core.records.migrations import migrate
from core.records.session import Database, open_database
from core.records.tables import IdempotencyKeyTable
from serve.api import create_api
from serve.services import Services
from tests.builders.postgresql_server import new_database
from tests.builders.records import running
from tests.builders.tcp_proxy import running_tcp_proxy

VCF = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        yield from _opened(f"sqlite:///{tmp_path}/curagenie.db")
        return
    with new_database(request.getfixturevalue("postgresql_url")) as url:
        yield from _opened(url)


def _opened(url: str) -> Iterator[Database]:
    migrate(url)
    database = open_database(url)
    yield database
    database.close()


def upload(
    client: TestClient, key: str | None, content: bytes = VCF, *, user: str = "ann"
) -> Response:
    return client.post(
        "/api/genomic-data/upload",
        data={"user_id": user},
        files={"file": ("a.vcf", content)},
        headers={} if key is None else {"Idempotency-Key": key},
    )


def n_stored(services: Services) -> int:
    return len(list(services.objects.keys("genomic_data")))


def n_jobs(client: TestClient, user: str = "ann") -> int:
    return len(client.get("/api/jobs", params={"user_id": user}).json()["items"])


def test_the_same_upload_again_gets_the_same_answer_and_leaves_one_file(
    client: TestClient, services: Services, announced: list[Event]
) -> None:
    first, again = upload(client, "k1"), upload(client, "k1")
    assert first.status_code == 202, first.text
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (n_jobs(client), n_stored(services), len(announced)) == (1, 1, 1)


def test_without_a_key_every_request_is_a_new_one(client: TestClient) -> None:
    assert upload(client, None).json()["id"] != upload(client, None).json()["id"]


def test_a_key_is_its_users_own(client: TestClient) -> None:
    assert upload(client, "k1").json()["id"] != upload(client, "k1", user="eve").json()["id"]


def test_another_request_with_a_used_key_is_refused_and_leaves_no_file(
    client: TestClient, services: Services
) -> None:
    upload(client, "k1")
    answer = upload(client, "k1", VCF + b"1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/1\n")
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert n_stored(services) == 1


def test_a_request_that_failed_frees_its_key(client: TestClient) -> None:
    form = {"user_id": "ann", "mate_of": "77"}
    refused = client.post(
        "/api/genomic-data/upload",
        data=form,
        files={"file": ("a.vcf", VCF)},
        headers={"Idempotency-Key": "k1"},
    )
    assert refused.status_code == 404
    assert upload(client, "k1").status_code == 202


def test_a_key_is_free_again_after_its_time(client: TestClient, database: Database) -> None:
    first = upload(client, "k1")
    with database.writing_connection() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(IdempotencyKeyTable).values(expires_at=past))
    assert upload(client, "k1").json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(client: TestClient, key: str) -> None:
    answer = upload(client, key)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_fifty_at_once_with_one_key_make_one_job(client: TestClient, services: Services) -> None:
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: upload(client, "k1"), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert (n_jobs(client), n_stored(services)) == (1, 1)


def test_a_retry_again_is_the_same_retry(client: TestClient, database: Database) -> None:
    job_id = upload(client, None).json()["job_id"]
    with database.transaction() as tx:
        kind = tx.jobs.get(job_id, user_id=None).kind
        tx.jobs.advance(running(tx, kind), JobState.SYSTEM_ERROR, problem={"code": "bug"})
    asked = [
        client.post(f"/api/jobs/{job_id}/retry", headers={"Idempotency-Key": "again"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in asked] == [202, 202], asked[1].text
    assert asked[0].content == asked[1].content
    assert client.post(f"/api/jobs/{job_id}/retry").status_code == 409


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_who_did_not_hear_of_the_commit_asks_again_and_finds_job_and_file(
    services: Services, database: Database
) -> None:
    url = make_url(database.engine.url.render_as_string(hide_password=False))
    assert url.host is not None
    assert url.port is not None
    with running_tcp_proxy(url.host, url.port) as proxy:
        far = open_database(url.set(port=proxy.port).render_as_string(hide_password=False))
        client = TestClient(create_api(replace(services, database=far)))
        upload(client, None, user="eve")  # a connection is open
        proxy.cut_after = b"COMMIT"
        unknown = upload(client, "k1")
        assert (unknown.status_code, proxy.n_cut) == (503, 1)
        answer = upload(client, "k1")
        assert answer.status_code == 202, answer.text
        assert answer.headers["idempotency-replayed"] == "true"
        assert (n_jobs(client), n_stored(services)) == (1, 2)
        with services.objects.open(answer.json()["file_url"]) as stored:
            assert stored.read() == VCF
        far.close()


def test_the_document_names_the_header(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/api/genomic-data/upload", "/api/prs/calculate", "/api/jobs/{job_id}/retry"):
        headers = [p["name"] for p in paths[path]["post"]["parameters"] if p["in"] == "header"]
        assert headers == ["Idempotency-Key"]
