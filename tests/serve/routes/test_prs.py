"""Scores over HTTP: asked for, calculated by the real job, paged and downloaded."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from cyvcf2 import VCF
from fastapi.testclient import TestClient

from core.demo_data import (
    DEMO_ACCESSION,
    demo_score_rows,
    demo_sites,
    write_demo_scoring_file,
    write_demo_vcf,
)
from core.events import Event
from core.genome_build import GenomeBuild
from core.job import Queue
from core.storage.objects import ObjectsLocation
from jobs.attempt import JobEnvironment, run_attempt
from jobs.catalogue import BODIES
from jobs.run_shards import Executor
from jobs.score_cohort import main
from serve.services import Services
from tests.builders.fastq import fastq_text, random_reads
from tests.builders.gvcf import META, SEQUENCE, line, other_than
from tests.builders.pgs_catalog import PgsCatalogServer
from tests.builders.reference_fasta import write_fasta
from tests.builders.report_page import numbers_in, parse_page
from tests.builders.scoring_file import Row, write_harmonised_file, write_scoring_file
from tests.builders.vcf import vcf_text, write_vcf

pytestmark = pytest.mark.ray  # a job tells its events through Ray

N_SAMPLES, N_VARIANTS = 12, 400
RunJobs = Callable[[], None]


@pytest.fixture
def run_jobs(ray_session: None, services: Services, tmp_path: Path) -> RunJobs:
    """Runs every queued job to its end, in this process: what the dispatcher does on Ray."""
    environment = JobEnvironment(
        database_url=services.database.engine.url.render_as_string(hide_password=False),
        objects=ObjectsLocation(root=tmp_path / "objects"),
        scoring_files_dir=services.scoring_files.folder,
        shard_bytes=64 * 1024,
        reference_fastas=services.reference_fastas,
        executor=Executor.INLINE,
    )

    def run() -> None:
        for queue in (Queue.GENOMIC_PROCESSING, Queue.PRS_CALCULATION):
            while True:
                with services.database.transaction() as tx:
                    job = tx.jobs.lease(queue, owner="test", seconds=60)
                if job is None:
                    break
                run_attempt(job, environment, BODIES[job.kind])

    return run


@pytest.fixture
def demo_files(tmp_path: Path, services: Services) -> Path:
    """A cohort to upload; its scoring file is installed."""
    sites = demo_sites(N_VARIANTS)
    write_demo_vcf(tmp_path / "demo.vcf.gz", sites, n_samples=N_SAMPLES)
    services.scoring_files.folder.mkdir()
    path = services.scoring_files.folder / f"{DEMO_ACCESSION}.txt.gz"
    write_demo_scoring_file(path, demo_score_rows(sites))
    return tmp_path / "demo.vcf.gz"


def upload(client: TestClient, vcf: Path, user: str = "ann") -> int:
    with vcf.open("rb") as content:
        answer = client.post(
            "/api/genomic-data/upload", data={"user_id": user}, files={"file": content}
        )
    return answer.json()["id"]


@pytest.fixture
def prs_id(client: TestClient, demo_files: Path, run_jobs: RunJobs) -> int:
    data_id = upload(client, demo_files)
    run_jobs()
    body = {"genomic_data_id": data_id, "disease_type": "demo"}
    accepted = client.post("/api/prs/calculate", json=body)
    assert accepted.status_code == 202, accepted.text
    run_jobs()
    return accepted.json()["prs_ids"][0]


def test_reads_cannot_be_scored(client: TestClient, tmp_path: Path, run_jobs: RunJobs) -> None:
    reads = tmp_path / "reads.fastq"
    reads.write_bytes(fastq_text(random_reads(5)))
    data_id = upload(client, reads)
    run_jobs()
    record = client.get(f"/api/genomic-data/{data_id}").json()
    assert (record["status"], record["metadata"]["kind"]) == ("completed", "fastq")
    body = {"genomic_data_id": data_id, "accessions": [DEMO_ACCESSION]}
    answer = client.post("/api/prs/calculate", json=body)
    assert answer.status_code == 409
    assert "holds reads (FASTQ)" in answer.json()["detail"]
    assert "alignment and variant calling" in answer.json()["fix"]


def test_a_calculation_is_answered_with_its_job_and_one_id_per_accession(
    client: TestClient, demo_files: Path, run_jobs: RunJobs, announced: list[Event]
) -> None:
    data_id = upload(client, demo_files)
    run_jobs()
    announced.clear()
    body = {"genomic_data_id": data_id, "accessions": [DEMO_ACCESSION, DEMO_ACCESSION]}
    answer = client.post("/api/prs/calculate", json=body)
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["location"] == f"/api/jobs/{accepted['job_id']}"
    assert len(accepted["prs_ids"]) == 1
    assert [event.data["state"] for event in announced] == ["QUEUED"]
    pending = client.get(accepted["links"]["scores"][0]).json()
    assert (pending["status"], pending["score"]) == ("processing", None)
    assert client.get(pending["links"]["samples"]).status_code == 409


def test_a_score_says_what_it_is_and_what_it_may_be_used_for(
    client: TestClient, prs_id: int
) -> None:
    score = client.get(f"/api/prs/scores/{prs_id}").json()
    assert score["accession"] == DEMO_ACCESSION
    assert score["disease_type"] == "demo"
    assert score["status"] == "completed"
    assert (score["score"], score["score_reason"]) == (None, "no_reference")
    assert score["n_samples"] == N_SAMPLES
    assert 0 < score["coverage"] <= 1
    assert "research use only" in score["notice"]
    assert score["report"]["n_matched"] > 0


def test_a_user_sees_her_scores_and_nobody_elses(client: TestClient, prs_id: int) -> None:
    mine = client.get("/api/prs/scores/user/ann").json()
    assert [score["id"] for score in mine["items"]] == [prs_id]
    data_id = mine["items"][0]["genomic_data_id"]
    by_data = client.get(f"/api/prs/scores/user/ann?genomic_data_id={data_id}").json()
    assert by_data == mine
    assert client.get("/api/prs/scores/user/ann?genomic_data_id=99").json()["items"] == []
    assert client.get("/api/prs/scores/user/bob").json()["items"] == []


def all_pages(client: TestClient, url: str) -> list[dict]:
    rows: list[dict] = []
    while True:
        answer = client.get(url)
        page = answer.json()
        assert "research use only" in page["notice"]
        rows += page["items"]
        if page["next_page_token"] is None:
            return rows
        url = answer.links["next"]["url"]


def test_pages_of_samples_are_whole_and_in_the_order_of_the_file(
    client: TestClient, prs_id: int, demo_files: Path
) -> None:
    rows = all_pages(client, f"/api/prs/scores/{prs_id}/samples?limit=5")
    assert [row["sample_id"] for row in rows] == VCF(str(demo_files)).samples
    assert set(rows[0]) >= {"score_sum", "denominator", "n_matched", "n_missing", "coverage"}


def test_pages_of_matches_give_every_row_its_fate(client: TestClient, prs_id: int) -> None:
    score = client.get(f"/api/prs/scores/{prs_id}").json()
    rows = all_pages(client, f"/api/prs/scores/{prs_id}/matches?limit=7")
    assert [row["row_number"] for row in rows] == list(range(score["report"]["n_rows"]))
    assert all(row["reason"] for row in rows if row["status"] != "matched")
    excluded = [row for row in rows if row["status"] == "excluded"]
    url = f"/api/prs/scores/{prs_id}/matches"
    assert all_pages(client, f"{url}?status=excluded&limit=3") == excluded
    ambiguous = [row for row in rows if row["reason"] == "ambiguous"]
    assert all_pages(client, f"{url}?reason=ambiguous") == ambiguous
    assert client.get(f"{url}?status=nonsense").status_code == 422


def downloaded(client: TestClient, prs_id: int, kind: str) -> bytes:
    answer = client.get(f"/api/prs/scores/{prs_id}/download?format={kind}")
    assert answer.status_code == 200
    name = f"{DEMO_ACCESSION}_scores_research_use_only.{kind}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    return answer.content


def test_every_format_of_the_download_holds_the_same_numbers(
    client: TestClient, prs_id: int
) -> None:
    table = pq.read_table(io.BytesIO(downloaded(client, prs_id, "parquet")))
    about = json.loads(table.schema.metadata[b"curagenie"])
    assert about["notice"] == "research use only, not a diagnosis"
    sums = table.column("score_sum").to_pylist()
    assert len(sums) == N_SAMPLES
    for kind, delimiter in (("tsv", "\t"), ("csv", ",")):
        text = downloaded(client, prs_id, kind).decode()
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
        assert list(rows[0]) == table.schema.names
        assert [float(row["score_sum"]) for row in rows] == sums
    document = json.loads(downloaded(client, prs_id, "json"))
    assert document["notice"] == about["notice"]
    assert [row["score_sum"] for row in document["items"]] == sums


def test_the_sums_are_those_of_a_plain_computation(
    client: TestClient, prs_id: int, demo_files: Path
) -> None:
    """An oracle that knows only the rows that matched: weights times counted alleles."""
    matches = {
        (row["contig"], row["position"]): row
        for row in all_pages(client, f"/api/prs/scores/{prs_id}/matches?status=matched")
    }
    frequencies = {
        (row.contig.removeprefix("chr"), row.position): row.frequency
        for row in demo_score_rows(demo_sites(N_VARIANTS))
    }
    sums = np.zeros(N_SAMPLES)
    for variant in VCF(str(demo_files)):
        key = variant.CHROM.removeprefix("chr"), variant.POS
        row = matches.pop(key, None)
        if row is None:
            continue
        allele = [variant.REF, *variant.ALT].index(row["matched_allele"])
        calls = np.array([call[:2] for call in variant.genotypes])
        dosage = (calls == allele).sum(axis=1).astype(float)
        # a missing call counts as twice the frequency that the scoring file names
        dosage[(calls < 0).any(axis=1)] = 2 * frequencies[key]
        sums += row["effect_weight"] * dosage
    assert matches == {}
    rows = all_pages(client, f"/api/prs/scores/{prs_id}/samples")
    np.testing.assert_allclose([row["score_sum"] for row in rows], sums, atol=1e-9)


def test_a_one_sample_file_has_its_sum_in_the_record(
    client: TestClient, tmp_path: Path, demo_files: Path, run_jobs: RunJobs
) -> None:
    write_demo_vcf(tmp_path / "one.vcf.gz", demo_sites(N_VARIANTS), n_samples=1)
    data_id = upload(client, tmp_path / "one.vcf.gz")
    run_jobs()
    body = {"genomic_data_id": data_id, "disease_type": "demo"}
    accepted = client.post("/api/prs/calculate", json=body).json()
    run_jobs()
    score = client.get(accepted["links"]["scores"][0]).json()
    page = client.get(score["links"]["samples"]).json()
    assert score["raw_sum"] == page["items"][0]["score_sum"]


def test_a_file_that_is_still_processed_cannot_be_scored(
    client: TestClient, demo_files: Path
) -> None:
    body = {"genomic_data_id": upload(client, demo_files), "disease_type": "demo"}
    answer = client.post("/api/prs/calculate", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "upload_complete" in answer.json()["fix"]


def test_a_file_that_failed_cannot_be_scored(
    client: TestClient, tmp_path: Path, run_jobs: RunJobs
) -> None:
    (tmp_path / "broken.vcf").write_text("##fileformat=VCFv4.2\nhello\n")
    data_id = upload(client, tmp_path / "broken.vcf")
    run_jobs()
    record = client.get(f"/api/genomic-data/{data_id}").json()
    assert record["status"] == "failed"
    assert record["problem"]["file"] == "broken.vcf"
    body = {"genomic_data_id": data_id, "disease_type": "demo"}
    assert client.post("/api/prs/calculate", json=body).status_code == 409


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"disease_type": "diabetes"}, 409, "scoring_file_not_installed"),
        ({"disease_type": "breast_cancer"}, 409, "scoring_file_not_installed"),
        ({"accessions": ["PGS000018"]}, 409, "scoring_file_not_installed"),
        ({"disease_type": "no such disease"}, 404, "not_found"),
        ({"disease_type": "demo", "accessions": ["PGS000018"]}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ({"accessions": []}, 422, "invalid_request"),
        ({"accessions": ["../../etc/passwd"]}, 422, "invalid_request"),
        ({"disease_type": "demo", "genomic_data_id": 99}, 404, "not_found"),
        ({"disease_type": "demo", "genomic_data_id": 2**70}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_calculated_is_refused_with_the_way_out(
    client: TestClient,
    demo_files: Path,
    run_jobs: RunJobs,
    wanted: dict,
    status: int,
    code: str,
) -> None:
    data_id = upload(client, demo_files)
    run_jobs()
    answer = client.post("/api/prs/calculate", json={"genomic_data_id": data_id} | wanted)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    if code == "scoring_file_not_installed":
        assert "pgscatalog.org" in problem["fix"]


def test_the_report_is_a_page_that_may_load_nothing(client: TestClient, prs_id: int) -> None:
    score = client.get(f"/api/prs/scores/{prs_id}").json()
    answer = client.get(score["links"]["report"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[:3] == ["default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"]
    facts = client.get(score["links"]["report_json"]).json()
    assert facts["schema"] == "curagenie-report/1"
    (of_score,) = facts["scores"]
    assert of_score["coverage"] == score["coverage"]
    assert numbers_in(facts) - parse_page(answer.text).numbers == set()


def test_a_score_without_a_report_is_404_and_says_how_to_get_one(
    client: TestClient, prs_id: int, services: Services
) -> None:
    with services.database.reading() as tx:
        prefix = tx.prs_scores.get(prs_id, user_id=None).result_url
    services.objects.delete(f"{prefix}/report.html")
    answer = client.get(f"/api/prs/scores/{prs_id}/report")
    assert answer.status_code == 404
    assert "Calculate it again" in answer.json()["fix"]
    assert client.get("/api/prs/scores/99/report").status_code == 404


def test_the_way_out_of_a_missing_scoring_file_leads_to_a_score(
    client: TestClient,
    demo_files: Path,
    run_jobs: RunJobs,
    pgs_catalog_server: PgsCatalogServer,
    tmp_path: Path,
) -> None:
    data_id = upload(client, demo_files)
    run_jobs()
    build = client.get(f"/api/genomic-data/{data_id}").json()["metadata"]["build"]
    (row,) = demo_score_rows(demo_sites(N_VARIANTS))[:1]
    rows = [Row(row.contig, row.position, row.effect_allele, row.other_allele, 1.0)]
    path = tmp_path / "PGS000018.txt.gz"
    write_harmonised_file(path, rows, accession="PGS000018", harmonised_build=build)
    pgs_catalog_server.publish(path, accession="PGS000018", build=build)
    body = {"genomic_data_id": data_id, "accessions": ["PGS000018"]}
    refused = client.post("/api/prs/calculate", json=body).json()
    route = re.search(r"POST (/api/scoring-files/PGS000018/download[?]build=\w+)", refused["fix"])
    assert route is not None
    assert client.post(route[1]).status_code == 201
    accepted = client.post("/api/prs/calculate", json=body).json()
    run_jobs()
    score = client.get(accepted["links"]["scores"][0]).json()
    assert (score["status"], score["coverage"]) == ("completed", 1.0)


CALLED, UNSURE = "0/0:30:50:20", "0/0:30:10:20"
"""Calls of reference blocks, above and below the least GQ."""


@pytest.fixture
def fasta(tmp_path: Path, reference_fastas: dict[GenomeBuild, Path]) -> Path:
    """The operator's, of GRCh38."""
    path = write_fasta(tmp_path / "hg38.fa", {"chr1": SEQUENCE})
    reference_fastas[GenomeBuild.GRCH38] = path
    return path


