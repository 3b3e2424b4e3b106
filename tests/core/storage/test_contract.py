"""One contract, every store: local disk, and a real S3 server (rclone)."""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import DamagedObjectError, NotFoundError, WrittenOnceError
from core.storage import s3
from core.storage.byte_ranges import S3Access, open_byte_ranges, s3_client
from core.storage.multipart import PART_BYTES
from core.storage.objects import (
    ObjectsLocation,
    ObjectStore,
    delete_folder,
    open_objects,
    put_text,
)
from tests.builders.s3_server import S3Server, running_s3_server

KEY = "genomic_data/0123abc/genotypes.vcf.gz"
BUCKET = "curagenie"


class ClientGoneError(Exception):
    """What ends a stream in the middle."""


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectsLocation:
    """An empty store."""
    if request.param == "local":
        return ObjectsLocation(root=tmp_path / "objects")
    server: S3Server = request.getfixturevalue("s3_server")
    bucket = f"{BUCKET}-{os.urandom(4).hex()}"
    access = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
    s3_client(access).create_bucket(Bucket=bucket)
    return ObjectsLocation(root=tmp_path, bucket=bucket, s3=access)


@pytest.fixture
def folder(location: ObjectsLocation, request: pytest.FixtureRequest) -> Path:
    """Where the store has its objects as files, by their keys."""
    if location.bucket is None:
        return location.root
    server: S3Server = request.getfixturevalue("s3_server")
    return server.directory / location.bucket


@pytest.fixture
def objects(location: ObjectsLocation) -> ObjectStore:
    return open_objects(location)


def content_of(objects: ObjectStore, key: str) -> bytes:
    with objects.open(key) as source:
        return source.read()


def read_in_pieces(objects: ObjectStore, key: str) -> None:
    with objects.open(key) as source:
        while source.read(1 << 20):
            pass


