"""What the contract does not say of S3: parts, what is sent again, and secrets."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import InfrastructureError
from core.storage.byte_ranges import S3Access, s3_client
from core.storage.multipart import PART_BYTES, open_uploads, part_bytes
from core.storage.s3 import S3Objects
from core.storage.s3_errors import UploadGoneError
from tests.builders.s3_server import S3Server, running_s3_server
from tests.builders.tcp_proxy import TcpProxy, running_tcp_proxy

KEY = "genomic_data/0123abc/genotypes.vcf.gz"
BUCKET = "curagenie"
GIB = 1 << 30


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        s3_client(access_to(server)).create_bucket(Bucket=BUCKET)
        yield server


def access_to(server: S3Server, *, secret: str | None = None) -> S3Access:
    secret = secret or server.secret_access_key
    return S3Access(server.endpoint_url, server.access_key_id, secret)


@pytest.fixture
def client(s3_server: S3Server) -> Any:
    return s3_client(access_to(s3_server))


@pytest.fixture
def objects(s3_server: S3Server) -> S3Objects:
    return S3Objects(BUCKET, access=access_to(s3_server))


@pytest.fixture
def sent(client: Any) -> Iterator[list[int]]:
    """The numbers of the parts that go to the server."""
    numbers: list[int] = []

    def note(params: dict[str, Any], **_: object) -> None:
        numbers.append(int(params["query_string"]["partNumber"]))

    client.meta.events.register("before-call.s3.UploadPart", note)
    yield numbers
    client.meta.events.unregister("before-call.s3.UploadPart", note)


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    """Of three parts, the last not full."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(2 * PART_BYTES) + b"tail")
    return path


def begin_and_die(client: Any, parts: list[bytes], *, told: str = "") -> None:
    """What a killed process leaves: parts, and nobody who will complete them."""
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=KEY, Metadata={"sha256": told})
    for number, part in enumerate(parts, start=1):
        client.upload_part(
            Bucket=BUCKET, Key=KEY, UploadId=upload["UploadId"], PartNumber=number, Body=part
        )


def read(objects: S3Objects) -> bytes:
    with objects.open(KEY) as source:
        return source.read()


def test_an_upload_that_was_killed_goes_on_at_the_parts_that_are_there(
    objects: S3Objects, client: Any, large_file: Path, sent: list[int]
) -> None:
    content = large_file.read_bytes()
    begin_and_die(client, [content[:PART_BYTES]], told=hashlib.sha256(content).hexdigest())
    sent.clear()
    objects.put_file(KEY, large_file)
    assert sent == [2, 3]
    assert read(objects) == content
    assert objects.unfinished(datetime.now(UTC) + timedelta(hours=1)) == []


@pytest.mark.parametrize("first", [b"changed", b""], ids=["another file", "the same beginning"])
def test_what_was_begun_of_another_file_is_begun_again(
    objects: S3Objects, client: Any, large_file: Path, sent: list[int], first: bytes
) -> None:
    content = large_file.read_bytes()
    begin_and_die(client, [(first + content)[:PART_BYTES]], told="0" * 64)
    sent.clear()
    objects.put_file(KEY, large_file)
    assert sent[-3:] == [1, 2, 3]
    assert read(objects) == content
    assert objects.unfinished(datetime.now(UTC) + timedelta(hours=1)) == []


def test_what_nobody_will_complete_can_be_found_and_discarded(
    objects: S3Objects, client: Any
) -> None:
    begin_and_die(client, [b"part"])
    later = datetime.now(UTC) + timedelta(hours=1)
    (name,) = objects.unfinished(later)
    assert name.startswith(f"{KEY}@")
    objects.discard_unfinished(name)
    objects.discard_unfinished(name)
    assert objects.unfinished(later) == []


def test_ten_thousand_parts_hold_more_than_s3_takes_and_the_usual_ones_are_small() -> None:
    assert sum(part_bytes(number) for number in range(1, 10_001)) > 5 * 1024 * GIB
    assert part_bytes(10_000) < 5 * GIB
    assert {part_bytes(number) for number in range(1, 1001)} == {PART_BYTES}
    assert sum(part_bytes(number) for number in range(1, 4001)) > 64 * GIB
    assert part_bytes(4000) == 64 << 20


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[TcpProxy]:
    host, _, port = s3_server.endpoint_url.removeprefix("http://").partition(":")
    with running_tcp_proxy(host, int(port)) as proxy:
        yield proxy


@pytest.fixture
def objects_by_proxy(s3_server: S3Server, proxy: TcpProxy) -> S3Objects:
    access = replace(access_to(s3_server), endpoint_url=f"http://127.0.0.1:{proxy.port}")
    return S3Objects(BUCKET, access=access)


def test_a_stream_is_stored_where_the_answer_to_its_completion_is_lost(
    proxy: TcpProxy, objects_by_proxy: S3Objects, large_file: Path, objects: S3Objects
) -> None:
    proxy.cut_after = b"<CompleteMultipartUpload"
    with objects_by_proxy.put_stream(KEY) as writer:
        writer.write(large_file.read_bytes())
    assert proxy.n_cut == 1
    assert read(objects) == large_file.read_bytes()


def test_a_file_is_stored_where_the_answer_to_its_completion_is_lost(
    proxy: TcpProxy, objects_by_proxy: S3Objects, large_file: Path, objects: S3Objects
) -> None:
    proxy.cut_after = b"<CompleteMultipartUpload"
    objects_by_proxy.put_file(KEY, large_file)
    assert proxy.n_cut == 1
    assert read(objects) == large_file.read_bytes()


def test_an_upload_that_somebody_else_ended_is_not_taken_for_ours(
    client: Any, objects: S3Objects, large_file: Path
) -> None:
    objects.put_file(KEY, large_file)
    with ExitStack() as stack:
        writer = stack.enter_context(objects.put_stream(KEY))
        writer.write(bytes(PART_BYTES) + b"tail")
        for begun in open_uploads(client, Bucket=BUCKET, Key=KEY):
            client.abort_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=begun["UploadId"])
        with pytest.raises(UploadGoneError):
            stack.close()
    assert read(objects) == large_file.read_bytes()


@pytest.mark.parametrize("size_bytes", [10, PART_BYTES + 1])
def test_writing_into_a_bucket_that_is_gone_is_no_users_error(
    s3_server: S3Server, size_bytes: int
) -> None:
    nowhere = S3Objects("gone", access=access_to(s3_server))
    with pytest.raises(InfrastructureError), nowhere.put_stream(KEY) as writer:
        writer.write(bytes(size_bytes))


def test_a_wrong_secret_is_an_infrastructure_error_without_the_secret(s3_server: S3Server) -> None:
    access = access_to(s3_server, secret="hunter2")
    with pytest.raises(InfrastructureError) as caught:
        S3Objects(BUCKET, access=access).exists(KEY)
    assert "hunter2" not in str(caught.value)
    assert s3_server.endpoint_url not in str(caught.value)
