"""Sums of whole blocks: exact arithmetic is the oracle; scores do not depend on their company."""

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes.block import DosageBlock
from core.scoring.hard_calls import TILE
from core.scoring.join import MOST_SETS, join_rows
from core.scoring.policy import Compat, ScoringPolicy, policy_for
from core.scoring.scoring_file import ScoringFile, read_scoring_file
from core.scoring.shard import ScorePlan, score_shard
from core.scoring.sums import ScoreTotals
from core.scoring.terms import TermContext
from tests.builders.blocks import Site, block_of
from tests.builders.bounds_checks import run_with_bounds_checks
from tests.builders.scoring_file import Row, write_scoring_file

N_VARIANTS = 90
KINDS = ("additive", "dominant", "recessive")
MISSING = ["mean_cohort", "mean_external", "zero", "reference", "drop"]


def policy(**fields: str) -> ScoringPolicy:
    return policy_for(Compat.DEFAULT, n_samples=9, has_frequencies=False, overrides=fields)


def score_file(name: str, rows: list[Row]) -> ScoringFile:
    with tempfile.TemporaryDirectory() as folder:
        return read_scoring_file(write_scoring_file(Path(folder) / name, rows, accession=name))


def scores(random: np.random.Generator, n_scores: int, variants: list[Site]) -> list[ScoringFile]:
    """Scores that share most rows, on either allele, some with frequencies of their own."""
    common = [(str(random.choice(KINDS)), bool(random.random() < 0.4)) for _ in variants]
    files = []
    for k in range(n_scores):
        rows: list[Row] = []
        for (contig, position, ref, alts), (kind, swapped) in zip(variants, common, strict=True):
            if random.random() < 0.1:
                continue
            effect, other = alts.split(",")[0], ref
            if swapped ^ bool(random.random() < 0.05):
                effect, other = other, effect
            frequency = "0.25" if random.random() < 0.9 else str(round(random.random(), 2))
            more = {"effect_type": kind, "allelefrequency_effect": frequency}
            rows.append(Row(contig, position, effect, other, round(random.normal(), 3), more=more))
        files.append(score_file(f"S{k}", rows))
    return files


def sites(random: np.random.Generator) -> list[Site]:
    alts = ["C", "C", "C", "C,G", "CT"]
    return [("1", 10 + n, "A", str(random.choice(alts))) for n in range(N_VARIANTS)]


def calls(random: np.random.Generator, variants: list[Site], n_samples: int) -> np.ndarray:
    """(rows, samples): the ALTs of a record share two alleles, and are missing together."""
    rows = []
    for *_, alts in variants:
        n_alts = alts.count(",") + 1
        alleles = random.choice(n_alts + 1, (2, n_samples), p=random.dirichlet(np.ones(n_alts + 1)))
        missing = random.random(n_samples) < random.choice([0, 0, 0.2])
        dosages = [(alleles == alt).sum(axis=0) for alt in range(1, n_alts + 1)]
        rows += [np.where(missing, 255, dosage) for dosage in dosages]
    return np.array(rows, np.uint8)


def totals(
    files: list[ScoringFile], blocks: list[DosageBlock], rules: ScoringPolicy
) -> list[ScoreTotals]:
    n_samples = blocks[0].n_samples
    context = TermContext(join_rows(files, rules), rules, np.zeros(n_samples, np.int8), None, None)
    sums = score_shard(ScorePlan(context, n_samples), blocks).sums
    return [sums.of_score(k) for k in range(len(files))]


