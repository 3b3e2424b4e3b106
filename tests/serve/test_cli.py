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
from tests.builders.pgs_catalog import running_pgs_catalog
from tests.builders.processes import descendants, title
from tests.builders.scoring_file import Row, write_harmonised_file


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


@pytest.mark.parametrize(
    "command",
    [
        *("up", "down", "demo"),
        *("scores search", "scores install", "scores install-file", "scores show"),
    ],
)
def test_each_command_has_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert f"Example: curagenie {command}" in shown.output
    assert "--output" in shown.output


def test_help_answers_without_importing_ray() -> None:
    code = "import sys, serve.cli; sys.exit('ray' in sys.modules or 'fastapi' in sys.modules)"
    python = curagenie()[0]
    assert (
        subprocess.run([python, "-c", code], env=clean_environment(), check=False).returncode == 0
    )


def test_a_score_is_searched_installed_and_shown(tmp_path: Path) -> None:
    rows = [Row("1", 1000, "A", "G", 0.5)]
    path = write_harmonised_file(tmp_path / "a.txt.gz", rows, accession="PGS000001")
    trait = {"id": "EFO_0000305", "label": "breast carcinoma"}
    with running_pgs_catalog() as catalog:
        catalog.publish(path, accession="PGS000001", variants_number=1, trait_efo=[trait])
        catalog.traits = [{**trait, "associated_pgs_ids": ["PGS000001"]}]
        variables = {"CURAGENIE_PGS_CATALOG_URL": catalog.url}
        searched = run(tmp_path, "scores", "search", "breast", **variables)
        assert "PGS000001  name of PGS000001  Height  (1 variants)" in searched.stdout
        install = ("scores", "install", "PGS000001", "--build", "GRCh38", "--output", "json")
        installed = json.loads(run(tmp_path, *install, **variables).stdout)
    assert installed["status"] == "installed"
    name = "PGS000001_hmPOS_GRCh38.txt.gz"
    assert (tmp_path / ".curagenie" / "scoring_files" / name).read_bytes() == path.read_bytes()
    # the Catalog is away by now
    again = run(tmp_path, *install, **variables)
    assert json.loads(again.stdout)["status"] == "already_installed"
    shown = run(tmp_path, "scores", "show", "PGS000001", **variables)
    assert shown.stdout.split("\n  ")[:4] == [
        name,
        "build GRCh38",
        "1 rows",
        "the Catalog's terms\n",
    ]
    away = run(tmp_path, "scores", "search", "breast", **variables)
    assert away.returncode == 1
    assert "was not reachable" in away.stderr
    unknown = run(tmp_path, "scores", "show", "PGS000002", "--output", "json")
    assert unknown.returncode == 2
    assert json.loads(unknown.stdout)["problem"]["code"] == "not_found"


def test_a_file_of_several_scores_is_installed_score_by_score_or_not_at_all(
    tmp_path: Path,
) -> None:
    names = "chr_name\tchr_position\teffect_allele\teffect_weight_A\teffect_weight_B\n"
    (tmp_path / "mine.txt").write_text(f"#pgs_id=MINE\n{names}1\t5\tG\t1\t2\n")
    install = ("scores", "install-file", "mine.txt")
    installed = run(tmp_path, *install)
    assert installed.stdout == "MINE_A  installed\nMINE_B  installed\n", installed.stderr
    again = json.loads(run(tmp_path, *install, "--output", "json").stdout)
    assert [(score["accession"], score["status"]) for score in again["scores"]] == [
        ("MINE_A", "already_installed"),
        ("MINE_B", "already_installed"),
    ]
    shown = json.loads(run(tmp_path, "scores", "show", "MINE_B", "--output", "json").stdout)
    (file,) = shown["files"]
    assert (file["contents"]["weights"]["maximum"], file["origin"]["name"]) == (2.0, "mine.txt")
    others = names.replace("_A", "_C")
    (tmp_path / "mine.txt").write_text(f"#pgs_id=MINE\n{others}1\t5\tG\t1\t3\n")
    refused = run(tmp_path, *install)
    assert refused.returncode == 2
    assert "MINE_B is installed already" in refused.stderr
    assert run(tmp_path, "scores", "show", "MINE_C").returncode == 2
    (tmp_path / "bad.txt").write_text(names + "1\t5\tG\tx\t2\n")
    bad = run(tmp_path, "scores", "install-file", "bad.txt")
    assert bad.returncode == 2
    assert "bad.txt, line 2, effect_weight_A" in bad.stderr
    assert run(tmp_path, "scores", "install-file", "none.txt").returncode == 2


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
