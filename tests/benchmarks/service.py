"""The rows that a client of the service sees, over HTTP and WebSocket, on a stack of its own.

Uploads and events go through HAProxy, as in production; it is up for the length of the row.
"""

import asyncio
import http.client
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import websockets.asyncio.client
from websockets.sync.client import ClientConnection

from serve.stack import free_port
from tests.benchmarks.measure import Measured
from tests.benchmarks.processes import command_of, tree_cpu_seconds, tree_of
from tests.benchmarks.programs import git_commit
from tests.benchmarks.race import Bench, say
from tests.benchmarks.results import Found, Target, Timing
from tests.benchmarks.shapes import Shapes
from tests.builders.live_service import (
    LiveService,
    clean_environment,
    read_until,
    running_service,
)
from tests.builders.processes import peak_bytes
from tests.builders.s3_server import running_s3_server

_USER = "bench"
_PIECE_BYTES = 1 << 20
_PRODUCTION = {"CURAGENIE_HTTP_PROXY": "haproxy", "CURAGENIE_LIVE_REPLICAS": "2"}


@dataclass(frozen=True, slots=True)
class ServiceRows:
    """How the rows of this file are listed."""

    @staticmethod
    def of(shapes: Shapes) -> "Sequence[PersonRow | UploadRow | EventsRow]":
        return (
            PersonRow(shapes),
            UploadRow(shapes, "upload", "the local store", 300, to_s3=False),
            UploadRow(shapes, "upload-s3", "S3 (rclone on this machine)", 100, to_s3=True),
            EventsRow("events-100", n_clients=100, per_second=20),
            EventsRow("events-500", n_clients=500, per_second=2),
        )


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Submit to result, and submit to the first progress, of a job on a file that is there."""

    shapes: Shapes
    row: str = "person"
    goal: str = "< 1 s submit → result; < 300 ms submit → first progress"

    @property
    def what(self) -> str:
        shape, scores = self.shapes.person, self.shapes.person_scores
        return (
            f"one person's VCF ({shape.n_variants:,} variants), {scores.n_scores} scores of "
            f"{scores.n_variants:,}, through the service, warm"
        )

    def measure(self, bench: Bench) -> Found:
        work = bench.work(self.shapes.person, self.shapes.person_scores)
        accessions = [path.stem for path in work.scores.ours]
        with running_service(bench.empty_folder(self.row), port=free_port()) as service:
            for path in work.scores.ours:
                shutil.copy(path, service.scoring_files_dir)
            with service.events(_USER) as socket:
                record = service.upload(_USER, work.cohort.vcf.read_bytes())
                read_until(socket, "upload_complete")
                rounds = range(bench.rounds + 1)
                both = [_submit(service, socket, record["id"], accessions) for _ in rounds][1:]
        results, progress = zip(*both, strict=True)
        return _found(
            self,
            [Timing("submit → result", results), Timing("submit → first progress", progress)],
            (
                _seconds("submit → result", 1.0),
                _seconds("submit → first progress", 0.3),
            ),
        )


def _submit(
    service: LiveService, socket: ClientConnection, data_id: int, accessions: list[str]
) -> tuple[Measured, Measured]:
    """(all scores announced and one table read, the first sign of progress) after the request."""
    cpu, started = tree_cpu_seconds(service.pid), time.perf_counter()
    first = 0.0
    with service.http() as http_client:
        body = {"genomic_data_id": data_id, "accessions": accessions}
        accepted = http_client.post("/api/prs/calculate", json=body).raise_for_status().json()
        waiting = len(accessions)
        while waiting:
            message = json.loads(socket.recv(timeout=120))
            if message["status"] == "error":
                raise RuntimeError(f"the service says {message}")
            is_progress = message["event"] in ("progress", "prs_ready")
            if not first and is_progress:
                first = time.perf_counter() - started
            waiting -= message["event"] == "prs_ready"
        scores = f"/api/prs/scores/{accepted['prs_ids'][-1]}/samples"
        http_client.get(scores).raise_for_status()
    wall = time.perf_counter() - started
    peak = max(map(peak_bytes, tree_of(service.pid)))
    used = tree_cpu_seconds(service.pid) - cpu
    read_to_the_end(socket)
    return Measured(wall, used, peak), Measured(first, used, peak)


def read_to_the_end(socket: ClientConnection) -> None:
    """Until the job's last state, so that the next run finds an idle service."""
    while True:
        message = json.loads(socket.recv(timeout=60))
        if message["event"] == "job_state" and message["data"]["state"] == "COMPLETE":
            return


