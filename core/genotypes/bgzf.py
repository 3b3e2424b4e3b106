"""BGZF: gzip in independent blocks of at most 64 KiB (SAM specification, section 4.1).

A block states its own size in the "BC" subfield of the gzip header. Without an index, a block start
is found by looking for a header that is followed by a chain of further headers. One magic number
alone proves nothing: compressed data holds it by chance, and a block that is stored uncompressed
may hold a whole BGZF file. A chain longer than a block cannot lie inside one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from zlib_ng import zlib_ng

from core.errors import GenotypeFileError, Where
from core.storage.byte_ranges import ByteRanges

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every complete file."""

MAX_BLOCK_BYTES = 65536
"""Of a block, compressed and uncompressed."""

InflateError = cast("type[Exception]", zlib_ng.error)
"""What zlib-ng raises; its stubs type the class as an instance."""

_MAGIC = b"\x1f\x8b\x08\x04"
_FIXED_HEADER_BYTES = 12
_TRAILER_BYTES = 8
_CHAIN_BLOCKS = 6

NO_BLOCK = -1
INCOMPLETE = 0


def block_size(data: bytes, offset: int) -> int:
    """Compressed bytes of the block whose header stands at `offset`.

    NO_BLOCK where that is no BGZF header, INCOMPLETE where `data` ends inside the header.
    """
    if data[offset : offset + 4] != _MAGIC[: max(len(data) - offset, 0)]:
        return NO_BLOCK
    extra = offset + _FIXED_HEADER_BYTES
    if len(data) < extra:
        return INCOMPLETE
    extra_end = extra + int.from_bytes(data[extra - 2 : extra], "little")
    while extra + 4 <= extra_end:
        if len(data) < extra + 4:
            return INCOMPLETE
        length = int.from_bytes(data[extra + 2 : extra + 4], "little")
        if data[extra : extra + 2] == b"BC" and length == 2:
            return _stated_size(data, extra + 4, extra_end - offset)
        extra += 4 + length
    return NO_BLOCK


def _stated_size(data: bytes, at: int, header_bytes: int) -> int:
    if len(data) < at + 2:
        return INCOMPLETE
    size = int.from_bytes(data[at : at + 2], "little") + 1
    return size if size > header_bytes + _TRAILER_BYTES else NO_BLOCK


def is_bgzf(head: bytes) -> bool:
    """Whether a file that begins with `head` is BGZF."""
    return block_size(head, 0) > 0


def find_block(source: ByteRanges, offset: int) -> int:
    """The first block that starts at or after `offset`; the object's size where there is none.

    A block counts when it begins a chain of six blocks and more than 64 KiB, or one to the end of
    the object. Raises GenotypeFileError where 64 KiB hold no such start.
    """
    window_bytes = (_CHAIN_BLOCKS + 1) * MAX_BLOCK_BYTES
    data = source.read(offset, offset + window_bytes)
    if not data:
        return source.size_bytes
    is_end = offset + len(data) >= source.size_bytes
    broken: set[int] = set()
    candidate = data.find(_MAGIC)
    while 0 <= candidate < MAX_BLOCK_BYTES:
        if _is_chain(data, candidate, broken, is_end=is_end):
            return offset + candidate
        candidate = data.find(_MAGIC, candidate + 1)
    if is_end and len(data) < MAX_BLOCK_BYTES:
        return source.size_bytes
    raise GenotypeFileError(
        f"no BGZF block starts within 64 KiB of byte {offset}.",
        where=Where(source.uri),
        fix="The file is damaged; copy or compress it (bgzip) again.",
    )


def _is_chain(data: bytes, start: int, broken: set[int], *, is_end: bool) -> bool:
    """`broken`: headers of chains that ended early; they are added to, so that no chain is walked
    twice."""
    at, visited = start, list[int]()
    while len(visited) < _CHAIN_BLOCKS or at - start <= MAX_BLOCK_BYTES:
        if at == len(data):
            return is_end and len(visited) > 0
        size = NO_BLOCK if at in broken else block_size(data, at)
        if size <= 0:
            broken.update(visited)
            return False
        visited.append(at)
        at += size
    return True


@dataclass(frozen=True, slots=True)
class Block:
    """`offset`: of the block in the object; `text`: what it holds, CRC-checked."""

    offset: int
    text: bytes


def read_blocks(
    source: ByteRanges, start: int, stop: int, *, chunk_bytes: int, tail_bytes: int
) -> Iterator[Block]:
    """The blocks from the block start `start` to the end of the object.

    Ranges of `chunk_bytes` are requested up to `stop`, of `tail_bytes` after it, where the caller
    needs only the rest of a line. Raises GenotypeFileError for damage and truncation.
    """
    data, at, offset = b"", 0, start
    while offset < source.size_bytes:
        size = block_size(data, at)
        if size == NO_BLOCK and at < len(data):
            raise damaged(source, offset, "no BGZF block starts here")
        if size <= 0 or at + size > len(data):
            have = len(data) - at
            ahead = min(chunk_bytes, stop - offset) if offset < stop else 0
            wanted = max(ahead, tail_bytes, MAX_BLOCK_BYTES)
            more = source.read(offset + have, offset + wanted)
            if not more:
                raise truncated(source, offset)
            data, at = data[at:] + more, 0
            continue
        yield Block(offset, _inflate(source, offset, data[at : at + size]))
        at += size
        offset += size


def _inflate(source: ByteRanges, offset: int, block: bytes) -> bytes:
    """The text of one block; its CRC-32 and length are checked."""
    n_bytes = int.from_bytes(block[-4:], "little")
    if n_bytes > MAX_BLOCK_BYTES:
        raise damaged(source, offset, "the block claims more than 64 KiB of text")
    try:
        text = zlib_ng.decompress(block, wbits=31, bufsize=max(n_bytes, 1))
    except InflateError as error:
        raise damaged(source, offset, f"the block does not inflate ({error})") from error
    if len(text) != n_bytes:
        raise damaged(source, offset, "the block's text is not as long as it says")
    return text


def check_end(source: ByteRanges) -> None:
    """Raises GenotypeFileError where the empty block that ends a complete file is missing."""
    end = source.size_bytes
    if source.read(max(end - len(EOF_BLOCK), 0), end) != EOF_BLOCK:
        raise truncated(source, end)


def damaged(source: ByteRanges, offset: int, what: str) -> GenotypeFileError:
    return GenotypeFileError(
        f"{what} (byte {offset}).",
        where=Where(source.uri),
        fix="The file is damaged; copy or compress it (bgzip) again.",
    )


def truncated(source: ByteRanges, offset: int) -> GenotypeFileError:
    return GenotypeFileError(
        f"the file is truncated (byte {offset}): it does not end with BGZF's end-of-file block.",
        where=Where(source.uri),
        fix="Copy or compress it (bgzip) again.",
    )
