"""The exact test of Hardy-Weinberg equilibrium.

Wigginton, Cutler, Abecasis (2005), A note on exact tests of Hardy-Weinberg equilibrium, Am J Hum
Genet 76:887: given the alleles, the probability of all numbers of heterozygotes that are no more
likely than the one that was seen. No mid-p.
"""

import numpy as np

from core.genotypes.simd import inner_kernel

_NEGLIGIBLE = 1e-17
"""Of the sum: terms that fall below this change nothing, and only get smaller."""

_TIE = 1 + 1e-9
"""Equally likely numbers differ by rounding."""


@inner_kernel
def _relative_term(n_het: int, n_rare: int, n_calls: int, step: int) -> float:
    """P(n_het + step) / P(n_het), step 2 or -2."""
    n_hom_rare = (n_rare - n_het) // 2
    n_hom_common = n_calls - n_het - n_hom_rare
    if step > 0:
        return 4.0 * n_hom_rare * n_hom_common / ((n_het + 2.0) * (n_het + 1.0))
    return n_het * (n_het - 1.0) / (4.0 * (n_hom_rare + 1.0) * (n_hom_common + 1.0))


@inner_kernel
def _likeliest(n_rare: int, n_calls: int) -> int:
    """The number of heterozygotes that is expected most; as odd or even as n_rare."""
    n_het = int(n_rare * (2.0 * n_calls - n_rare) / (2.0 * n_calls))
    n_het -= (n_het ^ n_rare) & 1
    n_het = max(n_het, n_rare & 1)
    while _relative_term(n_het, n_rare, n_calls, 2) > 1:
        n_het += 2
    while _relative_term(n_het, n_rare, n_calls, -2) > 1:
        n_het -= 2
    return n_het


@inner_kernel
def hardy_weinberg_p(n_het: int, n_hom_one: int, n_hom_two: int) -> float:
    """0..1; 1 where only one allele was seen; NaN without calls. Below 1e-300 it is 0.

    Takes steps for some ten standard deviations, which are few beside the calls.
    """
    n_calls = n_het + n_hom_one + n_hom_two
    if n_calls == 0:
        return np.nan
    n_rare = 2 * min(n_hom_one, n_hom_two) + n_het
    likeliest = _likeliest(n_rare, n_calls)
    outward = 2 if n_het >= likeliest else -2
    seen, is_past = 1.0, n_het == likeliest
    total, no_likelier = 1.0, 0.0
    term, here = 1.0, likeliest
    # Towards what was seen and beyond; from there on it is known what is negligible
    while term > 0.0 and not (is_past and term < seen * _NEGLIGIBLE):
        term *= _relative_term(here, n_rare, n_calls, outward)
        here += outward
        total += term
        if here == n_het:
            seen, is_past = term, True
        if is_past:
            no_likelier += term
    if not is_past:
        return 0.0
    # The likeliest, then the other side
    term, here = 1.0, likeliest
    while term > seen * _NEGLIGIBLE:
        if term <= seen * _TIE:
            no_likelier += term
        term *= _relative_term(here, n_rare, n_calls, -outward)
        here -= outward
        total += term
    return min(no_likelier / total, 1.0)
