"""Uploads over HTTP: stored whole or not at all, answered at once, listed by their owner."""

import gzip
import hashlib
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.errors import InfrastructureError
from core.events import Event
from core.records.session import Database
from core.storage.local_disk import LocalObjects
from serve.schemas.page import page_token
from serve.services import Services

VCF = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"


def upload(client: TestClient, content: bytes = VCF, *, user: str = "ann", name: str = "a.vcf"):
    return client.post(
        "/api/genomic-data/upload", data={"user_id": user}, files={"file": (name, content)}
    )


def stored_files(services: Services) -> list[Path]:
    assert isinstance(services.objects, LocalObjects)
    root = Path(services.objects.uri_of("x").removeprefix("file://")).parent
    return [path for path in root.rglob("*") if path.is_file()]


def test_an_upload_is_answered_before_it_is_processed(
    client: TestClient, announced: list[Event]
) -> None:
    answer = upload(client)
    assert answer.status_code == 202, answer.text
    record = answer.json()
    assert answer.headers["location"] == f"/api/genomic-data/{record['id']}"
    assert record["status"] == "processing"
    assert record["links"]["job"] == f"/api/jobs/{record['job_id']}"
    assert record["links"]["events"] == "/ws/ann"
    assert [event.data["state"] for event in announced] == ["QUEUED"]


def test_the_file_is_stored_unchanged_with_its_digest(
    client: TestClient, services: Services
) -> None:
    content = gzip.compress(VCF * 5000)
    record = upload(client, content, name="whatever.bin").json()
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["size_bytes"] == len(content)
    assert record["filename"] == "whatever.bin"
    assert record["file_url"].endswith("/genotypes.vcf.gz")
    with services.objects.open(record["file_url"]) as stored:
        assert stored.read() == content


def test_the_record_and_its_job_can_be_read_at_once(client: TestClient) -> None:
    record = upload(client).json()
    assert client.get(f"/api/genomic-data/{record['id']}").json() == record
    job = client.get(record["links"]["job"]).json()
    assert job["state"] == "QUEUED"
    assert job["kind"] == "process_genomic_file"
    assert job["queue"] == "genomic_processing"
    assert job["progress"] is None


@pytest.mark.parametrize(
    "content", [b"@r1\nACGT\n+\nIIII\n", gzip.compress(b"@r1\nACGT\n+\nIIII\n")]
)
def test_a_fastq_is_accepted_and_its_quality_is_not_there_yet(
    client: TestClient, services: Services, content: bytes
) -> None:
    answer = upload(client, content, name="reads.fastq")
    assert answer.status_code == 202
    record = answer.json()
    suffix = ".fastq.gz" if content.startswith(b"\x1f") else ".fastq"
    assert record["file_url"].endswith(f"/reads{suffix}")
    early = client.get(f"/api/genomic-data/{record['id']}/read-quality")
    assert early.status_code == 409
    assert "it is processing and a fastq" in early.json()["detail"]


def test_the_quality_of_reads_is_told_as_json_and_as_a_page(
    client: TestClient, services: Services
) -> None:
    record = upload(client, b"@r1\nACGT\n+\nIIII\n", name="reads.fastq").json()
    folder = record["file_url"].rpartition("/")[0]
    for name, content in (("quality.json", b'{"n_reads": 1}'), ("quality.html", b"<p>1</p>")):
        with services.objects.put_stream(f"{folder}/reads-1/{name}") as writer:
            writer.write(content)
    with services.database.transaction() as tx:
        tx.genomic_data.complete(record["id"], {"kind": "fastq", "read_quality": "reads-1"})
    url = f"/api/genomic-data/{record['id']}/read-quality"
    assert client.get(url).json() == {"n_reads": 1}
    page = client.get(url, params={"format": "html"})
    assert page.text == "<p>1</p>"
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get(url, params={"format": "pdf"}).status_code == 422
    of_genotypes = client.get(f"/api/genomic-data/{record['id']}/quality")
    assert of_genotypes.status_code == 409
    assert of_genotypes.json()["fix"] == f"See {url}."


R1, R2 = b"@r1/1\nACGT\n+\nIIII\n", b"@r1/2\nTTTT\n+\nIIII\n"


def upload_mate(client: TestClient, mate_of: object, content: bytes = R2, *, user: str = "ann"):
    return client.post(
        "/api/genomic-data/upload",
        data={"user_id": user, "mate_of": str(mate_of)},
        files={"file": ("r2.fastq", content)},
    )


