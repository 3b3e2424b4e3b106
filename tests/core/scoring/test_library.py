import gzip
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import (
    ConflictError,
    NotFoundError,
    ScoringFileError,
    ScoringFileNotInstalledError,
    UserError,
)
from core.genome_build import GenomeBuild
from core.scoring import library as library_module
from core.scoring.installed_file import Origin, OriginKind
from core.scoring.library import Installation, ScoringFileLibrary, read_incoming
from tests.builders.scoring_file import Row, write_harmonised_file, write_scoring_file

ROWS = [Row("1", 1000, "A", "G", 0.5), Row("2", 2000, "C", "T", 0.25)]
OTHER_ROWS = [Row("1", 1000, "A", "G", 0.75)]


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


def install(
    library: ScoringFileLibrary,
    write: Callable[[Path], object],
    *,
    name: str = "mine.txt",
    packed: bool = False,
) -> Installation:
    with library.incoming() as path:
        write(path)
        if packed:
            path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        (file,) = read_incoming(path, name=name)
        return library.install(path, file, name=name, origin=Origin(OriginKind.UPLOAD, name))


def names(library: ScoringFileLibrary) -> list[str]:
    """Everything below the folder, but for empty folders."""
    return sorted(path.name for path in library.folder.rglob("*") if path.is_file())


class TestInstall:
    @pytest.fixture
    def library(self, tmp_path: Path) -> ScoringFileLibrary:
        return ScoringFileLibrary(tmp_path / "scoring_files")

    def test_a_file_is_found_under_the_accession_of_its_header(
        self, library: ScoringFileLibrary
    ) -> None:
        done = install(library, lambda path: write_scoring_file(path, ROWS, accession="PGS000007"))
        assert (done.accession, done.is_new, done.file.name) == (
            *("PGS000007", True),
            "PGS000007.txt",
        )
        assert library.path_of("PGS000007").name == "PGS000007.txt"
        assert names(library) == ["PGS000007.txt", "PGS000007.txt.json"]

    def test_a_harmonised_file_is_found_by_its_build(self, library: ScoringFileLibrary) -> None:
        for build in GenomeBuild:
            install(
                library,
                lambda path, build=build: write_harmonised_file(
                    path, ROWS, accession="PGS000007", harmonised_build=build
                ),
                packed=True,
            )
            name = f"PGS000007_hmPOS_{build}.txt.gz"
            assert library.path_of("PGS000007", build=build).name == name
            harmonised = library.harmonised("PGS000007", build)
            assert harmonised is not None
            assert harmonised.name == name
        assert library.installed() == ("PGS000007",)
        assert [file.build for file in library.entry("PGS000007").files] == list(GenomeBuild)

    def test_a_file_without_an_accession_takes_its_name(self, library: ScoringFileLibrary) -> None:
        def write(path: Path) -> None:
            write_scoring_file(path, ROWS, accession=None)

        assert install(library, write, name="my_score.csv.gz").accession == "my_score"
        for name in ("my score.txt", "../x.txt", "scores", ".txt", "x.pdf"):
            with pytest.raises(ScoringFileError, match="gives an accession") as caught:
                install(library, write, name=name)
            assert caught.value.where is not None
            assert caught.value.where.file == name
        assert library.installed() == ("my_score",)

    def test_an_accession_never_leaves_the_folder(self, library: ScoringFileLibrary) -> None:
        for accession in ("../evil", "a/b", "x" * 65, "a b"):
            with pytest.raises(UserError, match="is not an accession"):
                install(
                    library,
                    lambda path, accession=accession: write_scoring_file(
                        path, ROWS, accession=accession
                    ),
                )
        assert names(library) == []

    def test_the_same_bytes_again_change_nothing(self, library: ScoringFileLibrary) -> None:
        first = install(library, lambda path: write_scoring_file(path, ROWS))
        again = install(library, lambda path: write_scoring_file(path, ROWS), name="other.txt")
        assert (again.is_new, again.file) == (False, first.file)

    def test_other_content_under_the_accession_is_a_conflict(
        self, library: ScoringFileLibrary
    ) -> None:
        install(library, lambda path: write_scoring_file(path, ROWS))
        before = library.path_of("PGS999999").read_bytes()
        for packed in (False, True):
            with pytest.raises(ConflictError, match="PGS999999.txt, with other content"):
                install(library, lambda path: write_scoring_file(path, OTHER_ROWS), packed=packed)
        assert library.path_of("PGS999999").read_bytes() == before
        assert names(library) == ["PGS999999.txt", "PGS999999.txt.json"]

    def test_of_many_at_once_one_wins_and_nothing_is_overwritten(
        self, library: ScoringFileLibrary
    ) -> None:
        def try_to_install(weight: int) -> bool | None:
            rows = [Row("1", 1000, "A", "G", weight)]
            try:
                done = install(library, lambda path: write_scoring_file(path, rows))
            except ConflictError:
                return None
            return done.is_new

        with ThreadPoolExecutor(8) as threads:
            outcomes = list(threads.map(try_to_install, [1, 2, 3, 4] * 4))
        assert outcomes.count(True) == 1
        assert outcomes.count(False) == 3  # the same bytes as the winner's
        winner = [1, 2, 3, 4][outcomes.index(True) % 4]
        (file,) = library.entry("PGS999999").files
        assert file.contents is not None
        assert file.contents.weights is not None
        assert file.contents.weights.maximum == winner
        (again,) = read_incoming(library.path_of("PGS999999"), name="x")
        assert again.sha256 == file.contents.sha256

    def test_a_file_that_cannot_be_read_is_not_installed(self, library: ScoringFileLibrary) -> None:
        with pytest.raises(ScoringFileError, match="^mine.txt, line 2, effect_weight: x is not"):
            install(
                library,
                lambda path: path.write_text("rsID\teffect_allele\teffect_weight\nrs1\tA\tx\n"),
            )
        assert names(library) == []

    def test_what_a_dead_process_left_is_swept_away(self, library: ScoringFileLibrary) -> None:
        old, new = (library.folder / ".incoming" / name for name in ("old", "new"))
        for folder in (old, new):
            folder.mkdir(parents=True)
            (folder / "scoring_file").touch()
        os.utime(old, (0, 0))
        with library.incoming():
            pass
        assert (old.exists(), new.exists()) == (False, True)