def assert_same(ours: ScoreTotals, theirs: ScoreTotals) -> None:
    """Whole numbers to the last, floats to 1e-12 of what was added."""
    for name in ("n_missing", "denominator", "allele_count"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    np.testing.assert_allclose(ours.dosage_sum, theirs.dosage_sum, rtol=1e-12)
    np.testing.assert_allclose(ours.score_sum, theirs.score_sum, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 9, 70]),
    st.sampled_from(MISSING),
    st.sampled_from([0, 2, MOST_SETS]),
    st.booleans(),
)
def test_a_score_comes_to_the_same_alone_in_company_and_in_other_blocks(
    seed, n_samples, missing, n_sets, imputed
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.scoring.join.MOST_SETS", n_sets)
        check_company(seed, n_samples, missing, imputed=imputed)


def check_company(seed: int, n_samples: int, missing: str, *, imputed: bool) -> None:
    random = np.random.default_rng(seed)
    variants = sites(random)
    called = calls(random, variants, n_samples)
    cohort = np.where(called == 255, np.nan, called * np.float32(0.9)) if imputed else called
    files = scores(random, 7, variants)
    rules = policy(missing=missing)
    whole = [block_of(variants, cohort.tolist(), imputed=imputed)]
    together = totals(files, whole, rules)
    again = totals(files, whole, rules)
    cut = sum(alts.count(",") + 1 for *_, alts in variants[:70])
    parts = [
        block_of(variants[:70], cohort[:cut].tolist(), imputed=imputed),
        block_of(variants[70:], cohort[cut:].tolist(), imputed=imputed),
    ]
    in_parts = totals(files, parts, rules)
    for k, file in enumerate(files):
        assert_same(together[k], totals([file], whole, rules)[0])
        assert_same(together[k], in_parts[k])
        for ours, theirs in zip(together[k], again[k], strict=True):
            assert ours.tobytes() == theirs.tobytes()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["zero", "reference", "drop"]))
def test_score_sums_are_those_of_exact_arithmetic(seed, imputed, missing):
    random = np.random.default_rng(seed)
    variants = [(contig, at, ref, alts.split(",")[0]) for contig, at, ref, alts in sites(random)]
    cohort = np.array(calls(random, variants, 5), np.float64)
    cohort[cohort == 255] = np.nan
    if imputed:
        cohort = (cohort * 0.9).astype(np.float32).astype(np.float64)
    (file,) = scores(random, 1, variants)
    written = cohort if imputed else np.where(np.isnan(cohort), 255, cohort)
    blocks = [block_of(variants, written.tolist(), imputed=imputed)]
    (found,) = totals([file], blocks, policy(missing=missing))
    by_place = {site[1]: n for n, site in enumerate(variants)}
    for s in range(5):
        exact = dosage_sum = Fraction(0)
        for row in file.rows.to_pylist():
            called = cohort[by_place[row["position"]], s]
            x = effect_dosage(called, row["effect_allele"] == "A", row["effect_type"], missing)
            exact += x * Fraction(row["effect_weight"])
            dosage_sum += 0 if np.isnan(called) else x
        assert abs(Fraction(found.score_sum[s]) - exact) < Fraction(1, 10**11)
        assert abs(Fraction(found.dosage_sum[s]) - dosage_sum) < Fraction(1, 10**11)


def effect_dosage(called: float, is_ref: bool, kind: str, missing: str) -> Fraction:
    if np.isnan(called):
        if missing != "reference":
            return Fraction(0)
        called = 0.0
    dosage = 2 - Fraction(called) if is_ref else Fraction(called)
    rules = {"additive": dosage, "dominant": min(dosage, Fraction(1))}
    return rules.get(kind, max(dosage - 1, Fraction(0)))


def check_every_width() -> None:
    """Widths around those of a vector and of a tile of samples, few calls missing or many."""
    for n_samples in (1, 63, 64, 65, 129, TILE + 1):
        for seed, missing in enumerate(("drop", "mean_cohort")):
            check_company(seed, n_samples, missing, imputed=False)
            check_company(seed, n_samples, missing, imputed=True)


def test_no_kernel_leaves_its_arrays_whatever_their_width_is(tmp_path):
    """Compiled with numba's bounds checks, hence with the plain forms of vector loads."""
    program = "from tests.core.scoring.test_block_sums import check_every_width as c; c()"
    run_with_bounds_checks(program, tmp_path)