@pytest.fixture
def gvcf(tmp_path: Path) -> Path:
    """Blocks at 1 to 10 and, of low GQ, 12 to 20; a heterozygote at 11; nothing from 21 on."""
    lines = [
        line(1, CALLED, last=10),
        line(11, "0/1:30:50:20", alt=f"{other_than(SEQUENCE[10])},<NON_REF>"),
        line(12, UNSURE, last=20),
    ]
    return Path(write_vcf(tmp_path / "g.vcf.gz", vcf_text(lines, samples=["S1"], meta=META)))


@pytest.fixture
def variants(tmp_path: Path) -> Path:
    """A file of variants: the heterozygote alone."""
    text = line(11, "0/1:30:50:20", alt=other_than(SEQUENCE[10]))
    return Path(write_vcf(tmp_path / "v.vcf.gz", vcf_text([text], samples=["S1"], meta=META)))


@pytest.fixture
def scoring_file(services: Services) -> Path:
    """REF at 5, 15 and 30, ALT at 11."""
    ref = {place: SEQUENCE[place - 1] for place in (5, 11, 15, 30)}
    other = {place: other_than(base) for place, base in ref.items()}
    frequency = "allelefrequency_effect"
    rows = [
        Row("1", 5, ref[5], other[5], 1.0, more={frequency: None}),
        Row("1", 11, other[11], ref[11], 0.5, more={frequency: None}),
        Row("1", 15, ref[15], other[15], 4.0, more={frequency: 0.25}),
        Row("1", 30, ref[30], other[30], 8.0, more={frequency: 0.125}),
    ]
    services.scoring_files.folder.mkdir()
    path = services.scoring_files.folder / "PGS000001.txt.gz"
    return write_scoring_file(path, rows, accession="PGS000001", build="GRCh38")


