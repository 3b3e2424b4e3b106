"""The cohort entrypoint on a cluster that is there: by RAY_ADDRESS and by `ray job submit`."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.builders.cohort_run import Results, run_scoring
from tests.builders.panel_score import write_score_over

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

SHARD_BYTES = 1 << 20
CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cluster:
    gcs_address: str
    dashboard: str
    environment: dict[str, str]

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=CHECKOUT,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=240,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_healthy(url: str, head: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert head.poll() is None, "the head ended while it was starting"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"no answer from {url}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """`ray start --head` with a token, as an operator starts it; ended by its pid."""
    port, dashboard_port, agent_port = free_port(), free_port(), free_port()
    folder = Path(f"/tmp/cg-head-{os.getpid()}")
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "1",
    }
    environment.pop("RAY_ADDRESS", None)
    head = subprocess.Popen(
        [
            *(f"{bin_folder}/ray", "start", "--head", "--block", f"--port={port}"),
            *(f"--dashboard-port={dashboard_port}", "--dashboard-host=127.0.0.1"),
            f"--dashboard-agent-listen-port={agent_port}",
            *("--num-cpus=2", f"--temp-dir={folder}", "--object-store-memory=200000000"),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    dashboard = f"http://127.0.0.1:{dashboard_port}"
    try:
        wait_until_healthy(f"{dashboard}/api/gcs_healthz", head)
        wait_until_healthy(f"http://127.0.0.1:{agent_port}/api/local_raylet_healthz", head)
        yield Cluster(f"127.0.0.1:{port}", dashboard, environment)
    finally:
        head.terminate()
        head.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def panel(acceptance_data: Path) -> Path:
    return acceptance_data / "genotypes/1000g_panel/1kg_p3_2504.peddy23k.GRCh38.vcf.gz"


@pytest.fixture(scope="module")
def score(panel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_score_over(panel, tmp_path_factory.mktemp("score") / "PANEL.txt", build="GRCh38")


@pytest.fixture(scope="module")
def in_threads(panel: Path, score: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_scoring(panel, score, tmp_path_factory.mktemp("threads"), shard_bytes=SHARD_BYTES)


def command(panel: Path, score: Path, output: Path) -> list[str]:
    paths = ["--genotypes", str(panel), "--scoring-file", str(score), "--output", str(output)]
    return ["python", "-m", "jobs.score_cohort", *paths, "--executor", "ray"]


def assert_scored_on_ray(output: Path, in_threads: Results) -> None:
    assert json.loads((output / "summary.json").read_text())["executor"] == "ray"
    assert pq.read_table(output / "scores.parquet").equals(in_threads.scores)


def test_ray_job_submit_scores_the_cohort(cluster, panel, score, in_threads, tmp_path):
    shards = {"env_vars": {"CURAGENIE_SHARD_BYTES": str(SHARD_BYTES)}}
    submit = ["ray", "job", "submit", "--working-dir", ".", "--runtime-env-json"]
    run = cluster.run(
        *submit,
        json.dumps(shards),
        "--",
        *command(panel, score, tmp_path),
        RAY_API_SERVER_ADDRESS=cluster.dashboard,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert_scored_on_ray(tmp_path, in_threads)


def test_ray_address_makes_the_command_use_that_cluster(
    cluster, panel, score, in_threads, tmp_path
):
    run = cluster.run(
        *command(panel, score, tmp_path),
        RAY_ADDRESS=cluster.gcs_address,
        CURAGENIE_SHARD_BYTES=str(SHARD_BYTES),
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert_scored_on_ray(tmp_path, in_threads)


def test_a_broken_file_fails_the_job_with_a_sentence(cluster, score, tmp_path):
    broken = tmp_path / "broken.vcf"
    broken.write_text("not a VCF\n")
    run = cluster.run(*command(broken, score, tmp_path / "out"), RAY_ADDRESS=cluster.gcs_address)
    assert run.returncode == 2
    assert "broken.vcf" in run.stderr
    assert "Traceback" not in run.stderr
