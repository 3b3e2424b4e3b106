"""Digests are remembered for as long as nothing can have been written."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from core.storage import byte_ranges
from core.storage.byte_ranges import open_byte_ranges
from core.storage.digest_cache import DigestCache, sha256_of


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "cache")


@pytest.fixture
def old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if it had been written longer ago than a step of the file system's clock."""
    path = tmp_path / "cohort.vcf.gz"
    path.write_bytes(b"one")
    later = time.time() + 60
    monkeypatch.setattr(byte_ranges.time, "time", lambda: later)
    return path


def entries(cache: DigestCache) -> list[Path]:
    return sorted(cache.folder.glob("*")) if cache.folder.exists() else []


def test_a_file_is_hashed_once(old_file, cache):
    assert sha256_of(str(old_file), cache=cache) == digest(b"one")
    assert cache.load(open_byte_ranges(str(old_file))) == digest(b"one")
    assert len(entries(cache)) == 1
    assert sha256_of(str(old_file), cache=cache) == digest(b"one")


def test_a_file_of_the_same_size_and_time_of_change_is_another_file(old_file, cache):
    sha256_of(str(old_file), cache=cache)
    before = old_file.stat()
    old_file.write_bytes(b"two")
    os.utime(old_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sha256_of(str(old_file), cache=cache) == digest(b"two")


def test_a_file_that_was_just_written_is_not_remembered(tmp_path, cache):
    path = tmp_path / "new"
    path.write_bytes(b"one")
    assert sha256_of(str(path), cache=cache) == digest(b"one")
    assert entries(cache) == []


def test_a_damaged_entry_is_not_believed(old_file, cache):
    sha256_of(str(old_file), cache=cache)
    (entry,) = entries(cache)
    text = entry.read_text()
    for damaged in (digest(b"two") + text[64:], text[:-1], "", "ü"):
        entry.write_text(damaged)
        assert cache.load(open_byte_ranges(str(old_file))) is None
        assert sha256_of(str(old_file), cache=cache) == digest(b"one")


def test_a_folder_that_cannot_be_written_only_costs_time(old_file, tmp_path):
    (tmp_path / "file").write_text("")
    assert sha256_of(str(old_file), cache=DigestCache(tmp_path / "file")) == digest(b"one")


def test_without_a_cache_every_call_hashes(old_file):
    assert sha256_of(str(old_file)) == digest(b"one")
