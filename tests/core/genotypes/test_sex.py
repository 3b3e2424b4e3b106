"""Sex from the ploidy of calls on X."""

import numpy as np

from core.genome_build import GenomeBuild
from core.genotypes.sex import count_x_ploidy, from_table, infer_sex, to_table
from core.samples import FEMALE, MALE, UNKNOWN
from tests.builders.blocks import block_of

NON_PAR, PAR1 = 50_000_000, 100_000


def x_block(positions: list[int], ploidy: list[list[int]]):
    sites = [("X", position, "A", "G") for position in positions]
    return block_of(sites, [[0] * len(ploidy[0])] * len(sites), ploidy=ploidy)


def test_haploid_on_x_is_male_and_diploid_female():
    counts = count_x_ploidy([x_block([NON_PAR, NON_PAR + 1], [[1, 2], [1, 2]])], 2, None)
    assert infer_sex(counts).tolist() == [MALE, FEMALE]


def test_a_lone_dot_says_nothing_but_a_missing_diploid_call_does():
    sites = [("X", NON_PAR + i, "A", "G") for i in range(3)]
    calls = [[1, 0, 255], [255, 255, 255], [255, 255, 255]]
    block = block_of(sites, calls, ploidy=[[1, 2, 2], [1, 1, 1], [2, 1, 1]])
    counts = count_x_ploidy([block], 3, None)
    assert counts.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert infer_sex(counts).tolist() == [UNKNOWN, FEMALE, FEMALE]


def test_the_pseudo_autosomal_region_says_nothing():
    counts = count_x_ploidy([x_block([PAR1], [[1, 2]])], 2, GenomeBuild.GRCH38)
    assert counts.tolist() == [[0, 0], [0, 0]]


def test_where_everyone_is_diploid_nobodys_sex_is_known():
    """Some callers write males diploid on X."""
    counts = count_x_ploidy([block_of([("X", NON_PAR, "A", "G")], [[0, 2]])], 2, None)
    assert infer_sex(counts).tolist() == [UNKNOWN, UNKNOWN]


def test_a_mixture_without_a_majority_is_unknown():
    assert infer_sex(np.array([[5, 1], [5, 9]])).tolist() == [UNKNOWN, UNKNOWN]


def test_counts_survive_the_trip_between_processes():
    counts = np.arange(6).reshape(2, 3)
    assert from_table(to_table(counts)).tolist() == counts.tolist()
