"""Sums are compared before times are believed; whoever is missing or fails is named."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.cohorts import CohortShape
from tests.benchmarks.compare import measure
from tests.benchmarks.measure import CommandFailedError, Measured
from tests.benchmarks.peers import Cyvcf2, InflateLoop
from tests.benchmarks.programs import CuraGenieCall, Work
from tests.benchmarks.race import Bench, DisagreementError, Race
from tests.benchmarks.results import Target, wall_ratio
from tests.benchmarks.scoring_files import ScoreSet
from tests.benchmarks.waiting import NotBuilt

SHAPE = CohortShape("tiny", n_samples=40, n_variants=300)


class Stated:
    """A program whose sums and times are given."""

    missing_as = "mean_cohort"

    def __init__(self, name: str, *seconds: float, a: float = 1.0, why_not: str | None = None):
        self.name, self._seconds, self._why_not = name, list(seconds), why_not
        self._sums = {"a": np.array([a]), "b": np.array([2.0])}

    def why_not(self, work: Work) -> str | None:
        return self._why_not

    def version(self) -> str:
        return f"{self.name} 1.0"

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Callable[[], Measured]]:
        assert folder.is_dir()
        walls = iter([0.0, *self._seconds])
        yield lambda: Measured(wall := next(walls), wall / 2, 2**20)

    def sums(self, work: Work, folder: Path) -> dict[str, np.ndarray]:
        return self._sums

    def tolerance(self, work: Work, sums: np.ndarray) -> np.ndarray:
        return np.full_like(sums, 1e-6)


class Failing(Stated):
    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Callable[[], Measured]]:
        def run() -> Measured:
            raise CommandFailedError("peer failed:\nloading\nno such option\nexit status 3")

        yield run


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, rounds=3)


def race(*programs: Stated, targets: tuple[Target, ...] = ()) -> Race:
    return Race("row", "what", "goal", SHAPE, ScoreSet("one"), programs, targets)


def test_programs_that_disagree_end_the_run(bench: Bench):
    wrong = race(Stated("ours", 1), Stated("theirs", 1, a=1.1))
    with pytest.raises(
        DisagreementError, match=r"theirs disagrees on 1 of 2 sums; .* of a: 1\.1 and 1\.0"
    ):
        measure([wrong], bench)


def test_a_difference_within_what_a_program_prints_is_told(bench: Bench):
    (found,) = measure([race(Stated("ours", 1, 1, 1), Stated("near", 1, 1, 1, a=1 + 5e-7))], bench)
    assert found.agreement == ["2 sums of near equal ours (largest difference 5.0e-07)"]


def test_a_sum_that_is_not_a_number_disagrees(bench: Bench):
    with pytest.raises(DisagreementError):
        measure([race(Stated("ours", 1), Stated("theirs", 1, a=float("nan")))], bench)


def test_a_program_that_is_missing_or_fails_is_named_and_the_others_go_on(bench: Bench):
    ours, gone = Stated("ours", 2, 2, 2), Stated("gone", why_not="gone is not on the PATH")
    target = wall_ratio("gone", "ours", "gone", 6)
    (found,) = measure([race(ours, gone, Failing("broken"), targets=(target,))], bench)
    assert found.absent == {"gone": "gone is not on the PATH", "broken": "no such option"}
    assert [timing.program for timing in found.timings] == ["ours"]
    (measured,) = found.targets
    assert (measured.is_met, measured.why_not) == (None, "gone was not measured")


def test_a_target_compares_the_medians_of_the_wall_times(bench: Bench):
    programs = Stated("ours", 1, 9, 2), Stated("plink2", 6, 5, 90)
    target = wall_ratio("plink2", "ours", "plink2", 3)
    (found,) = measure([race(*programs, targets=(target,))], bench)
    assert [(measured.value, measured.is_met) for measured in found.targets] == [(3.0, True)]
    assert found.peak_bytes == 2**20


def test_a_slow_program_sits_out_after_three_runs(tmp_path: Path):
    slow = Stated("slow", *[30] * 3)
    (found,) = measure([race(Stated("ours", *[1] * 5), slow)], Bench(tmp_path, rounds=5))
    assert [len(timing.runs) for timing in found.timings] == [5, 3]


def test_a_row_that_cannot_be_measured_says_why(bench: Bench):
    (found,) = measure([NotBuilt("fastq", "FASTQ", "fast", "nobody built it")], bench)
    assert (found.why_not, found.timings) == ("nobody built it", ())


def test_our_sums_are_those_of_a_cyvcf2_loop_and_the_floor_is_timed(bench: Bench):
    """The real thing on a tiny cohort: workers, scoring, the oracle, both inflate loops."""
    floors = InflateLoop("inflate only, libdeflate"), InflateLoop("inflate only, zlib-ng")
    programs = CuraGenieCall(), Cyvcf2(), *floors
    real = Race("real", "what", "goal", SHAPE, ScoreSet("one"), programs, (), rounds=1)
    (found,) = measure([real], bench)
    assert found.why_not is None
    assert found.absent == {}
    (agreement,) = found.agreement
    assert agreement.startswith("40 sums of cyvcf2 loop equal ours (largest difference ")
    assert [timing.program for timing in found.timings] == [program.name for program in programs]
    assert all(timing.cpu_seconds > 0 and timing.peak_bytes > 2**20 for timing in found.timings)