def test_a_mate_names_the_other_file_at_its_upload(
    client: TestClient, announced: list[Event]
) -> None:
    first = upload(client, R1, name="r1.fastq").json()
    assert first["mate_id"] is None
    answer = upload_mate(client, first["id"])
    assert answer.status_code == 202, answer.text
    second = answer.json()
    assert second["mate_id"] == first["id"]
    assert client.get(f"/api/genomic-data/{first['id']}").json()["mate_id"] == second["id"]
    assert [event.data["kind"] for event in announced] == ["process_genomic_file"] * 2


def test_two_uploads_are_made_a_pair_whatever_their_order_and_once(
    client: TestClient, services: Services, announced: list[Event]
) -> None:
    first, second = (upload(client, reads, name="r.fastq").json() for reads in (R1, R2))
    with services.database.transaction() as tx:
        for record in (first, second):
            tx.genomic_data.complete(record["id"], {"kind": "fastq"})
    for one, other in ((second, first), (first, second), (second, first)):
        url = f"/api/genomic-data/{one['id']}/mate"
        answer = client.put(url, json={"mate_id": other["id"]})
        assert answer.status_code == 202, answer.text
        assert answer.json()["mate_id"] == other["id"]
    kinds = [event.data["kind"] for event in announced]
    assert kinds == [*["process_genomic_file"] * 2, "summarise_read_pair"]
    job = client.get(f"/api/jobs/{announced[-1].data['job_id']}").json()
    assert (job["kind"], job["queue"]) == ("summarise_read_pair", "genomic_processing")


@pytest.mark.parametrize(
    ("mate", "status", "says"),
    [
        ("no such", 404, "no genomic data 77"),
        ("bob's", 404, "no genomic data"),
        ("genotypes", 409, "holds genotypes"),
        ("failed", 409, "could not be read"),
        ("paired", 409, "is in a pair already"),
        ("the same bytes", 409, "the same bytes"),
    ],
)
def test_a_file_that_cannot_be_the_mate_is_refused_and_nothing_is_kept(
    client: TestClient, services: Services, mate: str, status: int, says: str
) -> None:
    others = {
        "no such": 77,
        "bob's": upload(client, R1, user="bob").json()["id"],
        "genotypes": upload(client).json()["id"],
        "failed": upload(client, b"@broken").json()["id"],
        "paired": upload(client, b"@a\nA\n+\nI\n").json()["id"],
        "the same bytes": upload(client, R2).json()["id"],
    }
    upload_mate(client, others["paired"], b"@a\nC\n+\nI\n")
    with services.database.transaction() as tx:
        tx.genomic_data.fail(others["failed"], {"code": "invalid_fastq_file", "detail": "broken"})
    before = (stored_files(services), client.get("/api/genomic-data/user/ann").json())
    answer = upload_mate(client, others[mate])
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]
    assert (stored_files(services), client.get("/api/genomic-data/user/ann").json()) == before
    mine = upload(client, R2, name="r2.fastq").json()["id"]
    later = client.put(f"/api/genomic-data/{mine}/mate", json={"mate_id": others[mate]})
    assert (later.status_code, says in later.json()["detail"]) == (status, True)
    assert client.get(f"/api/genomic-data/{mine}").json()["mate_id"] is None


def test_genotypes_have_no_mate(client: TestClient, services: Services) -> None:
    first = upload(client, R1, name="r1.fastq").json()
    answer = upload_mate(client, first["id"], VCF)
    assert answer.status_code == 409
    assert "holds genotypes (vcf)" in answer.json()["detail"]
    assert len(stored_files(services)) == 1


@pytest.mark.parametrize("mate_of", ["", "x", "-1", "0", "1.5", str(2**63)])
def test_a_mate_is_named_by_a_number(client: TestClient, services: Services, mate_of: str) -> None:
    answer = upload_mate(client, mate_of)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/mate_of"
    assert stored_files(services) == []


@pytest.mark.parametrize("body", [{}, {"mate_id": 0}, {"mate_id": "x"}, {"mate_id": 1, "more": 1}])
def test_a_pairing_says_its_mate_and_no_more(client: TestClient, body: dict[str, object]) -> None:
    record = upload(client, R1).json()
    assert client.put(f"/api/genomic-data/{record['id']}/mate", json=body).status_code == 422
    assert client.put("/api/genomic-data/77/mate", json={"mate_id": 1}).status_code == 404


