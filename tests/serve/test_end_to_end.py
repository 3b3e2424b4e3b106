"""The real service: Ray, Serve, SQLite and disk, as `curagenie up` starts it."""

import csv
import io
import json
import socket as sockets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from cyvcf2 import VCF
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.demo_data import (
    DEMO_ACCESSION,
    demo_score_rows,
    demo_sites,
    write_demo_scoring_file,
    write_demo_vcf,
)
from tests.builders.fastq import fastq_text, random_reads
from tests.builders.live_service import LiveService, Message, read_until
from tests.builders.vcf import Record, bgzip, vcf_text

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

N_SAMPLES, N_VARIANTS = 30, 2000


@pytest.fixture(scope="module")
def demo_vcf(tmp_path_factory: pytest.TempPathFactory, live_service: LiveService) -> Path:
    """A cohort to upload; its scoring file is installed in the live service."""
    path = tmp_path_factory.mktemp("demo") / "demo.vcf.gz"
    sites = demo_sites(N_VARIANTS)
    write_demo_vcf(path, sites, n_samples=N_SAMPLES)
    installed = live_service.scoring_files_dir / f"{DEMO_ACCESSION}.txt.gz"
    write_demo_scoring_file(installed, demo_score_rows(sites))
    return path


def events_of(messages: list[Message]) -> list[Message]:
    return [message for message in messages if "sequence" in message]


def names_of(messages: list[Message]) -> list[str]:
    return [
        message["data"]["state"] if message["event"] == "job_state" else message["event"]
        for message in events_of(messages)
    ]


def test_from_upload_to_score_every_event_arrives_once_and_in_order(
    live_service: LiveService, demo_vcf: Path
) -> None:
    with live_service.events("e2e") as socket, live_service.http() as http:
        record = live_service.upload("e2e", demo_vcf.read_bytes())
        seen = read_until(socket, "upload_complete")
        body = {"genomic_data_id": record["id"], "disease_type": "demo"}
        accepted = http.post("/api/prs/calculate", json=body).json()
        seen += read_until(socket, "prs_ready")
        score = http.get(accepted["links"]["scores"][0]).json()
        text = http.get(score["links"]["download"]).text
        metadata = http.get(f"/api/genomic-data/{record['id']}").json()["metadata"]
        job = http.get(accepted["links"]["job"]).json()

    assert seen[0]["event"] == "connected"
    events = events_of(seen)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    one_job = ["QUEUED", "INITIALIZING", "RUNNING"]
    assert names_of(seen) == [*one_job, "upload_complete", "COMPLETE"] + [
        *one_job,
        "prs_ready",
        "COMPLETE",
    ]
    assert_progress_is_absolute_and_grows(seen)
    assert metadata["n_samples"] == N_SAMPLES
    assert metadata["n_variants"] == N_VARIANTS
    assert metadata["build"] == "GRCh38"
    assert job["state"] == "COMPLETE"
    assert score["status"] == "completed"
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    assert [row["sample_id"] for row in rows] == VCF(str(demo_vcf)).samples
    assert np.isfinite([float(row["score_sum"]) for row in rows]).all()
    assert_replay_is_the_same(live_service, events)


def assert_progress_is_absolute_and_grows(messages: list[Message]) -> None:
    progress = [message["data"] for message in messages if message["event"] == "progress"]
    assert progress
    for job_id in {data["job_id"] for data in progress}:
        of_job = [data for data in progress if data["job_id"] == job_id]
        snapshots = [data["snapshot"] for data in of_job]
        assert snapshots == sorted(set(snapshots))
        assert all(0 <= data["done"] <= data["total"] for data in of_job)


def assert_replay_is_the_same(live_service: LiveService, events: list[Message]) -> None:
    for after in (0, 4, len(events) - 1):
        with live_service.events("e2e", after=after) as socket:
            socket.recv(timeout=10)
            replayed = [json.loads(socket.recv(timeout=10)) for _ in events[after:]]
        assert replayed == events[after:]


RECORDS = [Record("1", 1000 + i, ("0/1", "1|1")) for i in range(3000)]
GOOD = vcf_text(RECORDS)
RAGGED = vcf_text([*RECORDS[:40], Record("1", 900_000, ("0/1",))])


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"hello, this is no VCF\n", 1, "not a VCF"),
        (b"", None, "empty"),
        (bgzip(GOOD, is_complete=False), None, "end-of-file block"),
        (bgzip(GOOD)[:-2000], None, ""),
        (RAGGED, RAGGED.count(b"\n"), "fewer samples"),
        (b"\x1f\x8b\x08\x00rubbish that is no gzip", None, ""),
    ],
    ids=["no VCF", "empty", "no EOF block", "truncated", "ragged", "broken gzip"],
)
def test_a_broken_file_ends_its_job_and_nothing_else(
    live_service: LiveService,
    content: bytes,
    line: int | None,
    says: str,
    request: pytest.FixtureRequest,
) -> None:
    user = "broken-" + request.node.callspec.id.replace(" ", "-")
    before = live_service.stored_files()
    with live_service.events(user) as socket:
        record = live_service.upload(user, content, name="broken.vcf")
        seen = read_until(socket, "upload_complete")
    with live_service.http() as http:
        after = http.get(f"/api/genomic-data/{record['id']}").json()
        assert http.get(f"/api/jobs/{record['job_id']}").json()["state"] == "EXECUTOR_ERROR"
        assert http.get("/health").json()["status"] == "ok"
    problem = after["problem"]
    assert after["status"] == "failed"
    assert problem["file"] == "broken.vcf"
    assert problem["fix"]
    assert says.lower() in problem["detail"].lower()
    assert line is None or problem["line"] == line
    told = next(message for message in seen if message["event"] == "upload_complete")
    assert told["status"] == "error"
    assert told["data"]["problem"] == problem
    assert names_of(seen)[-2:] == ["upload_complete", "EXECUTOR_ERROR"]
    assert eventually(lambda: live_service.stored_files() == before)


