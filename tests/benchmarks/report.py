"""What the benchmark found, as tables for people (RESULTS.md) and as JSON for programs."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.programs import git_commit
from tests.benchmarks.results import Found, MeasuredTarget

_LIBRARIES = ("ray", "numpy", "numba", "pyarrow", "deflate", "zlib-ng", "cyvcf2")

_QUICK = "**Small cohorts: fixed costs weigh more than at the sizes that the goals are for.**"


@dataclass(frozen=True, slots=True)
class Report:
    rows: Sequence[Found]
    scaling: Sequence[Found]
    rounds: int
    seconds: float
    is_quick: bool = False


def machine() -> dict[str, str]:
    return {
        "cpu": _cpu_name(),
        "cores": str(os.cpu_count()),
        "memory_gib": str(round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)),
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


def as_json(report: Report) -> str:
    document = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git_commit(),
        "seconds": round(report.seconds),
        "rounds": report.rounds,
        "machine": machine(),
        "rows": [_as_dict(found) for found in report.rows],
        "scaling": [_as_dict(found) for found in report.scaling],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _as_dict(found: Found) -> dict[str, object]:
    return {
        "row": found.row,
        "what": found.what,
        "goal": found.goal,
        "why_not": found.why_not,
        "peak_bytes": found.peak_bytes,
        "targets": [
            {
                "what": measured.target.what,
                "value": measured.value,
                "unit": measured.target.unit,
                "bound": measured.target.bound,
                "is_met": measured.is_met,
                "why_not": measured.why_not,
            }
            for measured in found.targets
        ],
        "timings": [
            {
                "program": timing.program,
                "wall_seconds": timing.wall_seconds,
                "cpu_seconds": timing.cpu_seconds,
                "p99_seconds": timing.p99_seconds,
                "peak_bytes": timing.peak_bytes,
                "n_runs": len(timing.runs),
                "runs": [asdict(run) for run in timing.runs[:20]],
            }
            for timing in found.timings
        ],
        "absent": dict(found.absent),
        "agreement": list(found.agreement),
        "versions": dict(found.versions),
        "facts": dict(found.facts),
    }


def as_markdown(report: Report) -> str:
    lines = [
        "# Benchmark results",
        "",
        "Made by `make bench`; do not edit. Cohorts are generated; medians of up to "
        f"{report.rounds} runs (three where a program is slow), programs taking turns.",
        "Warm is the second and later call in one process; cold is a whole process, and nothing",
        "that an earlier run left beside the file. Ratios are of wall times unless said; CPU is",
        "user + system; genotypes/s are those of the file, by wall time; peak memory is that of",
        "the largest process.",
        "",
        *([_QUICK, ""] if report.is_quick else []),
        *_about(report),
        "",
        "## Goals",
        "",
        *_goals(report.rows),
        "",
        "## Programs",
        "",
        *_programs(report.rows),
        "",
        *_agreement(report.rows),
        *_scaling(report),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _about(report: Report) -> list[str]:
    about = machine()
    libraries = ", ".join(f"{name} {about[name]}" for name in _LIBRARIES)
    everything = [*report.rows, *report.scaling]
    versions = {text: None for found in everything for text in found.versions.values()}
    absent = {(name, why): None for found in everything for name, why in found.absent.items()}
    return [
        f"- {datetime.now(UTC):%Y-%m-%d}, commit {git_commit()}; {report.seconds / 60:.0f} minutes",
        f"- {about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB; {about['system']}",
        f"- Python {about['python']}, {libraries}",
        f"- compared: {', '.join(text for text in versions if text != git_commit())}",
        *[f"- **{name} did not take part**: {why}" for name, why in absent],
    ]


def _goals(rows: Sequence[Found]) -> Iterator[str]:
    yield "| work | goal | measured | met | peak MiB |"
    yield "|---|---|---|---|---:|"
    for found in rows:
        if found.why_not is not None:
            yield f"| {found.what} | {found.goal} | not available: {found.why_not} | – | |"
            continue
        measured = "; ".join(map(_in_words, found.targets))
        peak = "" if found.peak_bytes is None else f"{found.peak_bytes / 2**20:,.0f}"
        yield f"| {found.what} | {found.goal} | {measured} | {_verdict(found)} | {peak} |"


def _in_words(measured: MeasuredTarget) -> str:
    if measured.value is None:
        return f"{measured.target.what}: {measured.why_not}"
    space = "" if measured.target.unit == "×" else " "
    return f"{_number(measured.value)}{space}{measured.target.unit} {measured.target.what}"


def _number(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _verdict(found: Found) -> str:
    """A row with goals is met when each of them was measured and is."""
    bounded = [measured for measured in found.targets if measured.target.bound is not None]
    if not bounded:
        return "told"
    verdicts = [measured.is_met for measured in bounded]
    return "**no**" if False in verdicts else "–" if None in verdicts else "yes"


def _programs(rows: Sequence[Found]) -> Iterator[str]:
    yield "| row | file MB | program | runs | wall s | CPU s | M genotypes/s | peak MiB |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|"
    for found in rows:
        size = found.facts.get("cohort_bytes", 0)
        genotypes = found.facts.get("n_samples", 0) * found.facts.get("n_variants", 0)
        for timing in found.timings:
            yield (
                f"| {found.row} | {f'{size / 1e6:,.1f}' if size else ''} | {timing.program} "
                f"| {len(timing.runs)} | {timing.wall_seconds:.3f} | {timing.cpu_seconds:.3f} "
                f"| {f'{genotypes / timing.wall_seconds / 1e6:,.0f}' if genotypes else ''} "
                f"| {timing.peak_bytes / 2**20:,.0f} |"
            )


def _agreement(rows: Sequence[Found]) -> Iterator[str]:
    agreed = [(found.row, text) for found in rows for text in found.agreement]
    if agreed:
        yield "## Agreement"
        yield ""
        yield "Compared before anything was timed, within what each program prints."
        yield ""
        yield from (f"- {row}: {text}" for row, text in agreed)
        yield ""


def _scaling(report: Report) -> Iterator[str]:
    if report.scaling:
        yield "## Scaling"
        yield ""
        yield "![wall seconds by samples, variants and scores](scaling.svg)"
        yield ""
        yield "| axis | samples × variants × scores | program | wall s | CPU s | peak MiB |"
        yield "|---|---|---|---:|---:|---:|"
        for found in report.scaling:
            for timing in found.timings:
                yield (
                    f"| {found.row} | {found.what} | {timing.program} "
                    f"| {timing.wall_seconds:.3f} | {timing.cpu_seconds:.3f} "
                    f"| {timing.peak_bytes / 2**20:,.0f} |"
                )
