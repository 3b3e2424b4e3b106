"""Every engine against zlib, on sound and on damaged blocks."""

import gc
import random
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes import bgzf, inflate
from core.genotypes.inflate import as_input, inflate_block
from tests.builders.vcf import EOF_BLOCK, bgzf_block

GUARD = 77
ROOM = 1000

engines = pytest.mark.parametrize("engine", list(inflate.ENGINES))


def inflated(engine: str, data: bytes, *, at: int = 0, room: int = ROOM) -> tuple[int, int, bytes]:
    """(status, bytes of the block, text); nothing is written outside the room."""
    text = np.full(room + 200, GUARD, np.uint8)
    words = inflate.ENGINES[engine]().words
    status, size, n_bytes = inflate_block(words, as_input(data), at, text, 100, 100 + room)
    assert (text[:100] == GUARD).all()
    assert (text[100 + room :] == GUARD).all()
    return status, size, bytes(text[100 : 100 + n_bytes]) if status == inflate.OK else b""


def test_both_engines_work_with_the_wheels_that_are_installed():
    assert inflate.working_engines() == ("zlib-ng", "libdeflate")


@engines
@settings(deadline=None)
@given(
    before=st.binary(max_size=30),
    text=st.binary(max_size=ROOM),
    level=st.integers(0, 9),
    behind=st.binary(max_size=30),
)
def test_a_block_gives_back_its_text(engine, before, text, level, behind):
    block = bgzf_block(text, level=level)
    data = before + block + behind
    assert inflated(engine, data, at=len(before)) == (inflate.OK, len(block), text)


@engines
@pytest.mark.parametrize("n_bytes", [0, 1, 65279, 65280, 65536])
def test_blocks_of_any_length_fill_their_room_to_the_last_byte(engine, n_bytes):
    text = b"0|0\t" * (n_bytes // 4) + bytes(n_bytes % 4)
    block = bgzf_block(text, level=6)
    assert inflated(engine, block, room=n_bytes) == (inflate.OK, len(block), text)


@engines
def test_a_block_that_is_cut_off_is_incomplete(engine):
    block = bgzf_block(b"some text " * 20)
    for n_bytes in range(len(block)):
        assert inflated(engine, block[:n_bytes])[0] == inflate.INCOMPLETE


@engines
def test_a_block_with_too_little_room_is_left_alone(engine):
    block = bgzf_block(b"x" * 500)
    assert inflated(engine, block, room=499)[0] == inflate.NO_ROOM


@engines
def test_no_damaged_block_is_taken_for_text(engine):
    """Every bit of a block, one at a time. Some say nothing: the time, or a stream's last few."""
    text = random.Random(1).randbytes(60) + b"0|1\t" * 30
    block = bgzf_block(text, level=6)
    n_silent = 0
    for bit in range(8 * len(block)):
        data = bytearray(block)
        data[bit // 8] ^= 1 << bit % 8
        status, _, found = inflated(engine, bytes(data))
        n_silent += status == inflate.OK
        assert status != inflate.OK or found == text
    assert n_silent < 8 * 6 + 8


@settings(deadline=None, max_examples=300)
@given(damage=st.lists(st.tuples(st.integers(18, 200), st.integers(0, 255)), min_size=1))
def test_engines_agree_on_damage(damage):
    data = bytearray(bgzf_block(b"0|1\t1|1\t" * 30 + bytes(range(100)), level=6))
    for at, value in damage:
        data[at % len(data)] = value
    results = {inflated(engine, bytes(data)) for engine in inflate.ENGINES}
    assert len({result[2] for result in results}) == 1
    assert len({result[0] == inflate.OK for result in results}) == 1


@engines
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"crc": 1}, inflate.WRONG_CRC),
        ({"n_bytes": 3}, inflate.WRONG_LENGTH),
        ({"n_bytes": 5}, inflate.WRONG_LENGTH),
        ({"n_bytes": 65537}, inflate.TOO_LONG),
        ({"n_bytes": 2**32 - 1}, inflate.TOO_LONG),
        ({"behind": b"\0"}, inflate.NOT_INFLATED),
    ],
)
def test_what_is_wrong_with_a_block_is_told(engine, change, status):
    assert inflated(engine, made_up_block(b"text", **change))[0] == status


def made_up_block(text: bytes, *, crc: int | None = None, n_bytes: int | None = None, behind=b""):
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflater.compress(text) + deflater.flush() + behind
    crc = zlib.crc32(text) if crc is None else crc
    n_bytes = len(text) if n_bytes is None else n_bytes
    size = (len(body) + 25).to_bytes(2, "little")
    trailer = crc.to_bytes(4, "little") + n_bytes.to_bytes(4, "little")
    return EOF_BLOCK[:16] + size + body + trailer


@engines
def test_a_block_that_inflates_to_more_than_the_room_stays_inside_it(engine):
    assert inflated(engine, made_up_block(b"x" * 60_000, n_bytes=700), room=700)[0] != inflate.OK


@settings(deadline=None, max_examples=300)
@given(
    subfields=st.lists(st.tuples(st.sampled_from([b"BC", b"XY"]), st.binary(max_size=4))),
    damage=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 255)), max_size=2),
    n_bytes=st.integers(0, 60),
)
def test_headers_are_read_as_bgzf_reads_them(subfields, damage, n_bytes):
    extra = b"".join(name + len(value).to_bytes(2, "little") + value for name, value in subfields)
    data = bytearray(EOF_BLOCK[:10] + len(extra).to_bytes(2, "little") + extra + bytes(20))
    for at, value in damage:
        data[at % len(data)] = value
    data = bytes(data[:n_bytes])
    status, size, _ = inflate._block_layout(as_input(data), 0)
    expected = {inflate.OK: size, inflate.INCOMPLETE: bgzf.INCOMPLETE}.get(status, bgzf.NO_BLOCK)
    assert bgzf.block_size(data, 0) == expected


def test_an_engine_that_is_missing_is_not_offered(monkeypatch):
    def missing():
        raise AttributeError("undefined symbol")

    both = {"missing": missing, "libdeflate": inflate.ENGINES["libdeflate"]}
    monkeypatch.setattr(inflate, "ENGINES", both)
    inflate.working_engines.cache_clear()
    try:
        assert inflate.working_engines() == ("libdeflate",)
        assert inflate.fastest_engine(as_input(EOF_BLOCK)) == "libdeflate"
    finally:
        inflate.working_engines.cache_clear()


@engines
def test_whoever_holds_the_words_holds_the_decompressor(engine):
    words = [inflate.ENGINES[engine]().words for _ in range(20)]
    gc.collect()
    data = as_input(bgzf_block(b"text"))
    text = np.empty(10, np.uint8)
    for engine_words in words:
        assert inflate_block(engine_words, data, 0, text, 0, 10)[0] == inflate.OK
