import hashlib

import pytest

from core.genotypes.directory_cache import DirectoryCache
from tests.builders.block_directory import directory_of
from tests.builders.vcf import Record, vcf_text, write_vcf
from tests.core.genotypes.test_block_directory import assert_same

SHA256 = hashlib.sha256(b"a file").hexdigest()
OTHER_SHA256 = hashlib.sha256(b"another file").hexdigest()


@pytest.fixture
def directory(tmp_path):
    records = [Record("1", position, ["0/1", "1/1"]) for position in range(1, 99)]
    write_vcf(tmp_path / "f.vcf.gz", vcf_text(records), block_bytes=200)
    return directory_of(tmp_path / "f.vcf.gz")


@pytest.fixture
def cache(tmp_path, directory):
    """With one directory, in a folder that nobody has made."""
    cache = DirectoryCache(tmp_path / "home" / "cache")
    cache.save(SHA256, directory)
    return cache


def test_a_directory_comes_back_for_the_content_it_was_kept_for(cache, directory):
    loaded = cache.load(SHA256)
    assert_same(loaded, directory)
    assert cache.load(OTHER_SHA256) is None
    assert [path.name for path in cache.folder.iterdir()] == [f"{SHA256}.blocks"]


@pytest.mark.parametrize("at", [0, 20, 60, 100, -1])
def test_a_damaged_directory_is_not_used_and_said_so(cache, caplog, at):
    (path,) = cache.folder.iterdir()
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert cache.load(SHA256) is None
    assert "is not used" in caplog.text


@pytest.mark.parametrize("n_bytes", [0, 10, 30, 60, 100])
def test_a_cut_directory_is_not_used(cache, caplog, n_bytes):
    (path,) = cache.folder.iterdir()
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert cache.load(SHA256) is None
    assert "is not used" in caplog.text


def test_the_directory_of_another_file_is_not_used(cache, caplog):
    (path,) = cache.folder.iterdir()
    path.rename(path.with_name(f"{OTHER_SHA256}.blocks"))
    assert cache.load(OTHER_SHA256) is None
    assert "another file" in caplog.text


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, directory, caplog):
    (tmp_path / "file").write_text("")
    cache = DirectoryCache(tmp_path / "file")
    cache.save(SHA256, directory)
    assert cache.load(SHA256) is None
    assert "is not kept" in caplog.text
