"""Alleles: complement, reverse complement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.variants import complement, is_acgt, reverse_complement

SEQUENCES = st.text("ACGT", min_size=1)


@pytest.mark.parametrize(("allele", "expected"), [("A", "T"), ("AC", "TG"), ("GCC", "CGG")])
def test_the_complement_keeps_the_order_of_bases(allele: str, expected: str) -> None:
    assert complement(allele) == expected


@pytest.mark.parametrize(("allele", "expected"), [("A", "T"), ("AC", "GT"), ("GCC", "GGC")])
def test_the_reverse_complement_is_read_on_the_other_strand(allele: str, expected: str) -> None:
    assert reverse_complement(allele) == expected


@pytest.mark.parametrize("allele", ["", "N", "*", "<DEL>", "P", "a", "AN", "A/C", "-"])
def test_what_is_not_all_bases_has_no_other_strand(allele: str) -> None:
    assert not is_acgt(allele)
    assert complement(allele) is None
    assert reverse_complement(allele) is None


@given(SEQUENCES)
def test_the_other_strand_of_the_other_strand_is_the_allele(allele: str) -> None:
    other = reverse_complement(allele)
    assert other is not None
    assert reverse_complement(other) == allele
    assert complement(other) == allele[::-1]