def eventually(is_so, *, seconds: float = 10.0) -> bool:
    ends = time.monotonic() + seconds
    while not is_so() and time.monotonic() < ends:
        time.sleep(0.1)
    return is_so()


def test_a_client_that_leaves_in_the_middle_of_an_upload_leaves_nothing(
    live_service: LiveService,
) -> None:
    before = live_service.stored_files()
    address = urlsplit(live_service.url)
    assert address.hostname is not None
    with sockets.create_connection((address.hostname, address.port or 80)) as connection:
        head = (
            "POST /api/genomic-data/upload HTTP/1.1\r\nHost: test\r\nContent-Length: 9000000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="file"; filename="a.vcf"\r\n\r\n'
        )
        connection.sendall(head.encode() + GOOD * 20)
        time.sleep(0.5)
    # Of what was there before, a job that has just ended may still remove something.
    assert eventually(lambda: not set(live_service.stored_files()) - set(before))
    with live_service.http() as http:
        assert http.get("/health").status_code == 200


def test_a_fastq_is_read_to_its_quality_and_cannot_be_scored(live_service: LiveService) -> None:
    with live_service.events("reads") as socket, live_service.http() as http:
        record = live_service.upload("reads", fastq_text(random_reads(200)), name="reads.fastq")
        messages = read_until(socket, "upload_complete")
        (complete,) = (m for m in messages if m["event"] == "upload_complete")
        assert complete["data"]["metadata"]["kind"] == "fastq"
        assert complete["data"]["metadata"]["n_reads"] == 200
        url = f"/api/genomic-data/{record['id']}/read-quality"
        assert http.get(url).json()["files"][0]["file"] == "reads.fastq"
        assert "<svg" in http.get(url, params={"format": "html"}).text
        body = {"genomic_data_id": record["id"], "accessions": ["PGS000001"]}
        answer = http.post("/api/prs/calculate", json=body)
        assert answer.status_code == 409
        assert "alignment and variant calling" in answer.json()["fix"]


def test_mates_sent_at_the_same_time_are_read_together(live_service: LiveService) -> None:
    mates = [fastq_text(random_reads(200, seed=n, mate=f"/{n}")) for n in (1, 2)]
    with live_service.events("mates") as socket, live_service.http() as http:
        with ThreadPoolExecutor(2) as threads:
            sent = threads.map(lambda mate: live_service.upload("mates", mate), mates)
            ids = sorted(record["id"] for record in sent)
        paired = http.put(f"/api/genomic-data/{ids[1]}/mate", json={"mate_id": ids[0]})
        assert paired.status_code == 202, paired.text
        told = upload_completions(socket, 4)
        assert sorted(data["id"] for data in told[:2]) == ids
        assert [data["id"] for data in told[2:]] == ids
        pairs = [data["metadata"]["pair"] for data in told[2:]]
        assert pairs[0] == pairs[1]
        assert (pairs[0]["names_agree"], pairs[0]["n_pairs"], pairs[0]["n_reads"]) == (
            *(True, 200, 400),
        )
        for each in ids:
            url = f"/api/genomic-data/{each}/read-quality"
            assert http.get(url).json()["pair"] == pairs[0]
            assert http.get(url, params={"format": "html"}).text.count("<h2>") == 2


def test_a_mate_of_other_reads_is_named_with_its_record(live_service: LiveService) -> None:
    reads = random_reads(50, seed=1)
    with live_service.events("strangers") as socket, live_service.http() as http:
        first = live_service.upload("strangers", fastq_text(reads), name="r1.fastq")
        fields = {"user_id": "strangers", "mate_of": str(first["id"])}
        swapped = fastq_text([*reads[:7], reads[8], reads[7], *reads[9:]])
        second = http.post(
            "/api/genomic-data/upload", data=fields, files={"file": ("r2.fastq", swapped)}
        ).json()
        last = upload_completions(socket, 4)[-1]
        problem = last["metadata"]["pair"]["problem"]
        assert (problem["file"], problem["line"]) == ("r2.fastq", 29)
        assert "record 8 is of another read than that of r1.fastq" in problem["detail"]
        for record in (first, second):
            after = http.get(f"/api/genomic-data/{record['id']}").json()
            assert (after["status"], after["mate_id"]) == ("completed", None)
            quality = http.get(f"/api/genomic-data/{record['id']}/read-quality").json()
            assert quality["pair"]["problem"] == problem


