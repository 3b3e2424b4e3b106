from pathlib import Path

import pytest

from core.errors import ScoringFileNotInstalledError, UserError
from core.genome_build import GenomeBuild
from core.scoring.library import ScoringFileLibrary


@pytest.fixture
def library(tmp_path: Path) -> ScoringFileLibrary:
    for name in (
        "PGS000001.txt.gz",
        "PGS000001_hmPOS_GRCh37.txt.gz",
        "PGS000002_hmPOS_GRCh38.txt.gz",
        "my_score.tsv",
        "README.md",
        ".hidden.txt",
    ):
        (tmp_path / name).touch()
    return ScoringFileLibrary(tmp_path)


@pytest.mark.parametrize(
    ("accession", "build", "name"),
    [
        ("PGS000001", None, "PGS000001.txt.gz"),
        ("PGS000001", GenomeBuild.GRCH37, "PGS000001_hmPOS_GRCh37.txt.gz"),
        ("PGS000001", GenomeBuild.GRCH38, "PGS000001.txt.gz"),
        ("PGS000002", GenomeBuild.GRCH37, "PGS000002_hmPOS_GRCh38.txt.gz"),
        ("my_score", None, "my_score.tsv"),
    ],
)
def test_a_file_is_found_by_accession_and_harmonised_to_the_build_where_there_is_one(
    library: ScoringFileLibrary, accession: str, build: GenomeBuild | None, name: str
) -> None:
    assert library.path_of(accession, build=build).name == name


def test_the_installed_accessions_are_listed_once_each(library: ScoringFileLibrary) -> None:
    assert library.installed() == ("PGS000001", "PGS000002", "my_score")


def test_what_is_not_installed_says_how_to_install_it(library: ScoringFileLibrary) -> None:
    with pytest.raises(ScoringFileNotInstalledError) as caught:
        library.path_of("PGS000018")
    assert caught.value.code == "scoring_file_not_installed"
    assert caught.value.fix is not None
    assert "PGS000018.txt.gz" in caught.value.fix
    assert str(library.folder) in caught.value.fix


@pytest.mark.parametrize("accession", ["", "../PGS000001", "a/b", "a b", ".hidden", "x" * 65])
def test_what_cannot_be_an_accession_never_becomes_a_path(
    library: ScoringFileLibrary, accession: str
) -> None:
    with pytest.raises(UserError, match="is not an accession"):
        library.path_of(accession)


def test_a_folder_that_is_not_there_has_nothing_installed(tmp_path: Path) -> None:
    assert ScoringFileLibrary(tmp_path / "none").installed() == ()
