"""The text of a FASTQ from some byte on, as core.genotypes.text has it, inflated by ISA-L.

isal is the fastest on the text of reads, and its calls let other threads run.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import cast

from isal import isal_zlib

from core.errors import FastqFileError, GenotypeFileError, Where
from core.genotypes.text import Compression, Piece, read_text
from core.storage.byte_ranges import ByteRanges

PIECE_BYTES = 1 << 20
_READ_BYTES = 128 << 10
_IsalError = cast("type[Exception]", isal_zlib.error)


def fastq_text(
    source: ByteRanges, compression: Compression, start: int, stop: int
) -> Iterator[Piece]:
    """The pieces from `start`, which is a piece's start, to the end of the object.

    Raises FastqFileError for damaged and truncated compression.
    """
    with said_of_fastq():
        if compression is Compression.GZIP:
            yield from _inflated(source)
        else:
            yield from read_text(source, compression, start, stop)


@contextmanager
def said_of_fastq() -> Generator[None]:
    """What the readers of genotypes say of an object, said of a FASTQ."""
    try:
        yield
    except GenotypeFileError as error:
        raise FastqFileError(error.what, where=error.where, fix=error.fix) from error


def _inflated(source: ByteRanges) -> Iterator[Piece]:
    """All members of a gzip file; zero padding after the last one is allowed, as gzip does."""
    inflater, is_fresh = isal_zlib.decompressobj(wbits=31), True
    for at in range(0, source.size_bytes, _READ_BYTES):
        pending = source.read(at, at + _READ_BYTES)
        while pending:
            if is_fresh and not (pending := pending.lstrip(b"\0")):
                break
            text = _inflate(source, inflater, pending)
            is_fresh, pending = inflater.eof, inflater.unconsumed_tail
            if is_fresh:
                pending, inflater = inflater.unused_data, isal_zlib.decompressobj(wbits=31)
            if text:
                yield Piece(0, text)
    while not is_fresh and (text := _inflate(source, inflater, b"")):
        is_fresh = inflater.eof
        yield Piece(0, text)
    if not is_fresh:
        raise _damaged(source, "the file is truncated: its last gzip member has no end")


def _inflate(source: ByteRanges, inflater: isal_zlib.Decompress, pending: bytes) -> bytes:
    try:
        return inflater.decompress(pending, PIECE_BYTES)
    except _IsalError as error:
        raise _damaged(source, f"the gzip stream does not inflate ({error})") from error


def _damaged(source: ByteRanges, what: str) -> FastqFileError:
    return FastqFileError(
        f"{what}.", where=Where(source.uri), fix="Copy or compress the file again."
    )
