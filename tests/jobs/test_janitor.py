"""Orphans planted beside a real upload and its real results, on disk and on a real S3 server."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.records.session import Database
from core.storage.byte_ranges import S3Access, s3_client
from core.storage.objects import ObjectsLocation, ObjectStore, put_text
from jobs import calculate_prs_score, remove_orphans
from jobs.attempt import JobEnvironment, run_attempt
from jobs.janitor import find_orphans, remove
from jobs.orphans import FOLDERS
from jobs.submit import submit_prs
from tests.builders.records import USER, processed_upload
from tests.builders.s3_server import S3Server, running_s3_server
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import Record, bgzip, vcf_text

EVERYTHING = timedelta(minutes=-5)
PLANTED = (
    "genomic_data/cd/genotypes.vcf.gz",
    "prs_scores/job-2/attempt-7/scores.parquet",
    "cohorts/job-99/attempt-1/scores.parquet",
    "checkpoints/job-2/key/0.arrow",
)


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def environment(environment: JobEnvironment, request: pytest.FixtureRequest) -> JobEnvironment:
    if request.param == "local":
        return environment
    server: S3Server = request.getfixturevalue("s3_server")
    access = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
    bucket = f"curagenie-{os.urandom(4).hex()}"
    s3_client(access).create_bucket(Bucket=bucket)
    return replace(environment, objects=ObjectsLocation(Path("unused"), bucket, access))


@pytest.fixture
def wanted(environment: JobEnvironment, database: Database, objects: ObjectStore) -> set[str]:
    """What an upload and its calculation stored."""
    vcf = bgzip(vcf_text([Record("1", 1000, ["0/1"])], samples=["S1"]))
    data = processed_upload(database, environment, objects, vcf)
    path = environment.scoring_files_dir / "PGS000001.txt.gz"
    write_scoring_file(path, [Row("1", 1000, "G", "A", 0.5)], accession="PGS000001")
    with database.transaction() as tx:
        submitted, _ = submit_prs(tx, data, ["PGS000001"])
        job = tx.jobs.lease(submitted.queue, owner="test", seconds=30)
    assert job is not None
    run_attempt(job, environment, calculate_prs_score.BODY)
    with database.reading() as tx:
        (score,) = tx.prs_scores.of_user(USER)
    stored = everything(objects)
    assert f"{score.result_url}/scores.parquet" in stored
    assert any(".cgstore/" in key for key in stored)
    return stored


def everything(objects: ObjectStore) -> set[str]:
    return {key for folder in FOLDERS for key in objects.keys(folder)}


def test_of_a_service_at_work_nothing_is_an_orphan(
    wanted: set[str], database: Database, objects: ObjectStore
) -> None:
    found = find_orphans(objects, database, older_than=EVERYTHING)
    assert found.objects == ()
    assert found.unfinished == ()
    assert wanted


def test_what_nobody_needs_goes_and_the_rest_stays_as_it_is(
    wanted: set[str], database: Database, objects: ObjectStore
) -> None:
    for key in PLANTED:
        put_text(objects, key, "left")
    assert find_orphans(objects, database).objects == ()
    found = find_orphans(objects, database, older_than=EVERYTHING)
    assert {entry.key for entry in found.objects} == set(PLANTED)
    assert found.size_bytes == 4 * len(PLANTED)
    remove(found, objects)
    remove(found, objects)
    assert everything(objects) == wanted
    for key in wanted:
        with objects.open(key) as source:
            source.read()


def test_what_was_begun_and_never_published_goes_when_it_is_old(
    environment: JobEnvironment, database: Database, objects: ObjectStore
) -> None:
    begin_and_die(environment.objects)
    assert find_orphans(objects, database).unfinished == ()
    found = find_orphans(objects, database, older_than=EVERYTHING)
    assert len(found.unfinished) == 1
    remove(found, objects)
    assert objects.unfinished(datetime.now(UTC) + timedelta(hours=1)) == []


def begin_and_die(location: ObjectsLocation) -> None:
    """What a writer leaves that was killed."""
    if location.bucket is None:
        incoming = location.root / ".incoming"
        incoming.mkdir(parents=True)
        (incoming / "0123").write_bytes(b"##file")
        return
    assert location.s3 is not None
    target = {"Bucket": location.bucket, "Key": "genomic_data/ef/genotypes.vcf"}
    client = s3_client(location.s3)
    upload = client.create_multipart_upload(**target)
    client.upload_part(**target, UploadId=upload["UploadId"], PartNumber=1, Body=b"##file")


@pytest.mark.parametrize("environment", ["local"], indirect=True)
def test_the_command_tells_what_it_would_remove_and_removes_it(
    tmp_path: Path,
    database: Database,
    objects: ObjectStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert database
    monkeypatch.setenv("CURAGENIE_DATA_DIR", str(tmp_path))
    two_days_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for key in PLANTED:
        put_text(objects, key, "left")
        os.utime(tmp_path / "objects" / key, (two_days_ago, two_days_ago))

    def run(*arguments: str) -> dict[str, object]:
        monkeypatch.setattr(sys, "argv", ["remove_orphans", "--output", "json", *arguments])
        with pytest.raises(SystemExit) as ended:
            remove_orphans.main()
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    assert run("--older-than", "3d")["objects"] == []
    assert run("--dry-run")["objects"] == sorted(
        PLANTED, key=lambda key: FOLDERS.index(key.partition("/")[0])
    )
    assert everything(objects) == set(PLANTED)
    assert run()["size_bytes"] == 16
    assert everything(objects) == set()
