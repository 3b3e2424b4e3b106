"""What a program of the comparison is, and the two ways of running ours.

A program that cannot do a work, or is not on the machine, is named in the results with the reason,
never left out silently. Calls run in workers, commands in processes of their own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet

from tests.benchmarks.cohorts import Cohort
from tests.benchmarks.measure import Measured, measure_command
from tests.benchmarks.scoring_files import Scores
from tests.benchmarks.worker import ROOT, with_worker

Sums = dict[str, npt.NDArray[np.float64]]
"""Sample -> (n_scores,) weighted sums, in the order of the score set."""

Run = Callable[[], Measured]

OURS_WARM = "curagenie, warm"
OURS_HELD = "curagenie, warm, scoring files held"
OURS_COLD = "curagenie, cold process"


@dataclass(frozen=True, slots=True)
class Work:
    """Scores of a cohort. `field` says where dosages come from: GT or DS. `genotypes` stands in for
    the cohort's VCF where a program reads something made from it."""

    cohort: Cohort
    scores: Scores
    field: str = "GT"
    genotypes: Path | None = None

    @property
    def source(self) -> Path:
        return self.genotypes or self.cohort.vcf


class Program(Protocol):
    """`missing_as` is our policy word for what its sums take a missing call for."""

    @property
    def name(self) -> str: ...

    @property
    def missing_as(self) -> str: ...

    def why_not(self, work: Work) -> str | None:
        """Why it cannot do the work here; None where it can."""
        ...

    def version(self) -> str: ...

    def session(self, work: Work, folder: Path) -> AbstractContextManager[Run]:
        """Runs of the work into `folder`, which is there and its own."""
        ...

    def sums(self, work: Work, folder: Path) -> Sums | None:
        """Those of the last run; None for a program that only reads."""
        ...

    def tolerance(self, work: Work, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """How far each of its sums may be from the exact one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CuraGenie:
    """What both ways of running us have in common. `forgets`: what the last run left beside the
    VCF, block directories for example, is removed before each run."""

    name: str
    missing_as: str = "mean_cohort"
    executor: str = "inline"
    forgets: bool = True

    def why_not(self, work: Work) -> str | None:
        return None

    def version(self) -> str:
        return git_commit()

    def sums(self, work: Work, folder: Path) -> Sums | None:
        columns = ["accession", "sample_id", "score_sum"]
        table = pyarrow.parquet.read_table(folder / "out" / "scores.parquet", columns=columns)
        by_score = [
            table.filter(pc.field("accession") == work.scores.set.accession(number))
            for number in range(work.scores.set.n_scores)
        ]
        samples = by_score[0]["sample_id"].to_pylist()
        values = np.stack([one["score_sum"].to_numpy() for one in by_score], axis=1)
        return dict(zip(samples, values, strict=True))

    def tolerance(self, work: Work, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.full_like(sums, 1e-9)

    def _arguments(self, work: Work, folder: Path) -> list[str]:
        """No call of the cohorts is half missing; the word is the one that stores are written
        with."""
        arguments = ["--genotypes", str(work.source), "--output", str(folder / "out")]
        arguments += ["--scoring-file", str(work.scores.together), "--no-reuse"]
        arguments += ["--genotype-field", work.field, "--executor", self.executor]
        arguments += ["--compat", "plink2", "--missing", self.missing_as]
        return [*arguments, "--policy", "half_call=missing"]

    def _environment(self, folder: Path) -> dict[str, str]:
        """Everything that outlives a run goes under one folder of the program."""
        return {
            "PYTHONPATH": str(ROOT),
            "CURAGENIE_DATA_DIR": str(folder.absolute() / "data"),
            "XDG_CACHE_HOME": str(folder.absolute() / "data" / "cache"),
            "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
        }

    def _before_run(self, work: Work, folder: Path) -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        if self.forgets:
            shutil.rmtree(folder / "data", ignore_errors=True)
            work.cohort.forget()


@dataclass(frozen=True, slots=True, kw_only=True)
class CuraGenieProcess(CuraGenie):
    """`python -m jobs.score_cohort`: everything from interpreter start to exit."""

    name: str = OURS_COLD
    env: tuple[tuple[str, str], ...] = ()

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        command = [sys.executable, "-m", "jobs.score_cohort", *self._arguments(work, folder)]
        env = self._environment(folder) | dict(self.env)

        def run() -> Measured:
            self._before_run(work, folder)
            return measure_command(command, log=folder / "log.txt", env=env)

        yield run


@dataclass(frozen=True, slots=True, kw_only=True)
class CuraGenieCall(CuraGenie):
    """The same command again and again in one process: what a worker pays.

    `cpus`: how many it may use (None: all). `ray_cpus`: the logical CPUs of its own Ray.
    """

    name: str = OURS_WARM
    cpus: int | None = None
    ray_cpus: int | None = None
    shard_bytes: int | None = None
    holds_scoring_files: bool = False

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        parameters = {
            "arguments": self._arguments(work, folder),
            "ray_cpus": self.ray_cpus,
            "holds_scoring_files": self.holds_scoring_files,
        }
        env = self._environment(folder)
        if self.shard_bytes is not None:
            env["CURAGENIE_SHARD_BYTES"] = str(self.shard_bytes)
        cpus = None if self.cpus is None else sorted(os.sched_getaffinity(0))[: self.cpus]
        log = folder / "log.txt"
        with with_worker("score", parameters, log=log, cpus=cpus, env=env) as call:

            def run() -> Measured:
                self._before_run(work, folder)
                return call()

            yield run


@cache
def git_commit() -> str:
    """The commit, with a mark where the checkout differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "no commit"