def on_the_command_line(genotypes: Path, scoring_file: Path, *options: str) -> list[dict]:
    """The lines of scores.parquet."""
    output = genotypes.parent / "by_command"
    words = ["--genotypes", str(genotypes), "--scoring-file", str(scoring_file)]
    assert main([*words, "--output", str(output), "--executor", "inline", *options]) == 0
    return pq.read_table(output / "scores.parquet").to_pylist()


def over_http(client: TestClient, run_jobs: RunJobs, data_id: int, **asked: object) -> dict:
    """The score, with the lines of its samples and its report."""
    body = {"genomic_data_id": data_id, "accessions": ["PGS000001"], **asked}
    accepted = client.post("/api/prs/calculate", json=body)
    assert accepted.status_code == 202, accepted.text
    run_jobs()
    score = client.get(accepted.json()["links"]["scores"][0]).json()
    assert score["status"] == "completed", score
    lines = client.get(score["links"]["samples"]).json()["items"]
    report = client.get(score["links"]["report_json"]).json()
    return score | {"lines": lines, "report_json": report}


def test_a_gvcf_scores_over_http_as_on_the_command_line_by_its_blocks(
    client: TestClient, run_jobs: RunJobs, gvcf: Path, fasta: Path, scoring_file: Path
) -> None:
    data_id = upload(client, gvcf)
    run_jobs()
    found = over_http(client, run_jobs, data_id)
    assert found["raw_sum"] == 1.0 * 2 + 0.5 * 1 + 4.0 * 2 * 0.25
    (line_of_sample,) = found["lines"]
    assert (line_of_sample["n_matched"], line_of_sample["n_missing"]) == (3, 1)
    assert found["lines"] == on_the_command_line(
        gvcf, scoring_file, "--reference-fasta", str(fasta)
    )
    (facts,) = found["report_json"]["scores"]
    assert (facts["n_from_reference"], facts["n_from_blocks"]) == (2, 2)
    page = client.get(found["links"]["report"]).text
    assert "inside reference blocks" in page
    assert str(fasta.parent) not in page + json.dumps(found["report_json"])
    assert "--reference-fasta hg38.fa" in found["report_json"]["run"]["command"]


