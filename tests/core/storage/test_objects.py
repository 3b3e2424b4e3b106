"""One contract, every store: local disk, and a real S3 server (rclone)."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InfrastructureError, NotFoundError
from core.storage.byte_ranges import S3Access, open_byte_ranges, s3_client
from core.storage.objects import (
    PART_BYTES,
    LocalObjects,
    ObjectsLocation,
    ObjectStore,
    S3Objects,
    delete_folder,
    open_objects,
    put_file,
)
from tests.builders.s3_server import S3Server, running_s3_server

KEY = "genomic_data/0123abc/genotypes.vcf.gz"
OTHER = "genomic_data/4567def/genotypes.vcf"
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
def objects(location: ObjectsLocation) -> ObjectStore:
    return open_objects(location)


def content_of(objects: ObjectStore, key: str) -> bytes:
    with objects.open(key) as source:
        return source.read()


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
    objects: ObjectStore, location: ObjectsLocation, request: pytest.FixtureRequest, size_bytes: int
) -> None:
    with pytest.raises(ClientGoneError):
        break_off(objects, bytes(size_bytes))
    assert not objects.exists(KEY)
    folder = location.root
    if location.bucket is not None:
        server: S3Server = request.getfixturevalue("s3_server")
        folder = server.directory / location.bucket
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


def test_deleting_the_last_object_of_a_local_folder_removes_the_folder(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    store(objects, KEY, b"x")
    objects.delete(KEY)
    assert [path.name for path in tmp_path.iterdir()] == [".incoming"]


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
    put_file(objects, "prs_scores/job-1/scores.parquet", source)
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


@given(st.text(alphabet=st.sampled_from("ab./\\~%\0"), max_size=12))
def test_no_key_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    root = tmp_path_factory.getbasetemp() / "objects"
    try:
        uri = LocalObjects(root).uri_of(key)
    except ValueError:
        return
    inside = Path(uri.removeprefix("file://")).resolve()
    assert inside.is_relative_to(root.resolve())
    assert inside != root.resolve()


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    killed = tmp_path / ".incoming" / "0123"
    killed.parent.mkdir()
    killed.write_bytes(b"##fileform")
    an_hour_ago = time.time() - 3600
    os.utime(killed, (an_hour_ago, an_hour_ago))
    with objects.put_stream(KEY) as writer:
        writer.write(b"slow")
        (writing,) = (path for path in killed.parent.iterdir() if path != killed)
        os.utime(writing, (an_hour_ago, an_hour_ago))
        store(objects, OTHER, b"another")
    assert content_of(objects, KEY) == b"slow"
    assert list(killed.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_infrastructure_error(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file where the folder should be")
    with (
        pytest.raises(InfrastructureError, match="cannot be stored"),
        LocalObjects(tmp_path / "objects").put_stream(KEY),
    ):
        pass


def test_a_wrong_secret_is_an_infrastructure_error_without_the_secret(s3_server: S3Server) -> None:
    access = S3Access(s3_server.endpoint_url, s3_server.access_key_id, "hunter2")
    with pytest.raises(InfrastructureError) as caught:
        store(S3Objects(BUCKET, access=access), KEY, b"x")
    assert "hunter2" not in str(caught.value)
    assert s3_server.endpoint_url not in str(caught.value)


def test_a_listing_goes_on_while_others_delete_what_it_lists(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    stays, done = "results/stays/0", threading.Event()
    store(objects, stays, b"here")

    def come_and_go() -> None:
        while not done.is_set():
            for n in range(20):
                store(objects, f"results/goes/{n}/object", b"")
                objects.delete(f"results/goes/{n}/object")

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        assert all(stays in objects.keys("results") for _ in range(2_000))
    finally:
        done.set()
        other.join()
