"""The peers, and the floors under whoever reads the file: a row each.

plink2 and bcftools are Debian's; gnomon-pgs has an environment of its own, which is made here.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.csv

from tests.benchmarks.measure import CommandFailedError, Measured, measure_command
from tests.benchmarks.programs import Run, Sums, Work
from tests.benchmarks.worker import with_worker

PLINK2 = "plink2"
GNOMON = "gnomon"
CYVCF2 = "cyvcf2 loop"
FLOORS = ("inflate only, libdeflate", "inflate only, zlib-ng")


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
        return 1e-9 + float(np.finfo(np.float32).eps) * np.abs(sums)


@dataclass(frozen=True, slots=True)
class Cyvcf2:
    """The loop that a user of cyvcf2 writes, in a worker."""

    name: str = CYVCF2
    missing_as: str = "mean_cohort"

    def why_not(self, work: Work) -> str | None:
        return None if work.scores.set.n_scores == 1 else "the loop adds up one score"

    def version(self) -> str:
        return f"cyvcf2 {version('cyvcf2')}"

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
