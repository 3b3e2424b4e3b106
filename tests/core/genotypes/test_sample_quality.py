"""What the counts of a sample are taken to mean: ratios, sex, hints, and where nothing is said."""

import numpy as np
import pyarrow as pa
import pytest

from core.genotypes.genotype_counts import EXPECTED_UNITS, SAMPLE_COUNTS
from core.genotypes.quality import QualityCounter
from core.genotypes.sample_quality import SampleCounts, sample_table
from core.genotypes.site_kinds import AUTOSOME, X_ALONE, Y_ALONE
from tests.builders.blocks import block_of


def counts_with(n_samples: int, *, expected_het=(0.0, 0.0), n_x=0, n_y=0, **counts) -> SampleCounts:
    """A number stands for everyone."""
    made = SampleCounts.none(n_samples)
    for name, values in counts.items():
        made.counts[SAMPLE_COUNTS.index(name)] = values
    made.expected_het[:] = np.array(expected_het)[:, np.newaxis] * EXPECTED_UNITS
    made.n_records[AUTOSOME], made.n_records[X_ALONE], made.n_records[Y_ALONE] = 10_000, n_x, n_y
    return made


def rows_of(counts: SampleCounts) -> list[dict]:
    n_samples = counts.counts.shape[1]
    return sample_table([f"S{i}" for i in range(n_samples)], counts).to_pylist()


def sexes_of(counts: SampleCounts) -> list[tuple[str, str]]:
    return [(row["inferred_sex"], row["sex_reason"]) for row in rows_of(counts)]


def test_ratios_are_null_where_there_is_nothing_to_divide_by():
    (row,) = rows_of(SampleCounts.none(1))
    ratios = ("call_rate", "het_hom_ratio", "ti_tv", "heterozygosity_f", "x_f", "y_call_rate")
    assert [row[name] for name in ratios] == [None] * 6


def test_ratios_are_those_of_snvs():
    (row,) = rows_of(
        counts_with(1, n_het=40, n_hom_alt=25, n_snv_het=30, n_snv_hom_alt=20, n_missing=100)
    )
    assert (row["het_hom_ratio"], row["call_rate"], row["n_hom_ref"]) == (1.5, 0.99, 9835)


def test_in_a_cohort_of_one_nothing_is_a_singleton():
    block = block_of([("1", 1, "A", "G")], [[1]])
    counter = QualityCounter(1, None)
    counter.add(block)
    (row,) = rows_of(counter.finish())
    assert (row["n_het"], row["n_singletons"]) == (1, None)


def test_somebody_haploid_on_x_tells_the_sex_of_all():
    counts = counts_with(3, n_x=200, n_x_haploid=[200, 0, 90], n_x_het=[0, 60, 0])
    assert sexes_of(counts) == [
        ("male", "x_ploidy"),
        ("female", "x_ploidy"),
        ("unknown", "no_x_evidence"),
    ]


def test_where_all_are_diploid_on_x_heterozygotes_tell():
    het = [0] * 25 + [300] * 24 + [150]
    counts = counts_with(50, n_x=1000, expected_het=(0, 300), n_x_het=het)
    found = sexes_of(counts)
    assert set(found[:25]) == {("male", "x_heterozygosity")}
    assert set(found[25:49]) == {("female", "x_heterozygosity")}
    assert found[49] == ("unknown", "no_x_evidence")
    assert rows_of(counts)[49]["x_f"] == 0.5


def test_few_expected_heterozygotes_tell_nothing():
    assert sexes_of(counts_with(50, n_x=1000, expected_het=(0, 99)))[0][0] == "unknown"


@pytest.mark.parametrize(("n_x_het", "sex"), [(10, "male"), (640, "female"), (300, "unknown")])
def test_a_person_alone_is_compared_with_their_own_autosomes(n_x_het, sex):
    counts = counts_with(
        1,
        n_x=1000,
        n_autosomal_het=6000,
        n_autosomal_hom_alt=4000,
        n_x_het=n_x_het,
        n_x_hom_alt=1000 - n_x_het,
    )
    assert sexes_of(counts)[0][0] == sex


