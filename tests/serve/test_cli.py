"""The command line: help with examples, clear errors, exit codes, and the real demonstration."""

import json
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from serve.cli import app
from tests.builders.live_service import LiveService, clean_environment, curagenie
from tests.builders.processes import descendants, title


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        curagenie(*arguments),
        cwd=folder,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.parametrize("command", ["up", "down", "demo"])
def test_each_command_has_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: curagenie {command}" in shown.output
    assert "--output" in shown.output


def test_help_answers_without_importing_ray() -> None:
    code = "import sys, serve.cli; sys.exit('ray' in sys.modules or 'fastapi' in sys.modules)"
    python = curagenie()[0]
    assert (
        subprocess.run([python, "-c", code], env=clean_environment(), check=False).returncode == 0
    )


def test_a_busy_port_is_a_clear_error_with_a_suggestion(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ended = run(tmp_path, "up", "--port", str(port))
    assert ended.returncode == 2
    assert f"port {port} of 127.0.0.1 is in use" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_host_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    ended = run(tmp_path, "up", "--host", "0.0.0.0", "--output", "json")
    assert ended.returncode == 2
    answer = json.loads(ended.stdout)
    assert answer["status"] == "error"
    assert answer["problem"]["code"] == "invalid_settings"
    assert answer["problem"]["field"] == "CURAGENIE_HOST"


def test_a_bad_setting_names_its_variable(tmp_path: Path) -> None:
    ended = run(tmp_path, "up", CURAGENIE_PORT="eighty")
    assert ended.returncode == 2
    assert "CURAGENIE_PORT" in ended.stderr


def test_down_without_up_says_so_and_is_content(tmp_path: Path) -> None:
    ended = run(tmp_path, "down", "--output", "json")
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"status": "not_running"})


def test_the_files_of_the_demonstration_can_be_had_alone(tmp_path: Path) -> None:
    ended = run(tmp_path, "demo", "--write-files", "files", "--samples", "3", "--variants", "200")
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in (tmp_path / "files").iterdir()} == {
        "demo_cohort.vcf.gz",
        "DEMO000001.txt.gz",
    }


@pytest.mark.ray
def test_a_second_up_on_the_same_data_is_refused(live_service: LiveService, tmp_path: Path) -> None:
    ended = run(tmp_path, "up", "--data-dir", str(live_service.data_dir))
    assert ended.returncode == 2
    assert f"pid {live_service.pid}" in ended.stderr
    assert "curagenie down" in ended.stderr


@pytest.mark.ray
def test_workers_put_temporary_files_where_the_stack_removes_them(
    live_service: LiveService,
) -> None:
    (raylet,) = (pid for pid in descendants(live_service.pid) if "raylet/raylet " in title(pid))
    inherited = Path(f"/proc/{raylet}/environ").read_text().split("\0")
    (folder,) = (line for line in inherited if line.startswith("TMPDIR="))
    assert "curagenie-scratch-" in folder


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """For TMPDIR: pytest's own folders are too long for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="cg", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_the_demonstration_scores_a_cohort_and_leaves_nothing(
    tmp_path: Path, short_folder: Path
) -> None:
    ended = run(
        tmp_path,
        *("demo", "--samples", "20", "--variants", "1000", "--output", "json"),
        TMPDIR=str(short_folder),
        CURAGENIE_DATA_DIR=str(tmp_path / "mine"),
        DATABASE_URL="postgresql://nobody@nowhere/mine",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads(ended.stdout)
    assert result["genomic_data"]["metadata"]["n_samples"] == 20
    assert result["score"]["accession"] == "DEMO000001"
    assert result["score"]["status"] == "completed"
    assert sum(kind["rows"] for kind in result["matches"]) == 100
    assert result["samples"][0]["sample_id"] == "DEMO0001"
    assert result["events"] == 10
    assert "What became of the rows" in ended.stderr
    assert list(short_folder.iterdir()) == []
    assert not (tmp_path / "mine").exists()
    assert processes_naming(str(short_folder)) == []


def processes_naming(text: str) -> list[str]:
    """Command lines of this machine that mention `text`: what outlived the demonstration."""
    lines = [
        path.read_text().replace("\0", " ")
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists()
    ]
    return [line for line in lines if text in line]