@dataclass(frozen=True, slots=True)
class UploadRow:
    """Bytes per second until the service has the file; its memory is that of Serve's replicas."""

    shapes: Shapes
    row: str
    where: str
    megabytes_per_second: float
    to_s3: bool

    @property
    def what(self) -> str:
        return f"upload to {self.where}, as one streamed form"

    @property
    def goal(self) -> str:
        return f"≥ {self.megabytes_per_second:.0f} MB/s, flat memory"

    def measure(self, bench: Bench) -> Found:
        vcf = bench.cohort(self.shapes.upload).vcf
        folder = bench.empty_folder(self.row)
        with ExitStack() as stack:
            service = stack.enter_context(self._service(folder))
            socket = stack.enter_context(service.events(_USER))
            runs: list[Measured] = []
            for _ in range(bench.rounds + 1):
                runs.append(_upload(service, vcf))
                read_until(socket, "upload_complete", seconds=300)
        size = vcf.stat().st_size
        grown = (runs[-1].peak_bytes - runs[0].peak_bytes) / 2**20
        return _found(
            self,
            [Timing("upload", tuple(runs[1:]))],
            (
                Target(
                    "upload",
                    lambda t: size / 1e6 / t["upload"].wall_seconds,
                    self.megabytes_per_second,
                    "MB/s",
                ),
                Target("growth after the first", lambda t: grown, 32, "MiB", at_most=True),
            ),
        )

    @contextmanager
    def _service(self, folder: Path) -> Iterator[LiveService]:
        if not self.to_s3:
            with running_service(folder, port=free_port(), **_PRODUCTION) as service:
                yield service
            return
        (folder / "s3" / "bench").mkdir(parents=True)
        with running_s3_server(folder / "s3") as server:
            settings = {
                "S3_BUCKET_NAME": "bench",
                "AWS_ENDPOINT_URL": server.endpoint_url,
                "AWS_ACCESS_KEY_ID": server.access_key_id,
                "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
                "AWS_REGION": "us-east-1",
            }
            with running_service(folder, port=free_port(), **_PRODUCTION, **settings) as service:
                yield service


def _upload(service: LiveService, path: Path) -> Measured:
    """A form whose file is sent as it is read."""
    boundary = "curagenie-bench"
    start = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="user_id"\r\n\r\n{_USER}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    end = f"\r\n--{boundary}--\r\n".encode()
    address = urlsplit(service.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(start) + path.stat().st_size + len(end)),
    }
    cpu, started = tree_cpu_seconds(service.pid), time.perf_counter()
    connection.request("POST", "/api/genomic-data/upload", _pieces(start, path, end), headers)
    answer = connection.getresponse()
    said = answer.read()
    wall = time.perf_counter() - started
    if answer.status != http.HTTPStatus.ACCEPTED:
        raise RuntimeError(f"the upload was answered {answer.status}: {said[:500]!r}")
    serving = [pid for pid in tree_of(service.pid) if "ServeReplica" in command_of(pid)]
    peak = max(map(peak_bytes, serving), default=0)
    return Measured(wall, tree_cpu_seconds(service.pid) - cpu, peak)


def _pieces(start: bytes, path: Path, end: bytes) -> Iterator[bytes]:
    yield start
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
    yield end


