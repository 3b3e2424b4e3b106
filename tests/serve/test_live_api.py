"""The WebSocket application: who may connect, and with what."""

import json

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
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


def stream_of(
    database: Database,
    path: str,
    headers: dict[str, str] | None = None,
    *,
    comment_seconds: float = 15.0,
) -> tuple[Response, list[dict[str, str]]]:
    """A whole stream, which ends by its age, and the fields of its blocks."""
    limits = LiveLimits(max_age_seconds=0.5, comment_seconds=comment_seconds)
    hub = Hub(None, DatabaseEventLog(database), limits)
    api = create_live_api(hub, cors_origins=["https://app.example"])
    with TestClient(api, root_path="/ws") as client:
        answer = client.get(path, headers=headers)
        assert hub.n_sockets == 0
    blocks = [block for block in answer.text.split("\n\n") if block]
    return answer, [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def submitted(database: Database, n: int) -> None:
    with database.transaction() as tx:
        for _ in range(n):
            tx.jobs.submit(JobKind.PROCESS_GENOMIC_FILE, "ann", {})


def test_a_stream_has_the_messages_of_a_socket(client: TestClient, database: Database) -> None:
    submitted(database, 2)
    answer, blocks = stream_of(database, "/ws/ann/stream?after=0")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    with client.websocket_connect("/ws/ann?after=0") as socket:
        messages = [socket.receive_json() for _ in range(3)]
    assert [json.loads(block["data"])["data"] for block in blocks] == [m["data"] for m in messages]
    assert [json.loads(block["data"]) for block in blocks[1:]] == messages[1:]
    assert [block["event"] for block in blocks] == ["connected", "job_state", "job_state"]
    assert [block.get("id") for block in blocks] == [None, "1", "2"]
    assert blocks[0]["retry"] == "2000"


def test_a_browser_that_comes_back_gets_what_it_missed(database: Database) -> None:
    submitted(database, 3)
    _, blocks = stream_of(database, "/ws/ann/stream?after=0", {"Last-Event-ID": "2"})
    assert [block.get("id") for block in blocks] == [None, "3"]
    _, blocks = stream_of(database, "/ws/ann/stream")
    assert [block.get("id") for block in blocks] == [None]


def test_an_empty_stream_says_that_it_lives(database: Database) -> None:
    _, blocks = stream_of(database, "/ws/ann/stream", comment_seconds=0.1)
    assert [block[""] for block in blocks[1:]] == ["nothing new"] * len(blocks[1:])
    assert len(blocks) > 2


def test_a_stream_is_read_by_pages_of_the_settings_only(database: Database) -> None:
    for origin, allowed in (("https://app.example", True), ("https://evil.example", False)):
        answer, _ = stream_of(database, "/ws/ann/stream", {"Origin": origin})
        assert ("access-control-allow-origin" in answer.headers) is allowed


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/ws/a%20b/stream", {}),
        ("/ws/ann/stream?after=-1", {}),
        ("/ws/ann/stream", {"Last-Event-ID": "x"}),
    ],
)
def test_a_malformed_stream_is_a_problem(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_plain_request_is_a_problem(client: TestClient) -> None:
    answer = client.get("/ws/ann")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
