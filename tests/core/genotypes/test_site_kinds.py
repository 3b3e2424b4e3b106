"""Kinds of alleles and places."""

import pytest

from core.genome_build import GenomeBuild
from core.genotypes.site_kinds import (
    AUTOSOME,
    ELSEWHERE,
    INDEL,
    OTHER_ALT,
    OTHER_SNV,
    TRANSITION,
    TRANSVERSION,
    X_ALONE,
    Y_ALONE,
    SiteKinds,
    allele_type,
    alt_kind,
)
from tests.builders.blocks import block_of


@pytest.mark.parametrize(
    ("ref", "alt", "type_", "kind"),
    [
        ("A", "G", "snv", TRANSITION),
        ("T", "C", "snv", TRANSITION),
        ("A", "T", "snv", TRANSVERSION),
        ("N", "A", "snv", OTHER_SNV),
        ("AC", "GT", "mnv", OTHER_ALT),
        ("A", "ATT", "insertion", INDEL),
        ("ATT", "A", "deletion", INDEL),
        ("A", "<DEL>", "symbolic", OTHER_ALT),
        ("A", "*", "symbolic", OTHER_ALT),
        ("A", "A]2:321681]", "symbolic", OTHER_ALT),
        ("A", ".", "reference_only", OTHER_ALT),
    ],
)
def test_an_alt_allele_has_one_type_and_kind(ref, alt, type_, kind):
    assert allele_type(ref, alt) == type_
    assert alt_kind(ref, alt) == kind


@pytest.mark.parametrize(
    ("contig", "position", "build", "place"),
    [
        ("22", 5, None, AUTOSOME),
        ("X", 5_000_000, None, X_ALONE),
        ("X", 100_000, GenomeBuild.GRCH38, ELSEWHERE),
        ("X", 2_750_000, GenomeBuild.GRCH38, ELSEWHERE),
        ("X", 2_750_000, GenomeBuild.GRCH37, X_ALONE),
        ("X", 2_750_000, None, ELSEWHERE),
        ("Y", 5_000_000, None, Y_ALONE),
        ("Y", 2_700_000, GenomeBuild.GRCH38, ELSEWHERE),
        ("Y", 2_700_000, GenomeBuild.GRCH37, Y_ALONE),
        ("Y", 59_100_000, GenomeBuild.GRCH37, ELSEWHERE),
        ("MT", 5, None, ELSEWHERE),
        ("GL000192.1", 5, None, ELSEWHERE),
    ],
)
def test_a_place_is_x_or_y_outside_the_par_of_its_build(contig, position, build, place):
    block = block_of([("1", 1, "A", "G"), (contig, position, "A", "G")], [[0], [0]])
    assert SiteKinds.of(block, build).place.tolist() == [AUTOSOME, place]


def test_alts_are_counted_by_type_and_records_by_their_first_row():
    kinds = SiteKinds.of(block_of([("1", 1, "A", "C,AT"), ("1", 2, "A", "C")], [[0]] * 3), None)
    assert kinds.alts_by_type == {"snv": 2, "insertion": 1}
    assert kinds.is_first.tolist() == [True, False, True]
    assert kinds.alt.tolist() == [TRANSVERSION, INDEL, TRANSVERSION]
