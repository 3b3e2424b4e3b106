"""`make bench`: check that CuraGenie and its peers agree on generated cohorts, then time them.

    python -m tests.benchmarks.compare [--rounds 5] [--cohort NAME]... [--results FOLDER]

The programs take turns. A new cohort is a row of COHORTS, a new peer a row of PROGRAMS; cohorts are
kept under .bench/ for the next run.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.cohorts import CohortFiles, CohortShape, prepare_cohort
from tests.benchmarks.measure import Measured
from tests.benchmarks.programs import (
    Bgzip,
    CuraGenieCall,
    CuraGenieProcess,
    Plink2,
    Program,
    Sums,
)
from tests.benchmarks.report import Comparison, Timing, as_json, as_markdown

COHORTS = (CohortShape("gt_2504x50k", n_samples=2_504, n_variants=50_000),)
PROGRAMS: tuple[Program, ...] = (CuraGenieProcess(), CuraGenieCall(), Plink2(), Bgzip())
DESCRIPTION = "Check that CuraGenie and its peers agree on generated cohorts, then time them."
SCRATCH = Path(".bench")
RESULTS = Path("tests/benchmarks")


class DisagreementError(Exception):
    """Two programs gave different sums for one cohort and score: their times mean nothing."""


def compare(shapes: Sequence[CohortShape], programs: Sequence[Program], rounds: int) -> Comparison:
    """Runs every present program on every cohort `rounds` times, after one checked run."""
    reasons = {program.name: program.why_absent() for program in programs}
    absent = {name: why for name, why in reasons.items() if why is not None}
    for why in absent.values():
        _say(f"missing: {why}")
    present = [program for program in programs if program.name not in absent]
    timings: list[Timing] = []
    agreement: list[str] = []
    cohort_bytes: dict[str, int] = {}
    for shape in shapes:
        started = time.perf_counter()
        cohort = prepare_cohort(shape, SCRATCH)
        cohort_bytes[shape.name] = cohort.vcf.stat().st_size
        _say(f"{shape.name}: cohort ready after {time.perf_counter() - started:.0f} s")
        agreement += _check_agreement(cohort, present)
        timings += _take_turns(cohort, present, rounds)
    versions = {program.name: program.version() for program in present}
    return Comparison(timings, versions, absent, agreement, cohort_bytes)


def _check_agreement(cohort: CohortFiles, programs: Sequence[Program]) -> list[str]:
    """One untimed run of each (it also warms the file cache and compiles kernels).

    The first program's sums are what the others are held against.
    """
    ours, *others = programs
    _run(ours, cohort)
    expected = ours.sums(_folder(ours, cohort))
    found: list[str] = []
    for program in others:
        _run(program, cohort)
        if program.reads_only:
            continue
        sums = program.sums(_folder(program, cohort))
        worst = _worst_difference(program, sums, expected)
        text = (
            f"{cohort.shape.name}: all {len(sums)} sums of {program.name} equal those of "
            f"{ours.name} (largest difference {worst:.1e}, within what it prints)"
        )
        found.append(text)
        _say(text)
    return found


def _worst_difference(program: Program, sums: Sums, expected: Sums) -> float:
    if sums.keys() != expected.keys():
        raise DisagreementError(f"{program.name} scored other samples than the first did.")
    theirs = np.array([sums[sample] for sample in expected])
    ours = np.array(list(expected.values()))
    difference = np.abs(theirs - ours)
    too_far = difference > program.tolerance(ours)
    if too_far.any():
        first = int(np.argmax(too_far))
        raise DisagreementError(
            f"{program.name} disagrees on {int(too_far.sum())} of {len(ours)} sums; the first is "
            f"that of {list(expected)[first]}: {theirs[first]} and {ours[first]}."
        )
    return float(difference.max())


def _take_turns(cohort: CohortFiles, programs: Sequence[Program], rounds: int) -> list[Timing]:
    runs: Mapping[str, list[Measured]] = {program.name: [] for program in programs}
    for number in range(1, rounds + 1):
        for program in programs:
            runs[program.name].append(_run(program, cohort))
        times = ", ".join(f"{name} {taken[-1].wall_seconds:.2f} s" for name, taken in runs.items())
        _say(f"{cohort.shape.name}: round {number} of {rounds}: {times}")
    return [Timing(cohort.shape, name, tuple(taken)) for name, taken in runs.items()]


def _run(program: Program, cohort: CohortFiles) -> Measured:
    folder = _folder(program, cohort)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return program.run(cohort, folder)


def _folder(program: Program, cohort: CohortFiles) -> Path:
    words = "".join(c if c.isalnum() else " " for c in program.name).split()
    return SCRATCH / "runs" / cohort.shape.name / "-".join(words)


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=DESCRIPTION)
    names = [shape.name for shape in COHORTS]
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each program")
    parser.add_argument("--cohort", action="append", choices=names, help="only this cohort")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the results")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    arguments = _arguments(words)
    shapes = [shape for shape in COHORTS if shape.name in (arguments.cohort or [shape.name])]
    comparison = compare(shapes, PROGRAMS, arguments.rounds)
    (arguments.results / "RESULTS.md").write_text(as_markdown(comparison))
    (arguments.results / "results.json").write_text(as_json(comparison))
    sys.stdout.write(as_markdown(comparison))


if __name__ == "__main__":
    main()
