"""Programs that do the same work: their sums are compared first, then they take turns.

A program whose runs have taken long enough sits out the rest, so that a slow one does not hold up
the table: it makes three runs, or one where the first took long; the report says how many.
"""

import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.benchmarks.cohorts import Cohort, CohortShape, prepare_cohort
from tests.benchmarks.measure import CommandFailedError, Measured
from tests.benchmarks.programs import CuraGenie, CuraGenieProcess, Program, Run, Sums, Work
from tests.benchmarks.results import Found, Target, Timing
from tests.benchmarks.scoring_files import ScoreSet, prepare_scores

_FEWEST_RUNS = 3
_LONG_ENOUGH_SECONDS = 20.0


class DisagreementError(Exception):
    """Two programs gave different sums for one cohort and score: their times mean nothing."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a benchmark keeps its files, and how often it runs what it times."""

    folder: Path
    rounds: int

    def work(
        self, shape: CohortShape, scores: ScoreSet, field: str = "GT", genotypes: Path | None = None
    ) -> Work:
        cohort = self.cohort(shape)
        return Work(cohort, prepare_scores(cohort, scores, self.folder), field, genotypes)

    def cohort(self, shape: CohortShape) -> Cohort:
        return prepare_cohort(shape, self.folder)

    def empty_folder(self, *names: str) -> Path:
        words = ["".join(c if c.isalnum() else "-" for c in name) for name in names]
        folder = self.folder.joinpath("runs", *words)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


@dataclass(frozen=True, slots=True)
class Race:
    """A row that programs run for. The first of them is ours, whose sums all others must equal.

    `targets` see the timings by program. `begun` is called with each program that takes part.
    """

    row: str
    what: str
    goal: str
    shape: CohortShape
    scores: ScoreSet
    programs: tuple[Program, ...]
    targets: tuple[Target, ...]
    field: str = "GT"
    genotypes: Callable[[Bench, Cohort], Path] | None = None
    rounds: int | None = None

    def measure(self, bench: Bench) -> Found:
        cohort = bench.cohort(self.shape)
        source = self.genotypes(bench, cohort) if self.genotypes else None
        work = bench.work(self.shape, self.scores, self.field, source)
        reasons = {program.name: program.why_not(work) for program in self.programs}
        absent = {name: why for name, why in reasons.items() if why is not None}
        starters = [program for program in self.programs if program.name not in absent]
        with ExitStack() as sessions:
            track = _Track(self.row, work, bench, absent)
            for program in starters:
                folder = bench.empty_folder(self.row, program.name)
                run = sessions.enter_context(program.session(work, folder))
                track.lanes.append(_Lane(program, folder, run))
            agreement = track.check()
            timings = track.take_turns(self.rounds or bench.rounds)
        by_program = {timing.program: timing for timing in timings}
        return Found(
            row=self.row,
            what=self.what,
            goal=self.goal,
            ours=self.programs[0].name,
            timings=timings,
            targets=[target.measured(by_program) for target in self.targets],
            absent=absent,
            agreement=agreement,
            versions={program.name: program.version() for program in starters},
            facts={
                "cohort_bytes": work.source.stat().st_size if work.source.is_file() else 0,
                "n_samples": self.shape.n_samples,
                "n_variants": self.shape.n_variants,
                "n_scores": self.scores.n_scores,
            },
        )


@dataclass(slots=True)
class _Lane:
    program: Program
    folder: Path
    run: Run
    runs: list[Measured] = field(default_factory=list[Measured])
    is_long: bool = False

    def run_untimed(self) -> None:
        self.is_long = self.run().wall_seconds > _LONG_ENOUGH_SECONDS

    @property
    def wants_to_run(self) -> bool:
        seconds = sum(run.wall_seconds for run in self.runs)
        fewest = 1 if self.is_long else _FEWEST_RUNS
        return len(self.runs) < fewest or seconds < _LONG_ENOUGH_SECONDS


@dataclass(slots=True)
class _Track:
    row: str
    work: Work
    bench: Bench
    absent: dict[str, str]
    lanes: list[_Lane] = field(default_factory=list[_Lane])

    def check(self) -> list[str]:
        """One untimed run of each, which also warms the file cache and compiles kernels."""
        ours, *others = self.lanes
        ours.run_untimed()
        expected = ours.program.sums(self.work, ours.folder)
        assert expected is not None
        said = [self._first_run_of_another(lane, ours, expected) for lane in others]
        return [text for text in said if text is not None]

    def _first_run_of_another(self, lane: _Lane, ours: _Lane, expected: Sums) -> str | None:
        """A peer that cannot do the work is named, and the others go on."""
        try:
            return self._agreement(lane, ours, expected)
        except CommandFailedError as error:
            if isinstance(lane.program, CuraGenie):
                raise
            self.lanes.remove(lane)
            self.absent[lane.program.name] = error.in_one_line
            say(f"{self.row}: {lane.program.name} failed: {error.in_one_line}")
            return None

    def _agreement(self, lane: _Lane, ours: _Lane, expected: Sums) -> str | None:
        lane.run_untimed()
        sums = lane.program.sums(self.work, lane.folder)
        if sums is None:
            return None
        if lane.program.missing_as != ours.program.missing_as and self.work.cohort.shape.missing:
            expected = self._sums_with(lane.program.missing_as)
        worst = worst_difference(lane.program, self.work, sums, expected)
        n_sums = len(sums) * self.work.scores.set.n_scores
        text = f"{n_sums} sums of {lane.program.name} equal ours (largest difference {worst:.1e})"
        say(f"{self.row}: {text}")
        return text

    def _sums_with(self, missing_as: str) -> Sums:
        """Ours, when missing calls count as another program has them."""
        program = CuraGenieProcess(missing_as=missing_as)
        folder = self.bench.empty_folder(self.row, f"ours with missing {missing_as}")
        with program.session(self.work, folder) as run:
            run()
        sums = program.sums(self.work, folder)
        assert sums is not None
        return sums

    def take_turns(self, rounds: int) -> list[Timing]:
        for _ in range(rounds):
            for lane in self.lanes:
                if lane.wants_to_run:
                    lane.runs.append(lane.run())
        for lane in self.lanes:
            timing = Timing(lane.program.name, tuple(lane.runs))
            say(
                f"{self.row}: {timing.program}: {timing.wall_seconds:.3f} s, CPU "
                f"{timing.cpu_seconds:.3f} s, {timing.peak_bytes / 2**20:.0f} MiB"
            )
        return [Timing(lane.program.name, tuple(lane.runs)) for lane in self.lanes]


def worst_difference(program: Program, work: Work, sums: Sums, expected: Sums) -> float:
    """Raises DisagreementError where a sum is farther off than the program's printing allows."""
    if sums.keys() != expected.keys():
        raise DisagreementError(f"{program.name} scored other samples than we did.")
    theirs = np.stack([sums[sample] for sample in expected])
    ours: npt.NDArray[np.float64] = np.stack(list(expected.values()))
    difference = np.abs(theirs - ours)
    too_far = ~(difference <= program.tolerance(work, ours))
    if too_far.any():
        sample, score = np.argwhere(too_far)[0]
        raise DisagreementError(
            f"{program.name} disagrees on {int(too_far.sum())} of {too_far.size} sums; the first "
            f"is that of {list(expected)[sample]}: {theirs[sample, score]} and "
            f"{ours[sample, score]}."
        )
    return float(difference.max())


def say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


def refused(row: str, what: str, goal: str, why: str) -> Found:
    """A row that says why it has no numbers."""
    say(f"{row}: not available: {why}")
    return Found(row, what, goal, why_not=why)
