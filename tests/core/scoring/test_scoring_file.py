"""Scoring files of every kind, and what is said about the ones that cannot be used."""

import csv
import gzip
import hashlib
import io
import math
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import GenomeBuildError, ScoringFileError
from core.genome_build import GenomeBuild
from core.scoring.scoring_file import ScoringFile, read_scoring_file, read_scoring_files
from core.scoring.scoring_file_rows import SCORING_ROW_SCHEMA
from tests.builders.scoring_file import (
    Cell,
    Row,
    write_bytes,
    write_harmonised_file,
    write_omicspred_file,
    write_plink_file,
    write_scoring_file,
    write_table,
    write_v1_file,
)

ROWS = [
    Row("1", 1000, "G", "A", 0.5, rsid="rs1"),
    Row("X", 2000, "t", "C", "-1.5e-3", rsid="rs2"),
    Row("22", 3000, "GCC", "G", "+.25", rsid=None),
]
PLACES = [("1", 1000), ("X", 2000), ("22", 3000)]


def column(file: ScoringFile, name: str) -> list[object]:
    return file.rows[name].to_pylist()


def places(file: ScoringFile) -> list[tuple[object, object]]:
    return list(zip(column(file, "contig"), column(file, "position"), strict=True))


def one_row(path: Path, **cells: Cell) -> dict[str, object]:
    """Read a file of one row, with these columns beside or instead of the usual ones."""
    usual: dict[str, Cell] = {
        **{"rsID": "rs1", "chr_name": "1", "chr_position": 1000},
        **{"effect_allele": "G", "other_allele": "A", "effect_weight": 0.5},
    }
    write_table(path, [usual | cells])
    return read_scoring_file(path).rows.to_pylist()[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "score.txt"


class TestKindsOfFile:
    def test_a_catalog_file_gives_its_rows_in_order(self, path: Path) -> None:
        file = read_scoring_file(write_scoring_file(path, ROWS))
        assert file.rows.schema == SCORING_ROW_SCHEMA
        assert column(file, "row_number") == [0, 1, 2]
        assert places(file) == PLACES
        assert column(file, "rsid") == ["rs1", "rs2", None]
        assert column(file, "effect_allele") == ["G", "T", "GCC"]
        assert column(file, "other_allele") == ["A", "C", "G"]
        assert column(file, "effect_weight") == [0.5, -1.5e-3, 0.25]
        assert column(file, "effect_type") == ["additive"] * 3
        assert column(file, "effect_frequency") == [None] * 3
        assert column(file, "problem") == [None] * 3
        assert (file.accession, file.build) == ("PGS999999", GenomeBuild.GRCH37)

    def test_a_v1_header_gets_the_names_of_v2(self, path: Path) -> None:
        file = read_scoring_file(write_v1_file(path, ROWS, accession="PGS000899", build="hg19"))
        assert (file.accession, file.build) == ("PGS000899", GenomeBuild.GRCH37)
        assert file.metadata["trait_reported"] == "Coronary heart disease"
        assert column(file, "other_allele") == ["A", "C", "G"]

    def test_an_omicspred_file_is_known_by_its_omicspred_id(self, path: Path) -> None:
        assert read_scoring_file(write_omicspred_file(path, ROWS)).accession == "OPGS999999"

    def test_a_harmonised_file_has_the_harmonised_places_and_build(self, path: Path) -> None:
        file = read_scoring_file(write_harmonised_file(path, ROWS, build="hg18"))
        assert places(file) == PLACES
        assert file.build is GenomeBuild.GRCH38

    def test_a_harmonised_file_without_its_build_has_none(self, path: Path) -> None:
        file = read_scoring_file(write_harmonised_file(path, ROWS, harmonised_build="NR"))
        assert file.build is None

    def test_a_row_whose_harmonisation_failed_has_no_coordinates(self, path: Path) -> None:
        rows = [
            Row("1", 1000, "G", "A", 1, more={"hm_source": "Unknown"}),
            Row("1", None, "G", "A", 1, more={"hm_source": "liftover"}),
            Row(None, 1000, "G", "A", 1, more={"hm_source": "liftover"}),
            Row("1", 1000, "G", "A", 1, more={"hm_source": "Author-reported"}),
        ]
        file = read_scoring_file(write_harmonised_file(path, rows))
        assert places(file) == [(None, None)] * 3 + [("1", 1000)]

    def test_the_harmonised_rsid_is_taken_and_else_the_authors(self, path: Path) -> None:
        rows = [
            Row("1", 1, "G", "A", 1, rsid="rs1", more={"hm_rsID": name}) for name in (".", "rs9")
        ]
        file = read_scoring_file(write_harmonised_file(path, rows))
        assert column(file, "rsid") == ["rs1", "rs9"]

    @pytest.mark.parametrize(
        ("other", "inferred", "expected"),
        [
            pytest.param(None, "a", "A", id="inferred"),
            pytest.param("C", "A", "C", id="the authors' wins"),
            pytest.param(None, "A/C", None, id="several inferred"),
            pytest.param("A/C", None, None, id="several given"),
            pytest.param(None, None, None, id="neither"),
        ],
    )
    def test_the_other_allele_may_be_inferred(
        self, path: Path, other: str | None, inferred: str | None, expected: str | None
    ) -> None:
        rows = [Row("1", 1, "G", other, 1, more={"hm_inferOtherAllele": inferred})]
        file = read_scoring_file(write_harmonised_file(path, rows))
        assert column(file, "other_allele") == [expected]
        assert column(file, "problem") == [None]

    def test_a_plink_file_takes_places_and_other_alleles_from_its_ids(self, path: Path) -> None:
        write_table(
            path,
            [
                {"ID": "1:1000:A:G", "effect_allele": "G", "anything": 1},
                {"ID": "chrX:2000:A:G", "effect_allele": "a", "anything": 2},
                {"ID": "22:3000", "effect_allele": "T", "anything": 3},
                {"ID": "1_4000_C_T_b38", "effect_allele": "G", "anything": 4},
                {"ID": "rs5", "effect_allele": "T", "anything": 5},
                {"ID": "HLA_1:2:3", "effect_allele": "T", "anything": 6},
            ],
        )
        file = read_scoring_file(path)
        assert file.accession == "score"
        assert places(file) == [*PLACES, ("1", 4000), (None, None), (None, None)]
        assert column(file, "other_allele") == ["A", "G", None, None, None, None]
        assert column(file, "rsid")[4] == "rs5"
        assert column(file, "effect_weight") == [1, 2, 3, 4, 5, 6]

    @pytest.mark.parametrize("alts", ["C,G", ".", "*"])
    def test_an_id_without_one_alt_names_no_other_allele(self, path: Path, alts: str) -> None:
        write_bytes(path, f"ID\tA1\tW\n1:100:A:{alts}\tA\t0.5\n".encode())
        (row,) = read_scoring_file(path).rows.to_pylist()
        assert (row["contig"], row["position"], row["other_allele"]) == ("1", 100, None)
        assert row["problem"] is None

    def test_a_plink_column_line_may_begin_with_a_hash(self, path: Path) -> None:
        write_bytes(path, b"##made by us\n#ID\tA1\tw\n1:10:A:G\tG\t0.5\n")
        assert places(read_scoring_file(path)) == [("1", 10)]

    def test_a_file_of_rsids_has_no_coordinates_and_so_no_build(self, path: Path) -> None:
        cells: dict[str, Cell] = {
            **{"rsID": "rs78540526", "chr_name": "11", "effect_allele": "T"},
            **{"other_allele": "C", "effect_weight": 0.16, "OR": 1.17},
        }
        write_table(path, [cells], comments=["#pgs_id=PGS000001", "#genome_build=GRCh37"])
        file = read_scoring_file(path)
        assert places(file) == [(None, None)]
        assert column(file, "rsid") == ["rs78540526"]
        assert file.build is None
        assert file.metadata["genome_build"] == "GRCh37"

    @pytest.mark.parametrize("delimiter", ["\t", ",", ";", " ", "   "])
    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("name", ["score.txt", "score.csv.gz"])
    def test_plain_tables_are_read_with_any_separator_and_line_end(
        self, tmp_path: Path, delimiter: str, line_end: str, name: str
    ) -> None:
        rows: list[dict[str, Cell]] = [
            {"CHR": "chr1", "BP": 1000, "SNP": "rs1", "A1": "G", "A2": "A", "BETA": 0.5},
            {"CHR": "23", "BP": 2000, "SNP": "rs2", "A1": "T", "A2": "C", "BETA": -1},
        ]
        write_table(tmp_path / name, rows, delimiter=delimiter, line_end=line_end)
        file = read_scoring_file(tmp_path / name)
        assert file.accession == "score"
        assert places(file) == PLACES[:2]
        assert column(file, "effect_allele") == ["G", "T"]
        assert column(file, "other_allele") == ["A", "C"]
        assert column(file, "effect_weight") == [0.5, -1.0]

    def test_quoted_values_are_unquoted(self, path: Path) -> None:
        write_bytes(
            path,
            b'"rsID"\t"effect_allele"\t"effect_weight"\t"note"\n"rs1"\t"G"\t0.5\t"a\tb"\n',
        )
        file = read_scoring_file(path)
        assert (column(file, "rsid"), column(file, "effect_allele")) == (["rs1"], ["G"])

    def test_a_lone_quote_in_a_tab_separated_file_is_a_character(self, path: Path) -> None:
        rows = [Row("1", 1000, "G", "A", 1, more={"locus_name": '"5 prime'}), ROWS[1]]
        write_table(
            path,
            [
                {"chr_name": row.contig, "chr_position": row.position, "locus_name": '"5 prime'}
                | {"effect_allele": row.effect_allele, "effect_weight": row.effect_weight}
                for row in rows
            ],
        )
        assert places(read_scoring_file(path)) == PLACES[:2]

    def test_a_byte_order_mark_trailing_tabs_and_blank_lines_do_no_harm(self, path: Path) -> None:
        write_bytes(
            path,
            b"\xef\xbb\xbf#pgs_id=PGS1\t\t\n\n#genome_build=GRCh38\t\t\n"
            b"chr_name\tchr_position\teffect_allele\teffect_weight\t\t\n"
            b"1\t1000\tG\t0.5\t\t\t\t\n\n22\t3000\tG\t0.5\n\n",
        )
        file = read_scoring_file(path)
        assert (file.accession, file.build) == ("PGS1", GenomeBuild.GRCH38)
        assert places(file) == [PLACES[0], PLACES[2]]

    def test_a_row_may_leave_out_its_last_values(self, path: Path) -> None:
        write_bytes(
            path,
            b"chr_name\tchr_position\teffect_allele\teffect_weight\tother_allele\tlocus_name\n"
            b"1\t1000\tG\t0.5\n22\t3000\tG\t0.5\tA\tCCND1\n",
        )
        assert column(read_scoring_file(path), "other_allele") == [None, "A"]

    def test_the_order_of_columns_is_free(self, path: Path) -> None:
        write_bytes(path, b"weight,EA,POS,chrom\n0.5,G,1000,1\n")
        file = read_scoring_file(path)
        assert (places(file), column(file, "effect_weight")) == ([("1", 1000)], [0.5])

    def test_what_another_process_gets_is_the_same(self, path: Path) -> None:
        file = read_scoring_file(write_scoring_file(path, ROWS))
        copy = pickle.loads(pickle.dumps(file))
        assert copy.rows.equals(file.rows)
        assert copy.accession == file.accession


class TestHeader:
    def test_values_are_split_at_the_first_equals_sign(self, path: Path) -> None:
        citation = "Someone A et al. doi:10.1/a=b"
        write_scoring_file(path, ROWS, header={"citation": citation, "license": "CC BY = 4.0"})
        metadata = read_scoring_file(path).metadata
        assert (metadata["citation"], metadata["license"]) == (citation, "CC BY = 4.0")

    def test_a_spreadsheets_padding_is_no_part_of_a_value(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.csv"
        write_bytes(path, b"#pgs_id=MINE,,,\nchr,pos,ea,weight\n1,1000,G,0.5\n")
        assert read_scoring_file(path).accession == "MINE"

    @pytest.mark.parametrize(
        ("name", "accession"),
        [
            ("mine.txt", "mine"),
            ("mine.TSV.GZ", "mine"),
            ("mine.v2.csv", "mine.v2"),
            ("test.scorefile", "test"),
            ("mine", "mine"),
            ("PGS000001_hmPOS_GRCh38.txt.gz", "PGS000001"),
            (".txt", ".txt"),
        ],
    )
    def test_without_an_id_the_file_name_is_the_accession(
        self, tmp_path: Path, name: str, accession: str
    ) -> None:
        write_scoring_file(tmp_path / name, ROWS, accession=None)
        assert read_scoring_file(tmp_path / name).accession == accession

    def test_an_accession_column_names_the_score_where_no_header_does(self, path: Path) -> None:
        rows = [Row("1", 1, "G", "A", 1, more={"accession": "PGS001229"}) for _ in range(2)]
        write_scoring_file(path, rows, accession=None)
        assert read_scoring_file(path).accession == "PGS001229"
        write_scoring_file(path, rows, accession="PGS000001")
        assert read_scoring_file(path).accession == "PGS000001"

    @pytest.mark.parametrize("build", ["NR", "", "something"])
    def test_an_unstated_build_is_none(self, path: Path, build: str) -> None:
        assert read_scoring_file(write_scoring_file(path, ROWS, build=build)).build is None

    def test_coordinates_on_a_retired_build_are_refused_with_the_file(self, path: Path) -> None:
        write_scoring_file(path, ROWS, build="NCBI36")
        with pytest.raises(GenomeBuildError, match=r"score\.txt, genome_build: .*NCBI36"):
            read_scoring_file(path)

    def test_the_sha256_is_that_of_the_file(self, tmp_path: Path) -> None:
        path = write_scoring_file(tmp_path / "a.txt.gz", ROWS)
        assert read_scoring_file(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


class TestRows:
    @pytest.mark.parametrize(
        ("dominant", "recessive", "expected"),
        [
            ("TRUE", "FALSE", "dominant"),
            ("false", "true", "recessive"),
            ("False", "False", "additive"),
            (None, None, "additive"),
            ("1", "0", "dominant"),
        ],
    )
    def test_flags_of_any_case_give_the_effect_type(
        self, path: Path, dominant: str | None, recessive: str | None, expected: str
    ) -> None:
        row = one_row(path, is_dominant=dominant, is_recessive=recessive)
        assert row["effect_type"] == expected

    @pytest.mark.parametrize("effect_type", ["additive", "Dominant", "RECESSIVE"])
    def test_an_effect_type_column_is_taken(self, path: Path, effect_type: str) -> None:
        assert one_row(path, effect_type=effect_type)["effect_type"] == effect_type.lower()

    @pytest.mark.parametrize(
        "cells",
        [
            pytest.param({"is_haplotype": "TRUE"}, id="haplotype"),
            pytest.param({"is_diplotype": "True"}, id="diplotype"),
            pytest.param({"is_interaction": "true"}, id="interaction"),
            pytest.param({"rsID": "rs1_x_rs2", "chr_position": "5_x_6"}, id="joined IDs"),
            pytest.param({"effect_allele": "A_x_G"}, id="joined alleles"),
            pytest.param({"variant_type": "HLA_AA"}, id="HLA amino acid"),
            pytest.param({"variant_type": "cyp_allele"}, id="CYP allele"),
            pytest.param({"rsID": "HLA-DRB4*0103"}, id="HLA name"),
            pytest.param({"rsID": "APOE_e4"}, id="APOE name"),
            pytest.param({"effect_allele": "P", "other_allele": "N"}, id="presence of an allele"),
            pytest.param({"effect_allele": "I", "other_allele": "D"}, id="coded indel"),
            pytest.param({"effect_allele": "*"}, id="spanning deletion"),
            pytest.param({"other_allele": "<DEL>"}, id="symbolic allele"),
            pytest.param({"effect_type": "nonadditive"}, id="nonadditive"),
        ],
    )
    def test_what_is_no_single_variant_stays_and_is_marked(
        self, path: Path, cells: Mapping[str, Cell]
    ) -> None:
        row = one_row(path, **cells)
        assert row["problem"] == "unsupported_complex"
        assert row["effect_weight"] == 0.5
        assert row["effect_type"] == "additive"

    def test_a_row_of_weights_per_dosage_is_nonadditive_and_the_file_has_its_weights(
        self, path: Path
    ) -> None:
        row = {"chr_name": "1", "effect_allele": "A", "other_allele": "G"}
        by_copies: dict[str, Cell] = {"dosage_0_weight": 0, "dosage_1_weight": "-.5"}
        rows: list[dict[str, Cell]] = [
            row | {"chr_position": 5, "effect_weight": 2} | dict.fromkeys(by_copies),
            row | {"chr_position": 7, "effect_weight": None} | by_copies,
            row | {"chr_position": 9, "effect_weight": 9} | by_copies,
        ]
        for cells, at_two in zip(rows, (None, 1, 3), strict=True):
            cells["dosage_2_weight"] = at_two
        file = read_scoring_file(write_table(path, rows))
        assert column(file, "effect_type") == ["additive", "nonadditive", "nonadditive"]
        assert column(file, "effect_weight") == [2, 0.75, 1.75]
        assert file.dosage_weights is not None
        assert file.dosage_weights.row.tolist() == [1, 2]
        assert file.dosage_weights.weights.tolist() == [[0, -0.5, 1], [0, -0.5, 3]]

    @pytest.mark.parametrize(
        ("cells", "words"),
        [
            ({"dosage_2_weight": "x"}, "line 7, dosage_2_weight: x is not a finite number"),
            ({"dosage_2_weight": None}, "no effect weight"),
            ({"is_dominant": "True"}, "weights per dosage and another effect type"),
        ],
    )
    def test_weights_per_dosage_that_cannot_be_used_are_refused(
        self, path: Path, cells: Mapping[str, Cell], words: str
    ) -> None:
        usual: dict[str, Cell] = {"effect_weight": None, "is_dominant": None}
        weights: dict[str, Cell] = {f"dosage_{copies}_weight": copies for copies in range(3)}
        rows = [Row("1", 5, "A", "G", 1, more={**usual, **weights, **cells})]
        with pytest.raises(ScoringFileError, match=words):
            read_scoring_file(write_scoring_file(path, rows))

    def test_ordinary_variant_types_and_names_are_not_marked(self, path: Path) -> None:
        row = one_row(path, variant_type="SNP", is_haplotype="False", rsID="rs_CYP2D6_HLA")
        assert row["problem"] is None

    def test_a_file_of_weights_per_dosage_needs_no_effect_weight(self, path: Path) -> None:
        write_bytes(
            path,
            b"rsID\teffect_allele\tdosage_0_weight\tdosage_1_weight\tdosage_2_weight\n"
            b"rs1\tG\t0\t0.5\t0.7\n",
        )
        file = read_scoring_file(path)
        assert column(file, "problem") == [None]
        assert file.dosage_weights is not None
        assert file.dosage_weights.weights.tolist() == [[0, 0.5, 0.7]]

    @pytest.mark.parametrize(
        "position", ["0", "-5", "abc", "1.5", "1e6", "99999999999999999999", "."]
    )
    def test_a_position_that_is_none_leaves_the_row_without_coordinates(
        self, path: Path, position: str
    ) -> None:
        row = one_row(path, chr_position=position)
        assert (row["contig"], row["position"]) == (None, None)

    @pytest.mark.parametrize("position", ["1000", "1000.0", "01000", " 1000 "])
    def test_whole_numbers_are_positions_however_they_are_written(
        self, path: Path, position: str
    ) -> None:
        assert one_row(path, chr_position=position)["position"] == 1000

    @pytest.mark.parametrize(
        ("name", "contig"),
        [("chr1", "1"), ("01", "1"), ("XY", "X"), ("chrM", "MT"), ("24", "Y"), ("GL000192.1",) * 2],
    )
    def test_contigs_get_their_canonical_names(self, path: Path, name: str, contig: str) -> None:
        assert one_row(path, chr_name=name)["contig"] == contig

    @pytest.mark.parametrize(
        ("text", "frequency"),
        [("0.25", 0.25), ("0", 0.0), ("1.5", None), ("x", None), ("NA", None)],
    )
    def test_an_effect_frequency_is_taken_where_it_is_one(
        self, path: Path, text: str, frequency: float | None
    ) -> None:
        row = one_row(path, allelefrequency_effect=text, allelefrequency_effect_European=0.9)
        assert row["effect_frequency"] == frequency

    def test_odds_ratios_are_not_transformed(self, path: Path) -> None:
        write_scoring_file(
            path, [Row("1", 1, "G", "A", 1.2, more={"OR": 3.3})], header={"weight_type": "OR"}
        )
        assert column(read_scoring_file(path), "effect_weight") == [1.2]


class TestSeveralScores:
    """One file, a weight column for each score."""

    def test_each_weight_column_of_plinks_layout_is_a_score(self, path: Path) -> None:
        write_bytes(path, b"ID\tA1\tone\ttwo\n1:1:A:G\tG\t1\t2\n1:5:A:T\tT\t-3\t.5\n")
        one, two = read_scoring_files(path)
        assert (one.accession, two.accession) == ("one", "two")
        assert column(one, "effect_weight") == [1, -3]
        assert column(two, "effect_weight") == [2, 0.5]
        assert places(one) == places(two) == [("1", 1), ("1", 5)]
        assert one.sha256 == two.sha256

    @pytest.mark.parametrize(
        ("accession", "names"),
        [(None, ["bmi", "T2D"]), ("PGS999999", ["PGS999999_bmi", "PGS999999_T2D"])],
        ids=["no header", "an accession in the header"],
    )
    def test_columns_that_are_named_for_their_score_name_it(
        self, path: Path, accession: str | None, names: list[str]
    ) -> None:
        weights: dict[str, Cell] = {"effect_weight_bmi": 1, "EFFECT_WEIGHT_T2D": 2}
        row = {"chr_name": "1", "chr_position": 9, "effect_allele": "A", "other_allele": "G"}
        comments = [f"#pgs_id={accession}"] if accession else []
        write_table(path, [row | weights], comments=comments)
        files = read_scoring_files(path)
        assert [file.accession for file in files] == names
        assert [column(file, "effect_weight") for file in files] == [[1], [2]]

    def test_a_score_without_a_weight_in_a_row_does_not_have_the_row(self, path: Path) -> None:
        write_bytes(path, b"ID\tA1\tone\ttwo\n1:1:A:G\tG\t1\tNA\n1:5:A:T\tT\t0\t2\n")
        one, two = read_scoring_files(path)
        assert (column(one, "row_number"), column(one, "effect_weight")) == ([0, 1], [1, 0])
        assert (column(two, "row_number"), column(two, "effect_weight")) == ([1], [2])

    def test_columns_that_all_scores_have_are_held_once(self, path: Path) -> None:
        write_bytes(path, b"ID\tA1\tone\ttwo\n1:1:A:G\tG\t1\t2\n")
        one, two = read_scoring_files(path)
        for name in set(SCORING_ROW_SCHEMA.names) - {"effect_weight"}:
            addresses = [
                [buffer.address for buffer in file.rows[name].chunk(0).buffers() if buffer]
                for file in (one, two)
            ]
            assert addresses[0] == addresses[1], name

    def test_the_effect_weight_alone_counts_where_there_is_one(self, path: Path) -> None:
        write_bytes(path, b"rsID\tA1\teffect_weight\teffect_weight_old\nrs1\tG\t1\tx\n")
        assert column(read_scoring_file(path), "effect_weight") == [1]

    @pytest.mark.parametrize(
        ("cells", "words"),
        [("1\tx", "line 2, two: x is not a finite number"), ("1\tNA", "no row has a weight")],
    )
    def test_a_bad_weight_names_its_score(self, path: Path, cells: str, words: str) -> None:
        write_bytes(path, f"ID\tA1\tone\ttwo\n1:1:A:G\tG\t{cells}\n".encode())
        with pytest.raises(ScoringFileError, match=words):
            read_scoring_files(path)


class TestRefusals:
    @pytest.mark.parametrize(
        "weight", ["abc", "nan", "inf", "-inf", "1e999", "0,5", "1_0", "0x1", "--1"]
    )
    def test_a_weight_that_is_no_finite_number_is_refused_with_its_place(
        self, path: Path, weight: str
    ) -> None:
        write_scoring_file(path, [ROWS[0], Row("1", 5, "G", "A", weight), ROWS[1]])
        with pytest.raises(ScoringFileError) as error:
            read_scoring_file(path)
        where = error.value.where
        assert where is not None
        # four header lines with a value, one section line, the column line, one row
        assert (where.file, where.line, where.field) == (str(path), 8, "effect_weight")
        assert error.value.fix

    def test_the_line_is_right_behind_blank_lines_and_short_rows(self, path: Path) -> None:
        write_bytes(path, b"\n#a=b\nrsID\tea\tweight\tnote\n\nrs1\tG\t1\n\n\nrs2\tG\tx\tn\n")
        with pytest.raises(ScoringFileError, match=r"line 8, weight: x is not a finite number"):
            read_scoring_file(path)

    def test_the_column_is_named_as_the_file_names_it(self, path: Path) -> None:
        write_bytes(path, b"SNP EA BETA\nrs1 G hello\n")
        with pytest.raises(ScoringFileError, match=r"line 2, BETA: hello"):
            read_scoring_file(path)

    @pytest.mark.parametrize(
        ("cells", "message"),
        [
            ({"effect_weight": None}, "line 2, effect_weight: this row has no effect weight"),
            ({"effect_allele": "."}, "line 2, effect_allele: this row has no effect allele"),
            ({"is_dominant": "perhaps"}, "line 2, is_dominant: perhaps is neither True nor False"),
            ({"is_haplotype": "perhaps"}, "line 2, is_haplotype: perhaps is neither"),
            ({"is_dominant": "True", "is_recessive": "T"}, "are both True"),
            ({"is_dominant": "True", "effect_type": "recessive"}, "effect_type contradicts"),
            ({"effect_type": "multiplicative"}, "not one of additive, dominant, recessive"),
            (
                {"effect_weight": None, "dosage_0_weight": 0, "dosage_1_weight": 1},
                "no effect weight",
            ),
        ],
    )
    def test_rows_that_do_not_say_enough_are_refused(
        self, path: Path, cells: Mapping[str, Cell], message: str
    ) -> None:
        with pytest.raises(ScoringFileError, match=message):
            one_row(path, **cells)

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ("rsID\teffect_weight", "no effect allele column.*tested_allele"),
            ("rsID\teffect_allele\tother_allele", "no effect weight column.*beta"),
            ("rsID\teffect_allele\tp_value", "no effect weight column"),
            ("chr_name\teffect_allele\teffect_weight", "neither coordinates nor variant IDs.*bp"),
            ("rsID\teffect_allele\tRSID\teffect_weight", "two columns have the same name"),
        ],
    )
    def test_missing_columns_are_named_with_their_aliases(
        self, path: Path, columns: str, words: str
    ) -> None:
        values = "\t".join("1" for _ in columns.split("\t"))
        write_bytes(path, f"#a=b\n{columns}\n{values}\n".encode())
        with pytest.raises(ScoringFileError, match=words) as error:
            read_scoring_file(path)
        assert error.value.where is not None
        assert error.value.where.line == 2

    def test_several_scores_are_not_one(self, path: Path) -> None:
        write_bytes(path, b"ID\teffect_allele\tone\ttwo\n1:1:A:G\tG\t1\t2\n")
        with pytest.raises(ScoringFileError, match=r"several scores: one, two\. Split"):
            read_scoring_file(path)

    def test_several_accessions_are_to_be_split(self, path: Path) -> None:
        rows = [Row("1", 1, "G", "A", 1, more={"accession": name}) for name in ("A", "B")]
        with pytest.raises(ScoringFileError, match=r"several scores: A, B\. Split"):
            read_scoring_file(write_scoring_file(path, rows))

    def test_more_values_than_columns_are_refused_with_their_line(self, path: Path) -> None:
        write_bytes(path, b"#a=b\nID\tEA\tw\nrs1\tG\t1\nrs2\tG\t1\t7\nrs3\tG\n")
        with pytest.raises(ScoringFileError, match="line 4: this row does not have the 3 values"):
            read_scoring_file(path)

    def test_more_quoted_values_than_columns_are_refused_with_their_line(self, path: Path) -> None:
        write_bytes(path, b'ID,EA,w\nrs1,G,1\nrs2,"G",1,7\n')
        with pytest.raises(ScoringFileError, match="line 3: this row does not have the 3 values"):
            read_scoring_file(path)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            pytest.param(b"", "no column line", id="empty"),
            pytest.param(b"#pgs_id=PGS000001\n", "no column line", id="header only"),
            pytest.param(b"rsID\teffect_allele\tweight\n", "no rows", id="no rows"),
            pytest.param("rsID\tEA\tw\n".encode("utf-16"), "not UTF-8", id="UTF-16"),
            pytest.param(
                b"#citation=M\xfcller\nrsID\tEA\tw\n", "line 1: .*not UTF-8", id="Latin-1"
            ),
            pytest.param(b"PK\x03\x04\0\0", "not UTF-8", id="zip"),
            pytest.param(b"\x1f\x8bnot really", "gzip data is damaged", id="no gzip"),
            pytest.param(gzip.compress(b"rsID\tEA\tw\n" * 99)[:-9], "cut short", id="cut gzip"),
        ],
    )
    def test_what_is_no_scoring_file_is_refused(
        self, path: Path, data: bytes, message: str
    ) -> None:
        path.write_bytes(data)
        with pytest.raises(ScoringFileError, match=message) as error:
            read_scoring_file(path)
        assert error.value.fix

    def test_a_file_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ScoringFileError, match=r"nowhere\.txt: the file cannot be read"):
            read_scoring_file(tmp_path / "nowhere.txt")


