"""One run at a time writes into a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConflictError
from jobs.output_folder import held

HOLD_FOR_EVER = """
import sys
from pathlib import Path
from jobs.output_folder import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_refused_until_the_first_is_done(tmp_path):
    folder = tmp_path / "deep" / "out"
    with held(folder):
        with pytest.raises(ConflictError, match="another run is writing into"), held(folder):
            pass
        with held(tmp_path / "elsewhere"):
            pass
    with held(folder):
        assert not list(folder.iterdir())


def test_a_killed_run_lets_its_folder_go(tmp_path):
    command = [sys.executable, "-c", HOLD_FOR_EVER, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError), held(tmp_path):
            pass
        process.kill()
        process.wait()
        with held(tmp_path):
            pass
