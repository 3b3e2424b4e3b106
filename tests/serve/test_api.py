"""The application as a whole: its routes, documents and headers."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from serve.services import Services

ROUTES = {
    ("post", "/api/genomic-data/upload"),
    ("get", "/api/genomic-data/user/{user_id}"),
    ("get", "/api/genomic-data/{genomic_data_id}"),
    ("put", "/api/genomic-data/{genomic_data_id}/mate"),
    ("get", "/api/genomic-data/{genomic_data_id}/quality"),
    ("get", "/api/genomic-data/{genomic_data_id}/quality/samples"),
    ("post", "/api/scoring-files"),
    ("get", "/api/scoring-files"),
    ("get", "/api/scoring-files/catalog"),
    ("get", "/api/genomic-data/{genomic_data_id}/read-quality"),
    ("get", "/api/scoring-files/{accession}"),
    ("post", "/api/scoring-files/{accession}/download"),
    ("post", "/api/prs/calculate"),
    ("get", "/api/prs/scores/user/{user_id}"),
    ("get", "/api/prs/scores/{prs_id}"),
    ("get", "/api/prs/scores/{prs_id}/samples"),
    ("get", "/api/prs/scores/{prs_id}/matches"),
    ("get", "/api/prs/scores/{prs_id}/download"),
    ("get", "/api/prs/scores/{prs_id}/report"),
    ("get", "/api/prs/scores/{prs_id}/report.json"),
    ("get", "/api/jobs"),
    ("get", "/api/jobs/{job_id}"),
    ("get", "/api/jobs/{job_id}/events"),
    ("get", "/api/jobs/{job_id}/log"),
    ("post", "/api/jobs/{job_id}/cancel"),
    ("post", "/api/jobs/{job_id}/retry"),
    ("get", "/health"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}


def test_the_routes_are_those_of_the_contract(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    routes = {(method, path) for path, item in document["paths"].items() for method in item}
    assert routes == ROUTES


def test_operation_ids_are_the_names_that_clients_will_use(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    ids = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
    ]
    assert len(set(ids)) == len(ids)
    assert "upload_genomic_data" in ids
    assert "calculate_prs" in ids


def test_every_reference_of_the_document_resolves(client: TestClient) -> None:
    text = client.get("/openapi.json").text
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for name in re.findall(r'"#/components/schemas/([^"]+)"', text):
        assert name in document["components"]["schemas"], name


def test_every_answer_names_its_media_type_and_any_may_be_a_problem(client: TestClient) -> None:
    for path, item in client.get("/openapi.json").json()["paths"].items():
        for operation in item.values():
            answers = operation["responses"]
            with_body = [answers[status] for status in answers if not status.startswith("3")]
            assert all(answer["content"] for answer in with_body), path
            assert {"500", "503"} <= set(answers), path


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documents_load_nothing_from_another_host(client: TestClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assets = re.findall(r"""(?:src|href)=["'](/docs-assets/[^"']+)""", answer.text)
    assert assets
    assert all(client.get(asset).status_code == 200 for asset in assets)


def test_health_tells_the_version_and_the_database(client: TestClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["database"] == "ok"
    assert answer.json()["version"]


def test_health_is_503_when_the_database_is_away(
    client: TestClient, services: Services, tmp_path: Path
) -> None:
    services.database.close()
    for file in tmp_path.glob("curagenie.db*"):
        file.unlink()
    (tmp_path / "curagenie.db").mkdir()
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["database"] == "unavailable"


def test_only_the_origins_of_the_settings_may_read_from_a_browser(client: TestClient) -> None:
    allowed = client.get("/health", headers={"Origin": "https://app.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    refused = client.get("/health", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers
