"""What is known of an installed file: header, rows as a whole, origin; and its sidecar."""

import gzip
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.genome_build import GenomeBuild
from core.scoring.installed_file import (
    PGS_CATALOG_TERMS,
    Origin,
    OriginKind,
    WeightSummary,
    contents_of,
    look_at,
    save,
)
from core.scoring.scoring_file import read_scoring_file
from tests.builders.scoring_file import (
    Row,
    write_harmonised_file,
    write_scoring_file,
    write_v1_file,
)

ROWS = [
    Row("1", 1000, "A", "G", 0.5),
    Row("2", 2000, "C", "T", -0.25, more={"is_dominant": "True"}),
    Row(None, None, "C", "T", 1.25),
    Row("6", 3000, "P", "N", 9.0),
]
ROWS = [replace(row, more={"is_dominant": "False", **row.more}) for row in ROWS]


def test_the_header_is_known_without_the_rows(tmp_path: Path) -> None:
    header = {"pgs_name": "a score", "license": "CC BY-NC", "citation": "A et al. doi:10.1/a=b"}
    path = write_scoring_file(tmp_path / "a.txt.gz", ROWS, accession="PGS000001", header=header)
    file = look_at(path)
    assert file.contents is None
    header |= {"format_version": "2.0", "pgs_id": "PGS000001", "genome_build": "GRCh37"}
    assert file.header == header
    assert (file.build, file.licence) == (GenomeBuild.GRCH37, "CC BY-NC")
    assert file.citation == "A et al. doi:10.1/a=b"


def test_a_header_of_version_1_has_the_keys_of_version_2(tmp_path: Path) -> None:
    file = look_at(write_v1_file(tmp_path / "a.txt", ROWS[:1]))
    assert file.header["trait_reported"] == "Coronary heart disease"


def test_a_harmonised_header_says_the_build_of_the_harmonised_positions(tmp_path: Path) -> None:
    path = write_harmonised_file(tmp_path / "a.txt", ROWS, build="GRCh37")
    assert look_at(path).build is GenomeBuild.GRCH38


@pytest.mark.parametrize(
    ("accession", "licence", "expected"),
    [
        ("PGS000001", None, PGS_CATALOG_TERMS),
        ("PGS000001", "CC0", "CC0"),
        ("OPGS000001", None, None),
        ("mine", None, None),
    ],
)
def test_only_the_pgs_catalogs_files_have_its_terms(
    tmp_path: Path, accession: str, licence: str | None, expected: str | None
) -> None:
    header = {"license": licence} if licence else {}
    path = write_scoring_file(tmp_path / "a.txt", ROWS, accession=accession, header=header)
    assert look_at(path).licence == expected


def test_what_the_catalog_says_beside_the_file_stands_in_for_the_header(tmp_path: Path) -> None:
    path = write_scoring_file(tmp_path / "a.txt", ROWS, accession="PGS000001")
    origin = Origin(OriginKind.PGS_CATALOG, "https://x/a", None, "terms", "cited")
    file = replace(look_at(path), origin=origin)
    assert (file.licence, file.citation) == ("terms", "cited")


def test_the_contents_count_rows_by_effect_type_and_problem(tmp_path: Path) -> None:
    path = write_scoring_file(tmp_path / "a.txt", ROWS, accession="PGS000001")
    contents = contents_of(read_scoring_file(path))
    assert (contents.n_rows, contents.n_with_coordinates) == (4, 3)
    assert contents.problems == {"unsupported_complex": 1}
    assert contents.effect_types == {"additive": 3, "dominant": 1}
    assert contents.weights == WeightSummary(-0.25, 9.0, 2.625, 11.0)


def test_a_sidecar_is_believed_while_the_file_stays_the_same(tmp_path: Path) -> None:
    path = write_scoring_file(tmp_path / "a.txt", ROWS, accession="PGS000001")
    origin = Origin(OriginKind.UPLOAD, "mine.txt", datetime(2026, 11, 23, tzinfo=UTC))
    contents = contents_of(read_scoring_file(path))
    known = replace(look_at(path), contents=contents, origin=origin)
    save(path, known)
    assert look_at(path) == known
    os.utime(path, ns=(0, known.modified_ns + 1))
    assert look_at(path).contents is None
    assert look_at(path).origin == Origin()
    files = sorted(found.name for found in tmp_path.rglob("*") if found.is_file())
    assert files == ["a.txt", "a.txt.json"]


@pytest.mark.parametrize("sidecar", [b"", b"{}", b"[1]", b"\xff", b'{"name": 1}'])
def test_a_damaged_sidecar_is_no_sidecar(tmp_path: Path, sidecar: bytes) -> None:
    path = write_scoring_file(tmp_path / "a.txt", ROWS, accession="PGS000001")
    (tmp_path / "a.txt.json").write_bytes(sidecar)
    assert look_at(path).header["pgs_id"] == "PGS000001"


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: gzip.compress(data)[:-3]))
def test_no_bytes_break_the_reading_of_a_header(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.txt"
    path.write_bytes(data)
    assert look_at(path).size_bytes == len(data)


def test_the_header_is_that_of_the_whole_file(acceptance_data: Path) -> None:
    folder = acceptance_data / "scoring_files" / "pgs_catalog"
    paths = sorted(folder.iterdir())
    assert paths
    for path in paths:
        assert look_at(path).header == read_scoring_file(path).metadata, path.name
