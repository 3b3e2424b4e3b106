"""FASTQ files, opened, and the parts that they are cut into."""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from core.errors import FastqFileError, Where
from core.fastq.text import said_of_fastq
from core.genotypes.bgzf import MAX_BLOCK_BYTES, check_end
from core.genotypes.text import Compression, detect_compression
from core.storage.byte_ranges import S3Access, open_byte_ranges


class Place(NamedTuple):
    """Of a record's start in the file: byte of the object and, in BGZF, of the block's text."""

    offset: int
    within: int


START = Place(0, 0)


@dataclass(frozen=True, slots=True)
class FastqFile:
    """A file of reads, opened."""

    uri: str
    size_bytes: int
    compression: Compression

    def shards(self, shard_bytes: int) -> tuple["FastqShard", ...]:
        """Of about `shard_bytes`, which must be 1 or more; one where it cannot be cut."""
        n = ceil(self.size_bytes / shard_bytes) if self.compression.is_splittable else 1
        cuts = [self.size_bytes * i // n for i in range(n + 1)]
        return tuple(
            FastqShard(self, start, stop) for start, stop in zip(cuts, cuts[1:], strict=False)
        )

    @property
    def whole(self) -> "FastqShard":
        return FastqShard(self, 0, self.size_bytes)


@dataclass(frozen=True, slots=True)
class FastqShard:
    """Bytes `start` to `stop` of the object."""

    file: FastqFile
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """One file of reads, or the two of a pair."""

    files: tuple[FastqFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def open_fastq(uri: str, *, s3: S3Access | None = None) -> FastqFile:
    """Raises FastqFileError where there is no such file, it is empty, or BGZF without its end."""
    with said_of_fastq():
        source = open_byte_ranges(uri, s3=s3)
        compression = detect_compression(source.read(0, MAX_BLOCK_BYTES))
        if compression is Compression.BGZIP:
            check_end(source)
    if source.size_bytes == 0:
        raise no_reads_in(uri)
    return FastqFile(uri, source.size_bytes, compression)


def no_reads_in(uri: str) -> FastqFileError:
    """Nobody sends a file without reads on purpose."""
    return FastqFileError("the file holds no reads.", where=Where(uri), fix="Send a FASTQ.")
