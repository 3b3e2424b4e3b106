"""A pid file tells the truth, also after its owner was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConflictError
from serve.pid_file import held_pid_file, running_pid
from tests.builders.live_service import clean_environment

HOLD = """
import sys, time
from pathlib import Path
from serve.pid_file import held_pid_file
with held_pid_file(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "curagenie.pid"


def test_nobody_runs_where_there_is_no_file(path: Path) -> None:
    assert running_pid(path) is None


def test_the_file_names_its_holder_and_goes_with_it(path: Path) -> None:
    with held_pid_file(path):
        assert running_pid(path) == os.getpid()
    assert running_pid(path) is None
    assert not path.exists()


def test_a_second_holder_is_told_who_the_first_is(path: Path) -> None:
    held = pytest.raises(ConflictError, match=rf"pid {os.getpid()}.*curagenie down")
    with held_pid_file(path), held, held_pid_file(path):
        pytest.fail("two holders")


def test_the_file_of_a_killed_process_is_nobodys(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        env=clean_environment(),
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert running_pid(path) == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists()
    assert running_pid(path) is None
    with held_pid_file(path):
        assert running_pid(path) == os.getpid()
