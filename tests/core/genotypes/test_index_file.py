import gzip
import os
import shutil
from pathlib import Path

import pytest

from core.genotypes.index_file import load_index
from core.storage.byte_ranges import S3Access
from tests.builders.s3_server import running_s3_server
from tests.builders.tabix import write_index
from tests.builders.vcf import Record, bgzip, vcf_text, write_vcf


def write(path: Path, *, step: int = 30_000, n_records: int = 300, name: str = "rs") -> str:
    records = [
        Record("1", step * i, ["0/1", "1/1"], id=f"{name}{i}") for i in range(1, n_records + 1)
    ]
    return write_vcf(path, vcf_text(records), block_bytes=700)


@pytest.fixture
def path(tmp_path):
    """A VCF with its index."""
    write(tmp_path / "f.vcf.gz")
    write_index(tmp_path / "f.vcf.gz")
    return tmp_path / "f.vcf.gz"


def index_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.tbi")


@pytest.mark.parametrize("kind", ["tbi", "csi"])
def test_an_index_beside_the_file_is_found(tmp_path, kind):
    uri = write(tmp_path / "f.vcf.gz")
    assert load_index(uri) is None
    write_index(tmp_path / "f.vcf.gz", kind=kind)
    index = load_index(uri)
    assert index is not None
    assert index.contig_records == {"1": 300}
    assert load_index((tmp_path / "f.vcf.gz").as_uri()) is not None


def test_a_file_without_records_may_have_an_index(tmp_path, caplog):
    uri = write(tmp_path / "f.vcf.gz", n_records=0)
    write_index(tmp_path / "f.vcf.gz")
    assert load_index(uri) is not None
    assert caplog.text == ""


def test_an_index_that_is_older_than_the_file_is_not_used(path, caplog):
    modified = path.stat().st_mtime
    os.utime(index_of(path), (modified - 10, modified - 10))
    assert load_index(str(path)) is None
    assert "is older than the file; make it anew" in caplog.text


@pytest.mark.parametrize(
    "options",
    [{"n_records": 400}, {"n_records": 200}, {"step": 29_000}, {"name": "id_number"}],
    ids=["longer", "shorter", "other positions", "other text"],
)
def test_the_index_of_another_file_is_not_used(tmp_path, path, options, caplog):
    other = write(tmp_path / "other.vcf.gz", **options)
    shutil.copy(index_of(path), f"{other}.tbi")
    os.utime(f"{other}.tbi", (2**31, 2**31))
    assert load_index(other) is None
    assert "is not used" in caplog.text


@pytest.mark.parametrize("n_bytes", [0, 10, 200])
def test_a_damaged_index_is_not_used(path, n_bytes, caplog):
    index_of(path).write_bytes(index_of(path).read_bytes()[:n_bytes])
    assert load_index(str(path)) is None
    assert "is not used" in caplog.text


def test_an_index_that_would_fill_the_memory_is_not_used(path, caplog, monkeypatch):
    monkeypatch.setattr("core.genotypes.index_file.MAX_INDEX_BYTES", 1000)
    index_of(path).write_bytes(bgzip(gzip.decompress(index_of(path).read_bytes()) + bytes(2000)))
    assert load_index(str(path)) is None
    assert "is longer than" in caplog.text


def test_an_index_in_a_bucket_is_found_under_the_key_beside_the_file(tmp_path, path):
    bucket = tmp_path / "s3" / "bucket"
    bucket.mkdir(parents=True)
    for name in ("f.vcf.gz", "alone.vcf.gz", "f.vcf.gz.tbi"):
        shutil.copy2(index_of(path) if name.endswith("tbi") else path, bucket / name)
    with running_s3_server(tmp_path / "s3") as server:
        s3 = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
        assert load_index("s3://bucket/f.vcf.gz", s3=s3) is not None
        assert load_index("s3://bucket/alone.vcf.gz", s3=s3) is None