def flip_a_bit(path: Path, *, at: int) -> None:
    """As a disk does it: nobody wrote the file, so its time stays."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\x01")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def store(objects: ObjectStore, key: str, content: bytes) -> None:
    with objects.put_stream(key) as writer:
        writer.write(content)


def break_off(objects: ObjectStore, content: bytes) -> None:
    with objects.put_stream(KEY) as writer:
        writer.write(content)
        raise ClientGoneError


def test_what_is_written_is_read_back_with_its_size_and_sha256(objects: ObjectStore) -> None:
    with objects.put_stream(KEY) as writer:
        writer.write(b"##fileformat")
        writer.write(memoryview(b"=VCFv4.2\n"))
    content = b"##fileformat=VCFv4.2\n"
    assert content_of(objects, KEY) == content
    assert writer.size_bytes == len(content)
    assert writer.sha256 == hashlib.sha256(content).hexdigest()


def test_an_empty_object_is_an_object(objects: ObjectStore) -> None:
    with objects.put_stream(KEY):
        pass
    assert objects.exists(KEY)
    assert content_of(objects, KEY) == b""


def test_an_object_is_not_there_until_its_writer_ends(objects: ObjectStore) -> None:
    with objects.put_stream(KEY) as writer:
        writer.write(b"half")
        assert not objects.exists(KEY)
        assert list(objects.keys("genomic_data")) == []
    assert objects.exists(KEY)


@pytest.mark.parametrize("size_bytes", [10, PART_BYTES + 10], ids=["small", "several parts"])
def test_an_error_while_writing_leaves_nothing(
    objects: ObjectStore, folder: Path, size_bytes: int
) -> None:
    with pytest.raises(ClientGoneError):
        break_off(objects, bytes(size_bytes))
    assert not objects.exists(KEY)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_an_object_of_several_parts_is_read_back_whole(objects: ObjectStore) -> None:
    content = os.urandom(1 << 20) * (2 * PART_BYTES // (1 << 20)) + b"tail"
    with objects.put_stream(KEY) as writer:
        for start in range(0, len(content), 5_000_000):
            writer.write(content[start : start + 5_000_000])
    assert writer.size_bytes == len(content)
    with objects.open(KEY) as source:
        digest = hashlib.sha256()
        while piece := source.read(1 << 20):
            digest.update(piece)
    assert digest.hexdigest() == writer.sha256


def test_writing_again_replaces_the_object(objects: ObjectStore) -> None:
    store(objects, KEY, b"first, and longer")
    store(objects, KEY, b"second")
    assert content_of(objects, KEY) == b"second"


def test_a_failed_replacement_keeps_the_old_object(objects: ObjectStore) -> None:
    store(objects, KEY, b"first")
    with pytest.raises(ClientGoneError):
        break_off(objects, b"second")
    assert content_of(objects, KEY) == b"first"


def test_what_is_not_there_is_not_found(objects: ObjectStore) -> None:
    assert not objects.exists(KEY)
    with pytest.raises(NotFoundError), objects.open(KEY):
        pass
    with pytest.raises(NotFoundError), objects.local_path(KEY):
        pass


def test_deleting_removes_the_object_and_deleting_again_is_no_error(objects: ObjectStore) -> None:
    store(objects, KEY, b"x")
    objects.delete(KEY)
    assert not objects.exists(KEY)
    objects.delete(KEY)


def test_a_folder_is_listed_sorted_and_deleted_without_its_namesakes(objects: ObjectStore) -> None:
    for key in ("a/2/x", "a/1", "ab/1", "b"):
        store(objects, key, b"x")
    assert list(objects.keys("a")) == ["a/1", "a/2/x"]
    delete_folder(objects, "a")
    assert list(objects.keys("a")) == []
    assert objects.exists("ab/1")


def test_a_file_is_stored_by_copy_and_seen_as_a_local_file(
    objects: ObjectStore, tmp_path: Path
) -> None:
    source = tmp_path / "scores.parquet"
    source.write_bytes(b"PAR1")
    objects.put_file("prs_scores/job-1/scores.parquet", source)
    with objects.local_path("prs_scores/job-1/scores.parquet") as path:
        assert path.name == "scores.parquet"
        assert path.read_bytes() == b"PAR1"


def test_readers_find_the_object_by_its_uri(
    objects: ObjectStore, location: ObjectsLocation
) -> None:
    store(objects, KEY, b"0123456789")
    ranges = open_byte_ranges(objects.uri_of(KEY), s3=location.s3)
    assert ranges.size_bytes == 10
    assert ranges.read(2, 5) == b"234"
    assert ranges.read(8, 99) == b"89"
    assert ranges.read(10, 20) == b""
    assert ranges.read(5, 5) == b""


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "A", "a b", ".hidden", "a/.b", "a\n", "ä"],
)
def test_what_is_not_one_of_our_keys_is_refused_everywhere(objects: ObjectStore, key: str) -> None:
    for use in (objects.exists, objects.delete, objects.uri_of, objects.keys):
        with pytest.raises(ValueError, match="not a storage key"):
            use(key)
    for use in (objects.open, objects.local_path, objects.put_stream):
        with pytest.raises(ValueError, match="not a storage key"), use(key):
            pass


@pytest.mark.parametrize("size_bytes", [10, PART_BYTES + 10], ids=["small", "several parts"])
def test_what_is_written_once_is_not_replaced_by_other_bytes(
    objects: ObjectStore, size_bytes: int
) -> None:
    content = os.urandom(size_bytes)
    for _ in range(2):  # the same bytes again: a writer that did not hear that it had succeeded
        with objects.put_stream(KEY, write_once=True) as writer:
            writer.write(content)
    with (
        pytest.raises(WrittenOnceError, match=KEY),
        objects.put_stream(KEY, write_once=True) as writer,
    ):
        writer.write(content[:-1])
    assert content_of(objects, KEY) == content
    assert objects.unfinished(datetime.now(UTC) + timedelta(hours=1)) == []


@pytest.mark.parametrize("size_bytes", [10, PART_BYTES + 10], ids=["small", "several parts"])
def test_an_object_with_one_changed_bit_is_damaged_and_not_read(
    objects: ObjectStore, folder: Path, size_bytes: int
) -> None:
    store(objects, KEY, bytes(size_bytes))
    flip_a_bit(folder / KEY, at=size_bytes // 2)
    with pytest.raises(DamagedObjectError, match=KEY):
        read_in_pieces(objects, KEY)
    with pytest.raises(DamagedObjectError, match=KEY), objects.local_path(KEY):
        pass
    store(objects, KEY, b"again")
    assert content_of(objects, KEY) == b"again"


def test_a_listing_of_several_pages_is_whole_and_tells_sizes_and_times(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "KEYS_PER_PAGE", 2)
    for n in range(5):
        put_text(objects, f"results/{n}", "x" * n)
    entries = list(objects.entries("results"))
    assert [(entry.key, entry.size_bytes) for entry in entries] == [
        (f"results/{n}", n) for n in range(5)
    ]
    assert all(
        abs(datetime.now(UTC) - entry.modified_at) < timedelta(minutes=5) for entry in entries
    )


def test_what_is_being_written_is_unfinished_and_not_listed(objects: ObjectStore) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    with objects.put_stream(KEY) as writer:
        writer.write(bytes(PART_BYTES + 10))
        assert len(objects.unfinished(later)) == 1
        assert objects.unfinished(datetime.now(UTC) - timedelta(hours=1)) == []
        assert not objects.exists(KEY)
    assert objects.unfinished(later) == []


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}(/[a-z0-9][a-z0-9_-]{0,8}){0,2}\.x", fullmatch=True),
    pieces=st.lists(st.binary(max_size=50), max_size=5),
)
def test_any_bytes_come_back_under_any_of_our_keys(
    objects: ObjectStore, key: str, pieces: list[bytes]
) -> None:
    with objects.put_stream(key) as writer:
        for piece in pieces:
            writer.write(piece)
    assert content_of(objects, key) == b"".join(pieces)
    objects.delete(key)
    assert not objects.exists(key)
