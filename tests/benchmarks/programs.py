"""The programs that the benchmark compares, one row each: how to run it, what it says the sums are.

plink2 is Debian's, run as its manual says for a VCF and a score, with plain sums in the output. A
program that is not on the machine is named in the results, never left out silently.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.csv
import pyarrow.parquet

from core.scoring.policy import Compat
from core.settings import Settings
from jobs.run_shards import Executor
from jobs.score_cohort import score_cohort
from jobs.scoring_inputs import CohortScoring
from tests.benchmarks.cohorts import CohortFiles
from tests.benchmarks.measure import Measured, measure_call, measure_command

Sums = Mapping[str, float]


class Program(Protocol):
    """A row of the comparison. `reads_only` rows give no sums: they are a floor, not a rival."""

    @property
    def name(self) -> str: ...

    @property
    def reads_only(self) -> bool: ...

    def why_absent(self) -> str | None: ...

    def version(self) -> str: ...

    def run(self, cohort: CohortFiles, folder: Path) -> Measured:
        """One run from nothing into the empty `folder`."""
        ...

    def sums(self, folder: Path) -> Sums:
        """Sample -> weighted sum, from the files of the last run."""
        ...

    def tolerance(self, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """How far each printed sum may be from the exact one."""
        ...


@dataclass(frozen=True, slots=True)
class CuraGenieProcess:
    """`python -m jobs.score_cohort`: everything from interpreter start to exit."""

    name: str = "curagenie (process)"
    reads_only: bool = False

    def why_absent(self) -> str | None:
        return None

    def version(self) -> str:
        return _git_commit()

    def run(self, cohort: CohortFiles, folder: Path) -> Measured:
        command = [sys.executable, "-m", "jobs.score_cohort", "--genotypes", str(cohort.vcf)]
        command += ["--scoring-file", str(cohort.scoring_file), "--output", str(folder / "out")]
        command += ["--compat", "plink2", "--executor", "inline", "--no-reuse"]
        return measure_command(command, log=folder / "log.txt")

    def sums(self, folder: Path) -> Sums:
        table = pyarrow.parquet.read_table(folder / "out" / "scores.parquet")
        samples, sums = table.column("sample_id"), table.column("score_sum")
        return dict(zip(samples.to_pylist(), sums.to_pylist(), strict=True))

    def tolerance(self, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.full_like(sums, 1e-9)


@dataclass(frozen=True, slots=True)
class CuraGenieCall(CuraGenieProcess):
    """The same work as a call in a process that has run it before: what a worker pays."""

    name: str = "curagenie (warm call)"

    def run(self, cohort: CohortFiles, folder: Path) -> Measured:
        request = CohortScoring(
            genotypes=(str(cohort.vcf),),
            scoring_files=(cohort.scoring_file,),
            output=folder / "out",
            compat=Compat.PLINK2,
            reuse=False,
            shard_bytes=Settings.model_fields["shard_bytes"].default,
        )
        return measure_call(
            lambda: score_cohort(
                request, executor=Executor.INLINE, on_progress=lambda done, total: None
            )
        )


@dataclass(frozen=True, slots=True)
class Plink2:
    """plink2 --vcf --score with as many threads as there are cores."""

    name: str = "plink2"
    reads_only: bool = False

    def why_absent(self) -> str | None:
        return _why_not_installed("plink2", package="plink2")

    def version(self) -> str:
        return _first_line("plink2", "--version")

    def run(self, cohort: CohortFiles, folder: Path) -> Measured:
        command = ["plink2", "--threads", str(os.cpu_count()), "--vcf", str(cohort.vcf)]
        command += ["--score", str(cohort.plink_score), "1", "2", "3", "header"]
        command += ["ignore-dup-ids", "cols=+scoresums", "--out", str(folder / "out")]
        return measure_command(command, log=folder / "log.txt")

    def sums(self, folder: Path) -> Sums:
        options = pyarrow.csv.ParseOptions(delimiter="\t")
        table = pyarrow.csv.read_csv(folder / "out.sscore", parse_options=options)
        samples = table.column(table.column_names[0]).to_pylist()
        (column,) = [
            name for name in table.column_names if name.endswith("_SUM") and "DOS" not in name
        ]
        return dict(zip(samples, table.column(column).to_pylist(), strict=True))

    def tolerance(self, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Half a unit of the sixth digit, the last that plink2 prints."""
        digits = np.floor(np.log10(np.maximum(np.abs(sums), 1e-300)))
        return 0.5 * 10 ** (digits - 5) * 1.001 + 1e-9


@dataclass(frozen=True, slots=True)
class Bgzip:
    """bgzip -dc: inflating and checking alone, below which no reader of the file can come."""

    name: str = "bgzip -dc (reads only)"
    reads_only: bool = True

    def why_absent(self) -> str | None:
        return _why_not_installed("bgzip", package="tabix")

    def version(self) -> str:
        return _first_line("bgzip", "--version")

    def run(self, cohort: CohortFiles, folder: Path) -> Measured:
        command = ["bgzip", "--stdout", "--decompress", "--threads", str(os.cpu_count())]
        return measure_command([*command, str(cohort.vcf)], log=Path(os.devnull))

    def sums(self, folder: Path) -> Sums:
        raise TypeError(f"{self.name} computes no sums")

    def tolerance(self, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        raise TypeError(f"{self.name} computes no sums")


def _why_not_installed(command: str, *, package: str) -> str | None:
    if shutil.which(command):
        return None
    return f"{command} is not on the PATH (Debian and Ubuntu: apt-get install {package})"


@cache
def _first_line(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[0].strip()


@cache
def _git_commit() -> str:
    """The commit, with a mark where the checkout differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "no commit"
