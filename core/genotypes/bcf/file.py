"""BCF 2.2 as DosageBlocks: BGZF, plain gzip or uncompressed, local or remote, without an index.

The rows are those that the VCF reader gives for the same records. Own decoding, not htslib's: that
ends the process (exit) on one damaged byte of a FORMAT field and holds the GIL, and its way to a
part of a file is an index and the names of contigs, which are the file's own. What a hostile file
can still do is take memory: as much as the records of one position, up to 1 GiB of text and 1 GiB
of dosages.

A value is the float32 that the file holds: DS is that of a VCF to the bit where htslib made the BCF
from it, HDS and GP are added up from rounded values and may differ in the seventh digit. Records of
a gVCF are read as records: only in a VCF do its reference blocks answer for what is inside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.build_evidence import BuildEvidence
from core.errors import GenotypeFileError, Where
from core.genotypes import bgzf
from core.genotypes.bcf.header import BcfHeader, read_header
from core.genotypes.bcf.reader import BcfShardScan
from core.genotypes.bcf.records import Layout
from core.genotypes.bcf.text import WINDOW_BYTES, ShardText
from core.genotypes.block import DosageBlock
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.text import Compression, detect_compression, first_piece_at, read_text
from core.genotypes.vcf import DEFAULT_BLOCK_BYTES, cut, declared_field, place_behind
from core.genotypes.vcf_blocks import Decoding
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access, open_byte_ranges
from core.storage.read_ahead import read_ahead


@dataclass(frozen=True, slots=True)
class BcfFile:
    """One BCF, opened; first_record and header_rest as in VcfFile."""

    uri: str
    size_bytes: int
    compression: Compression
    header: BcfHeader
    first_record: int
    header_rest: int

    @property
    def samples(self) -> tuple[str, ...]:
        return self.header.vcf.samples

    @property
    def build_evidence(self) -> BuildEvidence | None:
        return self.header.vcf.build_evidence

    def shards(self, shard_bytes: int, first_index: int) -> tuple["BcfShard", ...]:
        """Ranges of `shard_bytes` behind the header; at least one."""
        whole = (self.first_record, self.size_bytes)
        ranges = enumerate(cut(whole, self.compression, shard_bytes), start=first_index)
        return tuple(BcfShard(index, self, start, stop) for index, (start, stop) in ranges)


def open_bcf(uri: str, *, s3: S3Access | None = None) -> BcfFile:
    """Read the header. Raises GenotypeFileError for a file that is no complete BCF with samples."""
    source = open_byte_ranges(uri, s3=s3)
    compression = detect_compression(source.read(0, bgzf.MAX_BLOCK_BYTES))
    header = read_header((piece.text for piece in read_text(source, compression, 0, 0)), uri)
    if compression is Compression.BGZIP:
        bgzf.check_end(source)
    first_record, header_rest = place_behind(source, compression, header.n_bytes)
    return BcfFile(uri, source.size_bytes, compression, header, first_record, header_rest)


@dataclass(frozen=True, slots=True)
class BcfShard:
    """Bytes start to stop of the object; all of it for gzip. `index` counts over the cohort."""

    index: int
    file: BcfFile
    start: int
    stop: int

    def reader(
        self,
        *,
        field: GenotypeField,
        half_call: HalfCall,
        wanted: Wanted | None,
        s3: S3Access | None,
    ) -> "BcfReader":
        return BcfReader(self, field=field, half_call=half_call, wanted=wanted, s3=s3)


class BcfReader:
    """Iterate once over the blocks of a shard; then `n_records` and `contig_records` are known.

    The protocol, the fields and their rules are those of core.genotypes.vcf.ShardReader; a problem
    names the contig and the position of its record, as a BCF has no lines.
    """

    def __init__(
        self,
        shard: BcfShard,
        *,
        field: GenotypeField = GenotypeField.AUTO,
        half_call: HalfCall = HalfCall.MISSING,
        wanted: Wanted | None = None,
        block_bytes: int = DEFAULT_BLOCK_BYTES,
        window_bytes: int = WINDOW_BYTES,
        s3: S3Access | None = None,
    ) -> None:
        self.n_records = 0
        self.directory: BlockDirectory | None = None
        self.contig_records: dict[str, int] = {}
        self._shard = shard
        self._wanted = wanted
        self._decoding = Decoding(
            samples=shard.file.samples,
            field=declared_field(shard.file.header.vcf, field, shard.file.uri),
            half_call=half_call,
            block_bytes=block_bytes,
        )
        self._window_bytes = window_bytes
        self._s3 = s3

    def __iter__(self) -> Iterator[DosageBlock]:
        scan = self._scan()
        yield from scan
        self.contig_records = scan.contig_records
        self.n_records = sum(scan.contig_records.values())

    def _scan(self) -> BcfShardScan:
        shard, file = self._shard, self._shard.file
        numbers = file.header.formats
        layout = Layout(
            n_samples=len(file.samples),
            is_contig=np.array([name != "" for name in file.header.contigs], np.bool_),
            gt=numbers.get("GT", -1),
            value=numbers.get(self._decoding.field, -1),
        )
        return BcfShardScan(
            _shard_text(shard, self._s3),
            file.header_rest if shard.start == file.first_record else None,
            layout,
            file.header.contigs,
            self._decoding,
            self._wanted,
            file.uri,
            self._window_bytes,
        )


def _shard_text(shard: BcfShard, s3: S3Access | None) -> ShardText:
    file = shard.file
    source = open_byte_ranges(file.uri, s3=s3)
    if source.size_bytes != file.size_bytes:
        raise GenotypeFileError(
            "the file changed after it was opened.",
            where=Where(file.uri),
            fix="Start the job again.",
        )
    source = read_ahead(source, shard.stop)
    start = shard.start
    if start != file.first_record:
        start = first_piece_at(source, file.compression, start)
    return ShardText(read_text(source, file.compression, start, shard.stop), shard.stop)
