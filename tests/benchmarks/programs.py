"""The programs that the benchmark compares: how each is run, and what it says the sums are.

A program is a row here. One that cannot do a work, or is not on the machine, is named in the
results with the reason, never left out silently. Our own calls and loops run in workers.
"""

import json
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
import pyarrow.csv
import pyarrow.parquet

from tests.benchmarks.cohorts import Cohort
from tests.benchmarks.measure import CommandFailedError, Measured, measure_command
from tests.benchmarks.sample_columns import Format
from tests.benchmarks.scoring_files import Scores
from tests.benchmarks.worker import ROOT, with_worker

Sums = dict[str, npt.NDArray[np.float64]]
"""Sample -> (n_scores,) weighted sums, in the order of the score set."""

Run = Callable[[], Measured]

OURS_WARM = "curagenie, warm"
OURS_COLD = "curagenie, cold process"
PLINK2 = "plink2"
GNOMON = "gnomon"
FLOORS = ("inflate only, libdeflate", "inflate only, zlib-ng")


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
        arguments += ["--scoring-file", *map(str, work.scores.ours), "--no-reuse"]
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


@dataclass(frozen=True, slots=True)
class Plink2:
    """Debian's plink2, with as many threads as there are cores. `from_pgen` reads plink2's own
    format, made before the first run."""

    name: str = PLINK2
    missing_as: str = "mean_cohort"
    from_pgen: bool = False

    def why_not(self, work: Work) -> str | None:
        return why_not_installed("plink2", package="plink2")

    def version(self) -> str:
        return first_line("plink2", "--version")

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        source = ["--vcf", str(work.cohort.vcf), *(["dosage=DS"] if work.field == "DS" else [])]
        if self.from_pgen:
            pgen = str(folder / "made")
            make = ["plink2", *source, "--make-pgen", "--out", pgen]
            measure_command(make, log=folder / "log.txt")
            source = ["--pfile", pgen]
        command = ["plink2", "--threads", str(os.cpu_count()), *source]
        command += ["--score", str(work.scores.plink), "1", "2", "header-read"]
        command += ["ignore-dup-ids", "cols=+scoresums"]
        n = work.scores.set.n_scores
        command += ["--score-col-nums", "3" if n == 1 else f"3-{2 + n}"]
        command += ["--out", str(folder / "out")]
        yield lambda: measure_command(command, log=folder / "log.txt")

    def sums(self, work: Work, folder: Path) -> Sums | None:
        table = _read_tsv(folder / "out.sscore")
        accessions = map(work.scores.set.accession, range(work.scores.set.n_scores))
        return _sums_of(table, [f"{accession}_SUM" for accession in accessions])

    def tolerance(self, work: Work, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Half a unit of the sixth digit, the last that plink2 prints; where dosages are no whole
        numbers, six standard deviations of their rounding to 1/16384 besides."""
        digits = np.floor(np.log10(np.maximum(np.abs(sums), 1e-300)))
        printed = 0.5 * 10 ** (digits - 5) * 1.001 + 1e-9
        if work.field == "GT" and not work.cohort.shape.missing:
            return printed
        return printed + 6 * work.scores.weight_norm / (16_384 * 12**0.5)


@dataclass(frozen=True, slots=True)
class Gnomon:
    """gnomon-pgs, in an environment of its own: nothing of ours imports it."""

    environment: Path
    name: str = GNOMON
    missing_as: str = "drop"
    requirement: str = "gnomon-pgs==0.2.0"

    @property
    def _python(self) -> Path:
        return self.environment.absolute() / "bin" / "python"

    def why_not(self, work: Work) -> str | None:
        if work.field != "GT":
            return "gnomon reads GT only"
        return _why_not_in_environment(self.environment, self.requirement)

    def version(self) -> str:
        return self.requirement.replace("==", " ")

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        vcf = folder.absolute() / work.cohort.vcf.name  # it writes beside its input
        vcf.unlink(missing_ok=True)
        vcf.symlink_to(work.cohort.vcf.absolute())
        program = "import gnomon, sys; gnomon.score(sys.argv[1], sys.argv[2])"
        command = [str(self._python), "-c", program, str(work.scores.gnomon), str(vcf)]

        def run() -> Measured:
            for old in folder.glob("*_gnomon.sscore"):  # it writes over nothing
                old.unlink()
            return measure_command(command, log=folder / "log.txt")

        yield run

    def sums(self, work: Work, folder: Path) -> Sums | None:
        """It prints the mean over the variants with a call, and the share without one."""
        (path,) = folder.glob("*_gnomon.sscore")
        table = _read_tsv(path)
        names = list(map(work.scores.set.accession, range(work.scores.set.n_scores)))
        means = _sums_of(table, [f"{name}_AVG" for name in names])
        missing = _sums_of(table, [f"{name}_MISSING_PCT" for name in names])
        n = work.scores.n_variants
        return {sample: means[sample] * n * (1 - missing[sample] / 100) for sample in means}

    def tolerance(self, work: Work, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """It prints all digits of the mean, and the share of missing calls as a float32."""
        return 1e-9 + np.finfo(np.float32).eps * np.abs(sums)


@dataclass(frozen=True, slots=True)
class Cyvcf2:
    """The loop that a user of cyvcf2 writes, in a worker."""

    name: str = "cyvcf2 loop"
    missing_as: str = "mean_cohort"

    def why_not(self, work: Work) -> str | None:
        return None if work.scores.set.n_scores == 1 else "the loop adds up one score"

    def version(self) -> str:
        import cyvcf2

        return f"cyvcf2 {cyvcf2.__version__}"

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        parameters = {
            "vcf": str(work.cohort.vcf),
            "score": str(work.scores.plink),
            "output": str(folder / "sums.json"),
            "field": work.field,
        }
        with with_worker("cyvcf2", parameters, log=folder / "log.txt") as run:
            yield run

    def sums(self, work: Work, folder: Path) -> Sums | None:
        sums = json.loads((folder / "sums.json").read_text())
        return {sample: np.array([value]) for sample, value in sums.items()}

    def tolerance(self, work: Work, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """float64 sums of float32 dosages, where dosages are no whole numbers."""
        rounding = np.finfo(np.float32).eps * work.scores.weight_norm if work.field == "DS" else 0
        return np.full_like(sums, 1e-8 + 6 * rounding)


@dataclass(frozen=True, slots=True)
class ReadsOnly:
    """What all programs that give no sums have in common."""

    name: str
    missing_as: str = "mean_cohort"

    def sums(self, work: Work, folder: Path) -> Sums | None:
        return None

    def tolerance(self, work: Work, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        raise TypeError(f"{self.name} computes no sums")


@dataclass(frozen=True, slots=True)
class Bcftools(ReadsOnly):
    """bcftools query: one field of every sample as text."""

    name: str = "bcftools query (reads only)"

    def why_not(self, work: Work) -> str | None:
        return why_not_installed("bcftools", package="bcftools")

    def version(self) -> str:
        return first_line("bcftools", "--version")

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        layout = f"%POS[\t%{work.field}]\n"
        command = ["bcftools", "query", "--format", layout, str(work.cohort.vcf)]
        yield lambda: measure_command(command, log=Path(os.devnull))


@dataclass(frozen=True, slots=True)
class Bgzip(ReadsOnly):
    """bgzip -dc: inflating, checking and copying to a pipe."""

    name: str = "bgzip -dc (reads only)"

    def why_not(self, work: Work) -> str | None:
        return why_not_installed("bgzip", package="tabix")

    def version(self) -> str:
        return first_line("bgzip", "--version")

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        command = ["bgzip", "--stdout", "--decompress", "--threads", str(os.cpu_count())]
        yield lambda: measure_command([*command, str(work.cohort.vcf)], log=Path(os.devnull))


@dataclass(frozen=True, slots=True)
class InflateLoop(ReadsOnly):
    """One library's inflate over all blocks in one thread, without the check of the CRC."""

    @property
    def _library(self) -> str:
        return self.name.rpartition(" ")[2]

    def why_not(self, work: Work) -> str | None:
        from tests.benchmarks.inflate_loops import inflate_call

        try:
            inflate_call(os.devnull, self._library)()
        except (AttributeError, OSError, ValueError) as error:
            return f"the wheel does not let its functions be called ({error})"
        return None

    def version(self) -> str:
        return self._library

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        parameters = {"vcf": str(work.cohort.vcf), "library": self._library}
        with with_worker("inflate", parameters, log=folder / "log.txt") as run:
            yield run


@dataclass(frozen=True, slots=True)
class Sgemm(ReadsOnly):
    """numpy's dense float32 product of the score's size: the peak of the machine in practice."""

    name: str = "dense sgemm, all cores"

    def why_not(self, work: Work) -> str | None:
        return None

    def version(self) -> str:
        return f"numpy {np.__version__}"

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        parameters = {
            "n_samples": work.cohort.shape.n_samples,
            "n_variants": work.scores.n_variants,
            "n_scores": work.scores.set.n_scores,
        }
        with with_worker("sgemm", parameters, log=folder / "log.txt") as run:
            yield run


def _read_tsv(path: Path) -> pyarrow.Table:
    return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))


def _sums_of(table: pyarrow.Table, columns: list[str]) -> Sums:
    samples = table.column(table.column_names[0]).to_pylist()
    values = np.stack([table[column].to_numpy() for column in columns], axis=1)
    return dict(zip(samples, values.astype(np.float64), strict=True))


def why_not_installed(command: str, *, package: str) -> str | None:
    if shutil.which(command):
        return None
    return f"{command} is not on the PATH (Debian and Ubuntu: apt-get install {package})"


@cache
def _why_not_in_environment(environment: Path, requirement: str) -> str | None:
    """Makes the environment the first time. pip's words where that fails."""
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    log = environment.parent / f"{environment.name}.log"
    environment.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not (environment / "bin" / "python").exists():
            measure_command([sys.executable, "-m", "venv", str(environment)], log=log)
        measure_command([*pip, "install", "--quiet", requirement], log=log)
    except CommandFailedError:
        said = log.read_text().strip().splitlines() or ["venv failed"]
        return f"{requirement} cannot be installed: {said[-1]}"
    return None


@cache
def first_line(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[0].strip()


@cache
def git_commit() -> str:
    """The commit, with a mark where the checkout differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "no commit"
