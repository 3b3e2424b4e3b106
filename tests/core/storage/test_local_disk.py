"""What the contract does not say of a folder: what killed writers leave, and who else is in it."""

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InfrastructureError
from core.storage.local_disk import LocalObjects

KEY = "genomic_data/0123abc/genotypes.vcf.gz"
OTHER = "genomic_data/4567def/genotypes.vcf"


def content_of(objects: LocalObjects, key: str) -> bytes:
    with objects.open(key) as source:
        return source.read()


def store(objects: LocalObjects, key: str, content: bytes) -> None:
    with objects.put_stream(key) as writer:
        writer.write(content)


def test_deleting_the_last_object_of_a_folder_removes_the_folder(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    store(objects, KEY, b"x")
    objects.delete(KEY)
    assert [path.name for path in tmp_path.iterdir()] == [".incoming"]


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


def test_a_file_that_somebody_put_there_has_no_sha256_to_keep(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "brought").write_bytes(b"as it is")
    assert content_of(LocalObjects(tmp_path), "results/brought") == b"as it is"
