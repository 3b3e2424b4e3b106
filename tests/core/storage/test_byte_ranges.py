import dataclasses
from pathlib import Path

import pytest

from core.errors import GenotypeFileError, InfrastructureError, UnsupportedFormatError
from core.storage.byte_ranges import S3Access, open_byte_ranges, s3_client
from tests.builders.s3_server import S3Server, running_s3_server

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    directory = tmp_path_factory.mktemp("s3")
    (directory / "bucket").mkdir()
    with running_s3_server(directory) as server:
        yield server


def access_of(server: S3Server) -> S3Access:
    return S3Access(
        server.endpoint_url, server.access_key_id, server.secret_access_key, "us-east-1"
    )


@pytest.fixture
def s3_object(s3: S3Server):
    s3_client(access_of(s3)).put_object(Bucket="bucket", Key="a b#1.bin", Body=CONTENT)
    return open_byte_ranges("s3://bucket/a b#1.bin", s3=access_of(s3))


@pytest.fixture
def local_file(tmp_path: Path):
    path = tmp_path / "a b.bin"
    path.write_bytes(CONTENT)
    return open_byte_ranges(str(path))


@pytest.fixture(params=["local_file", "s3_object"])
def source(request):
    return request.getfixturevalue(request.param)


def test_a_range_is_the_bytes_from_start_to_stop(source):
    assert source.size_bytes == len(CONTENT)
    assert source.read(0, 10) == CONTENT[:10]
    assert source.read(1000, 70000) == CONTENT[1000:70000]


def test_a_range_is_short_only_at_the_end(source):
    assert source.read(len(CONTENT) - 3, len(CONTENT) + 100) == CONTENT[-3:]
    assert source.read(len(CONTENT), len(CONTENT) + 1) == b""
    assert source.read(5, 5) == b""


def test_a_file_uri_may_be_percent_encoded(tmp_path):
    path = tmp_path / "a b.bin"
    path.write_bytes(b"x")
    assert open_byte_ranges(path.as_uri()).read(0, 1) == b"x"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(GenotypeFileError, match=r"none\.vcf: there is no such file"):
        open_byte_ranges(str(tmp_path / "none.vcf"))


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(GenotypeFileError, match="this is a folder"):
        open_byte_ranges(str(tmp_path))


def test_another_scheme_is_refused():
    with pytest.raises(UnsupportedFormatError, match="ftp://"):
        open_byte_ranges("ftp://host/file.vcf")


def test_an_s3_uri_needs_a_key():
    with pytest.raises(UnsupportedFormatError, match="s3://bucket/key"):
        open_byte_ranges("s3://bucket")


def test_an_object_that_is_not_there_is_named(s3):
    with pytest.raises(GenotypeFileError, match=r"s3://bucket/none: there is no such object"):
        open_byte_ranges("s3://bucket/none", s3=access_of(s3))


def test_a_wrong_secret_is_refused(s3, s3_object):
    access = dataclasses.replace(access_of(s3), secret_access_key="wrong")
    with pytest.raises(GenotypeFileError, match="access is denied"):
        open_byte_ranges("s3://bucket/a b#1.bin", s3=access)


def test_a_store_that_does_not_answer_is_worth_a_retry():
    access = S3Access("http://127.0.0.1:9", "key", "secret", "us-east-1")
    with pytest.raises(InfrastructureError) as raised:
        open_byte_ranges("s3://bucket/key", s3=access)
    assert raised.value.retryable


def test_the_secret_stays_out_of_messages():
    assert "hidden" not in repr(S3Access(secret_access_key="hidden"))


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(s3, s3_object):
    other = bytes(len(CONTENT))
    s3_client(access_of(s3)).put_object(Bucket="bucket", Key="a b#1.bin", Body=other)
    assert open_byte_ranges(s3_object.uri, s3=access_of(s3)).version != s3_object.version
    with pytest.raises(GenotypeFileError, match="was replaced while it was read"):
        s3_object.read(0, 10)