def test_without_a_fasta_the_blocks_of_a_gvcf_say_that_nobody_named_ref(
    client: TestClient, run_jobs: RunJobs, gvcf: Path, scoring_file: Path
) -> None:
    data_id = upload(client, gvcf)
    run_jobs()
    found = over_http(client, run_jobs, data_id)
    assert found["raw_sum"] == 0.5
    assert found["report"]["reasons"] == {"reference_base_unknown": 2, "absent_locus": 1}
    assert found["lines"] == on_the_command_line(gvcf, scoring_file)


@pytest.mark.parametrize(
    ("asked", "options", "added", "counted"),
    [
        ({}, [], 0.0, "n_matched"),
        (
            {"absent": "reference", "assume_reference": True},
            ["--policy", "absent=reference", "--assume-reference-at-absent-sites"],
            2 * (1.0 + 4.0 + 8.0),
            "n_assumed_reference",
        ),
        (
            {"absent": "missing"},
            ["--policy", "absent=missing"],
            4.0 * 2 * 0.25 + 8.0 * 2 * 0.125,
            "n_imputed_absent",
        ),
    ],
    ids=["unmatched", "reference", "missing"],
)
def test_absent_sites_count_over_http_as_on_the_command_line(
    asked: dict[str, object],
    options: list[str],
    added: float,
    counted: str,
    client: TestClient,
    run_jobs: RunJobs,
    variants: Path,
    fasta: Path,
    scoring_file: Path,
) -> None:
    data_id = upload(client, variants)
    run_jobs()
    found = over_http(client, run_jobs, data_id, **asked)
    assert found["raw_sum"] == 0.5 + added
    assert found["coverage"] == 0.25
    fasta_of_reference = ["--reference-fasta", str(fasta)] if "assume_reference" in asked else []
    assert found["lines"] == on_the_command_line(
        variants, scoring_file, *options, *fasta_of_reference
    )
    n_rows = {"n_matched": 1, "n_assumed_reference": 3, "n_imputed_absent": 2}[counted]
    assert found["report"][counted] == n_rows
    assert found["report_json"]["scores"][0][counted] == n_rows


