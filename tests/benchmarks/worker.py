"""One long-lived process that repeats a call, so that its warm-up and peak memory are its own.

    python -m tests.benchmarks.worker CALL PARAMETERS

reads one line per run and answers with one line of JSON, a Measured. CALLS lists what there is.
`with_worker` is the other side.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import CommandFailedError, Measured
from tests.benchmarks.processes import cpu_seconds, largest_peak_bytes, tree_of

Call = Callable[[], object]

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def with_worker(
    call: str,
    parameters: Mapping[str, Any],
    *,
    log: Path,
    cpus: Sequence[int] | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Callable[[], Measured]]:
    """A worker for the block; what it gives runs the call once. `cpus` are those it may use.

    Raises CommandFailedError, with the end of the worker's words, where the call fails.
    """
    command = [sys.executable, "-m", "tests.benchmarks.worker", call, json.dumps(parameters)]
    if cpus is not None:
        command = ["taskset", "--cpu-list", ",".join(map(str, cpus)), *command]
    environment = {**os.environ, **(env or {}), "PYTHONPATH": str(ROOT)}
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run() -> Measured:
            try:
                stdin.write("run\n")
                stdin.flush()
                return Measured(**json.loads(stdout.readline()))
            except (BrokenPipeError, json.JSONDecodeError) as error:
                said = log.read_text()[-2000:]
                raise CommandFailedError(f"the call {call} failed:\n{said}") from error

        try:
            yield run
        finally:
            stdin.close()
            process.wait()


def _score(parameters: Mapping[str, Any]) -> Call:
    from tests.benchmarks.calls import scoring_call

    return scoring_call(**parameters)


def _inflate(parameters: Mapping[str, Any]) -> Call:
    from tests.benchmarks.inflate_loops import inflate_call

    return inflate_call(**parameters)


def _cyvcf2(parameters: Mapping[str, Any]) -> Call:
    from tests.benchmarks.calls import cyvcf2_call

    return cyvcf2_call(**parameters)


def _sgemm(parameters: Mapping[str, Any]) -> Call:
    from tests.benchmarks.calls import sgemm_call

    return sgemm_call(**parameters)


def _fastq(parameters: Mapping[str, Any]) -> Call:
    from tests.benchmarks.calls import fastq_call

    return fastq_call(**parameters)


CALLS = {
    "score": _score,
    "inflate": _inflate,
    "cyvcf2": _cyvcf2,
    "sgemm": _sgemm,
    "fastq": _fastq,
}
"""What a worker can do; each imports only what it needs, because imports are memory too."""


def _measure(call: Call) -> Measured:
    cpu, started = _cpu_seconds(), time.perf_counter()
    call()
    wall = time.perf_counter() - started
    return Measured(wall, _cpu_seconds() - cpu, largest_peak_bytes(os.getpid()))


def _cpu_seconds() -> float:
    """That of this process to the nanosecond, that of its children in the kernel's ticks."""
    children = tree_of(os.getpid())[1:]
    return time.process_time() + sum(map(cpu_seconds, children))


def main(name: str, parameters: str) -> None:
    """Answers on a copy of stdout: what a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    call = CALLS[name](json.loads(parameters))
    for _ in sys.stdin:
        answers.write(json.dumps(asdict(_measure(call))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
