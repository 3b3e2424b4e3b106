"""The proxy in front of the service: real Caddy with the Caddyfile that containers get."""

import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from serve.stack import free_port
from tests.builders.compose_file import compose_services
from tests.builders.https_door import HttpsDoor, caddy, running_https_door


async def _headers(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.url.path} {request.headers.get('x-forwarded-proto')}")


async def _count(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(sum([len(part) async for part in request.stream()])))


async def _stream(request: Request) -> StreamingResponse:
    gate: threading.Event = request.app.state.gate

    async def events() -> AsyncIterator[bytes]:
        import anyio

        yield b"data: first\n\n"
        while not gate.is_set():
            await anyio.sleep(0.01)
        yield b"data: last\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close(4001, "as agreed")


def _node(gate: threading.Event) -> Starlette:
    routes = [
        Route("/events", _stream),
        Route("/upload", _count, methods=["PUT"]),
        WebSocketRoute("/ws", _echo),
        Route("/{path:path}", _headers),
    ]
    app = Starlette(routes=routes)
    app.state.gate = gate
    return app


@pytest.fixture(scope="module")
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, gate: threading.Event) -> Iterator[HttpsDoor]:
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(_node(gate), host="127.0.0.1", port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        with running_https_door(tmp_path_factory.mktemp("caddy"), upstream_port=port) as opened:
            yield opened
    finally:
        gate.set()
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def https(door: HttpsDoor) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=f"https://localhost:{door.https_port}", verify=door.trust
    ) as client:
        yield client


def test_caddy_finds_no_fault_in_its_file_as_the_container_reads_it(tmp_path: Path) -> None:
    command = caddy("validate", "--adapter", "caddyfile", XDG_DATA_HOME=str(tmp_path))
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    formatted = subprocess.run(
        [command[2], "fmt", "--diff", command[-1]], capture_output=True, text=True, check=False
    )
    assert formatted.returncode == 0, formatted.stdout


def test_requests_pass_over_https_and_the_node_is_told_so(https: httpx2.Client) -> None:
    answer = https.get("/api/jobs")
    assert answer.text == "/api/jobs https"
    assert answer.headers["strict-transport-security"]
    assert "server" not in answer.headers


def test_a_certificate_that_nobody_vouched_for_is_not_trusted(door: HttpsDoor) -> None:
    with pytest.raises(httpx2.ConnectError, match="(?i)certificate"):
        httpx2.get(f"https://localhost:{door.https_port}/")


def test_plain_http_is_led_to_https(door: HttpsDoor) -> None:
    answer = httpx2.get(f"http://localhost:{door.http_port}/docs?a=b", follow_redirects=False)
    assert answer.status_code == 308
    # The port inside the container, 8443, is nobody's business outside
    assert answer.headers["location"] == "https://localhost/docs?a=b"


@pytest.mark.parametrize("path", ["/metrics", "/-/routes", "/-/healthz"])
def test_what_is_for_inside_is_not_there(https: httpx2.Client, path: str) -> None:
    assert https.get(path).status_code == 404


def test_websockets_pass_with_their_close_codes(door: HttpsDoor) -> None:
    with connect(f"wss://localhost:{door.https_port}/ws", ssl=door.trust) as socket:
        socket.send("there and back")
        assert socket.recv(timeout=10) == "there and back"
        with pytest.raises(ConnectionClosedError):
            socket.recv(timeout=10)
        assert (socket.close_code, socket.close_reason) == (4001, "as agreed")


def test_an_event_is_passed_on_before_the_next_is_there(
    https: httpx2.Client, gate: threading.Event
) -> None:
    with https.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "data: first"
        gate.set()
        assert "data: last" in list(lines)


def test_an_upload_of_unknown_length_passes(https: httpx2.Client) -> None:
    parts = (b"x" * 2**20 for _ in range(16))
    assert https.put("/upload", content=parts).text == str(2**24)


def test_the_health_check_of_the_container_asks_an_address_that_answers(door: HttpsDoor) -> None:
    asked = compose_services()["proxy"].keys["healthcheck"]["test"][-1]
    assert asked == "http://127.0.0.1:8081/"
    assert httpx2.get(asked.replace("8081", str(door.health_port))).status_code == 200
