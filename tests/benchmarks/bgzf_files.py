"""BGZF as bgzip writes it with libdeflate: blocks of at most 65,280 bytes of text, level 6."""

import deflate

END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_BLOCK_BYTES = 65_280
_HEADER = bytes.fromhex("1f8b08040000000000ff060042430200")


def bgzf_blocks(text: memoryview) -> bytes:
    """Whole blocks that hold `text`; a file is such pieces in a row, and END."""
    starts = range(0, len(text), _BLOCK_BYTES)
    return b"".join(_block(text[start : start + _BLOCK_BYTES]) for start in starts)


def _block(plain: memoryview) -> bytes:
    packed = bytes(deflate.deflate_compress(plain, 6))
    size = len(_HEADER) + 2 + len(packed) + 8
    check = deflate.crc32(plain).to_bytes(4, "little") + len(plain).to_bytes(4, "little")
    return _HEADER + (size - 1).to_bytes(2, "little") + packed + check
