"""`curagenie demo`: the whole way of a cohort, as a client walks it: HTTP and WebSocket only.

The stack, the data and the results live in a temporary folder and end with the demonstration.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from websockets.sync.client import ClientConnection, connect

from core.demo_data import (
    DEMO_ACCESSION,
    demo_score_rows,
    demo_sites,
    write_demo_scoring_file,
    write_demo_vcf,
)
from core.errors import CuraGenieError, InfrastructureError
from core.settings import CONFIGS, GIB, Settings, load_settings
from serve.stack import Stack, free_port, running_stack

_DISEASE = "demo"
_SHOWN_SAMPLES = 8
_PATIENCE_SECONDS = 120.0
_DEMO_SHARD_BYTES = 64 * 1024
"""Small, so that even a small cohort has several shards to watch."""


@dataclass(frozen=True, slots=True)
class DemoFiles:
    vcf: Path
    scoring_file: Path


def write_demo_files(folder: Path, *, n_samples: int, n_variants: int) -> DemoFiles:
    """The made-up cohort and its scoring file, ready to upload and to install."""
    folder.mkdir(parents=True, exist_ok=True)
    files = DemoFiles(folder / "demo_cohort.vcf.gz", folder / f"{DEMO_ACCESSION}.txt.gz")
    sites = demo_sites(n_variants)
    write_demo_vcf(files.vcf, sites, n_samples=n_samples)
    write_demo_scoring_file(files.scoring_file, demo_score_rows(sites))
    return files


def run_demo(console: Console, *, n_samples: int, n_variants: int) -> dict[str, Any]:
    """Start, upload, watch, score, show, stop. Returns what it showed, ready for JSON.

    Raises InfrastructureError where a step takes too long, CuraGenieError where one fails.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="curagenie-demo-") as folder:
        settings = _demo_settings(Path(folder))
        files = write_demo_files(Path(folder), n_samples=n_samples, n_variants=n_variants)
        settings.scoring_files_dir.mkdir()
        shutil.copy(files.scoring_file, settings.scoring_files_dir)
        console.print(
            f"Made {n_samples} people × {n_variants} variants and the scoring file "
            f"{DEMO_ACCESSION}, both synthetic."
        )
        console.print("Starting Ray and Serve …", style="dim")
        with running_stack(settings) as stack:
            console.print(f"CuraGenie is up at {stack.url}")
            shown = walk(console, stack, files)
    seconds = round(time.monotonic() - started, 1)
    console.print(f"Done in {seconds} s, and everything is stopped. Your turn: curagenie up")
    return shown | {"seconds": seconds}


def _demo_settings(folder: Path) -> Settings:
    """What the environment could set otherwise is set here: no data of the user's is touched."""
    return load_settings(
        _env_file=None,
        data_dir=folder,
        config_dir=CONFIGS,
        database_url=f"sqlite:///{folder}/curagenie.db",
        scoring_files_dir=folder / "scoring_files",
        s3_bucket_name=None,
        host="127.0.0.1",
        port=free_port(),
        cors_origins=(),
        max_upload_bytes=GIB,
        shard_bytes=_DEMO_SHARD_BYTES,
        api_replicas=1,
        live_replicas=1,
    )


def walk(console: Console, stack: Stack, files: DemoFiles, *, user: str = "demo") -> dict[str, Any]:
    """Upload, watch, score, show, on a service that is up and has the scoring file in its library;
    `user` must not have any events yet.

    Raises InfrastructureError where a step takes too long, CuraGenieError where one fails.
    """
    with (
        httpx2.Client(base_url=stack.url, timeout=60.0) as http,
        connect(f"{stack.websocket_url}/{user}?after=0") as socket,
        _Watch.of(console, socket) as watch,
    ):
        genomic_data = _upload(http, files, user)
        watch.follow(genomic_data["job_id"], "checking the genotypes")
        checked = watch.until("upload_complete")
        metadata = checked["data"]["metadata"]
        wanted = {"genomic_data_id": genomic_data["id"], "disease_type": _DISEASE}
        accepted = _answer(http.post("/api/prs/calculate", json=wanted))
        watch.follow(accepted["job_id"], "scoring the cohort")
        watch.until("prs_ready")
        prs_id = accepted["prs_ids"][0]
        score = _answer(http.get(f"/api/prs/scores/{prs_id}"))
        samples = _answer(http.get(score["links"]["samples"], params={"limit": _SHOWN_SAMPLES}))
        matches = _count_matches(http, score["links"]["matches"])
    console.print(_samples_table(samples["items"], score["n_samples"]))
    console.print(_match_table(matches, score))
    console.print(f"[bold]{score['notice']}[/bold]: the data are made up.")
    return {
        "genomic_data": {"id": genomic_data["id"], "metadata": metadata},
        "score": score,
        "samples": samples["items"],
        "matches": [
            {"status": status, "reason": reason, "rows": n}
            for (status, reason), n in matches.items()
        ],
        "events": watch.n_events,
    }


