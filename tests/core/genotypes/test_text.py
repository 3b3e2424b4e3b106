import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import GenotypeFileError
from core.genotypes import text as text_module
from core.genotypes.text import Compression, detect_compression, read_text
from core.storage.byte_ranges import open_byte_ranges
from tests.builders.vcf import bgzip


@pytest.fixture
def read(tmp_path):
    def read(content: bytes, compression: Compression) -> bytes:
        path = tmp_path / "file"
        path.write_bytes(content)
        source = open_byte_ranges(str(path))
        pieces = read_text(source, compression, 0, source.size_bytes)
        return b"".join(piece.text for piece in pieces)

    return read


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bgzip(b"x"), Compression.BGZIP),
        (gzip.compress(b"x"), Compression.GZIP),
        (b"##fileformat=VCFv4.2", Compression.PLAIN),
        (b"", Compression.PLAIN),
    ],
    ids=["bgzip", "gzip", "plain", "empty"],
)
def test_compression_is_told_by_magic_bytes(content, expected):
    assert detect_compression(content) is expected


def test_every_compression_gives_the_same_text(read):
    text = b"".join(b"%d\n" % i for i in range(1_000_000))
    assert read(text, Compression.PLAIN) == text
    assert read(bgzip(text), Compression.BGZIP) == text
    assert read(gzip.compress(text, 1), Compression.GZIP) == text


def test_all_members_of_a_gzip_file_are_read(read):
    content = gzip.compress(b"one\n") + gzip.compress(b"") + gzip.compress(b"two\n")
    assert read(content, Compression.GZIP) == b"one\ntwo\n"


def test_zero_padding_behind_gzip_is_no_text(read):
    assert read(gzip.compress(b"one\n") + bytes(1000), Compression.GZIP) == b"one\n"


def test_highly_compressible_gzip_is_read_in_small_pieces(tmp_path):
    path = tmp_path / "zeros.gz"
    path.write_bytes(gzip.compress(bytes(50 << 20)))
    source = open_byte_ranges(str(path))
    sizes = [len(piece.text) for piece in read_text(source, Compression.GZIP, 0, source.size_bytes)]
    assert sum(sizes) == 50 << 20
    assert max(sizes) <= 1 << 20


@pytest.mark.parametrize("n_bytes", [1, 8, 100])
def test_truncated_gzip_is_refused(read, n_bytes):
    content = gzip.compress(b"".join(b"%d\n" % i for i in range(1000)))
    with pytest.raises(GenotypeFileError, match="truncated"):
        read(content[:-n_bytes], Compression.GZIP)


def test_garbage_behind_gzip_is_refused(read):
    with pytest.raises(GenotypeFileError, match="does not inflate"):
        read(gzip.compress(b"one\n") + b"garbage", Compression.GZIP)


def test_damaged_gzip_is_refused(read):
    content = bytearray(gzip.compress(b"one\n"))
    content[-6] ^= 1
    with pytest.raises(GenotypeFileError, match="does not inflate"):
        read(bytes(content), Compression.GZIP)


@settings(deadline=None)
@given(texts=st.lists(st.binary(max_size=50)), chunk_bytes=st.integers(1, 20))
def test_gzip_is_read_whatever_the_ranges(tmp_path_factory, texts, chunk_bytes):
    path = tmp_path_factory.mktemp("gzip") / "file"
    path.write_bytes(b"".join(gzip.compress(text) for text in texts) or gzip.compress(b""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "CHUNK_BYTES", chunk_bytes)
        source = open_byte_ranges(str(path))
        pieces = read_text(source, Compression.GZIP, 0, source.size_bytes)
        assert b"".join(piece.text for piece in pieces) == b"".join(texts)