ALLELES = st.text("ACGT", min_size=1, max_size=4)
GENERATED_ROWS = st.builds(
    Row,
    contig=st.sampled_from(["1", "9", "22", "X", "Y", "MT"]),
    position=st.integers(1, 2**31 - 1),
    effect_allele=ALLELES,
    other_allele=st.none() | ALLELES,
    effect_weight=st.floats(allow_nan=False, allow_infinity=False),
    rsid=st.none() | st.integers(1, 10**9).map("rs{}".format),
)
# An inserted base makes the two alleles differ without a filter
BIALLELIC_ROWS = GENERATED_ROWS.map(
    lambda row: replace(
        row, rsid=None, other_allele=f"{row.effect_allele}{row.other_allele or 'A'}"
    )
)


class TestAnyInput:
    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.lists(GENERATED_ROWS, min_size=1, max_size=20), harmonised=st.booleans())
    def test_what_is_written_is_what_is_read(
        self, path: Path, rows: Sequence[Row], harmonised: bool
    ) -> None:
        write = write_harmonised_file if harmonised else write_scoring_file
        file = read_scoring_file(write(path, rows))
        expected = [
            (
                row.contig,
                row.position,
                row.effect_allele,
                row.other_allele,
                row.effect_weight,
                row.rsid,
            )
            for row in rows
        ]
        names = ["contig", "position", "effect_allele", "other_allele", "effect_weight", "rsid"]
        assert [tuple(row.values()) for row in file.rows.select(names).to_pylist()] == expected

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.lists(BIALLELIC_ROWS, min_size=1, max_size=8))
    def test_a_plink_file_says_the_same_as_a_catalog_file(
        self, path: Path, rows: Sequence[Row]
    ) -> None:
        names = ["contig", "position", "effect_allele", "other_allele", "effect_weight"]
        by_plink = read_scoring_file(write_plink_file(path, rows)).rows.select(names)
        by_catalog = read_scoring_file(write_scoring_file(path, rows)).rows.select(names)
        assert by_plink.equals(by_catalog)

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_any_bytes_either_parse_or_are_refused(self, path: Path, data: bytes) -> None:
        assert_parses_or_is_refused(path, data)

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        head=st.sampled_from(
            [
                "#pgs_id=PGS1\nrsID\tchr_name\tchr_position\teffect_allele\teffect_weight\n",
                "ID EA w\n",
                "chr,pos,ea,oa,beta,is_dominant\n",
                "hm_chr\thm_pos\thm_source\teffect_allele\tother_allele\teffect_weight\n",
            ]
        ),
        body=st.text('ACGTX019.,;:_-+eE"#=\t\n\r trues/', max_size=120),
    )
    def test_any_rows_below_a_column_line_either_parse_or_are_refused(
        self, path: Path, head: str, body: str
    ) -> None:
        assert_parses_or_is_refused(path, (head + body).encode())


