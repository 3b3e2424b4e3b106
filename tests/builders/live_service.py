"""The real service for tests: `curagenie up` in a process and folder of its own, ended by pid."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from serve.pid_file import running_pid

ROOT = Path(__file__).resolve().parents[2]
_OURS = ("CURAGENIE_", "RAY_", "AWS_", "DATABASE_URL", "REDIS_URL", "S3_", "SECRET_KEY", "CORS_")

Message = dict[str, Any]


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's, without any setting of ours or of Ray; our packages can be imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | {"PYTHONPATH": str(ROOT)} | variables


def curagenie(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "serve.cli", *arguments]


@dataclass(frozen=True)
class LiveService:
    url: str
    data_dir: Path
    pid: int

    @property
    def scoring_files_dir(self) -> Path:
        return self.data_dir / "scoring_files"

    def http(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60.0)

    def events(self, user: str, *, after: int | None = 0) -> ClientConnection:
        url = self.url.replace("http", "ws", 1)
        return connect(f"{url}/ws/{user}" + ("" if after is None else f"?after={after}"))

    def upload(self, user: str, content: bytes, *, name: str = "cohort.vcf.gz") -> Message:
        with self.http() as http:
            answer = http.post(
                "/api/genomic-data/upload", data={"user_id": user}, files={"file": (name, content)}
            )
        assert answer.status_code == 202, answer.text
        return answer.json()

    def stored_files(self) -> set[str]:
        """Everything in the object store, half-written uploads included."""
        objects = self.data_dir / "objects"
        return {str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file()}


@contextmanager
def running_service(
    folder: Path, *, port: int | None = None, **variables: str
) -> Iterator[LiveService]:
    """`curagenie up` in `folder`, with its default data directory there; `variables` are settings
    by their names in the environment."""
    arguments = ["--output", "json", *(["--port", str(port)] if port is not None else [])]
    log = folder / "service.log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            curagenie("up", *arguments),
            cwd=folder,
            env=clean_environment(**variables),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            assert first, log.read_text()
            up = json.loads(first)
            assert up["status"] == "up", up
            yield LiveService(up["url"], folder / ".curagenie", process.pid)
        finally:
            # a test may have stopped it with `curagenie down`; then it is on its way out
            if running_pid(folder / ".curagenie" / "curagenie.pid") is not None:
                process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert process.returncode == 0, log.read_text()


def read_until(socket: ClientConnection, event: str, *, seconds: float = 60.0) -> list[Message]:
    """Everything up to the first `event` and, for results, the end of its job."""
    messages: list[Message] = []
    found = False
    while True:
        message = json.loads(socket.recv(timeout=seconds))
        messages.append(message)
        found = found or message["event"] == event
        if found and (event == "connected" or is_end_of_job(message)):
            return messages


def is_end_of_job(message: Message) -> bool:
    ends = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"}
    return message["event"] == "job_state" and message["data"]["state"] in ends
