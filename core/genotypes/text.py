"""The text of a file from some byte on, whatever its compression.

`start` and `stop` are bytes of the object as stored. Text that begins before `stop` is read in
large ranges; whoever needs the rest of a line reads on, in small ones, to the end of the object.

    bgzip   splittable: pieces are blocks
    plain   splittable: pieces are ranges
    gzip    one stream from its beginning: every piece has offset 0. ISA-L inflates it: it is the
            fastest on such streams, and lets other threads run
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple, cast

from isal import isal_zlib

from core.errors import GenotypeFileError, Where
from core.genotypes.bgzf import find_block, is_bgzf, read_blocks
from core.storage.byte_ranges import ByteRanges

CHUNK_BYTES = 4 << 20
TAIL_BYTES = 256 << 10
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_PIECE_BYTES = 1 << 20
_GZIP_READ_BYTES = 128 << 10
_IsalError = cast("type[Exception]", isal_zlib.error)


class Compression(StrEnum):
    BGZIP = "bgzip"
    GZIP = "gzip"
    PLAIN = "plain"

    @property
    def is_splittable(self) -> bool:
        return self is not Compression.GZIP


class Piece(NamedTuple):
    """Some text, and the byte of the object at which its block or range starts."""

    offset: int
    text: bytes


def detect_compression(head: bytes) -> Compression:
    """By magic bytes; the file's name says nothing."""
    if is_bgzf(head):
        return Compression.BGZIP
    return Compression.GZIP if head.startswith(_GZIP_MAGIC) else Compression.PLAIN


def first_piece_at(source: ByteRanges, compression: Compression, offset: int) -> int:
    """Where the first piece that starts at or after `offset` starts."""
    if compression is Compression.BGZIP:
        return find_block(source, offset)
    return offset


def read_text(
    source: ByteRanges, compression: Compression, start: int, stop: int
) -> Iterator[Piece]:
    """The pieces from `start`, which is a piece's start, to the end of the object.

    Raises GenotypeFileError for damaged and truncated compression.
    """
    match compression:
        case Compression.BGZIP:
            blocks = read_blocks(
                source, start, stop, chunk_bytes=CHUNK_BYTES, tail_bytes=TAIL_BYTES
            )
            return (Piece(block.offset, block.text) for block in blocks)
        case Compression.PLAIN:
            return _ranges(source, start, stop)
        case Compression.GZIP:
            return (Piece(0, text) for text in _read_gzip(source))


def _ranges(source: ByteRanges, start: int, stop: int) -> Iterator[Piece]:
    while start < source.size_bytes:
        ahead = min(CHUNK_BYTES, stop - start) if start < stop else TAIL_BYTES
        content = source.read(start, start + ahead)
        if not content:
            raise _damaged(source, "the file became shorter while it was read")
        yield Piece(start, content)
        start += len(content)


def _read_gzip(source: ByteRanges) -> Iterator[bytes]:
    """All members of a gzip file; zero padding after the last one is allowed, as gzip does."""
    inflater, is_fresh = isal_zlib.decompressobj(wbits=31), True
    for pending in _small_ranges(source):
        while pending:
            if is_fresh and not (pending := pending.lstrip(b"\0")):
                break
            if is_fresh and pending[:2] != _GZIP_MAGIC[: len(pending)]:  # ISA-L waits for 10 bytes
                raise _damaged(source, "the gzip stream does not inflate (garbage behind it)")
            text = _inflate(source, inflater, pending)
            is_fresh, pending = inflater.eof, inflater.unconsumed_tail
            if is_fresh:
                pending, inflater = inflater.unused_data, isal_zlib.decompressobj(wbits=31)
            if text:
                yield text
    while not is_fresh and (text := _inflate(source, inflater, b"")):
        is_fresh = inflater.eof
        yield text
    if not is_fresh:
        raise _damaged(source, "the file is truncated: its last gzip member has no end")


def _small_ranges(source: ByteRanges) -> Iterator[bytes]:
    """What is not inflated yet is copied for each piece of text, so it is kept short."""
    for _, content in _ranges(source, 0, source.size_bytes):
        for at in range(0, len(content), _GZIP_READ_BYTES):
            yield content[at : at + _GZIP_READ_BYTES]


def _inflate(source: ByteRanges, inflater: isal_zlib.Decompress, pending: bytes) -> bytes:
    try:
        return inflater.decompress(pending, _GZIP_PIECE_BYTES)
    except _IsalError as error:
        raise _damaged(source, f"the gzip stream does not inflate ({error})") from error


def _damaged(source: ByteRanges, what: str) -> GenotypeFileError:
    return GenotypeFileError(
        f"{what}.", where=Where(source.uri), fix="Copy or compress the file again."
    )
