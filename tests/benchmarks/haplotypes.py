"""Alleles of a cohort: counts as in a human cohort, and linkage within blocks of variants.

Of the rare variants half and more are seen once; with a rare share of 0.88 one variant in eight is
common. Within a block the haplotypes stand on a circle, relatives beside each other, and each
variant's carriers are an arc of it; common arcs begin at a few places, as branches of one genealogy
do, so common variants are correlated. A little genotyping and phasing error is laid over them:
without it, stores compress better than real ones.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

_RARE_LIMIT = 50
_BRANCHES = 12
_GENOTYPE_ERROR = 0.0005
_PHASE_ERROR = 0.08


def draw_allele_counts(
    rng: np.random.Generator, n_variants: int, n_haplotypes: int, rare_share: float
) -> npt.NDArray[np.int64]:
    """(n_variants,) ALT alleles per variant: k^-2 below the limit of rare, k^-1 above it."""
    limit = max(2, min(_RARE_LIMIT, n_haplotypes // 2))
    rare, common = np.arange(1, limit), np.arange(limit, n_haplotypes + 1)
    chance = np.concatenate(
        [
            rare_share * rare**-2.0 / (rare**-2.0).sum(),
            (1 - rare_share) * common**-1.0 / (common**-1.0).sum(),
        ]
    )
    return rng.choice(np.arange(1, n_haplotypes + 1), n_variants, p=chance)


def draw_alleles(
    rng: np.random.Generator, counts: npt.NDArray[np.int64], n_haplotypes: int
) -> npt.NDArray[np.uint8]:
    """(variants, n_haplotypes) of 0 and 1 for one block; neighbours are a person's two haplotypes.

    Rare variants have exactly `counts` carriers, common ones nearly.
    """
    circle = rng.permutation(n_haplotypes)
    starts = rng.integers(0, n_haplotypes, len(counts))
    branches = rng.integers(0, n_haplotypes, _BRANCHES)
    is_common = counts >= _RARE_LIMIT
    starts[is_common] = branches[starts[is_common] % _BRANCHES]
    alleles = np.zeros((len(counts), n_haplotypes), np.uint8)
    _mark_arcs(alleles, circle, starts, counts)
    for row in np.flatnonzero(is_common):
        _add_errors(rng, alleles[row])
    return alleles


@njit(cache=True, nogil=True)
def _mark_arcs(alleles, circle, starts, counts):
    """alleles[v, circle[starts[v] : starts[v] + counts[v]]] = 1, around the circle."""
    n = circle.size
    for row in range(counts.size):
        at = starts[row]
        for _ in range(counts[row]):
            alleles[row, circle[at]] = 1
            at = 0 if at + 1 == n else at + 1


def _add_errors(rng: np.random.Generator, alleles: npt.NDArray[np.uint8]) -> None:
    n = len(alleles)
    wrong = rng.integers(0, n, rng.binomial(n, _GENOTYPE_ERROR))
    alleles[wrong] ^= 1
    of_sample = alleles.reshape(-1, 2)
    heterozygous = np.flatnonzero(of_sample[:, 0] != of_sample[:, 1])
    switched = heterozygous[rng.random(len(heterozygous)) < _PHASE_ERROR]
    of_sample[switched] ^= 1
