"""Pieces of evidence for a genome build, and what becomes of those that contradict each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.build_evidence import (
    MAX_QUOTED,
    BuildEvidence,
    BuildSource,
    agreed,
    build_facts,
    evidence_of_contigs,
    evidence_of_text,
    quoted,
)
from core.errors import GenomeBuildError, Where
from core.genome_build import GenomeBuild

GRCH37, GRCH38 = GenomeBuild
HEADER_37 = BuildEvidence(GRCH37, BuildSource.HEADER, "contig 1 is 249250621 bases long")
SNPS_37 = BuildEvidence(GRCH37, BuildSource.POSITIONS, "9 well-known SNPs")
SNPS_38 = BuildEvidence(GRCH38, BuildSource.POSITIONS, "8 well-known SNPs")


def test_the_first_piece_counts_where_all_name_one_build() -> None:
    assert agreed([None, HEADER_37, SNPS_37], Where("f.vcf")) is HEADER_37
    assert agreed([None, SNPS_38], Where("f.vcf")) is SNPS_38
    assert agreed([None], Where("f.vcf")) is None


def test_a_contradiction_repeats_both_with_their_evidence() -> None:
    with pytest.raises(GenomeBuildError) as raised:
        agreed([HEADER_37, SNPS_37, SNPS_38], Where("f.vcf"))
    assert str(raised.value).startswith(
        "f.vcf: the genotypes are on GRCh37 (genotype header: contig 1 is 249250621 bases long), "
        "but they are on GRCh38 (known positions: 8 well-known SNPs)."
    )


@given(st.lists(st.sampled_from([None, HEADER_37, SNPS_37, SNPS_38])))
def test_no_order_of_contradicting_pieces_is_accepted(pieces: list[BuildEvidence | None]) -> None:
    builds = {piece.build for piece in pieces if piece is not None}
    if len(builds) > 1:
        with pytest.raises(GenomeBuildError):
            agreed(pieces, Where("f.vcf"))
    else:
        evidence = agreed(pieces, Where("f.vcf"))
        assert {evidence.build if evidence is not None else None} == (builds or {None})


def test_the_contig_that_tells_is_named() -> None:
    evidence = evidence_of_contigs({"HLA-A*01:01": 1000, "chrM": 16571, "chr8": 145138636})
    assert evidence == BuildEvidence(
        GRCH38, BuildSource.HEADER, "contig chr8 is 145138636 bases long"
    )
    assert evidence_of_contigs({"1": None, "2": 17}) is None


def test_a_text_is_its_own_evidence() -> None:
    assert evidence_of_text("##reference=x") is None
    assert evidence_of_text("##reference=hg19") == BuildEvidence(
        GRCH37, BuildSource.HEADER, "##reference=hg19"
    )
    assert len(quoted("x" * 1000)) == MAX_QUOTED + 1


def test_facts_say_who_names_the_build_or_that_nobody_does() -> None:
    assert build_facts(SNPS_38) == {
        "build": "GRCh38",
        "build_source": "known positions",
        "build_evidence": "8 well-known SNPs",
    }
    assert build_facts(None) == {
        "build": None,
        "build_source": "unknown",
        "build_evidence": None,
    }
