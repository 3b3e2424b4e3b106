"""The text of a FASTQ from some byte on, as core.genotypes.text has it."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from core.errors import FastqFileError, GenotypeFileError
from core.genotypes.text import Compression, Piece, read_text
from core.storage.byte_ranges import ByteRanges


def fastq_text(
    source: ByteRanges, compression: Compression, start: int, stop: int
) -> Iterator[Piece]:
    """The pieces from `start`, which is a piece's start, to the end of the object.

    Raises FastqFileError for damaged and truncated compression.
    """
    with said_of_fastq():
        yield from read_text(source, compression, start, stop)


@contextmanager
def said_of_fastq() -> Generator[None]:
    """What the readers of genotypes say of an object, said of a FASTQ."""
    try:
        yield
    except GenotypeFileError as error:
        raise FastqFileError(error.what, where=error.where, fix=error.fix) from error