def _upload(http: httpx2.Client, files: DemoFiles, user: str) -> dict[str, Any]:
    with files.vcf.open("rb") as content:
        answer = http.post(
            "/api/genomic-data/upload",
            data={"user_id": user},
            files={"file": (files.vcf.name, content)},
        )
    return _answer(answer)


def _answer(response: httpx2.Response) -> dict[str, Any]:
    if response.is_error:
        problem = response.json()
        raise CuraGenieError(f"the service answered {response.status_code}: {problem['detail']}")
    return response.json()


def _count_matches(http: httpx2.Client, url: str) -> dict[tuple[str, str | None], int]:
    """Rows of the scoring file by (status, reason), most frequent first."""
    counts: dict[tuple[str, str | None], int] = {}
    token: str | None = None
    while True:
        params = {"limit": 1000} | ({"page_token": token} if token is not None else {})
        page = _answer(http.get(url, params=params))
        for row in page["items"]:
            key = row["status"], row["reason"]
            counts[key] = counts.get(key, 0) + 1
        token = page["next_page_token"]
        if token is None:
            return dict(sorted(counts.items(), key=lambda item: -item[1]))


@dataclass(slots=True)
class _Watch:
    """Reads the socket and draws: a bar per job, and nothing that a client could not know."""

    socket: ClientConnection
    bars: Progress
    n_events: int = 0
    _bar_of_job: dict[int, TaskID] = field(default_factory=dict)
    _last: int = 0

    @classmethod
    @contextmanager
    def of(cls, console: Console, socket: ClientConnection) -> Generator[Self]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TextColumn("{task.fields[state]}"), console=console) as bars:
            yield cls(socket, bars)

    def follow(self, job_id: int, what: str) -> None:
        self._bar_of_job[job_id] = self.bars.add_task(what, total=None, state="QUEUED")

    def until(self, event: str) -> dict[str, Any]:
        """Reads on to the event and to the end of its job; raises where either failed."""
        found: dict[str, Any] | None = None
        ends = time.monotonic() + _PATIENCE_SECONDS
        while True:
            message = self._next(event, ends)
            self._draw(message)
            if message["status"] == "error":
                raise _failure(message["data"].get("problem", {}))
            if message["event"] == event:
                found = message
            elif found is not None and _is_complete(message):
                return found

    def _next(self, event: str, ends: float) -> dict[str, Any]:
        try:
            message = json.loads(self.socket.recv(timeout=max(0.0, ends - time.monotonic())))
        except TimeoutError as error:
            raise InfrastructureError(
                f"there was no {event} event within {_PATIENCE_SECONDS:.0f} s.",
                fix="Is the machine very busy? Try again.",
            ) from error
        if (sequence := message.get("sequence")) is not None:
            if sequence != self._last + 1:
                raise InfrastructureError(f"event {self._last + 1} was not sent.")
            self._last, self.n_events = sequence, self.n_events + 1
        return message

    def _draw(self, message: Mapping[str, Any]) -> None:
        data = message["data"]
        bar = self._bar_of_job.get(data.get("job_id", -1))
        if bar is None:
            return
        if message["event"] == "progress":
            self.bars.update(bar, completed=data["done"], total=data["total"])
        elif message["event"] == "job_state":
            self.bars.update(bar, state=data["state"])
            if _is_complete(message):
                # The last snapshots of progress may have been dropped: all is done all the same.
                self.bars.update(bar, completed=self.bars.tasks[bar].total)


def _is_complete(message: Mapping[str, Any]) -> bool:
    return message["event"] == "job_state" and message["data"]["state"] == "COMPLETE"


def _failure(problem: Mapping[str, Any]) -> CuraGenieError:
    return CuraGenieError(str(problem.get("detail", "a job failed")), fix=problem.get("fix"))


def _samples_table(samples: list[dict[str, Any]], n_samples: int) -> Table:
    table = Table(title=f"{DEMO_ACCESSION}: {len(samples)} of {n_samples} people")
    for name in ("sample", "score sum", "average", "matched", "missing", "coverage", "status"):
        table.add_column(name, justify="left" if name in {"sample", "status"} else "right")
    for row in samples:
        table.add_row(
            row["sample_id"],
            f"{row['score_sum']:.4f}",
            f"{row['score_average']:.6f}",
            str(row["n_matched"]),
            str(row["n_missing"]),
            f"{row['coverage']:.1%}",
            row["status"],
        )
    return table


def _match_table(matches: Mapping[tuple[str, str | None], int], score: Mapping[str, Any]) -> Table:
    total = sum(matches.values())
    table = Table(
        title="What became of the rows of the scoring file",
        caption=(
            f"coverage {score['coverage']:.1%} of the rows, "
            f"{score['weight_coverage']:.1%} of the weight"
        ),
    )
    table.add_column("status")
    table.add_column("reason")
    table.add_column("rows", justify="right")
    table.add_column("share", justify="right")
    for (status, reason), rows in matches.items():
        table.add_row(status, reason or "", str(rows), f"{rows / total:.1%}")
    return table