def upload_completions(socket: ClientConnection, n: int) -> list[Message]:
    """The data of the first `n` upload_complete events, all of them of success."""
    found: list[Message] = []
    while len(found) < n:
        message = json.loads(socket.recv(timeout=60))
        if message["event"] == "upload_complete":
            assert message["status"] == "success", message
            found.append(message["data"])
    return found


def test_of_a_file_of_several_scores_those_asked_for_are_calculated(
    live_service: LiveService,
) -> None:
    content = (
        b"#pgs_id=SEVERAL\n#genome_build=GRCh37\n"
        b"chr_name\tchr_position\teffect_allele\tother_allele"
        b"\teffect_weight_A\teffect_weight_B\teffect_weight_C\n"
        b"1\t1000\tG\tA\t0.5\t2\t\n1\t1001\tG\tA\t0.25\t\t4\n"
    )
    vcf = vcf_text([Record("1", 1000 + i, ["0/1"]) for i in range(3)], samples=["S1"])
    with live_service.events("several") as socket, live_service.http() as http:
        installed = http.post("/api/scoring-files", files={"file": ("several.txt", content)})
        assert installed.status_code == 201, installed.text
        assert installed.json()["installed_with"] == ["SEVERAL_B", "SEVERAL_C"]
        data = live_service.upload("several", vcf, name="one.vcf")
        read_until(socket, "upload_complete")
        body = {"genomic_data_id": data["id"], "accessions": ["SEVERAL_C", "SEVERAL_A"]}
        accepted = http.post("/api/prs/calculate", json=body)
        assert accepted.status_code == 202, accepted.text
        read_until(socket, "prs_ready")
        scores = http.get("/api/prs/scores/user/several").json()["items"]
    assert sorted(score["id"] for score in scores) == sorted(accepted.json()["prs_ids"])
    sums = {score["accession"]: score["raw_sum"] for score in scores}
    assert sums == {"SEVERAL_A": 0.75, "SEVERAL_C": 4.0}


def test_more_sockets_than_serves_default_limit_do_not_block_each_other(
    live_service: LiveService,
) -> None:
    with ExitStack() as stack, live_service.http() as http:
        for number in range(12):
            socket = stack.enter_context(live_service.events(f"many-{number}"))
            assert json.loads(socket.recv(timeout=10))["event"] == "connected"
        assert http.get("/health").status_code == 200


def test_an_event_stream_tells_of_a_job_while_it_runs_and_again_to_who_comes_back(
    live_service: LiveService,
) -> None:
    with live_service.http() as http, http.stream("GET", "/ws/streamed/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        assert next(lines) == "event: connected"
        live_service.upload("streamed", b"not a genotype file", name="x.vcf")
        told = lines_until(lines)
    last = max(int(line.removeprefix("id: ")) for line in told if line.startswith("id: "))
    comes_back = {"Last-Event-ID": f"{last - 1}"}
    with (
        live_service.http() as http,
        http.stream("GET", "/ws/streamed/stream", headers=comes_back) as stream,
    ):
        again = lines_until(stream.iter_lines())
    assert [line for line in again if line.startswith("id: ")] == [f"id: {last}"]


def lines_until(lines: Iterator[str]) -> list[str]:
    """Up to the one that says that a job has failed by its data."""
    seen: list[str] = []
    for line in lines:
        seen.append(line)
        if '"state": "EXECUTOR_ERROR"' in line:
            return seen
    raise AssertionError(f"the stream ended: {seen}")


def test_a_page_of_another_origin_may_not_listen(live_service: LiveService) -> None:
    url = live_service.url.replace("http", "ws", 1) + "/ws/ann"
    with pytest.raises(InvalidStatus) as refused:
        connect(url, origin="https://evil.example")  # pyright: ignore[reportArgumentType]
    assert refused.value.response.status_code == 403
    with connect(url, origin=live_service.url) as socket:  # pyright: ignore[reportArgumentType]
        assert json.loads(socket.recv(timeout=10))["event"] == "connected"


def test_the_documents_and_the_schema_are_served(live_service: LiveService) -> None:
    with live_service.http() as http:
        assert http.get("/docs").status_code == 200
        assert http.get("/redoc").status_code == 200
        assert http.get("/openapi.json").json()["info"]["title"] == "CuraGenie"


def test_a_running_service_is_ready_with_its_actors_and_tells_its_jobs(
    live_service: LiveService,
) -> None:
    with live_service.http() as http:
        answer = http.get("/readyz?verbose")
        assert {check["name"]: check["status"] for check in answer.json()["checks"]} == {
            "database": "ok",
            "object_store": "ok",
            "job_status": "ok",
            "dispatcher": "ok",
        }
        assert "curagenie_jobs{" in http.get("/metrics").text
