"""From the PGS Catalog into the library: what was asked for, whole, or nothing."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import (
    ConflictError,
    NotFoundError,
    PgsCatalogError,
    PgsCatalogUnreachableError,
)
from core.genome_build import GenomeBuild
from core.scoring.catalog import PgsCatalog
from core.scoring.catalog_download import download_scoring_file
from core.scoring.installed_file import OriginKind
from core.scoring.library import Installation, ScoringFileLibrary
from tests.builders.pgs_catalog import (
    IMPATIENT,
    PgsCatalogServer,
    answered,
    cut_short,
    running_pgs_catalog,
)
from tests.builders.scoring_file import Row, write_harmonised_file

ROWS = [Row("1", 1000, "A", "G", 0.5), Row("2", 2000, "C", "T", 0.25)]
NAME = "PGS000001_hmPOS_GRCh38.txt.gz"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PgsCatalogServer]:
    with running_pgs_catalog() as server:
        path = write_harmonised_file(tmp_path / "a.txt.gz", ROWS, accession="PGS000001")
        publication = {"firstauthor": "A"}
        server.publish(path, accession="PGS000001", variants_number=2, publication=publication)
        yield server


@pytest.fixture
def library(tmp_path: Path) -> ScoringFileLibrary:
    return ScoringFileLibrary(tmp_path / "scoring_files")


def download(
    server: PgsCatalogServer,
    library: ScoringFileLibrary,
    accession: str = "PGS000001",
    build: GenomeBuild = GenomeBuild.GRCH38,
) -> Installation:
    catalog = PgsCatalog(server.url, IMPATIENT)
    return download_scoring_file(accession, build, catalog=catalog, library=library)


def files(library: ScoringFileLibrary) -> list[str]:
    return sorted(path.name for path in library.folder.rglob("*") if path.is_file())


def test_the_file_is_installed_with_where_it_came_from(
    server: PgsCatalogServer, library: ScoringFileLibrary
) -> None:
    done = download(server, library)
    assert done.is_new
    path = library.path_of("PGS000001", build=GenomeBuild.GRCH38)
    assert path.name == NAME
    assert path.read_bytes() == server.files[NAME]
    origin, contents = done.file.origin, done.file.contents
    assert (origin.kind, origin.name) == (OriginKind.PGS_CATALOG, f"{server.host}/files/{NAME}")
    assert origin.installed_at is not None
    assert (done.file.licence, done.file.citation) == ("the Catalog's terms", "A et al..")
    assert contents is not None
    assert contents.sha256 == hashlib.sha256(server.files[NAME]).hexdigest()
    assert files(library) == [NAME, f"{NAME}.json"]


def test_a_file_that_is_installed_is_not_fetched_again_and_works_offline(
    server: PgsCatalogServer, library: ScoringFileLibrary
) -> None:
    first = download(server, library)
    server.requests.clear()
    server.faults.extend([answered(500)] * 10)
    again = download(server, ScoringFileLibrary(library.folder))
    assert (again.is_new, again.file) == (False, first.file)
    assert server.requests == []


def test_without_the_catalog_the_error_says_so_and_nothing_is_left(
    server: PgsCatalogServer, library: ScoringFileLibrary
) -> None:
    server.faults.extend([answered(500)] * 10)
    with pytest.raises(PgsCatalogUnreachableError, match="was not reachable"):
        download(server, library)
    assert files(library) == []


def test_a_download_that_is_cut_short_is_begun_again(
    server: PgsCatalogServer, library: ScoringFileLibrary
) -> None:
    content = server.files[NAME]
    # the first answer is the score's
    server.faults.append(lambda handler: handler.send(200, _json(server)))
    server.faults.append(cut_short(content))
    assert download(server, library).is_new
    assert library.path_of("PGS000001").read_bytes() == content


def _json(server: PgsCatalogServer) -> bytes:
    return json.dumps(server.scores["PGS000001"]).encode()


def replace_content(server: PgsCatalogServer, content: bytes) -> None:
    """Puts other bytes on the file server, with their checksum."""
    server.files[NAME] = content
    server.files[f"{NAME}.md5"] = hashlib.md5(content).hexdigest().encode()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"accession": "PGS000002"}, "says it is PGS000002"),
        ({"harmonised_build": "GRCh37"}, "on GRCh38 says GRCh37"),
        ({"rows": ROWS[:1]}, "has 1 rows and should have 2"),
        ({"rows": [*ROWS, *ROWS]}, "has 4 rows and should have 2"),
    ],
)
def test_a_file_that_is_not_what_was_asked_for_is_refused(
    server: PgsCatalogServer, library: ScoringFileLibrary, tmp_path: Path, facts: dict, said: str
) -> None:
    right = {"accession": "PGS000001", "harmonised_build": "GRCh38", "rows": ROWS}
    other = write_harmonised_file(tmp_path / "b.txt.gz", **(right | facts))
    replace_content(server, other.read_bytes())
    with pytest.raises(PgsCatalogError, match=said):
        download(server, library)
    assert files(library) == []


def test_interactions_may_be_announced_apart(
    server: PgsCatalogServer, library: ScoringFileLibrary
) -> None:
    server.scores["PGS000001"] |= {"variants_number": 1, "variants_interactions": 1}
    assert download(server, library).is_new


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: content[:-9], id="gzip cut short"),
        pytest.param(lambda content: content[:40] + b"\0\0" + content[42:], id="gzip damaged"),
        pytest.param(lambda content: b"<html>moved</html>", id="not a table"),
        pytest.param(lambda content: gzip.compress(b"\n" * (100 << 20)), id="bomb"),
    ],
)
def test_a_damaged_file_is_refused(
    server: PgsCatalogServer, library: ScoringFileLibrary, spoil
) -> None:
    replace_content(server, spoil(server.files[NAME]))
    with pytest.raises(PgsCatalogError, match="cannot be used"):
        download(server, library)
    assert files(library) == []


def test_a_link_to_another_host_is_not_followed(
    server: PgsCatalogServer, library: ScoringFileLibrary
) -> None:
    links = server.scores["PGS000001"]["ftp_harmonized_scoring_files"]
    links["GRCh38"] = {"positions": "http://169.254.169.254/latest/meta-data"}
    with pytest.raises(PgsCatalogError, match="169.254.169.254, which is none of its hosts"):
        download(server, library)
    assert files(library) == []


@pytest.mark.parametrize(
    ("accession", "build", "said"),
    [
        ("PGS000099", GenomeBuild.GRCH38, "no score PGS000099"),
        ("PGS000001", GenomeBuild.GRCH37, "no file of PGS000001 harmonised to GRCh37.*GRCh38"),
        ("OPGS017309", GenomeBuild.GRCH38, "OmicsPred"),
    ],
)
def test_what_the_catalog_has_not_is_not_found(
    server: PgsCatalogServer,
    library: ScoringFileLibrary,
    accession: str,
    build: GenomeBuild,
    said: str,
) -> None:
    with pytest.raises(NotFoundError, match=said):
        download(server, library, accession, build)


def test_a_file_of_the_same_name_that_came_meanwhile_is_not_overwritten(
    server: PgsCatalogServer, library: ScoringFileLibrary, tmp_path: Path
) -> None:
    """Another process installs while this one downloads."""

    def install_meanwhile(handler) -> None:
        path = library.folder / NAME
        write_harmonised_file(path, ROWS[:1], accession="PGS000001")
        handler.send(200, _json(server))

    library.folder.mkdir()
    server.faults.append(install_meanwhile)
    with pytest.raises(ConflictError, match="with other content"):
        download(server, library)
    assert files(library) == [NAME]


@pytest.mark.parametrize("build", list(GenomeBuild))
def test_the_catalogs_own_files_are_taken(
    server: PgsCatalogServer,
    library: ScoringFileLibrary,
    acceptance_data: Path,
    build: GenomeBuild,
) -> None:
    folder = acceptance_data / "scoring_files" / "pgs_catalog"
    for accession, n_rows in (("PGS000001", 77), ("PGS000002", 77)):
        path = folder / f"{accession}_hmPOS_{build}.txt.gz"
        server.publish(path, accession=accession, build=build, variants_number=n_rows)
        done = download(server, library, accession, build)
        assert done.file.contents is not None
        assert done.file.contents.n_rows == n_rows
        assert library.path_of(accession, build=build).read_bytes() == path.read_bytes()
