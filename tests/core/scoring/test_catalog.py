"""The PGS Catalog's REST API, as a server on loopback speaks it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import NotFoundError, PgsCatalogError, PgsCatalogUnreachableError
from core.genome_build import GenomeBuild
from core.scoring.catalog import CatalogTrait, PgsCatalog
from tests.builders.pgs_catalog import (
    IMPATIENT,
    PgsCatalogServer,
    answered,
    running_pgs_catalog,
    throttled,
)
from tests.builders.scoring_file import Row, write_harmonised_file

BREAST_CANCER = {"id": "EFO_0000305", "label": "breast carcinoma"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PgsCatalogServer]:
    path = write_harmonised_file(tmp_path / "a.txt.gz", [Row("1", 1, "A", "G", 1)])
    with running_pgs_catalog() as server:
        for n in range(7):
            traits = [BREAST_CANCER] if n % 2 else []
            server.publish(path, accession=f"PGS00000{n}", trait_efo=traits)
        server.traits = [
            {
                **BREAST_CANCER,
                "associated_pgs_ids": ["PGS000001", "PGS000003"],
                "child_associated_pgs_ids": ["PGS000005", "PGS000003"],
            },
            {"id": "EFO_1", "label": "breast size", "associated_pgs_ids": ["PGS000002"]},
        ]
        yield server


@pytest.fixture
def catalog(server: PgsCatalogServer) -> PgsCatalog:
    return PgsCatalog(server.url, IMPATIENT)


def test_a_score_is_known_by_its_accession(server: PgsCatalogServer, catalog: PgsCatalog) -> None:
    publication = {"firstauthor": "Mavaddat N", "journal": "J Natl Cancer Inst"}
    publication |= {"date_publication": "2015-04-08", "doi": "10.1093/jnci/djv036"}
    server.scores["PGS000001"] |= {
        "name": "PRS77_BC",
        "trait_reported": "Breast cancer",
        "variants_number": 77,
        "variants_interactions": 0,
        "variants_genomebuild": "NR",
        "publication": publication,
        "unheard_of": {"a": 1},
    }
    score = catalog.score("PGS000001")
    assert (score.accession, score.name, score.variants_number) == ("PGS000001", "PRS77_BC", 77)
    assert score.traits == (CatalogTrait("EFO_0000305", "breast carcinoma"),)
    assert score.citation == "Mavaddat N et al. J Natl Cancer Inst (2015). doi:10.1093/jnci/djv036"
    assert list(score.harmonised) == [GenomeBuild.GRCH38]
    assert score.licence == "the Catalog's terms"


def test_an_unknown_score_is_not_found_and_named(catalog: PgsCatalog) -> None:
    with pytest.raises(NotFoundError, match="no score PGS999999"):
        catalog.score("PGS999999")


def test_a_404_is_an_unknown_score_too(server: PgsCatalogServer, catalog: PgsCatalog) -> None:
    server.faults.append(answered(404))
    with pytest.raises(NotFoundError, match="no score PGS000001"):
        catalog.score("PGS000001")


@pytest.mark.parametrize(
    ("accession", "said"),
    [
        ("OPGS017309", "OmicsPred.*upload|OmicsPred.*POST /api/scoring-files"),
        ("my_score", "no accession of the PGS Catalog"),
        ("PGS1", "no accession of the PGS Catalog"),
        ("PGS000001/../../x", "no accession of the PGS Catalog"),
        ("PGS00000١", "no accession of the PGS Catalog"),
    ],
)
def test_what_the_catalog_cannot_have_is_not_asked_for(
    server: PgsCatalogServer, catalog: PgsCatalog, accession: str, said: str
) -> None:
    with pytest.raises(NotFoundError, match=said):
        catalog.score(accession)
    assert server.requests == []


def test_a_score_of_another_accession_is_refused(
    server: PgsCatalogServer, catalog: PgsCatalog
) -> None:
    server.scores["PGS000001"]["id"] = "PGS000002"
    with pytest.raises(PgsCatalogError, match="asked for PGS000001 and sent PGS000002"):
        catalog.score("PGS000001")


def test_all_pages_of_a_trait_are_followed(server: PgsCatalogServer, catalog: PgsCatalog) -> None:
    server.page_items = 2
    server.faults.append(throttled("0 seconds"))
    found = [score.accession for score in catalog.scores_of_trait("EFO_0000305")]
    assert found == ["PGS000001", "PGS000003", "PGS000005"]


def test_a_text_finds_the_scores_of_its_traits_and_their_child_terms(catalog: PgsCatalog) -> None:
    found = ("PGS000001", "PGS000002", "PGS000003", "PGS000005")
    assert catalog.accessions_of("BREAST") == found
    assert catalog.accessions_of("nothing") == ()


@pytest.mark.parametrize("trait", ["breast carcinoma", "EFO_0000305"])
@pytest.mark.parametrize("page_items", [1, 250])
def test_a_search_comes_in_pages(
    server: PgsCatalogServer, catalog: PgsCatalog, trait: str, page_items: int
) -> None:
    server.page_items = page_items
    first = catalog.search(trait, start=0, size=2)
    assert [score.accession for score in first.scores] == ["PGS000001", "PGS000003"]
    assert (first.n_found, first.next_start) == (3, 2)
    last = catalog.search(trait, start=2, size=2)
    assert [score.accession for score in last.scores] == ["PGS000005"]
    assert last.next_start is None
    assert catalog.search(trait, start=9, size=2).scores == ()


def test_a_search_of_nothing_finds_nothing(catalog: PgsCatalog) -> None:
    assert catalog.search("no such trait", start=0, size=2).n_found == 0


def test_a_next_page_on_another_host_is_not_asked_for(
    server: PgsCatalogServer, catalog: PgsCatalog
) -> None:
    body = b'{"size": 0, "count": 1, "next": "http://127.0.0.1:1/rest/x", "results": []}'
    server.faults.append(answered(200, body))
    with pytest.raises(PgsCatalogError, match="none of its hosts"):
        list(catalog.scores_of_trait("EFO_0000305"))


def test_pages_without_an_end_end(server: PgsCatalogServer, catalog: PgsCatalog) -> None:
    body = f'{{"next": "{server.url}/score/search?trait_id=x", "results": []}}'.encode()
    server.faults.extend([answered(200, body)] * 100)
    with pytest.raises(PgsCatalogError, match="results"):
        list(catalog.scores_of_trait("EFO_0000305"))
    assert len(server.requests) == 40


def test_the_catalog_may_be_away() -> None:
    catalog = PgsCatalog("http://127.0.0.1:9/rest", IMPATIENT)
    with pytest.raises(PgsCatalogUnreachableError, match="not reachable"):
        catalog.score("PGS000001")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"id": 7}',
        b'{"id": "PGS000001", "trait_efo": 1}',
        b"[" * 9,
    ],
)
def test_an_answer_of_another_shape_is_refused(
    server: PgsCatalogServer, catalog: PgsCatalog, body: bytes
) -> None:
    server.faults.append(answered(200, body))
    with pytest.raises(PgsCatalogError, match="JSON|REST API"):
        catalog.score("PGS000001")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "results", "next", "trait_efo", "publication", "variants_number"]
                + ["ftp_harmonized_scoring_files", "GRCh38", "positions", "license"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=json_values)
def test_no_answer_raises_anything_but_our_errors(server: PgsCatalogServer, answer: object) -> None:
    catalog = PgsCatalog(server.url, IMPATIENT)
    body = json.dumps(answer).encode()
    for ask in (catalog.score, lambda trait: list(catalog.scores_of_trait(trait))):
        server.faults.append(answered(200, body))
        with suppress(NotFoundError, PgsCatalogError):
            ask("PGS000001")
    server.faults.clear()


class TestDownload:
    NAME = "PGS000001_hmPOS_GRCh38.txt.gz"

    def test_a_file_is_the_published_one(
        self, server: PgsCatalogServer, catalog: PgsCatalog, tmp_path: Path
    ) -> None:
        catalog.download(f"{server.host}/files/{self.NAME}", tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == server.files[self.NAME]

    def test_another_checksum_is_refused(
        self, server: PgsCatalogServer, catalog: PgsCatalog, tmp_path: Path
    ) -> None:
        server.files[f"{self.NAME}.md5"] = b"0" * 32 + b"  x\n"
        with pytest.raises(PgsCatalogError, match="MD5"):
            catalog.download(f"{server.host}/files/{self.NAME}", tmp_path / "x")

    def test_a_file_without_a_checksum_is_taken(
        self, server: PgsCatalogServer, catalog: PgsCatalog, tmp_path: Path
    ) -> None:
        del server.files[f"{self.NAME}.md5"]
        catalog.download(f"{server.host}/files/{self.NAME}", tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == server.files[self.NAME]
