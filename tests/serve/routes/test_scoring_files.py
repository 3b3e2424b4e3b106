"""Scoring files over HTTP: uploaded, fetched from the PGS Catalog, listed and shown."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.errors import InfrastructureError
from core.scoring.installed_file import PGS_CATALOG_TERMS
from core.scoring.library import Installation, ScoringFileLibrary
from serve.schemas.page import page_token, page_token_after
from serve.services import Services
from tests.builders.pgs_catalog import PgsCatalogServer, answered
from tests.builders.scoring_file import Row, write_harmonised_file, write_scoring_file

ROWS = [
    Row("1", 1000, "A", "G", 0.5),
    Row("2", 2000, "C", "T", -0.25),
    Row("6", 3000, "P", "N", 1.0),
]
HEADER = {
    "pgs_name": "a score",
    "trait_reported": "Breast cancer",
    "trait_mapped": "breast carcinoma|BMI",
    "trait_efo": "EFO_0000305|EFO_0004340",
    "weight_type": "beta",
    "variants_number": "3",
    "citation": "Someone A et al. J Test (2021). doi:10.1/a=b",
}


def scoring_file(
    folder: Path, *, accession: str | None = "PGS000001", rows: list[Row] = ROWS, **header: str
) -> bytes:
    path = folder / "made.txt"
    write_scoring_file(path, rows, accession=accession, header=HEADER | header)
    return path.read_bytes()


def upload(client: TestClient, content: bytes, *, name: str = "mine.txt"):
    return client.post("/api/scoring-files", files={"file": (name, content)})


def installed_files(services: Services) -> list[str]:
    folder = services.scoring_files.folder
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


class TestUpload:
    def test_a_file_is_installed_and_shown(
        self, client: TestClient, services: Services, tmp_path: Path
    ) -> None:
        content = scoring_file(tmp_path)
        answer = upload(client, content)
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == "/api/scoring-files/PGS000001"
        shown = answer.json()
        assert shown.pop("installed_with") == []
        assert client.get(answer.headers["location"]).json() == shown
        (file,) = shown.pop("files")
        assert shown == {
            "accession": "PGS000001",
            "pgs_name": "a score",
            "trait_reported": "Breast cancer",
            "trait_mapped": ["breast carcinoma", "BMI"],
            "trait_efo": ["EFO_0000305", "EFO_0004340"],
            "weight_type": "beta",
            "variants_number": 3,
            "builds": ["GRCh37"],
            "licence": PGS_CATALOG_TERMS,
            "citation": HEADER["citation"],
            "links": {"self": "/api/scoring-files/PGS000001"},
        }
        assert file.pop("installed_at") is not None
        assert file.pop("header")["pgs_id"] == "PGS000001"
        assert file == {
            "name": "PGS000001.txt",
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "build": "GRCh37",
            "n_rows": 3,
            "n_with_coordinates": 3,
            "effect_types": {"additive": 3},
            "problems": {"unsupported_complex": 1},
            "weights": {
                "minimum": -0.25,
                "maximum": 1.0,
                "mean": pytest.approx(1.25 / 3),
                "sum_absolute": 1.75,
            },
            "problem": None,
            "origin": "upload",
            "origin_name": "mine.txt",
        }
        assert services.scoring_files.path_of("PGS000001").read_bytes() == content

    def test_a_file_of_several_scores_is_installed_as_a_file_of_each(
        self, client: TestClient, services: Services
    ) -> None:
        content = (
            b"#pgs_id=MINE\n#genome_build=GRCh38\n#trait_reported=both\n"
            b"chr_name,chr_position,effect_allele,other_allele,effect_weight_A,effect_weight_B\n"
            b"1,1000,A,G,0.1,2e-3\n1,2000,A,G,,-1\n"
        )
        answer = upload(client, content, name="mine.csv")
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == "/api/scoring-files/MINE_A"
        assert (answer.json()["accession"], answer.json()["installed_with"]) == (
            *("MINE_A", ["MINE_B"]),
        )
        listed = client.get("/api/scoring-files").json()["items"]
        assert [(item["accession"], item["variants_number"]) for item in listed] == [
            ("MINE_A", 1),
            ("MINE_B", 2),
        ]
        assert {item["trait_reported"] for item in listed} == {"both"}
        (file,) = client.get("/api/scoring-files/MINE_B").json()["files"]
        assert file["header"]["split_from_sha256"] == hashlib.sha256(content).hexdigest()
        assert file["weights"]["sum_absolute"] == pytest.approx(1.002)
        assert upload(client, content).status_code == 200

    def test_of_several_scores_all_are_installed_or_none(
        self, client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = b"chr_name\tchr_position\teffect_allele\teffect_weight_A\teffect_weight_%b\n"
        table = names + b"1\t5\tG\t1\t2\n"
        assert upload(client, (table % b"C").replace(b"_A", b"_B")).status_code == 201
        before = installed_files(services)

        def never(*_: object, **__: object) -> None:
            raise AssertionError("the first was installed before the second was looked for")

        with monkeypatch.context() as patch:
            patch.setattr(ScoringFileLibrary, "install", never)
            answer = upload(client, table % b"B")
        assert answer.status_code == 409
        assert "B is installed already" in answer.json()["detail"]
        assert installed_files(services) == before

    def test_of_several_scores_none_stays_where_the_disk_fails_in_between(
        self, client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install, calls = ScoringFileLibrary.install, list[tuple[Any, ...]]()

        def second_fails(*arguments: Any, **named: Any) -> Installation:
            calls.append(arguments)
            if len(calls) == 2:
                raise InfrastructureError("the disk is full.")
            return install(*arguments, **named)

        monkeypatch.setattr(ScoringFileLibrary, "install", second_fails)
        names = b"chr_name\tchr_position\teffect_allele\teffect_weight_A\teffect_weight_B\n"
        assert upload(client, names + b"1\t5\tG\t1\t2\n").status_code == 503
        assert len(calls) == 2
        assert installed_files(services) == []
        assert client.get("/api/scoring-files").json()["items"] == []

    def test_the_licence_of_the_header_is_shown(self, client: TestClient, tmp_path: Path) -> None:
        content = scoring_file(tmp_path, license="CC BY-NC 4.0")
        assert upload(client, content).json()["licence"] == "CC BY-NC 4.0"

    def test_no_licence_is_made_up_for_a_file_of_ones_own(
        self, client: TestClient, tmp_path: Path
    ) -> None:
        content = scoring_file(tmp_path, accession=None)
        shown = upload(client, content, name="my_score.tsv").json()
        assert (shown["accession"], shown["licence"]) == ("my_score", None)

    def test_a_gzip_is_kept_as_it_is(
        self, client: TestClient, services: Services, tmp_path: Path
    ) -> None:
        content = gzip.compress(scoring_file(tmp_path))
        assert upload(client, content).json()["files"][0]["name"] == "PGS000001.txt.gz"
        assert services.scoring_files.path_of("PGS000001").read_bytes() == content

    def test_the_same_bytes_again_are_no_mistake(self, client: TestClient, tmp_path: Path) -> None:
        content = scoring_file(tmp_path)
        first = upload(client, content)
        again = upload(client, content, name="other.txt")
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()

    def test_other_content_under_the_accession_is_a_conflict(
        self, client: TestClient, services: Services, tmp_path: Path
    ) -> None:
        upload(client, scoring_file(tmp_path))
        before = installed_files(services)
        answer = upload(client, scoring_file(tmp_path, rows=ROWS[:1]))
        assert answer.status_code == 409
        assert answer.json()["code"] == "conflict"
        assert installed_files(services) == before

    def test_a_bad_row_is_named_by_the_users_own_file_name(
        self, client: TestClient, services: Services
    ) -> None:
        content = b"rsID\teffect_allele\teffect_weight\nrs1\tA\t0.5\nrs2\tA\tx\n"
        answer = upload(client, content, name="my scores.txt")
        assert answer.status_code == 422
        problem = answer.json()
        assert (problem["code"], problem["file"]) == ("invalid_scoring_file", "my scores.txt")
        assert (problem["line"], problem["field"]) == (3, "effect_weight")
        assert str(services.scoring_files.folder) not in answer.text
        assert installed_files(services) == []

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\n",
            b"#pgs_id=PGS000001\n",
            b"PK\x03\x04" + bytes(100),
            b"\x1f\x8b" + bytes(50),
            b"name,age\nAnn,7\n",
            b"rsID\teffect_allele\teffect_weight_A\teffect_weight_B\nrs1\tA\t1\tx\n",
            b"rsID\teffect_allele\teffect_weight_A\teffect_weight_a b\nrs1\tA\t1\t2\n",
            b"#genome_build=hg18\nchr_name\tchr_position\teffect_allele\teffect_weight\n1\t1\tA\t1\n",
        ],
    )
    def test_what_is_no_scoring_file_is_refused_and_not_kept(
        self, client: TestClient, services: Services, content: bytes
    ) -> None:
        answer = upload(client, content)
        assert answer.status_code == 422, answer.text
        assert answer.json()["fix"]
        assert installed_files(services) == []

    def test_a_gzip_bomb_is_refused(self, client: TestClient, services: Services) -> None:
        bomb = gzip.compress(b"\n" * (10 << 20)) * 50  # 0.5 MB that stand for 0.5 GB
        answer = upload(client, bomb)
        assert answer.status_code == 422
        assert "unpacks to more" in answer.json()["detail"]
        assert installed_files(services) == []

    def test_a_file_over_the_cap_is_refused(self, client: TestClient, services: Services) -> None:
        answer = upload(client, b"#" * 1_100_000)
        assert answer.status_code == 413
        assert installed_files(services) == []

    def test_a_form_without_a_file_says_so(self, client: TestClient) -> None:
        answer = client.post("/api/scoring-files", files={"user_id": (None, "ann")})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/file"

    def test_what_is_no_form_is_refused(self, client: TestClient) -> None:
        answer = client.post("/api/scoring-files", json={"accession": "PGS000001"})
        assert answer.status_code == 415


class TestList:
    @pytest.fixture(autouse=True)
    def _installed(self, client: TestClient, tmp_path: Path) -> None:
        for n in range(5):
            trait = "Gout" if n == 3 else "Height"
            content = scoring_file(tmp_path, accession=f"PGS00000{n}", trait_reported=trait)
            assert upload(client, content).status_code == 201

    def accessions(self, client: TestClient, url: str | None) -> list[str]:
        seen: list[str] = []
        while url is not None:
            answer = client.get(url)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            seen += [item["accession"][-1] for item in page["items"]]
            url = answer.links["next"]["url"] if "next" in answer.links else None
            assert (url is None) == (page["next_page_token"] is None)
        return seen

    @pytest.mark.parametrize("limit", [1, 2, 5, 6])
    def test_every_accession_is_on_one_page(self, client: TestClient, limit: int) -> None:
        assert self.accessions(client, f"/api/scoring-files?limit={limit}") == list("01234")

    def test_what_is_installed_meanwhile_moves_nothing(
        self, client: TestClient, tmp_path: Path
    ) -> None:
        answer = client.get("/api/scoring-files?limit=3")
        upload(client, scoring_file(tmp_path, accession="AAA"))
        assert self.accessions(client, answer.links["next"]["url"]) == list("34")

    @pytest.mark.parametrize(
        ("search", "found"),
        [("gout", "3"), ("pgs000002", "2"), ("EFO_0000305", "01234"), ("x" * 99, "")],
    )
    def test_a_search_looks_at_accession_name_and_trait(
        self, client: TestClient, search: str, found: str
    ) -> None:
        url = f"/api/scoring-files?limit=2&search={search}"
        assert self.accessions(client, url) == list(found)

    @pytest.mark.parametrize(
        "token", ["zzz", page_token(3), page_token_after("../x"), page_token_after("x" * 65)]
    )
    def test_a_made_up_page_token_is_refused(self, client: TestClient, token: str) -> None:
        answer = client.get("/api/scoring-files", params={"page_token": token})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/page_token"

    def test_an_item_has_no_more_than_its_header(self, client: TestClient) -> None:
        item = client.get("/api/scoring-files?limit=1").json()["items"][0]
        assert "files" not in item
        assert item["licence"] == PGS_CATALOG_TERMS


def test_an_accession_that_is_not_installed_is_not_found_and_can_be_fetched(
    client: TestClient,
) -> None:
    answer = client.get("/api/scoring-files/PGS000018")
    assert answer.status_code == 404
    assert "POST /api/scoring-files/PGS000018/download?build=" in answer.json()["fix"]


@pytest.mark.parametrize("accession", ["a b", ".hidden", "x" * 65, "..%2Fetc"])
def test_what_is_no_accession_is_refused(client: TestClient, accession: str) -> None:
    assert client.get(f"/api/scoring-files/{accession}").status_code in (404, 422)


def test_a_broken_file_in_the_folder_says_why(client: TestClient, services: Services) -> None:
    services.scoring_files.folder.mkdir()
    (services.scoring_files.folder / "PGS000005.txt").write_text("#pgs_id=PGS000005\nnonsense\n")
    assert client.get("/api/scoring-files").json()["items"][0]["accession"] == "PGS000005"
    (file,) = client.get("/api/scoring-files/PGS000005").json()["files"]
    assert file["n_rows"] is None
    assert "PGS000005.txt, line 2" in file["problem"]
    assert file["origin"] == "folder"


class TestPgsCatalog:
    @pytest.fixture(autouse=True)
    def _published(self, pgs_catalog_server: PgsCatalogServer, tmp_path: Path) -> None:
        trait = {"id": "EFO_0000305", "label": "breast carcinoma"}
        for accession in ("PGS000001", "PGS000002", "PGS000003"):
            path = write_harmonised_file(tmp_path / "a.txt.gz", ROWS, accession=accession)
            pgs_catalog_server.publish(
                path, accession=accession, variants_number=3, trait_efo=[trait]
            )
        pgs_catalog_server.traits = [
            {**trait, "associated_pgs_ids": list(pgs_catalog_server.scores)}
        ]

    def download(self, client: TestClient, accession: str = "PGS000001", **query: Any):
        params = {"build": "GRCh38"} | query
        return client.post(f"/api/scoring-files/{accession}/download", params=params)

    def test_a_file_is_fetched_once_and_shown(
        self, client: TestClient, services: Services, pgs_catalog_server: PgsCatalogServer
    ) -> None:
        answer = self.download(client)
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == "/api/scoring-files/PGS000001"
        shown = answer.json()
        (file,) = shown["files"]
        assert (file["origin"], file["build"], file["n_rows"]) == ("pgs_catalog", "GRCh38", 3)
        assert shown["licence"] == "the Catalog's terms"
        assert services.scoring_files.path_of("PGS000001").name == file["name"]
        pgs_catalog_server.requests.clear()
        again = self.download(client)
        assert (again.status_code, again.json()) == (200, shown)
        assert pgs_catalog_server.requests == []

    @pytest.mark.parametrize("query", [{"build": None}, {"build": "hg18"}])
    def test_the_build_must_be_said(self, client: TestClient, query: dict[str, Any]) -> None:
        assert self.download(client, **query).status_code == 422

    @pytest.mark.parametrize("accession", ["PGS000099", "OPGS017309", "my_score"])
    def test_what_the_catalog_has_not_is_not_found(
        self, client: TestClient, accession: str
    ) -> None:
        answer = self.download(client, accession)
        assert answer.status_code == 404
        assert accession in answer.json()["detail"]

    def test_without_the_catalog_the_answer_says_so_and_the_library_works(
        self, client: TestClient, pgs_catalog_server: PgsCatalogServer
    ) -> None:
        self.download(client)
        pgs_catalog_server.faults.extend([answered(503)] * 10)
        answer = self.download(client, "PGS000002")
        assert answer.status_code == 503
        problem = answer.json()
        assert (problem["code"], problem["retryable"]) == ("pgs_catalog_unreachable", True)
        assert "was not reachable" in problem["detail"]
        assert answer.headers["retry-after"]
        assert client.get("/api/scoring-files/PGS000001").status_code == 200
        assert self.download(client).status_code == 200

    def test_a_file_of_another_accession_is_a_fault_of_the_catalog(
        self, client: TestClient, services: Services, pgs_catalog_server: PgsCatalogServer
    ) -> None:
        files = pgs_catalog_server.files
        for end in (".txt.gz", ".txt.gz.md5"):
            files[f"PGS000001_hmPOS_GRCh38{end}"] = files[f"PGS000002_hmPOS_GRCh38{end}"]
        answer = self.download(client)
        assert answer.status_code == 502
        assert answer.json()["code"] == "pgs_catalog_error"
        assert "retry-after" not in answer.headers
        assert installed_files(services) == []

    @pytest.mark.parametrize("trait", ["breast", "EFO_0000305"])
    def test_scores_of_a_trait_are_found_in_pages(self, client: TestClient, trait: str) -> None:
        self.download(client, "PGS000002")
        answer = client.get("/api/scoring-files/catalog", params={"trait": trait, "limit": 2})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found = [(item["accession"], item["installed"]) for item in page["items"]]
        assert found == [("PGS000001", False), ("PGS000002", True)]
        assert page["n_found"] == 3
        assert page["items"][0]["harmonised_builds"] == ["GRCh38"]
        assert page["items"][0]["traits"] == [{"id": "EFO_0000305", "label": "breast carcinoma"}]
        last = client.get(answer.links["next"]["url"]).json()
        assert [item["accession"] for item in last["items"]] == ["PGS000003"]
        assert last["next_page_token"] is None

    def test_a_search_needs_a_trait(self, client: TestClient) -> None:
        for query in ({}, {"trait": "x"}, {"trait": "x" * 101}, {"trait": "xx", "limit": 101}):
            answer = client.get("/api/scoring-files/catalog", params=query)
            assert answer.status_code == 422