class TestEntries:
    @pytest.fixture
    def library(self, tmp_path: Path) -> ScoringFileLibrary:
        for n in range(5):
            header = {"pgs_name": f"PRS_{n}", "trait_reported": "Body height" if n % 2 else "Gout"}
            path = tmp_path / f"PGS00000{n}.txt.gz"
            write_scoring_file(path, ROWS, accession=f"PGS00000{n}", header=header)
        return ScoringFileLibrary(tmp_path)

    def accessions(self, library: ScoringFileLibrary, **query: str) -> list[str]:
        return [entry.accession[-1] for entry in library.entries(size=10, **query)]

    def test_they_are_sorted_and_start_after_the_one_before(
        self, library: ScoringFileLibrary
    ) -> None:
        assert self.accessions(library) == list("01234")
        assert self.accessions(library, after="PGS000002") == list("34")
        assert self.accessions(library, after="PGS0000021") == list("34")
        assert [entry.accession[-1] for entry in library.entries(size=2)] == list("01")

    @pytest.mark.parametrize(
        ("search", "found"),
        [("gout", "024"), ("HEIGHT", "13"), ("prs_3", "3"), ("pgs000004", "4"), ("none", "")],
    )
    def test_they_are_found_by_accession_name_and_trait(
        self, library: ScoringFileLibrary, search: str, found: str
    ) -> None:
        assert self.accessions(library, search=search) == list(found)

    def test_a_copied_file_is_read_wholly_once_and_only_when_asked_for(
        self, library: ScoringFileLibrary, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert library.entries(size=1)[0].files[0].contents is None
        (file,) = library.entry("PGS000001").files
        assert file.contents is not None
        assert file.contents.n_rows == 2
        assert (library.folder / "PGS000001.txt.gz.json").is_file()

        def no_more_reading(*_: object) -> None:
            raise AssertionError("read again")

        monkeypatch.setattr(library_module, "read_scoring_files", no_more_reading)
        assert library.entry("PGS000001").files == (file,)
        assert ScoringFileLibrary(library.folder).entry("PGS000001").files == (file,)

    def test_a_file_that_changed_is_read_again(self, library: ScoringFileLibrary) -> None:
        assert library.entry("PGS000001").files[0].contents is not None
        path = library.path_of("PGS000001")
        write_scoring_file(path, [*ROWS, *OTHER_ROWS], accession="PGS000001")
        (file,) = library.entry("PGS000001").files
        assert file.contents is not None
        assert file.contents.n_rows == 3

    def test_a_broken_file_says_why_and_breaks_no_other(self, library: ScoringFileLibrary) -> None:
        (library.folder / "PGS000001.txt.gz").write_bytes(b"\x1f\x8bnonsense")
        (file,) = library.entry("PGS000001").files
        assert file.contents is None
        assert file.problem is not None
        assert file.problem.startswith("PGS000001.txt.gz: the gzip data is damaged")
        assert self.accessions(library) == list("01234")

    def test_what_is_not_installed_is_not_found(self, library: ScoringFileLibrary) -> None:
        with pytest.raises(NotFoundError, match="PGS000099/download") as caught:
            library.entry("PGS000099")
        assert caught.value.code == "not_found"

    def test_thousands_are_listed_quickly(self, tmp_path: Path) -> None:
        folder = tmp_path / "many"
        folder.mkdir()
        original = write_scoring_file(tmp_path / "x.txt.gz", ROWS, accession="PGS999999")
        for n in range(3000):
            os.link(original, folder / f"PGS{n:06}_hmPOS_GRCh38.txt.gz")
        library = ScoringFileLibrary(folder)
        assert len(library.entries(size=5000, search="pgs")) == 3000
        start = time.perf_counter()
        assert len(library.entries(size=5000, search="pgs")) == 3000
        assert time.perf_counter() - start < 2.0
