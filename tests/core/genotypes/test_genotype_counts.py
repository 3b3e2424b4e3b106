"""Genotypes counted by the kernels, against their definitions a call at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.genome_build import GenomeBuild
from core.genotypes.block import DosageBlock
from core.genotypes.genotype_counts import EXPECTED_UNITS, SAMPLE_COUNTS
from core.genotypes.quality import QualityCounter
from core.genotypes.sample_quality import SampleCounts
from tests.builders.blocks import block_of
from tests.builders.bounds_checks import run_with_bounds_checks
from tests.builders.genotype_counts import counted, random_calls

CONTIGS = {"1": 1000, "22": 1000, "X": 5_000_000, "Y": 5_000_000, "MT": 100}
PAR1 = 100_000
ALTS = ("G", "C", "AT", "*", "G,C", "C,AT", "AT,<DEL>", "G,C,AT", ".")
X_ALONE, Y_ALONE = range(3_000_000, 100_000_000), range(3_000_000, 50_000_000)

sites_drawn = st.lists(
    st.tuples(st.sampled_from([*CONTIGS, "PAR"]), st.sampled_from(ALTS)), min_size=1, max_size=12
)


def block_like(drawn, n_samples: int, seed: int, ploidies: list[int]):
    sites = [
        ("X", PAR1 + i, "A", alts) if place == "PAR" else (place, CONTIGS[place] + i, "A", alts)
        for i, (place, alts) in enumerate(drawn)
    ]
    rng = np.random.default_rng(seed)
    per_record = [alts.count(",") + 1 for _, alts in drawn]
    dosage, ploidy = random_calls(rng, per_record, n_samples, ploidies)
    return block_of(sites, dosage, ploidy=None if ploidies == [2] else ploidy)


def counts_of(*blocks) -> SampleCounts:
    counter = QualityCounter(blocks[0].n_samples, GenomeBuild.GRCH38)
    for block in blocks:
        counter.add(block)
    return counter.finish()


@given(
    sites_drawn,
    st.integers(1, 150),
    st.integers(0, 2**32),
    st.sampled_from([[2], [1, 2], [1], [0, 1, 2, 3, 4], [2, 2, 2, 2, 2, 2, 2, 1]]),
)
def test_every_count_is_its_definition(drawn, n_samples, seed, ploidies):
    check_counts(block_like(drawn, n_samples, seed, ploidies))


def check_counts(block: DosageBlock) -> None:
    counts = counts_of(block)
    expected = counted(block, x_positions=X_ALONE, y_positions=Y_ALONE)
    for name in SAMPLE_COUNTS:
        assert counts[name].tolist() == [person[name] for person in expected], name
    n_hom_ref = counts.n_records.sum() - sum(
        counts[name] for name in ("n_missing", "n_het", "n_hom_alt", "n_hap_ref", "n_hap_alt")
    )
    assert n_hom_ref.tolist() == [person["n_hom_ref"] for person in expected]


@pytest.mark.parametrize("n_rows", [254, 255, 256, 600])
def test_counts_do_not_overflow_after_255_records(n_rows):
    block = block_of([("1", i + 1, "A", "G") for i in range(n_rows)], [[1, 2, 255]] * n_rows)
    counts = counts_of(block, block)
    assert counts["n_het"].tolist() == [2 * n_rows, 0, 0]
    assert counts["n_hom_alt"].tolist() == [0, 2 * n_rows, 0]
    assert counts["n_missing"].tolist() == [0, 0, 2 * n_rows]
    assert counts["n_transitions"].tolist() == [2 * n_rows, 2 * n_rows, 0]


@given(st.integers(1, 150), st.integers(0, 2**32), st.sampled_from([[2], [1, 2]]))
def test_expected_heterozygotes_are_the_sum_of_2pq_over_the_diploid_calls(
    n_samples, seed, ploidies
):
    drawn = [("1", "G"), ("22", "C"), ("1", "AT"), ("X", "G"), ("Y", "G"), ("1", "G,C")]
    block = block_like(drawn, n_samples, seed, ploidies)
    expected = np.zeros((2, n_samples))
    for row, place in ((0, 0), (1, 0), (2, 0), (3, 1)):
        calls = block.dosage[row]
        ploidy = np.full(n_samples, 2) if block.ploidy is None else block.ploidy[row]
        called = calls != 255
        number = int(ploidy[called].sum())
        if number > 1:
            p = int(calls[called].sum()) / number
            expected[place, called & (ploidy == 2)] += 2 * p * (1 - p) * number / (number - 1)
    assert counts_of(block).expected_het / EXPECTED_UNITS == pytest.approx(expected, abs=1e-8)


@given(st.lists(st.tuples(sites_drawn, st.integers(0, 99)), min_size=2, max_size=4), st.booleans())
def test_shards_add_up_to_the_file_in_any_order(shards, imputed):
    blocks = [block_like(drawn, 70, seed, [1, 2]) for drawn, seed in shards]
    together = counts_of(*blocks)
    total = SampleCounts.none(70)
    for block in reversed(blocks):
        total += counts_of(block)
    assert (total.counts == together.counts).all()
    assert (total.expected_het == together.expected_het).all()
    assert (total.n_records == together.n_records).all()


def check_every_width() -> None:
    """Widths around those of a vector; more records than bytes can count."""
    drawn = [(place, alts) for place in [*CONTIGS, "PAR"] for alts in ALTS]
    for n_samples in (1, 63, 64, 65, 129):
        for ploidies in ([2], [1, 2], [0, 1, 2, 3, 4]):
            check_counts(block_like(drawn, n_samples, n_samples, ploidies))
    check_counts(block_like([("1", "G")] * 300, 65, 1, [2]))


@pytest.mark.acceptance
def test_no_kernel_leaves_its_arrays_whatever_their_width_is(tmp_path):
    """Compiled with numba's bounds checks, hence with the plain forms of vector loads."""
    program = "from tests.core.genotypes.test_genotype_counts import check_every_width as c; c()"
    run_with_bounds_checks(program, tmp_path)
