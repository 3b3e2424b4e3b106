"""The row of reads: their quality counted from gzip and from plain text, beside fastp."""

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.measure import Measured, measure_command
from tests.benchmarks.peers import first_line, why_not_installed
from tests.benchmarks.programs import Run, git_commit
from tests.benchmarks.race import Bench, DisagreementError, say
from tests.benchmarks.results import Found, Target, Timing
from tests.benchmarks.worker import with_worker

OURS_GZIP, OURS_PLAIN = "curagenie, warm, gzip", "curagenie, warm, plain"
FASTP_GZIP, FASTP_PLAIN = "fastp, gzip", "fastp, plain"

_N_BASES = 150
_READS_AT_ONCE = 10_000
_QUALITIES = np.frombuffer(b"#,:F", np.uint8)  # as a NovaSeq bins them
_SHARES = (0.01, 0.04, 0.06, 0.89)


@dataclass(frozen=True, slots=True)
class FastqRow:
    """Both programs read, check and count, and write no reads. One worker of ours stays, as those
    of the service do; fastp is a process for each run, with one worker thread."""

    n_reads: int
    row: str = "fastq"
    goal: str = "≥ 1.5 M reads/s gz per core; ≥ 100 MB/s plain"

    @property
    def what(self) -> str:
        return f"FASTQ quality, {self.n_reads:,} × {_N_BASES} bp"

    def measure(self, bench: Bench) -> Found:
        plain, compressed = _files(bench.folder / "reads", self.n_reads)
        absent = why_not_installed("fastp", package="fastp")
        with ExitStack() as sessions:
            runs: dict[str, Run] = {}
            for name, path in ((OURS_GZIP, compressed), (OURS_PLAIN, plain)):
                folder = bench.empty_folder(self.row, name)
                runs[name] = sessions.enter_context(_ours(path, folder))
            if absent is None:
                for name, path in ((FASTP_GZIP, compressed), (FASTP_PLAIN, plain)):
                    runs[name] = _fastp(path, bench.empty_folder(self.row, name))
            timings = _in_turns(runs, bench.rounds)
        agreement = [] if absent else [_agreement(bench, self)]
        by_program = {timing.program: timing for timing in timings}
        return Found(
            row=self.row,
            what=self.what,
            goal=self.goal,
            ours=OURS_GZIP,
            timings=timings,
            targets=[target.measured(by_program) for target in self._targets(plain)],
            absent=dict.fromkeys((FASTP_GZIP, FASTP_PLAIN), absent) if absent else {},
            agreement=agreement,
            versions={"curagenie": git_commit()} | ({} if absent else {"fastp": fastp_version()}),
        )

    def _targets(self, plain: Path) -> tuple[Target, ...]:
        million, megabytes = self.n_reads / 1e6, plain.stat().st_size / 1e6

        def per_core(name: str, amount: float, unit: str, at_least: float | None) -> Target:
            what = f"{name}, per core"
            return Target(what, lambda t: amount / t[name].cpu_seconds, at_least, unit)

        return (
            per_core(OURS_GZIP, million, "M reads/s", 1.5),
            per_core(OURS_PLAIN, megabytes, "MB/s", 100),
            per_core(OURS_PLAIN, million, "M reads/s", None),
            per_core(FASTP_GZIP, million, "M reads/s", None),
            per_core(FASTP_PLAIN, megabytes, "MB/s", None),
        )


@contextmanager
def _ours(path: Path, folder: Path) -> Iterator[Run]:
    parameters = {"reads": str(path), "output": str(folder / "facts.json")}
    with with_worker("fastq", parameters, log=folder / "log.txt") as run:
        yield run


def _fastp(path: Path, folder: Path) -> Run:
    command = ["fastp", "-i", str(path), "-A", "-Q", "-L", "-G", "-w", "1"]
    command += ["-j", str(folder / "facts.json"), "-h", str(folder / "report.html")]
    return lambda: measure_command(command, log=folder / "log.txt")


def fastp_version() -> str:
    """fastp prints it on standard error."""
    return first_line("sh", "-c", "fastp --version 2>&1")


def _in_turns(runs: dict[str, Run], rounds: int) -> list[Timing]:
    measured: dict[str, list[Measured]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # warms the file cache, and compiles kernels
    for _ in range(rounds):
        for name, run in runs.items():
            measured[name].append(run())
    for name, of_run in measured.items():
        say(f"fastq: {name}: CPU {Timing(name, tuple(of_run)).cpu_seconds:.3f} s")
    return [Timing(name, tuple(of_run)) for name, of_run in measured.items()]


def _agreement(bench: Bench, row: FastqRow) -> str:
    """Raises DisagreementError where the two do not count the same reads and bases."""
    folder = bench.folder / "runs" / row.row
    (ours,) = folder.glob("curagenie--warm--gzip/facts.json")
    (theirs,) = folder.glob("fastp--gzip/facts.json")
    before = json.loads(theirs.read_text())["summary"]["before_filtering"]
    found = json.loads(ours.read_text())
    names = {"n_reads": "total_reads", "n_bases": "total_bases", "q30_bases": "q30_bases"}
    for name, theirs_name in names.items():
        if found[name] != before[theirs_name]:
            raise DisagreementError(f"{name}: {found[name]}, of fastp {before[theirs_name]}")
    return f"{', '.join(names)} of fastp equal ours"


def _files(folder: Path, n_reads: int) -> tuple[Path, Path]:
    """Plain and gzip, made once; the bases are random, the qualities those of four bins."""
    plain, compressed = folder / f"{n_reads}.fastq", folder / f"{n_reads}.fastq.gz"
    if not compressed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        making = compressed.with_suffix(".making")
        with plain.open("wb") as text, gzip.open(making, "wb", compresslevel=4) as packed:
            for piece in _pieces(n_reads):
                text.write(piece)
                packed.write(piece)
        making.rename(compressed)
    return plain, compressed


def _pieces(n_reads: int) -> Iterator[bytes]:
    rng = np.random.default_rng(1)
    for first in range(0, n_reads, _READS_AT_ONCE):
        n = min(_READS_AT_ONCE, n_reads - first)
        bases = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (n, _N_BASES))]
        quality = rng.choice(_QUALITIES, (n, _N_BASES), p=_SHARES)
        yield b"".join(
            b"@SIM:1:FCX:1:%d:%d:%d 1:N:0:ATCACG\n%s\n+\n%s\n"
            % (first // 100_000 + 1, i % 2_048 + 1_000, i * 7 % 99_991, b.tobytes(), q.tobytes())
            for i, (b, q) in enumerate(zip(bases, quality, strict=True), first)
        )
