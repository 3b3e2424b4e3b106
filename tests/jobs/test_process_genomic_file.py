"""Uploads read by the real reader, in threads, from local disk and from a real S3 server."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from core.errors import InfrastructureError
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.source import BlockReader, GenotypeShard, plan_shards
from core.job import Job, JobState, Queue
from core.records.records import QUALITY_HTML, QUALITY_JSON, RecordStatus
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.storage.byte_ranges import S3Access
from core.storage.objects import ObjectsLocation, ObjectStore, open_objects
from jobs import process_genomic_file
from jobs.attempt import JobBody, JobContext, JobEnvironment, run_attempt
from jobs.submit import submit_genomic_file
from tests.builders.fastq import fastq_text, random_reads
from tests.builders.records import FILENAME, KEY, USER, processed_upload, stored_upload
from tests.builders.s3_server import running_s3_server
from tests.builders.vcf import Record, bgzip, vcf_text

FASTQ_KEY = KEY.replace(".vcf.gz", ".fastq.gz")
RECORDS = [Record("1", 1000 + i, ["0/1", "1/1"]) for i in range(50)]


def test_a_vcf_is_completed_with_what_is_in_it(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    data = processed_upload(database, environment, objects, bgzip(vcf_text(RECORDS)))
    assert data.status is RecordStatus.COMPLETED
    assert data.metadata_json is not None
    facts = data.metadata_json
    assert facts["kind"] == "vcf"
    assert (facts["build"], facts["n_samples"], facts["n_variants"]) == ("GRCh37", 2, 50)
    assert facts["build_source"] == "genotype header"
    assert facts["build_evidence"] == "contig 1 is 249250621 bases long"
    assert facts["contigs"] == {"1": 50}
    assert facts["call_rate"] == 1.0
    assert (facts["sha256"], facts["size_bytes"]) == (data.sha256, data.size_bytes)
    assert objects.exists(KEY)
    with database.reading() as tx:
        last_two = tx.events.after(USER, 0)[-2:]
    assert [event.type for event in last_two] == ["upload_complete", "job_state"]
    assert last_two[0].data["metadata"] == facts


def test_a_fastq_is_completed_with_the_quality_of_its_reads(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    content = bgzip(fastq_text(random_reads(500)))
    data = processed_upload(database, environment, objects, content, key=FASTQ_KEY)
    assert data.status is RecordStatus.COMPLETED
    facts = data.metadata_json
    assert facts is not None
    assert (facts["kind"], facts["n_reads"], facts["n_bases"]) == ("fastq", 500, 75_000)
    (file,) = facts["files"]
    assert file["file"] == FILENAME
    assert "curves" not in file
    assert len(json.dumps(dict(facts))) < 4096
    with objects.open(f"{data.read_quality_url}/{QUALITY_JSON}") as stream:
        stored = json.loads(stream.read())
    assert len(stored["files"][0]["curves"]["quality"]["mean"]) == 150
    assert objects.exists(f"{data.read_quality_url}/{QUALITY_HTML}")
    with database.reading() as tx:
        last_two = tx.events.after(USER, 0)[-2:]
    assert [event.type for event in last_two] == ["upload_complete", "job_state"]
    assert last_two[0].data["metadata"] == facts


def test_a_broken_fastq_fails_with_the_record_and_nothing_of_it_is_kept(
    database: Database, environment: JobEnvironment, objects: ObjectStore, tmp_path: Path
) -> None:
    content = fastq_text(random_reads(20)) + b"@broken\nACGT\n+\nIII\n"
    data = processed_upload(database, environment, objects, content, key=FASTQ_KEY)
    assert data.status is RecordStatus.FAILED
    assert data.problem is not None
    assert (data.problem["code"], data.problem["file"]) == ("invalid_fastq_file", FILENAME)
    assert "record 21 " in data.problem["detail"]
    assert str(tmp_path) not in str(data.problem)
    assert list(objects.keys("genomic_data")) == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (bgzip(vcf_text([*RECORDS, "1\tnot a position\t.\tA\tG\t.\t.\t.\tGT\t0/1\t0/1"])), 57),
        (bgzip(vcf_text(RECORDS), is_complete=False), None),
        (bgzip(vcf_text(RECORDS))[:-40], None),
        (b"@read1\nACGT\n+\nIIII\n", 1),
        (b"", None),
    ],
    ids=["bad position", "no end marker", "truncated", "not a vcf", "empty"],
)
def test_a_file_that_cannot_be_used_fails_in_the_users_words_and_is_not_kept(
    database: Database,
    environment: JobEnvironment,
    objects: ObjectStore,
    tmp_path: Path,
    content: bytes,
    line: int | None,
) -> None:
    data = processed_upload(database, environment, objects, content)
    assert data.status is RecordStatus.FAILED
    assert data.problem is not None
    assert data.problem["file"] == FILENAME
    assert data.problem["fix"]
    assert data.problem.get("line") == line
    assert KEY not in str(data.problem)
    assert str(tmp_path) not in str(data.problem)
    assert list(objects.keys("genomic_data")) == []
    with database.reading() as tx:
        assert data.job_id is not None
        job = tx.jobs.get(data.job_id, user_id=USER)
        upload_complete = tx.events.after(USER, 0)[-2]
    assert job.state is JobState.EXECUTOR_ERROR
    assert upload_complete.message["status"] == "error"
    assert upload_complete.data["problem"] == data.problem


def test_the_upload_is_stored_in_the_same_pass(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    content = bgzip(vcf_text(RECORDS))
    data = processed_upload(database, environment, objects, content)
    assert data.store_url is not None
    store = open_cohort([objects.uri_of(data.store_url)])
    (read,) = [list(read_all(shard)) for shard in plan_shards(store, 1 << 20)]
    file = open_cohort([objects.uri_of(data.file_url)])
    (expected,) = [list(read_all(shard)) for shard in plan_shards(file, 1 << 20)]
    assert store.samples == file.samples
    assert store.build is file.build
    assert [block.batch for block in read] == [block.batch for block in expected]


def test_quality_is_counted_in_the_same_pass_and_lies_in_the_store(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    data = processed_upload(database, environment, objects, bgzip(vcf_text(RECORDS)))
    assert data.quality is not None
    assert data.quality["samples"]["n_samples"] == 2
    in_store = [key.removeprefix(f"{data.store_url}/") for key in objects.keys(str(data.store_url))]
    assert "quality/samples.parquet" in in_store
    assert "quality/variants-00000.parquet" in in_store


def read_all(shard: GenotypeShard) -> BlockReader:
    return shard.reader(field=GenotypeField.AUTO, half_call=HalfCall.MISSING, wanted=None, s3=None)


def test_an_attempt_goes_on_where_the_one_before_was_lost(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    environment = replace(environment, shard_bytes=4000, checkpoint_seconds=0)
    positions = range(1000, 60_000, 10)
    content = vcf_text([Record("1", at, ["0/1", "1/1"]) for at in positions])
    seen: list[list[tuple[int, int]]] = []

    def run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
        seen.append([])

        def dies_late(done: int, total: int) -> None:
            seen[-1].append((done, total))
            if job.attempt == 1 and done > 0.9 * total:
                raise InfrastructureError("the worker was lost")

        return process_genomic_file.run(job, replace(context, on_progress=dies_late))

    with database.transaction() as tx:
        data = stored_upload(tx, objects, content)
        submit_genomic_file(tx, data)
    for _ in range(2):
        attempt(database, environment, replace(process_genomic_file.BODY, run=run))
    whole = processed_upload(
        database, environment, objects, content, key="genomic_data/4567/genotypes.vcf"
    )
    with database.reading() as tx:
        data = tx.genomic_data.get(data.id, user_id=USER)
    assert data.metadata_json == whole.metadata_json
    assert bytes_below(objects, data.store_url) == bytes_below(objects, whole.store_url)
    first, second = seen
    n_kept, n_shards = second[1]
    assert n_shards > 10
    assert 0 < n_kept < len(first)
    assert second[2] == (n_kept + 1, n_shards)
    assert list(objects.keys("checkpoints")) == []


def bytes_below(objects: ObjectStore, folder: str | None) -> dict[str, bytes]:
    assert folder is not None
    stored: dict[str, bytes] = {}
    for key in objects.keys(folder):
        with objects.open(key) as source:
            stored[key.removeprefix(folder)] = source.read()
    return stored


def attempt(database: Database, environment: JobEnvironment, body: JobBody) -> None:
    with database.transaction() as tx:
        job = tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="test", seconds=30)
    assert job is not None
    run_attempt(job, environment, body)


def test_a_store_of_other_code_or_shards_is_not_gone_on_with_and_not_kept(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    def die_at_the_end(job: Job, context: JobContext) -> NoReturn:
        process_genomic_file.run(job, context)
        raise MemoryError

    dying = replace(process_genomic_file.BODY, run=die_at_the_end)
    with database.transaction() as tx:
        data = stored_upload(tx, objects, bgzip(vcf_text(RECORDS)))
        submit_genomic_file(tx, data)
    kept: list[set[str]] = []
    for body, shard_bytes in ((dying, 1000), (dying, 2000), (process_genomic_file.BODY, 3000)):
        attempt(database, replace(environment, shard_bytes=shard_bytes), body)
        kept.append({key.split("/")[2] for key in objects.keys("genomic_data")})
    assert [len(names) for names in kept] == [2, 3, 2]
    assert len(set.union(*kept)) == 4


def test_after_our_own_failure_the_upload_is_kept(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    def run_out_of_memory(*_: object) -> None:
        raise MemoryError

    body = replace(process_genomic_file.BODY, run=run_out_of_memory)  # type: ignore[arg-type]
    with objects.put_stream(KEY):
        pass
    with database.transaction() as tx:
        data = tx.genomic_data.create(
            user_id=USER, filename=FILENAME, file_url=KEY, sha256="0" * 64, size_bytes=0
        )
        submit_genomic_file(tx, data)
    for _ in range(environment.retry.max_attempts):
        with database.transaction() as tx:
            job = tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="test", seconds=30)
        assert job is not None
        run_attempt(job, environment, body)
    with database.reading() as tx:
        failed = tx.genomic_data.get(data.id, user_id=USER)
    assert failed.status is RecordStatus.FAILED
    assert objects.exists(KEY)


def test_an_upload_in_a_bucket_is_read_there_and_removed_there(
    database: Database, environment: JobEnvironment, tmp_path: Path
) -> None:
    (tmp_path / "s3" / "genomes").mkdir(parents=True)
    with running_s3_server(tmp_path / "s3") as server:
        access = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
        location = ObjectsLocation(root=tmp_path, bucket="genomes", s3=access)
        remote, objects = replace(environment, objects=location), open_objects(location)
        good = processed_upload(database, remote, objects, bgzip(vcf_text(RECORDS)))
        assert good.status is RecordStatus.COMPLETED
        assert good.store_url is not None
        store = open_cohort([objects.uri_of(good.store_url)], s3=access)
        assert store.samples == ("S1", "S2")
        bad = processed_upload(database, remote, objects, b"not a VCF")
        assert bad.problem is not None
        assert bad.problem["file"] == FILENAME
        assert "genomes" not in str(bad.problem)
        assert not objects.exists(KEY)
