import contextlib
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import GenotypeFileError
from core.genotypes.bgzf import EOF_BLOCK, check_end, find_block, is_bgzf, read_blocks
from tests.builders.vcf import bgzf_block, bgzip


class InMemory:
    """ByteRanges over bytes."""

    uri = "memory"

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size_bytes = len(content)

    def read(self, start: int, stop: int) -> bytes:
        return self.content[start:stop]


def text_of(content: bytes, start: int = 0, *, chunk_bytes: int = 1000, tail_bytes: int = 10):
    source = InMemory(content)
    blocks = read_blocks(
        source, start, source.size_bytes // 2, chunk_bytes=chunk_bytes, tail_bytes=tail_bytes
    )
    return b"".join(block.text for block in blocks)


def noise(n_bytes: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(n_bytes)


@settings(deadline=None)
@given(text=st.binary(max_size=300), block_bytes=st.integers(1, 100), level=st.integers(0, 9))
def test_blocks_give_back_the_text(text, block_bytes, level):
    assert text_of(bgzip(text, block_bytes=block_bytes, level=level)) == text


def test_large_blocks_give_back_the_text_whatever_the_ranges():
    text = noise(300_000)
    content = bgzip(text)
    for chunk_bytes, tail_bytes in [(1, 1), (65536, 1), (100_000, 70_000), (1 << 20, 1 << 20)]:
        assert text_of(content, chunk_bytes=chunk_bytes, tail_bytes=tail_bytes) == text


def boundaries_of(content: bytes) -> list[int]:
    source = InMemory(content)
    blocks = read_blocks(source, 0, len(content), chunk_bytes=1 << 20, tail_bytes=1)
    return [*(block.offset for block in blocks), len(content)]


@pytest.mark.parametrize("block_bytes", [1, 40, 65280])
def test_the_next_block_is_found_from_every_offset(block_bytes):
    content = bgzip(noise(200_000 if block_bytes > 1000 else 500), block_bytes=block_bytes)
    boundaries = boundaries_of(content)
    for offset in range(0, len(content) + 1, 997 if block_bytes > 1000 else 1):
        expected = next(boundary for boundary in boundaries if boundary >= offset)
        if expected < len(content) or len(content) - offset < 65536:
            assert find_block(InMemory(content), offset) == expected


def test_a_bgzf_file_inside_a_stored_block_is_not_mistaken_for_blocks():
    inner = bgzip(noise(20_000), block_bytes=100)[:60_000]
    content = bgzip(inner + noise(200_000), level=0)
    boundaries = boundaries_of(content)
    for offset in range(1, 60_000, 111):
        assert find_block(InMemory(content), offset) == boundaries[1]


def test_other_gzip_subfields_before_the_size_are_skipped():
    block = bgzf_block(b"text")
    other = b"XY\x03\x00abc"
    size = int.from_bytes(block[16:18], "little") + len(other)
    header = block[:10] + (6 + len(other)).to_bytes(2, "little")
    content = header + other + b"BC\x02\x00" + size.to_bytes(2, "little") + block[18:] + EOF_BLOCK
    assert is_bgzf(content)
    assert text_of(content) == b"text"


def test_plain_gzip_is_not_bgzf():
    deflater = zlib.compressobj(wbits=31)
    assert not is_bgzf(deflater.compress(b"x") + deflater.flush())
    assert not is_bgzf(b"")
    assert not is_bgzf(EOF_BLOCK[:10])


def test_a_file_without_its_last_empty_block_is_truncated():
    with pytest.raises(GenotypeFileError, match="truncated"):
        check_end(InMemory(bgzip(b"text", is_complete=False)))
    with pytest.raises(GenotypeFileError, match="truncated"):
        check_end(InMemory(b""))
    check_end(InMemory(bgzip(b"text")))


@settings(deadline=None)
@given(st.integers(1, 200))
def test_a_block_that_is_cut_off_is_truncated(n_bytes):
    content = bgzip(noise(400), block_bytes=100)
    boundaries = boundaries_of(content)
    cut = content[:-n_bytes]
    if len(cut) in boundaries:
        assert len(text_of(cut)) < 400 or n_bytes == len(EOF_BLOCK)
        return
    with pytest.raises(GenotypeFileError, match="truncated"):
        text_of(cut)


@pytest.mark.parametrize("at", [-28 - 8, -28 - 1, 30], ids=["crc", "length", "body"])
def test_a_damaged_block_is_refused(at):
    content = bytearray(bgzip(b"some text " * 100))
    content[at] ^= 0x55
    with pytest.raises(GenotypeFileError, match=r"memory: the block .*byte 0"):
        text_of(bytes(content))


def test_bytes_between_blocks_are_refused():
    with pytest.raises(GenotypeFileError, match="no BGZF block starts here"):
        text_of(bgzf_block(b"text") + b"garbage in between" + EOF_BLOCK)


def test_no_block_within_64_kib_is_an_error():
    content = bgzf_block(b"x") + noise(200_000) + EOF_BLOCK
    with pytest.raises(GenotypeFileError, match="no BGZF block starts within 64 KiB of byte 10"):
        find_block(InMemory(content), 10)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_an_error(content):
    with contextlib.suppress(GenotypeFileError):
        text_of(EOF_BLOCK[:12] + content)