@pytest.mark.parametrize(
    ("y_missing", "sexes"),
    [
        ([0, 100], ["male", "female"]),
        ([100, 0], ["unknown", "unknown"]),
        ([100, 100], ["unknown", "female"]),
        ([0, 0], ["male", "female"]),
        ([50, 100], ["male", "female"]),
    ],
    ids=["agrees", "disagrees", "a man without Y", "all are called", "undecided"],
)
def test_y_may_contradict_x(y_missing, sexes):
    counts = counts_with(2, n_x=200, n_y=100, n_x_haploid=[200, 0], n_y_missing=y_missing)
    found = sexes_of(counts)
    assert [sex for sex, _ in found] == sexes
    for sex, why in found:
        assert (why == "x_and_y_disagree") == (sex == "unknown")


def test_few_records_on_y_contradict_nothing():
    counts = counts_with(2, n_x=200, n_y=19, n_x_haploid=[200, 0], n_y_missing=[19, 0])
    assert [sex for sex, _ in sexes_of(counts)] == ["male", "female"]


def test_who_has_many_more_heterozygotes_than_the_cohort_stands_out():
    het = np.full(60, 1000)
    het[::2] += 10
    het[7], het[9] = 1300, 700
    rows = rows_of(counts_with(60, expected_het=(1000, 0), n_autosomal_het=het))
    assert rows[7]["contamination_hint"] == "high_heterozygosity"
    assert rows[9]["contamination_hint"] == "low_heterozygosity"
    assert rows[9]["heterozygosity_f"] == pytest.approx(0.3, abs=1e-9)
    others = {row["contamination_hint"] for i, row in enumerate(rows) if i not in (7, 9)}
    assert others == {"none"}
    assert rows[0]["contamination_reason"] == "cohort_f"


def test_a_cohort_that_does_not_differ_has_no_outliers():
    rows = rows_of(counts_with(50, expected_het=(100, 0), n_autosomal_het=100))
    assert {(r["contamination_hint"], r["contamination_reason"]) for r in rows} == {
        (None, "no_spread")
    }


@pytest.mark.parametrize(
    ("het", "hom_alt", "hint", "reason"),
    [
        (16_000, 10_000, "none", "het_hom_range"),
        (31_000, 10_000, "high_heterozygosity", "het_hom_range"),
        (9_000, 10_000, "low_heterozygosity", "het_hom_range"),
        (9_000, 900, None, "too_few_variants"),
    ],
)
def test_a_person_alone_is_held_against_the_ratio_of_people(het, hom_alt, hint, reason):
    (row,) = rows_of(counts_with(1, n_snv_het=het, n_snv_hom_alt=hom_alt))
    assert (row["contamination_hint"], row["contamination_reason"]) == (hint, reason)


def test_imputed_dosages_are_no_genotypes():
    counter = QualityCounter(2, None)
    counter.add(block_of([("1", 1, "A", "G")], [[0.5, np.nan]], imputed=True))
    first, second = rows_of(counter.finish())
    assert (first["call_rate"], second["call_rate"]) == (1.0, 0.0)
    assert (first["n_het"], first["n_hom_ref"], first["ti_tv"], first["n_x_het"]) == (None,) * 4
    assert (first["sex_reason"], first["contamination_reason"]) == ("imputed_dosages",) * 2
    assert (first["inferred_sex"], first["contamination_hint"]) == ("unknown", None)


def test_counts_survive_the_trip_between_processes():
    rng = np.random.default_rng(1)
    made = SampleCounts.none(5)
    made.counts[:] = rng.integers(0, 2**31, made.counts.shape)
    made.expected_het[:] = rng.integers(0, 2**62, (2, 5))
    made.n_records[:] = 3
    back = SampleCounts.from_columns(pa.table(made.columns()))
    assert (back.counts == made.counts).all()
    assert (back.expected_het == made.expected_het).all()
    assert (back.n_records == made.n_records).all()
    assert back.is_imputed is False