def assert_parses_or_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    outcome = read_or_refuse(path)
    if isinstance(outcome, ScoringFile):
        assert_keeps_its_promises(outcome)
        return
    n_lines = len(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    assert outcome.fix
    assert outcome.where is not None
    assert outcome.where.line is None or 1 <= outcome.where.line <= n_lines


def read_or_refuse(path: Path) -> ScoringFile | ScoringFileError:
    try:
        return read_scoring_file(path)
    except ScoringFileError as error:
        return error


def assert_keeps_its_promises(file: ScoringFile) -> None:
    assert file.rows.schema == SCORING_ROW_SCHEMA
    for row in file.rows.to_pylist():
        assert (row["contig"] is None) == (row["position"] is None)
        assert row["problem"] or (row["effect_allele"] and math.isfinite(row["effect_weight"]))


# name: (accession, build, rows) as the folder's README and the files' headers state them
REAL_FILES: dict[str, tuple[str, str | None, int]] = {
    "pgs_catalog/OPGS017309.txt": ("OPGS017309", "GRCh37", 697),
    "pgs_catalog/OPGS017309_hmPOS_GRCh38.txt.gz": ("OPGS017309", "GRCh38", 697),
    "pgs_catalog/PGS000001.txt.gz": ("PGS000001", None, 77),
    "pgs_catalog/PGS000001_hmPOS_GRCh37.txt.gz": ("PGS000001", "GRCh37", 77),
    "pgs_catalog/PGS000001_hmPOS_GRCh38.txt.gz": ("PGS000001", "GRCh38", 77),
    "pgs_catalog/PGS000002.txt.gz": ("PGS000002", None, 77),
    "pgs_catalog/PGS000002_hmPOS_GRCh37.txt.gz": ("PGS000002", "GRCh37", 77),
    "pgs_catalog/PGS000002_hmPOS_GRCh38.txt.gz": ("PGS000002", "GRCh38", 77),
    "pgs_catalog/PGS000065.txt.gz": ("PGS000065", "GRCh37", 103),
    "pgs_catalog/PGS000662_hmPOS_GRCh38.txt.gz": ("PGS000662", "GRCh38", 269),
    "pgs_catalog/PGS000899.txt.gz": ("PGS000899", "GRCh37", 176),
    "pgs_catalog/PGS000957.txt.gz": ("PGS000957", "GRCh37", 11276),
    "pgs_catalog/PGS001229_22.txt": ("PGS001229", "GRCh37", 835),
    "pgs_catalog/PGS001229_hmPOS_GRCh38.structured.txt.gz": ("PGS001229", None, 51209),
    "pgs_catalog/PGS003378_hmPOS_GRCh38.txt.gz": ("PGS003378", "GRCh38", 128),
    "custom/PGS001229_22.txt": ("PGS001229", "GRCh37", 835),
    "custom/PGS001229_22_duplicate.txt": ("duplicatetest", "GRCh37", 8),
    "custom/customgrch37.txt": ("custom", "GRCh37", 2),
    "custom/customgrch38.txt": ("custom", "GRCh38", 2),
    "custom/perfect.txt": ("testpgs", "GRCh37", 1),
    "custom/scorefile.txt": ("scorefile", "GRCh37", 835),
    "custom/scorefile_dominant_and_recessive.txt": (
        "scorefile_dominant_and_recessive",
        "GRCh37",
        835,
    ),
    "custom/test.scorefile": ("test", None, 829),
}


@pytest.fixture(scope="module")
def real_files() -> Path:
    folder = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    if folder is None:
        pytest.skip("CURAGENIE_ACCEPTANCE_DATA is not set: no real scoring files")
    return Path(folder) / "scoring_files"


def read_with_csv_module(path: Path) -> list[dict[str, str]]:
    """The oracle: the rows as Python's csv module reads them."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(io.StringIO("\n".join(lines)), delimiter="\t", restval=""))


class TestRealFiles:
    def test_the_list_names_every_real_file_that_can_be_read(self, real_files: Path) -> None:
        found = {f"{path.parent.name}/{path.name}" for path in real_files.glob("*/*")}
        assert found == {*REAL_FILES, "custom/multiscore.txt"}

    def test_the_file_of_two_scores_gives_both(self, real_files: Path) -> None:
        path = real_files / "custom/multiscore.txt"
        expected = read_with_csv_module(path)
        for file, name in zip(
            read_scoring_files(path), ("PGS001229_22", "second_score"), strict=True
        ):
            assert file.accession == name
            assert column(file, "effect_weight") == [float(row[name]) for row in expected]

    @pytest.mark.parametrize("name", REAL_FILES)
    def test_it_has_its_accession_build_and_every_row(self, real_files: Path, name: str) -> None:
        file = read_scoring_file(real_files / name)
        assert (file.accession, file.build, file.rows.num_rows) == REAL_FILES[name]

    @pytest.mark.parametrize("name", REAL_FILES)
    def test_it_says_what_another_reader_finds_in_it(self, real_files: Path, name: str) -> None:
        rows = read_scoring_file(real_files / name).rows.to_pylist()
        expected = read_with_csv_module(real_files / name)
        is_plink = "effect_weight" not in expected[0]
        weight = "PGS001229_22" if is_plink else "effect_weight"
        assert [row["effect_weight"] for row in rows] == [float(row[weight]) for row in expected]
        assert [row["effect_allele"] for row in rows] == [row["effect_allele"] for row in expected]
        found = [f"{row['contig']}:{row['position']}" for row in rows]
        assert found == [expected_place(row) for row in expected]

    def test_the_hla_alleles_of_height_and_hypertension_are_marked(self, real_files: Path) -> None:
        hypertension = read_scoring_file(real_files / "pgs_catalog/PGS000957.txt.gz").rows
        height = "pgs_catalog/PGS001229_hmPOS_GRCh38.structured.txt.gz"
        marked = [row for row in hypertension.to_pylist() if row["problem"]]
        assert [row["rsid"] for row in marked] == ["HLA-DRB4*0103"]
        assert read_scoring_file(real_files / height).rows["problem"].drop_null().length() == 4

    def test_dominant_and_recessive_rows_are_told_apart(self, real_files: Path) -> None:
        file = read_scoring_file(real_files / "custom/scorefile_dominant_and_recessive.txt")
        assert column(file, "effect_type")[:3] == ["dominant", "recessive", "additive"]

    def test_the_general_frequency_is_taken_and_none_of_one_ancestry(
        self, real_files: Path
    ) -> None:
        general = read_scoring_file(real_files / "pgs_catalog/PGS000899.txt.gz")
        by_ancestry = read_scoring_file(real_files / "pgs_catalog/PGS000662_hmPOS_GRCh38.txt.gz")
        assert column(general, "effect_frequency")[:2] == [0.15, 0.14]
        assert by_ancestry.rows["effect_frequency"].null_count == 269

    def test_a_file_of_two_scores_says_why_it_cannot_be_read(self, real_files: Path) -> None:
        with pytest.raises(ScoringFileError, match="PGS001229_22, second_score"):
            read_scoring_file(real_files / "custom/multiscore.txt")


def expected_place(row: Mapping[str, str]) -> str:
    if "ID" in row:
        return ":".join(row["ID"].split(":")[:2])
    is_harmonised = "hm_pos" in row
    contig = row["hm_chr" if is_harmonised else "chr_name"]
    position = row.get("hm_pos" if is_harmonised else "chr_position")
    if not (contig and position):
        return "None:None"
    return f"{'X' if contig == 'XY' else contig}:{position}"
