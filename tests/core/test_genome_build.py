"""Genome builds by name and by contig lengths, contig names, pseudo-autosomal regions."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import GenomeBuildError
from core.genome_build import (
    CANONICAL_CONTIGS,
    GenomeBuild,
    build_from_contig_lengths,
    canonical_contig,
    par_intervals,
)

GRCH37, GRCH38 = GenomeBuild.GRCH37, GenomeBuild.GRCH38


class TestNames:
    @pytest.mark.parametrize("name", ["GRCh37", "grch37", "hg19", " HG19 ", "b37", "hs37d5"])
    def test_grch37_has_many_names(self, name: str) -> None:
        assert GenomeBuild.parse(name) is GRCH37

    @pytest.mark.parametrize("name", ["GRCh38", "hg38", "b38"])
    def test_grch38_has_many_names(self, name: str) -> None:
        assert GenomeBuild.parse(name) is GRCH38

    @pytest.mark.parametrize("name", ["", "NR", "T2T", "37"])
    def test_an_unknown_name_is_no_build(self, name: str) -> None:
        assert GenomeBuild.parse(name) is None

    @pytest.mark.parametrize("name", ["hg18", "NCBI36", "hg17", "NCBI35"])
    def test_a_retired_build_is_refused_with_a_way_out(self, name: str) -> None:
        with pytest.raises(GenomeBuildError, match=f"{name} is not supported.*Lift"):
            GenomeBuild.parse(name)


class TestContigs:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            *[("1", "1"), ("chr1", "1"), ("CHR1", "1"), ("01", "1"), ("chr01", "1"), ("22", "22")],
            *[("X", "X"), ("chrx", "X"), ("23", "X"), ("25", "X"), ("XY", "X"), ("PAR1", "X")],
            *[("Y", "Y"), ("24", "Y"), ("M", "MT"), ("chrM", "MT"), ("MT", "MT"), ("26", "MT")],
            *[("NC_000001.10", "1"), ("NC_000001.11", "1"), ("NC_000024.9", "Y")],
            *[("NC_012920.1", "MT"), ("NC_000001.9", "NC_000001.9")],
            *[("GL000192.1", "GL000192.1"), ("chrUn_KI270742v1", "chrUn_KI270742v1")],
            *[("27", "27"), ("0", "0"), ("", ""), ("HLA-A*01:01", "HLA-A*01:01")],
        ],
    )
    def test_names_in_any_spelling_are_one(self, name: str, expected: str) -> None:
        assert canonical_contig(name) == expected

    @pytest.mark.parametrize("name", CANONICAL_CONTIGS)
    def test_a_canonical_name_stays(self, name: str) -> None:
        assert canonical_contig(name) == canonical_contig(f"chr{name}") == name

    @given(st.text(max_size=8))
    def test_any_name_is_settled_after_one_time(self, name: str) -> None:
        assert canonical_contig(canonical_contig(name)) == canonical_contig(name)


class TestLengths:
    @pytest.mark.parametrize(
        ("lengths", "build"),
        [
            ({"chr1": 249250621}, GRCH37),
            ({"1": 248956422, "chrUn": 5}, GRCH38),
            ({"X": 155270560, "chr22": 51304566}, GRCH37),
            ({"1": 1234}, None),
            ({}, None),
        ],
    )
    def test_the_build_is_known_by_its_lengths(
        self, lengths: dict[str, int], build: GenomeBuild | None
    ) -> None:
        assert build_from_contig_lengths(lengths) is build

    def test_lengths_of_both_builds_are_refused_with_the_contigs(self) -> None:
        with pytest.raises(GenomeBuildError, match=r"contig 1 has .*GRCh37.*contig chr2 .*GRCh38"):
            build_from_contig_lengths({"1": 249250621, "chr2": 242193529})

    @pytest.mark.parametrize(("name", "build"), [("hg19", GRCH37), ("hg38", GRCH38)])
    def test_lengths_and_names_are_those_of_ucsc(self, name: str, build: GenomeBuild) -> None:
        folder = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
        if folder is None:
            pytest.skip("CURAGENIE_ACCEPTANCE_DATA is not set: no table of contigs")
        with Path(folder, "liftover", f"{name}.seqinfo.tsv").open() as lines:
            contigs = [row for row in csv.DictReader(lines, delimiter="\t") if is_main(row)]
        assert len(contigs) == 24
        for contig in contigs:
            assert build_from_contig_lengths({contig["name"]: int(contig["length"])}) is build
            plain, _, refseq = contig["aliases"].split(",")[:3]
            assert canonical_contig(contig["name"]) == canonical_contig(refseq) == plain


def is_main(contig: Mapping[str, str]) -> bool:
    return contig["role"] == "assembled" and contig["unit"] == "primary"


class TestPseudoAutosomalRegions:
    @pytest.mark.parametrize(
        ("position", "build", "inside"),
        [
            (60000, GRCH37, False),
            (60001, GRCH37, True),
            (2699520, GRCH37, True),
            (2699521, GRCH37, False),
            (154931044, GRCH37, True),
            (155260561, GRCH37, False),
            (10001, GRCH38, True),
            (2781479, GRCH38, True),
            (2781480, GRCH38, False),
            (155701382, GRCH38, False),
            (156030895, GRCH38, True),
        ],
    )
    def test_both_ends_belong_to_the_region(
        self, position: int, build: GenomeBuild, inside: bool
    ) -> None:
        is_inside = any(first <= position <= last for first, last in par_intervals(build))
        assert is_inside is inside

    @pytest.mark.parametrize("contig", ["X", "Y"])
    @pytest.mark.parametrize("build", list(GenomeBuild))
    def test_there_are_two_and_they_are_far_apart(self, build: GenomeBuild, contig: str) -> None:
        (first, second) = par_intervals(build, contig)
        assert first[0] < first[1] < second[0] < second[1]

    @pytest.mark.parametrize("build", list(GenomeBuild))
    def test_both_have_the_same_length_on_x_and_y(self, build: GenomeBuild) -> None:
        lengths = [
            [last - first for first, last in par_intervals(build, contig)] for contig in ("X", "Y")
        ]
        assert lengths[0] == lengths[1]