def test_what_absent_sites_count_as_is_chosen_again_with_each_calculation(
    client: TestClient, run_jobs: RunJobs, variants: Path, scoring_file: Path
) -> None:
    data_id = upload(client, variants)
    run_jobs()
    imputed = over_http(client, run_jobs, data_id, absent="missing")
    plain = over_http(client, run_jobs, data_id)
    assert (imputed["raw_sum"], plain["raw_sum"]) == (4.5, 0.5)


REFERENCE = {"absent": "reference"}
STATED = REFERENCE | {"assume_reference": True}


@pytest.mark.parametrize(
    ("file", "has_fasta", "asked", "status", "told"),
    [
        ("variants", False, STATED, 409, "CURAGENIE_REFERENCE_FASTA_38"),
        ("variants", True, REFERENCE, 422, "assume_reference: true"),
        ("gvcf", True, STATED, 422, "Leave out assume_reference"),
        ("variants", True, {"assume_reference": True}, 422, "changes nothing without"),
        ("variants", True, {"absent": "hom_ref"}, 422, "'unmatched', 'reference' or 'missing'"),
        ("variants", True, REFERENCE | {"assume_reference": "yes"}, 422, "valid boolean"),
    ],
)
def test_absent_sites_without_what_it_takes_are_refused_before_any_job(
    file: str,
    has_fasta: bool,
    asked: dict[str, object],
    status: int,
    told: str,
    client: TestClient,
    run_jobs: RunJobs,
    scoring_file: Path,
    announced: list[Event],
    request: pytest.FixtureRequest,
) -> None:
    if has_fasta:
        request.getfixturevalue("fasta")
    data_id = upload(client, request.getfixturevalue(file))
    run_jobs()
    announced.clear()
    body = {"genomic_data_id": data_id, "accessions": ["PGS000001"], **asked}
    answer = client.post("/api/prs/calculate", json=body)
    assert answer.status_code == status, answer.text
    assert told in answer.text
    assert announced == []


def test_genotypes_of_unknown_build_have_no_reference_fasta(
    client: TestClient, run_jobs: RunJobs, fasta: Path, scoring_file: Path, tmp_path: Path
) -> None:
    text = line(11, "0/1:30:50:20", alt=other_than(SEQUENCE[10]))
    meta = [entry for entry in META if "contig" not in entry]
    vcf = write_vcf(tmp_path / "u.vcf.gz", vcf_text([text], samples=["S1"], meta=meta))
    data_id = upload(client, Path(vcf))
    run_jobs()
    body = {"genomic_data_id": data_id, "accessions": ["PGS000001"], **STATED}
    answer = client.post("/api/prs/calculate", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "reference_fasta_not_configured")
    assert "does not say its genome build" in answer.json()["detail"]
