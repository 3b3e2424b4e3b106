"""The exact test, against the sum of its definition in exact fractions, and plink2's and bcftools'
answers, which are in test_quality_against_programs."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.genotypes.hardy_weinberg import hardy_weinberg_p
from core.genotypes.simd import kernel


@kernel
def p_of(n_het: int, n_hom_one: int, n_hom_two: int) -> float:
    return hardy_weinberg_p(n_het, n_hom_one, n_hom_two)


def by_definition(n_het: int, n_hom_one: int, n_hom_two: int) -> float:
    n_calls = n_het + n_hom_one + n_hom_two
    n_rare = 2 * min(n_hom_one, n_hom_two) + n_het

    def ways(het: int) -> int:
        """Genotypes with so many heterozygotes that these alleles can be dealt out to."""
        hom_rare = (n_rare - het) // 2
        return comb(n_calls, het) * comb(n_calls - het, hom_rare) * 2**het

    seen = ways(n_het)
    everything = [ways(het) for het in range(n_rare % 2, n_rare + 1, 2)]
    return float(Fraction(sum(n for n in everything if n <= seen), sum(everything)))


COUNTS = st.integers(0, 120)


@given(COUNTS, COUNTS, COUNTS)
@example(0, 5, 0)
@example(1, 0, 0)
@example(0, 100, 100)
@example(100, 0, 0)
@example(57, 14, 50)
def test_p_is_the_sum_of_what_is_no_likelier(n_het, n_hom_one, n_hom_two):
    if n_het + n_hom_one + n_hom_two == 0:
        assert np.isnan(p_of(0, 0, 0))
        return
    expected = by_definition(n_het, n_hom_one, n_hom_two)
    assert p_of(n_het, n_hom_one, n_hom_two) == pytest.approx(expected, rel=1e-10)
    assert p_of(n_het, n_hom_two, n_hom_one) == p_of(n_het, n_hom_one, n_hom_two)


def test_far_from_equilibrium_in_a_wide_cohort_p_is_tiny_but_right():
    assert p_of(500, 250, 750) == pytest.approx(by_definition(500, 250, 750), rel=1e-9)
    assert p_of(0, 2000, 2000) == 0.0  # 10**-1202


def test_half_a_million_people_are_tested_in_no_time():
    assert p_of(250_000, 125_000, 125_000) == pytest.approx(1.0, abs=1e-9)
    assert 0 < p_of(248_000, 126_000, 126_000) < 1e-6