@dataclass(frozen=True, slots=True)
class EventsRow:
    """Published in a job's process until read from a client's WebSocket. All clients watch one
    user; the API is asked for a page of scores meanwhile."""

    row: str
    n_clients: int
    per_second: float
    seconds: float = 8.0

    @property
    def what(self) -> str:
        return f"event, publish → client, {self.n_clients} clients × {self.per_second:g}/s"

    @property
    def goal(self) -> str:
        return "p99 < 100 ms; API p99 < 100 ms meanwhile"

    def measure(self, bench: Bench) -> Found:
        latencies, answers = asyncio.run(self._measure(bench.empty_folder(self.row)))
        n_sent = int(self.n_clients * self.per_second * self.seconds)
        say(f"{self.row}: {len(latencies)} of {n_sent} events arrived")
        return _found(
            self,
            [Timing("publish → client", latencies), Timing("API answer", answers)],
            (
                _p99("publish → client"),
                _p99("API answer"),
                Target("arrived", lambda t: 100 * len(latencies) / n_sent, 99, "%"),
            ),
        )

    async def _measure(self, folder: Path) -> tuple[tuple[Measured, ...], tuple[Measured, ...]]:
        command = [sys.executable, "-m", "tests.benchmarks.publisher", str(folder.absolute())]
        command += [_USER, str(self.per_second), str(self.seconds)]
        with (folder / "log.txt").open("w") as errors:
            publisher = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=clean_environment(**_PRODUCTION),
            )
            assert publisher.stdin is not None
            assert publisher.stdout is not None
            url = (await publisher.stdout.readline()).decode().strip()
            if not url:
                raise RuntimeError((folder / "log.txt").read_text()[-2000:])
            try:
                return await self._listen(url, publisher.stdin, publisher.pid)
            finally:
                publisher.stdin.close()
                await publisher.wait()

    async def _listen(
        self, url: str, publisher: asyncio.StreamWriter, pid: int
    ) -> tuple[tuple[Measured, ...], tuple[Measured, ...]]:
        connect = websockets.asyncio.client.connect
        base = url.replace("http", "ws", 1)
        sockets = [
            await connect(f"{base}/ws/{_USER}", compression=None) for _ in range(self.n_clients)
        ]
        latencies: list[float] = []
        readers = [asyncio.create_task(_read_events(socket, latencies)) for socket in sockets]
        asking = asyncio.create_task(asyncio.to_thread(_ask, url, self.seconds))
        publisher.write(b"go\n")
        await publisher.drain()
        answers = await asking
        await asyncio.sleep(1.0)
        for reader in readers:
            reader.cancel()
        for socket in sockets:
            await socket.close()
        peak = max(map(peak_bytes, tree_of(pid)))
        cpu = tree_cpu_seconds(pid)
        measured = [
            tuple(Measured(seconds, cpu, peak) for seconds in found)
            for found in (latencies, answers)
        ]
        return measured[0], measured[1]


async def _read_events(
    socket: websockets.asyncio.client.ClientConnection, latencies: list[float]
) -> None:
    async for text in socket:
        now = time.time()
        message = json.loads(text)
        if message["event"] == "progress":
            latencies.append(now - datetime.fromisoformat(message["time"]).timestamp())


def _ask(url: str, seconds: float) -> list[float]:
    """How long each answer takes, for a client that asks twenty times a second."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    ends, answers = time.monotonic() + seconds, []
    while time.monotonic() < ends:
        started = time.perf_counter()
        connection.request("GET", f"/api/prs/scores/user/{_USER}")
        connection.getresponse().read()
        answers.append(time.perf_counter() - started)
        time.sleep(0.05)
    return answers


def _seconds(program: str, at_most: float) -> Target:
    return Target(program, lambda t: t[program].wall_seconds, at_most, "s", at_most=True)


def _p99(program: str) -> Target:
    return Target(
        f"{program}, p99", lambda t: 1000 * t[program].p99_seconds, 100, "ms", at_most=True
    )


def _found(
    row: "PersonRow | UploadRow | EventsRow", timings: list[Timing], targets: tuple[Target, ...]
) -> Found:
    by_program = {timing.program: timing for timing in timings}
    return Found(
        row=row.row,
        what=row.what,
        goal=row.goal,
        ours=timings[0].program,
        timings=timings,
        targets=[target.measured(by_program) for target in targets],
        versions={"curagenie": git_commit()},
    )
