"""The kernels' rules on single calls; the reference scorer checks sums over cohorts."""

import numpy as np
import pytest

from core.scoring import weighted_sum as kernels


@pytest.mark.parametrize(
    ("dosage", "ploidy", "additive", "dominant", "recessive"),
    [
        (0.0, 2.0, 0.0, 0.0, 0.0),
        (1.0, 2.0, 1.0, 1.0, 0.0),
        (2.0, 2.0, 2.0, 1.0, 1.0),
        (1.4, 2.0, 1.4, 1.0, 0.4),
        (1.0, 1.0, 1.0, 1.0, 1.0),
        (0.0, 1.0, 0.0, 0.0, 0.0),
    ],
)
def test_effect_types(dosage, ploidy, additive, dominant, recessive):
    found = [kernels.effect_dosage(dosage, ploidy, kind) for kind in range(3)]
    assert found == pytest.approx([additive, dominant, recessive])


@pytest.mark.parametrize("ploidy", [1.0, 2.0])
@pytest.mark.parametrize("frequency", [0.0, 0.3, 1.0])
def test_the_expected_dosage_is_the_mean_over_hardy_weinberg_genotypes(frequency, ploidy):
    dosages = np.arange(int(ploidy) + 1.0)
    ways = np.array([1, 1] if ploidy == 1 else [1, 2, 1])
    chance = ways * frequency**dosages * (1 - frequency) ** (ploidy - dosages)
    for kind in range(3):
        mean = sum(
            p * kernels.effect_dosage(d, ploidy, kind) for p, d in zip(chance, dosages, strict=True)
        )
        assert kernels.expected_dosage(frequency, ploidy, kind, True) == pytest.approx(mean)


def test_plink2_imputes_dominant_and_recessive_calls_with_the_frequency_itself():
    assert kernels.expected_dosage(0.3, 2.0, kernels.DOMINANT, False) == 0.3
    assert kernels.expected_dosage(0.3, 2.0, kernels.RECESSIVE, False) == 0.3
    assert kernels.expected_dosage(0.3, 2.0, kernels.ADDITIVE, False) == 0.6


AT_COPIES = np.array([0.5, -1.0, 4.0])


@pytest.mark.parametrize(
    ("dosage", "weight"), [(0, 0.5), (1, -1.0), (2, 4.0), (0.5, -0.25), (1.5, 1.5)]
)
def test_a_nonadditive_term_adds_the_weight_of_its_copies_or_between_two_in_proportion(
    dosage, weight
):
    assert kernels.weight_at(AT_COPIES, float(dosage)) == weight


@pytest.mark.parametrize("ploidy", [1.0, 2.0])
@pytest.mark.parametrize("frequency", [0.0, 0.3, 1.0])
def test_a_missing_nonadditive_call_adds_the_mean_over_hardy_weinberg_genotypes(frequency, ploidy):
    ways = [1, 1] if ploidy == 1 else [1, 2, 1]
    mean = sum(
        way * frequency**n * (1 - frequency) ** (ploidy - n) * AT_COPIES[n]
        for n, way in enumerate(ways)
    )
    assert kernels.expected_weight(AT_COPIES, frequency, ploidy) == pytest.approx(mean)


UNKNOWN, MALE, FEMALE = 0, 1, 2


@pytest.mark.parametrize(
    ("place", "sex", "observed", "missing_dot", "by_contig"),
    [
        # (dosage, ploidy) of 1/1 as written; ploidy of "."; 1/1 and a haploid 1 by contig
        (kernels.DIPLOID, UNKNOWN, (2, 2), 2, [(2, 2), (2, 2)]),
        (kernels.X_NON_PAR, MALE, (2, 2), 1, [(1, 1), (1, 1)]),
        (kernels.X_NON_PAR, FEMALE, (2, 2), 2, [(2, 2), (2, 2)]),
        (kernels.X_NON_PAR, UNKNOWN, (2, 2), 2, [(2, 2), (2, 2)]),
        (kernels.Y, MALE, (2, 2), 1, [(1, 1), (1, 1)]),
        (kernels.Y, FEMALE, (0, 0), 0, [(0, 0), (0, 0)]),
        (kernels.MT, FEMALE, (2, 2), 1, [(1, 1), (1, 1)]),
    ],
)
def test_the_ploidy_of_a_call_is_as_written_or_that_of_its_place(
    place, sex, observed, missing_dot, by_contig
):
    assert kernels.as_placed(2.0, 2.0, place, sex, False) == observed
    assert kernels.as_placed(np.nan, 1.0, place, sex, False)[1] == missing_dot
    for (dosage, ploidy), expected in zip([(2.0, 2.0), (1.0, 1.0)], by_contig, strict=True):
        assert kernels.as_placed(dosage, ploidy, place, sex, True) == expected


def test_a_missing_call_of_two_alleles_keeps_them_unless_the_contig_decides():
    assert kernels.as_placed(np.nan, 2.0, kernels.MT, UNKNOWN, False)[1] == 2
    assert kernels.as_placed(np.nan, 2.0, kernels.MT, UNKNOWN, True)[1] == 1
