"""What the benchmark found, as a table for people (RESULTS.md) and as JSON for programs."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.benchmarks.cohorts import CohortShape
from tests.benchmarks.measure import Measured

YARDSTICK = "plink2"
_LIBRARIES = ("ray", "numpy", "numba", "pyarrow", "deflate", "zlib-ng", "cyvcf2")


@dataclass(frozen=True, slots=True)
class Timing:
    """The runs of one program on one cohort, in the order they were made."""

    cohort: CohortShape
    program: str
    runs: tuple[Measured, ...]

    @property
    def wall_seconds(self) -> float:
        return median(run.wall_seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> int | None:
        peaks = [run.peak_bytes for run in self.runs if run.peak_bytes is not None]
        return max(peaks, default=None)

    @property
    def genotypes_per_second(self) -> float:
        return self.cohort.n_genotypes / self.wall_seconds


@dataclass(frozen=True, slots=True)
class Comparison:
    """One benchmark. `versions` and `absent` are by program; `agreement` says what was compared."""

    timings: Sequence[Timing]
    versions: Mapping[str, str]
    absent: Mapping[str, str]
    agreement: Sequence[str]
    cohort_bytes: Mapping[str, int]


def machine() -> dict[str, str]:
    return {
        "cpu": _cpu_name(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def as_json(comparison: Comparison) -> str:
    rows = [
        asdict(timing)
        | {
            "wall_seconds": timing.wall_seconds,
            "cpu_seconds": timing.cpu_seconds,
            "genotypes_per_second": timing.genotypes_per_second,
        }
        for timing in comparison.timings
    ]
    document = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": dict(comparison.versions),
        "absent": dict(comparison.absent),
        "agreement": list(comparison.agreement),
        "rows": rows,
    }
    return json.dumps(document, indent=1) + "\n"


def as_markdown(comparison: Comparison) -> str:
    about = machine()
    libraries = ", ".join(f"{name} {about[name]}" for name in _LIBRARIES)
    n_runs = max(len(timing.runs) for timing in comparison.timings)
    lines = [
        "# Benchmark results",
        "",
        "Made by `make bench`; do not edit. One score over all variants of a generated cohort,",
        f"from bgzipped VCF to sums; medians of {n_runs} runs, the programs taking turns.",
        "`x plink2` is plink2's wall time divided by the row's.",
        "",
        f"- {datetime.now(UTC):%Y-%m-%d}; {about['cpu']}, {about['cores']} cores",
        f"- {about['system']}",
        f"- Python {about['python']}, {libraries}",
        *[f"- {program}: {text}" for program, text in comparison.versions.items()],
        *[f"- **{program} is missing**: {why}" for program, why in comparison.absent.items()],
        *[f"- {text}" for text in comparison.agreement],
        "",
        *_table(comparison),
        "",
    ]
    return "\n".join(lines)


def _table(comparison: Comparison) -> list[str]:
    lines = [
        "| cohort | MB | program | wall s | CPU s | peak MiB | genotypes/s | x plink2 |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    yardstick = {t.cohort: t.wall_seconds for t in comparison.timings if t.program == YARDSTICK}
    for timing in comparison.timings:
        peak = "" if timing.peak_bytes is None else f"{timing.peak_bytes / 2**20:.0f}"
        plink2 = yardstick.get(timing.cohort)
        ratio = "" if plink2 is None else f"{plink2 / timing.wall_seconds:.2f}"
        lines.append(
            f"| {timing.cohort.name} | {comparison.cohort_bytes[timing.cohort.name] / 1e6:.1f} "
            f"| {timing.program} | {timing.wall_seconds:.2f} | {timing.cpu_seconds:.2f} | {peak} "
            f"| {timing.genotypes_per_second / 1e6:.1f} M | {ratio} |"
        )
    return lines
