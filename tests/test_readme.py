"""The examples of README.md run as printed, one after the other, beside a fresh `curagenie up`.

`<!-- run -->` marks a shell block, `<!-- file: NAME -->` one to be saved. The only thing that may
be changed is the port, where another service of this machine has 8000.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import ConflictError
from serve.pid_file import running_pid
from serve.stack import check_port, free_port
from tests.builders.live_service import ROOT, LiveService, clean_environment, running_service

README = ROOT / "README.md"
PORT = 8000
_BLOCK = re.compile(
    r"^<!-- (?P<what>run|file: (?P<name>\S+)) -->\n```\w+\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Example:
    text: str
    file: str | None


def examples() -> list[Example]:
    found = _BLOCK.finditer(README.read_text(encoding="utf-8"))
    return [Example(match["text"], match["name"]) for match in found]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    try:
        check_port("127.0.0.1", PORT)
        port = PORT
    except ConflictError:
        port = free_port()
    with running_service(tmp_path_factory.mktemp("readme"), port=port) as service:
        yield service


def bash(service: LiveService, text: str) -> subprocess.CompletedProcess[str]:
    """As in a shell of the reader's: the environment's programs first on the PATH."""
    folder = Path(service.data_dir).parent
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    curagenie = programs / "curagenie"
    curagenie.write_text(f'#!/bin/sh\nexec {sys.executable} -m serve.cli "$@"\n')
    curagenie.chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    # curl must fail on an error of the service, and stay quiet about its progress
    prelude = 'set -euo pipefail\ncurl() { command curl -fsS "$@"; }\n'
    return subprocess.run(
        ["bash", "-c", prelude + text],
        cwd=folder,
        env=clean_environment(PATH=path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_the_examples_run_as_printed(service: LiveService) -> None:
    folder = Path(service.data_dir).parent
    port = service.url.rpartition(":")[2]
    printed: list[str] = []
    for example in examples():
        text = example.text.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}")
        if example.file is not None:
            (folder / example.file).write_text(text)
            continue
        ended = bash(service, text)
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        printed.append(ended.stdout)
    everything = "".join(printed)
    assert "upload_complete success" in everything
    assert "prs_ready success" in everything
    assert "research use only" in everything
    assert any(path.suffix == ".tsv" for path in folder.iterdir())
    assert "has stopped" in bash(service, "curagenie down").stdout
    assert running_pid(service.data_dir / "curagenie.pid") is None


def test_every_curl_and_websocket_example_is_run() -> None:
    """An example that nobody runs is wrong sooner or later."""
    text = README.read_text(encoding="utf-8")
    untested = _BLOCK.sub("", text)
    assert not re.search(r"^\s*curl ", untested, re.M)
    assert len(examples()) >= 4


def test_the_routes_that_the_readme_names_exist() -> None:
    from serve.routes import genomic_data, health, jobs, prs, scoring_files

    served = {
        re.sub(r"\{\w+\}", "{}", route.path)  # pyright: ignore[reportAttributeAccessIssue]
        for routes in (genomic_data, health, jobs, prs, scoring_files)
        for route in routes.router.routes
    }
    named = re.findall(r"`(?:GET |POST )?(/api/[^`?\s]*|/health)", README.read_text("utf-8"))
    assert named
    for path in named:
        path = re.sub(r"\{\w+\}", "{}", path)
        assert path in served, path