def test_the_quality_of_reads_tells_of_the_mate_too(client: TestClient, services: Services) -> None:
    first = upload(client, R1, name="r1.fastq").json()
    second = upload_mate(client, first["id"]).json()
    ids = [first["id"], second["id"]]
    for record in (first, second):
        folder = record["file_url"].rpartition("/")[0]
        for name, content in (
            ("reads-1/quality.json", b'{"n_reads": 1}'),
            ("reads-1/quality.html", b"<p>1</p>"),
            ("pair-3-1/quality.html", b"<p>both</p>"),
        ):
            with services.objects.put_stream(f"{folder}/{name}") as writer:
                writer.write(content)
        with services.database.transaction() as tx:
            tx.genomic_data.complete(record["id"], {"kind": "fastq", "read_quality": "reads-1"})
    urls = [f"/api/genomic-data/{each}/read-quality" for each in ids]
    processing = {"genomic_data_ids": ids, "status": "processing"}
    for url in urls:
        assert client.get(url).json() == {"n_reads": 1, "pair": processing}
        assert client.get(url, params={"format": "html"}).text == "<p>1</p>"
    facts = {"names_agree": True, "n_pairs": 1, "read_quality": "pair-3-1"}
    with services.database.transaction() as tx:
        tx.read_pairs.complete((first["id"], second["id"]), facts, job_id=first["job_id"])
    for url in urls:
        pair = {"genomic_data_ids": ids, "status": "completed", **facts}
        assert client.get(url).json() == {"n_reads": 1, "pair": pair}
        assert client.get(url, params={"format": "html"}).text == "<p>both</p>"


@pytest.mark.parametrize("content", [b"@HD\tVN:1.6\n", gzip.compress(b"@SQ\tSN:1\n")])
def test_a_sam_is_refused_with_the_reason(
    client: TestClient, services: Services, content: bytes
) -> None:
    answer = upload(client, content, name="reads.fastq")
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "unsupported_format"
    assert "SAM" in problem["detail"]
    assert problem["file"] == "reads.fastq"
    assert "variant calling" in problem["fix"]
    assert stored_files(services) == []


def test_a_file_over_the_cap_is_refused_and_not_kept(
    client: TestClient, services: Services
) -> None:
    answer = upload(client, VCF + b"x" * 1_000_000)
    assert answer.status_code == 413
    assert answer.json()["code"] == "upload_too_large"
    assert stored_files(services) == []


@pytest.mark.parametrize("user", ["", "a b", "../x", "a" * 200, "<script>"])
def test_a_user_id_must_be_plain(client: TestClient, services: Services, user: str) -> None:
    answer = upload(client, user=user)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/user_id"
    assert stored_files(services) == []


def test_a_form_without_a_file_names_what_is_missing(client: TestClient) -> None:
    answer = client.post("/api/genomic-data/upload", files={"user_id": (None, "ann")})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/file", "detail": "Field required", "code": "missing"}
    ]


def test_a_database_that_fails_leaves_no_file(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> None:
        raise InfrastructureError("the database does not answer.")

    monkeypatch.setattr(Database, "transaction", away)
    answer = upload(client)
    assert answer.status_code == 503
    assert answer.json()["retryable"] is True
    assert answer.headers["retry-after"]
    assert stored_files(services) == []


def test_files_are_listed_newest_first_in_pages(client: TestClient) -> None:
    ids = [upload(client).json()["id"] for _ in range(5)]
    upload(client, user="bob")
    seen: list[int] = []
    url: str | None = "/api/genomic-data/user/ann?limit=2"
    while url is not None:
        answer = client.get(url)
        page = answer.json()
        seen += [record["id"] for record in page["items"]]
        url = answer.links["next"]["url"] if "next" in answer.links else None
        assert (url is None) == (page["next_page_token"] is None)
    assert seen == ids[::-1]


def test_a_user_without_files_has_an_empty_page(client: TestClient) -> None:
    assert client.get("/api/genomic-data/user/nobody").json() == {
        "items": [],
        "next_page_token": None,
    }


@pytest.mark.parametrize(
    "token",
    ["zzz", "djI6Mw", "%00", "é", page_token(-5), page_token(2**63), page_token(10**40)],
)
def test_a_made_up_page_token_is_refused(client: TestClient, token: str) -> None:
    answer = client.get("/api/genomic-data/user/ann", params={"page_token": token})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/page_token"


def test_an_unknown_record_is_not_found(client: TestClient) -> None:
    answer = client.get("/api/genomic-data/77")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert "77" in answer.json()["detail"]
