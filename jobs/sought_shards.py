"""What a run reads of its shards: all, or the parts where its scores have variants.

A directory of a file's blocks tells where that is (core.genotypes.block_directory); the first run
that reads all of a file keeps one for the next. Without it, the tabix or CSI index beside the file
does. The rows that the shards give are the same in every case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from core.genotypes.block_directory import BlockDirectory, join
from core.genotypes.directory_cache import DirectoryCache
from core.genotypes.index_file import load_index
from core.genotypes.reference_blocks import answers_from_blocks
from core.genotypes.seeking import (
    GAP_BYTES,
    REMOTE_GAP_BYTES,
    Sought,
    WantedPieces,
    find_in_directory,
    find_in_index,
)
from core.genotypes.source import GenotypeShard
from core.genotypes.text import Compression
from core.genotypes.vcf import Shard, VcfFile
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access


class ReadBy(StrEnum):
    """How a file was read: end to end, or in parts that something told."""

    SCAN = "scan"
    BLOCK_DIRECTORY = "block directory"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Seeking:
    """Knows the files of one run. sha256: hex digests of their content by URI."""

    sha256: Mapping[str, str]
    cache: DirectoryCache | None
    s3: S3Access | None

    def sought(
        self, shards: Sequence[GenotypeShard], wanted: Wanted
    ) -> tuple[tuple[GenotypeShard, ...], dict[str, ReadBy]]:
        """(the shards, with what is to be read of them; how each file is read, by URI)."""
        found = {uri: self._find(file, wanted) for uri, file in _files(shards).items()}
        read_by = {uri: how for uri, (how, _) in found.items()}
        narrowed = [_narrowed(shard, found[shard.file.uri][1]) for shard in shards]
        return tuple(narrowed), read_by

    def keep(
        self, shards: Sequence[GenotypeShard], directories: Mapping[int, BlockDirectory]
    ) -> None:
        """Keep the directory of every file whose shards all have one, by their index."""
        if self.cache is None:
            return
        for uri in _files(shards):
            parts = [directories.get(shard.index) for shard in shards if shard.file.uri == uri]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts) and not self.cache.has(self.sha256[uri]):
                self.cache.save(self.sha256[uri], join(known))

    def _find(self, file: object, wanted: Wanted) -> tuple[ReadBy, WantedPieces | None]:
        if not isinstance(file, VcfFile) or file.compression is not Compression.BGZIP or wanted.ids:
            return ReadBy.SCAN, None
        if file.is_gvcf and answers_from_blocks(wanted):
            return ReadBy.SCAN, None  # a block may begin long before the position that it answers
        gap_bytes = REMOTE_GAP_BYTES if file.uri.startswith("s3://") else GAP_BYTES
        directory = self.cache.load(self.sha256[file.uri]) if self.cache is not None else None
        if directory is not None:
            blocks = find_in_directory(directory, wanted, file.size_bytes, gap_bytes=gap_bytes)
            return (ReadBy.SCAN if blocks is None else ReadBy.BLOCK_DIRECTORY), blocks
        index = load_index(file.uri, s3=self.s3)
        if index is None:
            return ReadBy.SCAN, None
        start, size = file.first_record, file.size_bytes
        ranges = find_in_index(index, wanted, start, size, gap_bytes=gap_bytes)
        return (ReadBy.SCAN if ranges is None else ReadBy.INDEX), ranges


def _files(shards: Sequence[GenotypeShard]) -> dict[str, object]:
    return {shard.file.uri: shard.file for shard in shards}


def _narrowed(shard: GenotypeShard, pieces: WantedPieces | None) -> GenotypeShard:
    if pieces is None or not isinstance(shard, Shard):
        return shard
    span = (shard.start, shard.stop)
    return replace(shard, sought=Sought(pieces.parts(*span), pieces.n_records(*span)))
