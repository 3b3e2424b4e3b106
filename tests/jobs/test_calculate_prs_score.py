"""Scores of stored genotypes by the real pipeline, in threads, into rows and stored results."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from core.events import Message
from core.genome_build import GenomeBuild
from core.job import Job, JobState, Queue
from core.records.records import NO_REFERENCE, GenomicData, PrsScore, RecordStatus
from core.records.session import Database
from core.storage.objects import ObjectStore, delete_folder
from jobs import calculate_prs_score
from jobs.attempt import JobEnvironment, run_attempt
from jobs.submit import submit_prs
from tests.builders.gvcf import META, SEQUENCE, line, other_than
from tests.builders.records import FILENAME, KEY, USER, processed_upload, stored_upload
from tests.builders.reference_fasta import write_fasta
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import DS_FORMAT, FORMATS, GRCH37_CONTIGS, Record, bgzip, vcf_text

WEIGHTS = [Row("1", 1000, "G", "A", 0.5), Row("1", 2000, "G", "A", 0.25), Row("1", 9, "G", "A", 1)]


def completed_upload(
    database: Database, objects: ObjectStore, *, calls: Sequence[Sequence[str]]
) -> GenomicData:
    """A processed VCF with one column of `calls` per sample, at positions 1000 and 2000."""
    samples = [f"S{i + 1}" for i in range(len(calls))]
    records = [
        Record("1", position, [column[i] for column in calls])
        for i, position in enumerate((1000, 2000))
    ]
    with database.transaction() as tx:
        data = stored_upload(tx, objects, bgzip(vcf_text(records, samples=samples)))
        return tx.genomic_data.complete(data.id, {"build": "GRCh37", "n_samples": len(samples)})


def install_score(environment: JobEnvironment) -> None:
    path = environment.scoring_files_dir / "PGS000001.txt.gz"
    write_scoring_file(path, WEIGHTS, accession="PGS000001")


def calculate(
    database: Database, environment: JobEnvironment, data: GenomicData, accessions: Sequence[str]
) -> tuple[Job, list[PrsScore]]:
    """Runs one attempt at the job of `accessions`; what the tables have afterwards."""
    with database.transaction() as tx:
        submitted, scores = submit_prs(tx, data, accessions, disease_type="demo")
        job = tx.jobs.lease(submitted.queue, owner="test", seconds=30)
    assert job is not None
    run_attempt(job, environment, calculate_prs_score.BODY)
    with database.reading() as tx:
        after = [tx.prs_scores.get(score.id, user_id=USER) for score in scores]
        return tx.jobs.get(job.id, user_id=USER), after


def ready_events(database: Database) -> list[Message]:
    with database.reading() as tx:
        return [e.message for e in tx.events.after(USER, 0) if e.type == "prs_ready"]


def test_a_one_sample_file_gets_its_raw_sum_and_no_percentile(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    data = completed_upload(database, objects, calls=[["0/1", "1/1"]])
    job, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert job.state is JobState.COMPLETE
    assert score.status is RecordStatus.COMPLETED
    assert score.raw_sum == 0.5 * 1 + 0.25 * 2
    assert (score.score, score.score_reason) == (None, NO_REFERENCE)
    assert score.n_samples == 1
    assert score.coverage == pytest.approx(2 / 3)
    assert score.weight_coverage == pytest.approx(0.75 / 1.75)
    assert score.report is not None
    assert score.report["n_rows"] == 3
    (event,) = ready_events(database)
    assert event["status"] == "success"
    assert event["data"]["raw_sum"] == score.raw_sum


def test_a_person_without_any_call_gets_no_raw_sum(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    data = completed_upload(database, objects, calls=[["./.", "./."]])
    _, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert score.status is RecordStatus.COMPLETED
    assert score.raw_sum is None


def test_a_cohort_has_its_sums_in_the_stored_results_only(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    data = completed_upload(database, objects, calls=[["0/1", "1/1"], ["0/0", "0/1"]])
    _, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert (score.raw_sum, score.n_samples) == (None, 2)
    with objects.local_path(f"{score.result_url}/scores.parquet") as path:
        table = pq.read_table(path)
    assert table.column("sample_id").to_pylist() == ["S1", "S2"]
    assert table.column("score_sum").to_pylist() == [1.0, 0.25]
    with objects.local_path(f"{score.result_url}/matches.parquet") as path:
        assert pq.read_metadata(path).num_rows == 3


def test_the_stored_summary_names_files_as_the_user_does(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    data = completed_upload(database, objects, calls=[["0/1", "1/1"]])
    _, (score,) = calculate(database, environment, data, ["PGS000001"])
    with objects.open(f"{score.result_url}/summary.json") as source:
        summary = json.loads(source.read())
    assert summary["genotypes"] == [{"uri": FILENAME, "sha256": data.sha256}]
    assert summary["scores"]["PGS000001"]["scoring_file"]["uri"] == "PGS000001.txt.gz"
    assert str(environment.scoring_files_dir) not in json.dumps(summary)


def test_the_report_comes_with_the_results_and_names_files_as_the_user_does(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    records = [Record("1", 1000, ["0/1"]), Record("1", 2000, ["1/1"])]
    content = bgzip(vcf_text(records, samples=["S1"]))
    data = processed_upload(database, environment, objects, content)
    _, (score,) = calculate(database, environment, data, ["PGS000001"])
    with objects.open(f"{score.result_url}/report.json") as source:
        report = json.loads(source.read())
    assert report["inputs"][0] == {"role": "genotypes", "name": FILENAME, "sha256": data.sha256}
    assert report["genotypes"]["n_variants"] == 2
    assert report["genotypes"]["call_rate"] == 1.0
    assert report["genotypes"]["quality"] == data.quality
    assert (report["quality_samples"], report["quality_missing"]) == (None, None)
    with objects.open(f"{score.result_url}/report.html") as source:
        page = source.read().decode()
    assert "Ada&#39;s genome.vcf.gz" in page
    for text in (json.dumps(report), page):
        assert "cgstore" not in text
        assert str(environment.scoring_files_dir) not in text


def test_the_report_of_a_small_cohort_has_the_quality_of_everybody(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    records = [Record("1", 1000, ["0/1", "./."]), Record("1", 2000, ["1/1", "0/1"])]
    content = bgzip(vcf_text(records, samples=["S1", "S2"]))
    data = processed_upload(database, environment, objects, content)
    _, (score,) = calculate(database, environment, data, ["PGS000001"])
    with objects.open(f"{score.result_url}/report.json") as source:
        report = json.loads(source.read())
    listed = report["quality_samples"]["samples"]
    assert [(one["sample_id"], one["call_rate"]) for one in listed] == [("S1", 1.0), ("S2", 0.5)]
    assert report["quality_missing"] is None


def test_a_stored_upload_is_scored_without_its_file(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    records = [Record("1", 1000, ["0/1"]), Record("1", 2000, ["1/1"])]
    content = bgzip(vcf_text(records, samples=["S1"]))
    data = processed_upload(database, environment, objects, content)
    objects.delete(data.file_url)
    job, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert job.state is JobState.COMPLETE
    assert score.raw_sum == 0.5 * 1 + 0.25 * 2
    with objects.open(f"{score.result_url}/summary.json") as source:
        summary = json.loads(source.read())
    assert summary["genotypes"] == [{"uri": FILENAME, "sha256": data.sha256}]
    assert "cgstore" not in json.dumps(summary)


def test_a_store_of_another_version_is_passed_over(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    records = [Record("1", 1000, ["0/1"]), Record("1", 2000, ["1/1"])]
    content = bgzip(vcf_text(records, samples=["S1"]))
    data = processed_upload(database, environment, objects, content)
    with objects.put_stream(f"{data.store_url}/manifest.json") as writer:
        writer.write(b'{"format": "curagenie-genotype-store", "version": 99}')
    job, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert job.state is JobState.COMPLETE
    assert score.raw_sum == 0.5 * 1 + 0.25 * 2


def test_imputed_calls_on_x_are_scored_from_the_file_which_has_their_gt(
    database: Database,
    environment: JobEnvironment,
    objects: ObjectStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="jobs")
    rows = [Row("X", 3_000_000, "G", "A", 1.0), Row("Y", 3_000_000, "G", "A", 1.0)]
    path = environment.scoring_files_dir / "PGS000001.txt.gz"
    write_scoring_file(path, rows, accession="PGS000001")
    records = [Record("X", 3_000_000, ["1:0.9"], format="GT:DS")]
    meta = (*GRCH37_CONTIGS, *FORMATS, DS_FORMAT)
    content = bgzip(vcf_text(records, samples=["S1"], meta=meta))
    data = processed_upload(database, environment, objects, content)
    stored, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert stored.state is JobState.COMPLETE
    assert f"genomic data {data.id} is read again" in caplog.text
    delete_folder(objects, str(data.store_url))
    with database.transaction() as tx:
        metadata = {k: v for k, v in (data.metadata_json or {}).items() if k != "store"}
        data = tx.genomic_data.complete(data.id, metadata)
    _, (from_file,) = calculate(database, environment, data, ["PGS000001"])
    assert score.raw_sum == from_file.raw_sum == pytest.approx(0.9)


def test_a_damaged_store_is_our_failure_and_names_its_file(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    records = [Record("1", 1000, ["0/1"]), Record("1", 2000, ["1/1"])]
    data = processed_upload(
        database, environment, objects, bgzip(vcf_text(records, samples=["S1"]))
    )
    with objects.put_stream(f"{data.store_url}/chunks/00000-00000-sites.arrow") as writer:
        writer.write(b"something else")
    job, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert job.state is JobState.QUEUED
    assert job.problem is not None
    assert job.problem["code"] == "infrastructure_error"
    assert job.problem["file"] == f"{FILENAME}/chunks/00000-00000-sites.arrow"
    assert score.status is RecordStatus.PROCESSING


def test_a_scoring_file_that_cannot_be_used_fails_its_own_score_only(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    folder = environment.scoring_files_dir
    write_scoring_file(folder / "PGS000001.txt.gz", WEIGHTS, accession="PGS000001")
    write_scoring_file(folder / "PGS000002.txt.gz", WEIGHTS, accession="PGS000002", build="GRCh38")
    write_scoring_file(folder / "PGS000003.txt.gz", WEIGHTS, accession="PGS000099")
    data = completed_upload(database, objects, calls=[["0/1", "1/1"]])
    job, (good, wrong_build, misnamed) = calculate(
        database, environment, data, ["PGS000001", "PGS000002", "PGS000003"]
    )
    assert job.state is JobState.COMPLETE
    assert good.status is RecordStatus.COMPLETED
    assert wrong_build.status is misnamed.status is RecordStatus.FAILED
    assert wrong_build.problem is not None
    assert wrong_build.problem["code"] == "genome_build_mismatch"
    assert wrong_build.problem["file"] == "PGS000002.txt.gz"
    assert misnamed.problem is not None
    assert "another accession" in misnamed.problem["detail"]
    assert [event["status"] for event in ready_events(database)] == ["success", "error", "error"]


CHAIN = """chain 9000 chr1 248956422 + 0 100000 chr1 249250621 + 500 100500 1
100000

