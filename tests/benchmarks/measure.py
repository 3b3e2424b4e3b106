"""Wall time, CPU time and peak memory of one run: of a command, or of a call in a worker.

The kernel counts the memory of the process that forked as the child's own peak, so a command is
started by a small process that has loaded nothing: this file, run as a script.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU is user + system over all threads and child processes. `peak_bytes` is the resident set
    of the largest process; for a call that of the worker it ran in, from the worker's start."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


class CommandFailedError(Exception):
    """A program ended with an error; the message has the end of what it said."""

    @property
    def in_one_line(self) -> str:
        """The last line of what it said."""
        lines = [line for line in str(self).splitlines() if not line.startswith("exit status")]
        return lines[-1].strip()


def measure_command(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
) -> Measured:
    """Runs `command` to its end; its output goes to `log`.

    Raises CommandFailedError where it fails.
    """
    small_process = [sys.executable, "-I", "-S", __file__, str(log), *command]
    run = subprocess.run(
        small_process,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
    )
    if run.returncode != 0:
        said = log.read_text(errors="replace")[-2000:]
        raise CommandFailedError(f"{' '.join(command)} failed:\n{said}{run.stderr}")
    return Measured(**json.loads(run.stdout))


def _run_and_wait(log: Path, command: Sequence[str]) -> Measured:
    with log.open("wb") as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall_seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"exit status {child.returncode}")
    return Measured(wall_seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_run_and_wait(Path(sys.argv[1]), sys.argv[2:]))))
