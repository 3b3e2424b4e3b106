"""Signed URLs against a real S3 server, used as a client uses them: without our keys."""

import hashlib
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import DamagedObjectError
from core.storage.byte_ranges import S3Access, s3_client
from core.storage.objects import ObjectsLocation, open_objects, put_text
from core.storage.presigned import PresigningStore
from tests.builders.s3_server import running_s3_server

KEY = "genomic_data/ab/genotypes.vcf.gz"
BUCKET = "curagenie"
REFUSED = (400, 403)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PresigningStore]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        access = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
        s3_client(access).create_bucket(Bucket=BUCKET)
        objects = open_objects(ObjectsLocation(Path("unused"), BUCKET, access))
        assert isinstance(objects, PresigningStore)
        yield objects


def status_of(url: str, *, body: bytes | None = None) -> int:
    request = urllib.request.Request(url, data=body, method="GET" if body is None else "PUT")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def send(objects: PresigningStore, parts: list[bytes], *, sha256: str) -> str:
    upload_id = objects.begin_parts(KEY, sha256=sha256)
    for number, part in enumerate(parts, start=1):
        assert status_of(objects.part_url(KEY, upload_id, number), body=part) == 200
    return upload_id


def test_a_folder_on_local_disk_signs_nothing(tmp_path: Path) -> None:
    assert not isinstance(open_objects(ObjectsLocation(tmp_path)), PresigningStore)


def test_a_url_gives_the_object_under_the_name_to_save_it_by(objects: PresigningStore) -> None:
    put_text(objects, KEY, "content")
    with urllib.request.urlopen(objects.download_url(KEY, filename="mine.vcf.gz")) as answer:
        assert answer.read() == b"content"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="mine.vcf.gz"'


def test_a_url_that_expired_or_was_changed_is_refused(objects: PresigningStore) -> None:
    put_text(objects, KEY, "content")
    put_text(objects, "genomic_data/cd/other", "another's")
    url = objects.download_url(KEY, filename="mine.vcf.gz", seconds=1)
    changed = [
        url.replace(KEY, "genomic_data/cd/other"),
        url.replace("mine.vcf.gz", "yours.vcf.gz"),
        url.replace("X-Amz-Expires=1&", "X-Amz-Expires=9999&"),
    ]
    assert url not in changed
    assert all(status_of(each) in REFUSED for each in changed)
    assert status_of(url, body=b"written") in REFUSED
    time.sleep(2.1)
    assert status_of(url) in REFUSED


def test_parts_that_a_client_sends_become_the_object_it_said(objects: PresigningStore) -> None:
    parts = [os.urandom(5 << 20), b"tail"]
    objects.delete(KEY)
    upload_id = send(objects, parts, sha256=hashlib.sha256(b"".join(parts)).hexdigest())
    assert not objects.exists(KEY)
    objects.complete_parts(KEY, upload_id)
    with objects.open(KEY) as source:
        assert source.read() == b"".join(parts)


def test_parts_that_are_not_what_the_client_said_leave_nothing(objects: PresigningStore) -> None:
    upload_id = send(objects, [b"other bytes"], sha256=hashlib.sha256(b"these").hexdigest())
    with pytest.raises(DamagedObjectError, match=KEY):
        objects.complete_parts(KEY, upload_id)
    assert not objects.exists(KEY)
    assert objects.unfinished(datetime.now(UTC) + timedelta(hours=1)) == []


def test_a_url_of_one_part_is_of_no_other_and_expires(objects: PresigningStore) -> None:
    upload_id = objects.begin_parts(KEY, sha256="0" * 64)
    url = objects.part_url(KEY, upload_id, 1, seconds=1)
    assert status_of(url.replace("partNumber=1", "partNumber=2"), body=b"part") in REFUSED
    time.sleep(2.1)
    assert status_of(url, body=b"part") in REFUSED
    objects.discard_unfinished(f"{KEY}@{upload_id}")