"""


def test_a_score_on_the_other_build_is_lifted_over_by_the_chain_of_the_settings(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    path = environment.scoring_files_dir / "PGS000001.txt.gz"
    on_38 = [
        replace(row, position=position)
        for row, position in zip(WEIGHTS, (500, 1500, 9), strict=True)
    ]
    write_scoring_file(path, on_38, accession="PGS000001", build="GRCh38")
    chain = environment.scoring_files_dir.parent / "hg38ToHg19.chain"
    chain.write_text(CHAIN)
    data = completed_upload(database, objects, calls=[["0/1", "1/1"]])
    environment = replace(environment, chains={GenomeBuild.GRCH37: chain})
    job, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert job.state is JobState.COMPLETE
    assert score.raw_sum == 0.5 + 2 * 0.25
    assert score.report is not None
    assert score.report["liftover"]["n_lifted"] == 3
    with objects.open(f"{score.result_url}/summary.json") as stream:
        assert json.loads(stream.read())["chain"]["uri"] == "hg38ToHg19.chain"


def test_without_any_usable_scoring_file_the_job_and_every_score_fail(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    data = completed_upload(database, objects, calls=[["0/1", "1/1"]])
    job, scores = calculate(database, environment, data, ["PGS000001", "PGS000002"])
    assert job.state is JobState.EXECUTOR_ERROR
    assert job.problem is not None
    assert job.problem["code"] == "scoring_file_not_installed"
    assert {score.status for score in scores} == {RecordStatus.FAILED}
    assert [event["status"] for event in ready_events(database)] == ["error", "error"]
    assert list(objects.keys("prs_scores")) == []


def test_genomic_data_that_is_not_completed_is_a_conflict(
    database: Database, environment: JobEnvironment
) -> None:
    with database.transaction() as tx:
        data = tx.genomic_data.create(
            user_id=USER, filename=FILENAME, file_url=KEY, sha256="0" * 64, size_bytes=1
        )
    job, _ = calculate(database, environment, data, ["PGS000001"])
    assert job.state is JobState.EXECUTOR_ERROR
    assert job.problem is not None
    assert job.problem["code"] == "conflict"


def test_a_newer_calculation_of_the_same_accession_alone_announces_it(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    install_score(environment)
    data = completed_upload(database, objects, calls=[["0/1", "1/1"]])
    with database.transaction() as tx:
        submit_prs(tx, data, ["PGS000001"])
        older = tx.jobs.lease(Queue.PRS_CALCULATION, owner="test", seconds=30)
        newer, _ = submit_prs(tx, data, ["PGS000001"])
    assert older is not None
    run_attempt(older, environment, calculate_prs_score.BODY)
    assert ready_events(database) == []
    with database.transaction() as tx:
        leased = tx.jobs.lease(newer.queue, owner="test", seconds=30)
    assert leased is not None
    run_attempt(leased, environment, calculate_prs_score.BODY)
    (event,) = ready_events(database)
    assert event["data"]["job_id"] == newer.id
    assert places_of(objects) == {f"prs_scores/job-{newer.id}/attempt-1"}


def places_of(objects: ObjectStore) -> set[str]:
    return {key.rpartition("/")[0] for key in objects.keys("prs_scores")}


def test_results_are_removed_once_no_score_has_them(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    accessions = ["PGS000001", "PGS000002"]
    for accession in accessions:
        path = environment.scoring_files_dir / f"{accession}.txt.gz"
        write_scoring_file(path, WEIGHTS, accession=accession)
    data = completed_upload(database, objects, calls=[["0/1", "1/1"]])
    _, (first, _) = calculate(database, environment, data, accessions)
    _, (second,) = calculate(database, environment, data, accessions[:1])
    assert places_of(objects) == {first.result_url, second.result_url}
    _, (third,) = calculate(database, environment, data, accessions[1:])
    assert places_of(objects) == {second.result_url, third.result_url}


def test_a_gvcf_that_was_read_before_anyone_asked_is_known_by_its_file(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    rows = [Row("1", 5, SEQUENCE[4], other_than(SEQUENCE[4]), 0.5)]
    path = environment.scoring_files_dir / "PGS000001.txt.gz"
    write_scoring_file(path, rows, accession="PGS000001", build="GRCh38")
    fasta = write_fasta(environment.scoring_files_dir.parent / "hg38.fa", {"1": SEQUENCE})
    environment = replace(environment, reference_fastas={GenomeBuild.GRCH38: fasta})
    text = vcf_text([line(1, "0/0:30:50:20", last=10)], samples=["S1"], meta=META)
    data = processed_upload(database, environment, objects, bgzip(text))
    metadata = dict(data.metadata_json or {})
    assert metadata.pop("is_gvcf") is True
    with database.transaction() as tx:
        data = tx.genomic_data.complete(data.id, metadata)
    _, (score,) = calculate(database, environment, data, ["PGS000001"])
    assert score.raw_sum == 0.5 * 2
