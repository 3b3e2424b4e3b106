"""Genome builds by name and by contig lengths, contig names, pseudo-autosomal regions."""

import csv
import os
import re
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
    build_named_in,
    canonical_contig,
    par_intervals,
    plink_contig,
)

GRCH37, GRCH38 = GenomeBuild.GRCH37, GenomeBuild.GRCH38


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["GRCh37", "grch37", "hg19", " HG19 ", "b37", "hs37d5", "GRCh37.p13", "GCF_000001405.25"],
    )
    def test_grch37_has_many_names(self, name: str) -> None:
        assert GenomeBuild.parse(name) is GRCH37

    @pytest.mark.parametrize("name", ["GRCh38", "hg38", "b38", "GRCh38p14", "GCA_000001405.15"])
    def test_grch38_has_many_names(self, name: str) -> None:
        assert GenomeBuild.parse(name) is GRCH38

    @pytest.mark.parametrize("name", ["", "NR", "37", "GRCm38", "hg38.p"])
    def test_an_unknown_name_is_no_build(self, name: str) -> None:
        assert GenomeBuild.parse(name) is None

    @pytest.mark.parametrize("name", ["hg18", "NCBI36", "b36", "hg17", "T2T-CHM13v2.0"])
    def test_a_retired_build_is_refused_with_a_way_out(self, name: str) -> None:
        with pytest.raises(GenomeBuildError, match=f"{name} is not supported.*Lift"):
            GenomeBuild.parse(name)


EXTRA_CONTIGS = (
    *("GL000192.1", "chrUn_KI270742v1", "chr1_random", "chr1_GL383518v1_alt", "1_KI270706v1"),
    *("HLA-A*01:01", "HLA-A*01:01:01:01", "chrEBV", "NC_007605", "hs37d5", "chr6_cox_hap1"),
    *("NC_000001.9", "NC_000001", "CM000663", "CM000663.3", "CM000662.2", "CM000687.1", "MT1"),
)
"""What lies beside the chromosomes, and names that are like theirs."""


class TestContigs:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            *[("1", "1"), ("chr1", "1"), ("CHR1", "1"), ("01", "1"), ("chr01", "1"), ("22", "22")],
            *[("X", "X"), ("chrx", "X"), ("23", "X"), ("25", "25"), ("XY", "X"), ("PAR1", "X")],
            *[("Y", "Y"), ("24", "Y"), ("M", "MT"), ("chrM", "MT"), ("MT", "MT"), ("26", "MT")],
            *[("NC_000001.10", "1"), ("NC_000001.11", "1"), ("NC_000024.9", "Y")],
            *[("NC_012920.1", "MT"), ("NC_000001.9", "NC_000001.9")],
            *[("CM000663.1", "1"), ("CM000663.2", "1"), ("CM000686.2", "Y"), ("J01415.2", "MT")],
            *[("Chr01", "1"), ("chr001", "1"), ("0X", "0X"), ("chr0M", "chr0M"), ("１", "１")],
            *[(name, name) for name in EXTRA_CONTIGS],
            *[("27", "27"), ("0", "0"), ("", ""), ("chr", "chr"), ("00", "00")],
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

    @given(st.text(max_size=4), st.sampled_from(CANONICAL_CONTIGS), st.text(max_size=4))
    def test_no_name_around_a_chromosome_is_one(self, before: str, bare: str, after: str) -> None:
        name = f"{before}{bare}{after}"
        contig = canonical_contig(name)
        if contig != name:
            assert contig in CANONICAL_CONTIGS
            assert SPELLING.fullmatch(name)

    def test_mitochondria_of_hg19_are_no_mt(self) -> None:
        assert canonical_contig("chrM", 16571) == canonical_contig("MT", 16571) == "NC_001807.4"
        assert canonical_contig("chrM", 16569) == canonical_contig("chrM") == "MT"
        assert canonical_contig("NC_001807.4") == "NC_001807.4"

    @pytest.mark.parametrize("name", ["25", "chr25"])
    def test_25_is_x_in_plink_alone(self, name: str) -> None:
        assert plink_contig(name) == "X"
        assert canonical_contig(name) == name

    @pytest.mark.parametrize("name", ["1", "chrX", "26", "XY", "NC_000001.10", "HLA-A*01:01"])
    def test_other_names_are_the_same_in_plink(self, name: str) -> None:
        assert plink_contig(name) == canonical_contig(name)


SPELLING = re.compile(r"(?i)(chr)?(0*[1-9]|0*1[0-9]|0*2[0-46]|x|y|xy|m|mt|par[12])")


class TestNamesInText:
    @pytest.mark.parametrize(
        ("text", "build"),
        [
            ("/data/human_g1k_v37.fasta", GRCH37),
            ("ucsc.hg19.fasta", GRCH37),
            ("GRCh38_full_analysis_set_plus_decoy_hla.fa", GRCH38),
            ("hs38DH.fa", GRCH38),
            ("GCA_000001405.1", GRCH37),
            ("GCA_000001405.15", GRCH38),
            ("lab38/genome.fa", None),
            ("hg190.fa", None),
            ("/data/hs1_study/genome.fa", None),
            ("hg19ToHg38", GRCH37),
            ("hg19_to_hg38", None),
            ("", None),
        ],
    )
    def test_one_build_is_found_by_its_name(self, text: str, build: GenomeBuild | None) -> None:
        assert build_named_in(text) is build

    @pytest.mark.parametrize("text", ["ncbi36.fa", "/ref/b36/x.fa", "chm13v2.0_maskedY.fa"])
    def test_a_build_that_nobody_can_place_is_refused(self, text: str) -> None:
        with pytest.raises(GenomeBuildError, match="not supported"):
            build_named_in(text)


class TestLengths:
    @pytest.mark.parametrize(
        ("lengths", "build"),
        [
            ({"chr1": 249250621}, GRCH37),
            ({"1": 248956422, "chrUn": 5}, GRCH38),
            ({"X": 155270560, "chr22": 51304566}, GRCH37),
            ({"1": 1234}, None),
            ({"NC_000001.10": None}, GRCH37),
            ({"CM000663.2": None, "1": None}, GRCH38),
            ({"MT": 16571}, None),
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
            plain, genbank, refseq = contig["aliases"].split(",")[:3]
            assert canonical_contig(contig["name"]) == canonical_contig(refseq) == plain
            assert canonical_contig(genbank) == plain
            for accession in (genbank, refseq):
                assert build_from_contig_lengths({accession: None}) is build

    @pytest.mark.parametrize(
        ("name", "length", "build"),
        [("chr1", 247249719, "NCBI36"), ("Y", 57772954, "NCBI36"), ("chr8", 146259331, "T2T")],
    )
    def test_lengths_of_other_builds_are_refused(self, name: str, length: int, build: str) -> None:
        with pytest.raises(GenomeBuildError, match=f"contig {name} is {length} .* {build}"):
            build_from_contig_lengths({"2": 243199373, name: length})


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
