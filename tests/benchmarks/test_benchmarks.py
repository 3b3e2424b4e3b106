"""The benchmark's own parts: a cohort that other readers accept, sums that are checked, a table."""

from pathlib import Path

import cyvcf2
import numpy as np
import pytest

from tests.benchmarks.cohorts import CohortFiles, CohortShape, prepare_cohort
from tests.benchmarks.compare import DisagreementError, compare
from tests.benchmarks.measure import CommandFailedError, Measured, measure_command
from tests.benchmarks.report import Comparison, Timing, as_markdown

SHAPE = CohortShape("tiny", n_samples=40, n_variants=700)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> CohortFiles:
    return prepare_cohort(SHAPE, tmp_path_factory.mktemp("cohorts"))


def test_another_reader_finds_the_allele_counts_that_info_states(cohort: CohortFiles):
    n_read = 0
    for variant in cyvcf2.VCF(str(cohort.vcf)):
        alleles = np.array(variant.genotype.array()[:, :2])
        stated = np.atleast_1d(variant.INFO["AC"])
        assert [(alleles == n + 1).sum() for n in range(len(variant.ALT))] == list(stated)
        n_read += 1
    assert n_read == SHAPE.n_variants


def test_a_cohort_follows_from_its_seed(cohort: CohortFiles, tmp_path: Path):
    again = prepare_cohort(SHAPE, tmp_path)
    assert again.vcf.read_bytes() == cohort.vcf.read_bytes()
    assert again.scoring_file.read_text() == cohort.scoring_file.read_text()


def test_a_cohort_that_is_there_is_not_made_again(cohort: CohortFiles):
    before = cohort.vcf.stat().st_mtime_ns
    assert prepare_cohort(SHAPE, cohort.vcf.parents[1]).vcf.stat().st_mtime_ns == before


class Stated:
    """A program whose sums and time are given."""

    reads_only = False

    def __init__(self, name: str, sums: dict[str, float], seconds: float) -> None:
        self.name, self._sums, self._seconds = name, sums, seconds

    def why_absent(self) -> str | None:
        return None if self._sums else f"{self.name} is not on the PATH"

    def version(self) -> str:
        return "1.0"

    def run(self, cohort: CohortFiles, folder: Path) -> Measured:
        return Measured(self._seconds, self._seconds, None)

    def sums(self, folder: Path) -> dict[str, float]:
        return self._sums

    def tolerance(self, sums: np.ndarray) -> np.ndarray:
        return np.full_like(sums, 1e-6)


@pytest.fixture
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_in_empty_folder")
def test_programs_that_disagree_are_not_timed():
    programs = [Stated("ours", {"a": 1.0, "b": 2.0}, 1), Stated("theirs", {"a": 1.0, "b": 2.1}, 1)]
    with pytest.raises(
        DisagreementError, match=r"theirs disagrees on 1 of 2 sums; .* of b: 2\.1 and 2\.0"
    ):
        compare([SHAPE], programs, rounds=1)


@pytest.mark.usefixtures("_in_empty_folder")
def test_a_missing_program_is_named_in_the_results():
    comparison = compare([SHAPE], [Stated("ours", {"a": 1.0}, 2), Stated("gone", {}, 1)], rounds=2)
    assert "**gone is missing**: gone is not on the PATH" in as_markdown(comparison)


def test_the_ratio_is_of_the_median_wall_times():
    def timing(program: str, *seconds: float) -> Timing:
        return Timing(SHAPE, program, tuple(Measured(s, s, 2**20) for s in seconds))

    timings = [timing("ours", 1.0, 9.0, 2.0), timing("plink2", 6.0, 5.0, 90.0)]
    table = as_markdown(Comparison(timings, {}, {}, [], {SHAPE.name: 1_000_000}))
    assert "| tiny | 1.0 | ours | 2.00 | 2.00 | 1 | 0.0 M | 3.00 |" in table


def test_a_command_is_measured_without_the_memory_of_this_process(tmp_path: Path):
    held = np.ones(300 * 2**20, np.uint8)  # what this process holds must not be counted
    nothing = measure_command(["true"], log=tmp_path / "log")
    assert nothing.peak_bytes is not None
    assert nothing.peak_bytes < held.nbytes / 4


def test_a_command_that_fails_says_what_it_said(tmp_path: Path):
    with pytest.raises(CommandFailedError, match=r"no such cohort\s+exit status 3"):
        measure_command(["sh", "-c", "echo no such cohort; exit 3"], log=tmp_path / "log")
