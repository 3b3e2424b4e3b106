"""Every error is problem+json; nothing leaks."""

import logging
from dataclasses import replace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from core import errors
from core.errors import ConflictError, CuraGenieError, GenotypeFileError, Where
from core.records.session import open_database
from serve.api import create_api
from serve.errors import status_of
from serve.schemas.problem import Problem
from serve.services import Services


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.NotFoundError, 404),
        (errors.ConflictError, 409),
        (errors.ScoringFileNotInstalledError, 409),
        (errors.UploadTooLargeError, 413),
        (errors.UnsupportedFormatError, 415),
        (errors.GenotypeFileError, 422),
        (errors.PolicyError, 422),
        (errors.InfrastructureError, 503),
        (errors.PgsCatalogUnreachableError, 503),
        (errors.PgsCatalogError, 502),
        (errors.CuraGenieError, 500),
    ],
)
def test_each_error_of_the_tree_has_its_status(kind: type[CuraGenieError], status: int) -> None:
    assert status_of(kind("what")) == status


def every_error(root: type[CuraGenieError]) -> list[type[CuraGenieError]]:
    return [root, *(leaf for kind in root.__subclasses__() for leaf in every_error(kind))]


def test_no_error_of_the_tree_is_without_a_status() -> None:
    assert all(status_of(kind("what")) >= 404 for kind in every_error(CuraGenieError))


@pytest.fixture
def failing(services: Services) -> TestClient:
    api: FastAPI = create_api(services, cors_origins=["https://app.example"])

    @api.get("/conflict")
    def conflict() -> None:
        raise ConflictError("the record is busy.", fix="Wait.")

    @api.get("/broken")
    def broken() -> None:
        raise GenotypeFileError("POS is not a number.", where=Where("a.vcf", 7, "POS"))

    @api.get("/bug")
    def bug() -> None:
        raise KeyError("sample NA12878 is secret")

    return TestClient(api, raise_server_exceptions=False)


def test_a_problem_says_what_and_how_to_put_it_right(failing: TestClient) -> None:
    answer = failing.get("/conflict", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "the record is busy. Wait.",
        "instance": "/conflict",
        "code": "conflict",
        "errors": [],
        "request_id": "mine-1",
        "retryable": False,
        "fix": "Wait.",
    }


def test_a_problem_names_file_line_and_field(failing: TestClient) -> None:
    problem = failing.get("/broken").json()
    assert (problem["file"], problem["line"], problem["field"]) == ("a.vcf", 7, "POS")


def test_a_mistake_of_ours_says_nothing_but_its_request_id(
    failing: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = failing.get("/bug", headers={"Origin": "https://app.example"})
    assert answer.status_code == 500
    assert "NA12878" not in answer.text
    assert "KeyError" not in answer.text
    problem = Problem.model_validate(answer.json())
    assert problem.code == "internal_error"
    assert problem.request_id in caplog.text
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize("sent", ["a b", "x" * 65, "", "ü"])
def test_a_strange_request_id_is_replaced(failing: TestClient, sent: str) -> None:
    answer = failing.get("/health", headers=[(b"X-Request-Id", sent.encode())])
    assert answer.headers["x-request-id"] not in {sent, ""}


def test_an_unknown_path_and_method_are_problems_too(client: TestClient) -> None:
    missing = client.get("/api/ml/predictions/1")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = client.delete("/health")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"


def test_a_bad_body_points_at_each_mistake(client: TestClient) -> None:
    answer = client.post("/api/prs/calculate", json={"genomic_data_id": "x", "accessions": ["/"]})
    assert answer.status_code == 422
    assert [mistake["pointer"] for mistake in answer.json()["errors"]] == [
        "/genomic_data_id",
        "/accessions/0",
    ]


def test_a_body_that_is_no_json_is_wrong_as_a_whole(client: TestClient) -> None:
    answer = client.post(
        "/api/prs/calculate", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert [mistake["pointer"] for mistake in answer.json()["errors"]] == [""]


def test_what_is_sent_is_not_repeated_in_a_problem(client: TestClient) -> None:
    answer = client.post("/api/prs/calculate", json={"genomic_data_id": "NA12878-secret"})
    assert "NA12878" not in answer.text


def test_a_database_that_is_gone_is_a_503_that_asks_to_come_again(services: Services) -> None:
    gone = replace(services, database=open_database("postgresql://nobody@127.0.0.1:1/none"))
    answer = TestClient(create_api(gone)).get("/api/jobs/1")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["retryable"] is True
