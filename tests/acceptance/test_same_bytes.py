"""The same run gives the same bytes: in threads, on Ray with one or four workers, after a worker
was killed, and after the whole run was killed and started again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.builders.panel_score import write_score_over
from tests.builders.processes import busy_ray_worker

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

SHARD_BYTES = 128 * 1024

RUN = """
import shutil
import sys
from pathlib import Path
from jobs.local_ray import start_local_ray
from jobs.score_cohort import main

n_cpus, folder = int(sys.argv[1]), Path(sys.argv[2])
if n_cpus:
    start_local_ray(num_cpus=n_cpus, temp_dir=folder)
code = main(sys.argv[3:])
if n_cpus:
    import ray
    ray.shutdown()
    shutil.rmtree(folder)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def panel(acceptance_data: Path) -> Path:
    return acceptance_data / "genotypes/1000g_panel/1kg_p3_2504.peddy23k.GRCh37.vcf.gz"


@pytest.fixture(scope="module")
def score(panel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_score_over(panel, tmp_path_factory.mktemp("score") / "PANEL.txt", build="GRCh37")


@pytest.fixture(scope="module")
def in_threads(panel: Path, score: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple]:
    output = tmp_path_factory.mktemp("threads")
    finish(start(panel, score, output))
    return lines_of(output)


def start(panel: Path, score: Path, output: Path, *, n_cpus: int = 0) -> subprocess.Popen[bytes]:
    """The command in a process of its own: in threads (0 CPUs) or on a private Ray."""
    environment = os.environ | {"CURAGENIE_SHARD_BYTES": str(SHARD_BYTES)}
    environment.pop("RAY_ADDRESS", None)
    command = [
        *(sys.executable, "-c", RUN, str(n_cpus), f"/tmp/cg-bytes-{os.getpid()}-{n_cpus}"),
        *("--genotypes", str(panel), "--scoring-file", str(score), "--output", str(output)),
        *("--executor", "ray" if n_cpus else "inline"),
    ]
    return subprocess.Popen(command, env=environment)


def finish(run: subprocess.Popen[bytes]) -> None:
    assert run.wait(timeout=300) == 0


def lines_of(output: Path) -> list[tuple]:
    """Every value of scores.parquet; floats by their bits."""
    rows = pq.read_table(output / "scores.parquet").to_pylist()
    assert len(rows) == 2504
    return [
        tuple(value.hex() if isinstance(value, float) else value for value in row.values())
        for row in rows
    ]


@pytest.mark.parametrize("n_cpus", [1, 4])
def test_ray_gives_the_bytes_of_threads_with_any_number_of_workers(
    n_cpus, panel, score, in_threads, tmp_path
):
    finish(start(panel, score, tmp_path, n_cpus=n_cpus))
    assert lines_of(tmp_path) == in_threads


def test_a_worker_killed_in_the_middle_of_a_shard_changes_nothing(
    panel, score, in_threads, tmp_path
):
    run = start(panel, score, tmp_path, n_cpus=4)
    while (worker := busy_ray_worker(run.pid)) is None:
        assert run.poll() is None, "the run ended before a worker was caught at work"
        time.sleep(0.005)
    os.kill(worker, signal.SIGKILL)
    finish(run)
    assert lines_of(tmp_path) == in_threads


@pytest.mark.parametrize("n_cpus", [0, 2])
def test_a_killed_run_resumes_anywhere_with_tasks_of_any_size_and_gives_the_same_bytes(
    n_cpus, panel, score, in_threads, tmp_path
):
    """Threads took single shards; tasks on Ray take several."""
    run = start(panel, score, tmp_path)
    while len(list(tmp_path.glob(".partials/*/first/*.arrow"))) < 3:
        assert run.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    run.kill()
    run.wait()
    assert not (tmp_path / "scores.parquet").exists()

    finish(start(panel, score, tmp_path, n_cpus=n_cpus))
    summary = (tmp_path / "summary.json").read_text()
    assert '"n_shards_resumed": 0' not in summary
    assert lines_of(tmp_path) == in_threads
    assert not (tmp_path / ".partials").exists()
