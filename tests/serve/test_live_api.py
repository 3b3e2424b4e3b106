"""The WebSocket application: who may connect, and with what."""

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from core.job import JobKind
from core.records.session import Database
from serve.live import DatabaseEventLog, Hub, LiveLimits
from serve.live_api import create_live_api


@pytest.fixture
def client(database: Database):
    limits = LiveLimits(sweep_without_status_seconds=0.05)
    hub = Hub(None, DatabaseEventLog(database), limits)
    api = create_live_api(hub, cors_origins=["https://app.example"])
    with TestClient(api, root_path="/ws") as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://app.example"}, {"Origin": "http://testserver"}],
    ids=["no browser", "an origin of the settings", "our own page"],
)
def test_whom_the_settings_allow_may_listen(client: TestClient, headers: dict[str, str]) -> None:
    with client.websocket_connect("/ws/ann", headers=headers) as socket:
        assert socket.receive_json()["data"] == {"user_id": "ann", "last_sequence": 0}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://testserver.evil.example"]
)
def test_a_page_of_another_origin_is_refused(client: TestClient, origin: str) -> None:
    connecting = client.websocket_connect("/ws/ann", headers={"Origin": origin})
    with pytest.raises(WebSocketDisconnect) as refused, connecting:
        pytest.fail("it was let in")
    assert refused.value.code == 1008


@pytest.mark.parametrize(
    "path", ["/ws/a%20b", "/ws/ann?after=-1", "/ws/ann?after=x", "/ws/%3Cb%3E"]
)
def test_a_malformed_request_is_refused(client: TestClient, path: str) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(path):
        pytest.fail("it was let in")
    assert refused.value.code == 1008


def test_events_come_from_the_table_itself(client: TestClient, database: Database) -> None:
    with database.transaction() as tx:
        tx.jobs.submit(JobKind.PROCESS_GENOMIC_FILE, "ann", {})
    with client.websocket_connect("/ws/ann?after=0") as socket:
        socket.receive_json()
        event = socket.receive_json()
    assert (event["event"], event["sequence"]) == ("job_state", 1)
    assert set(event) == {"event", "status", "data", "id", "sequence", "time"}


def test_a_plain_request_is_a_problem(client: TestClient) -> None:
    answer = client.get("/ws/ann")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
