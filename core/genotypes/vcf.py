"""VCF as DosageBlocks: open the files of a cohort, plan shards, read one shard.

A shard is a range of bytes of one file, bgzip-compressed or plain text; a file in plain gzip cannot
be split and is one shard. Whole position groups belong to one shard (vcf_scan says to which), so
the rows of all shards, in order, are the same for every shard size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.build_evidence import BuildEvidence
from core.errors import GenotypeFileError, Where
from core.genotypes import bgzf
from core.genotypes.block import DosageBlock
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.reference_blocks import ReferenceBlockRange, answers_from_blocks, is_block
from core.genotypes.seeking import Part, Sought
from core.genotypes.source import Cohort, cohort_of
from core.genotypes.text import Compression, detect_compression, read_text
from core.genotypes.vcf_blocks import Decoding
from core.genotypes.vcf_header import VcfHeader, parse_header, read_header_text
from core.genotypes.vcf_input import TextRange
from core.genotypes.vcf_shard import WINDOW_BYTES, ShardScan
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import ByteRanges, S3Access, open_byte_ranges
from core.storage.read_ahead import read_ahead

DEFAULT_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class VcfFile:
    """`first_record`: byte of the object, the start of the block (bgzip), the line (plain) or the
    file (gzip) that holds the first record; `header_rest`: bytes of header text from there on.
    `is_gvcf`: its records have reference blocks among them."""

    uri: str
    size_bytes: int
    compression: Compression
    header: VcfHeader
    first_record: int
    header_rest: int
    is_gvcf: bool

    @property
    def samples(self) -> tuple[str, ...]:
        return self.header.samples

    @property
    def build_evidence(self) -> BuildEvidence | None:
        return self.header.build_evidence

    def shards(self, shard_bytes: int, first_index: int) -> tuple["Shard", ...]:
        """Ranges of `shard_bytes` behind the header; at least one."""
        whole = (self.first_record, self.size_bytes)
        ranges = enumerate(cut(whole, self.compression, shard_bytes), start=first_index)
        return tuple(Shard(index, self, start, stop) for index, (start, stop) in ranges)


@dataclass(frozen=True, slots=True)
class Shard:
    """Bytes start to stop of the object; all of it for gzip. `index` counts over the cohort.

    `sought`: all that is to be read of it, None for everything.
    """

    index: int
    file: VcfFile
    start: int
    stop: int
    sought: Sought | None = None

    def reader(
        self,
        *,
        field: GenotypeField,
        half_call: HalfCall,
        wanted: Wanted | None,
        s3: S3Access | None,
    ) -> "ShardReader":
        return ShardReader(self, field=field, half_call=half_call, wanted=wanted, s3=s3)


def open_cohort(uris: Sequence[str], *, s3: S3Access | None = None) -> Cohort[Shard]:
    """Read the headers.

    Raises GenotypeFileError for a file that is no complete VCF with samples, CohortError where the
    samples differ, GenomeBuildError where the files state different genome builds.
    """
    return cohort_of([open_vcf(uri, s3=s3) for uri in uris])


class ShardReader:
    """Iterate once over the blocks of a shard; then `n_records` and `contig_records` are known.

    field        what a dosage is (calls.GenotypeField); GT, and AUTO for a file whose header
                 declares no DS, give uint8 blocks, others float32 blocks
    wanted       None decodes every record
    block_bytes  of dosages in a block, unless one position needs more
    window_bytes of text in memory, unless one position needs more

    n_records and contig_records (canonical name -> records) count every record that the shard owns,
    wanted or not; a reference block of a gVCF is one. Of a shard that is `sought` in parts,
    n_records is what its plan says, and contig_records stays empty. `directory` is that of the
    blocks of a BGZF shard that was read from end to end, None of others.
    Readers share nothing: each may have its own thread.
    Raises GenotypeFileError, with the line and the field, for what cannot be read.
    """

    def __init__(
        self,
        shard: Shard,
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
            samples=shard.file.header.samples,
            field=declared_field(shard.file.header, field, shard.file.uri),
            half_call=half_call,
            block_bytes=block_bytes,
        )
        self._window_bytes = window_bytes
        self._s3 = s3

    def __iter__(self) -> Iterator[DosageBlock]:
        sought = self._shard.sought
        if sought is not None:
            if sought.parts:
                yield from self._scan(self._text_ranges())
            self.n_records = sought.n_records
            return
        (text_range,) = self._text_ranges()
        scan = self._scan([text_range])
        yield from scan
        is_expanded = isinstance(text_range, ReferenceBlockRange)
        self.contig_records = (text_range if is_expanded else scan).contig_records
        self.n_records = sum(self.contig_records.values())
        self.directory = scan.directory()

    def _text_ranges(self) -> list[TextRange]:
        ranges, wanted = _text_ranges(self._shard, self._s3), self._wanted
        if wanted is None or not _looks_into_blocks(self._shard.file, wanted):
            return ranges
        lengths = self._shard.file.header.contigs
        return [ReferenceBlockRange.of(text_range, wanted, lengths) for text_range in ranges]

    def _scan(self, text_ranges: Sequence[TextRange]) -> ShardScan:
        return ShardScan(
            text_ranges,
            self._decoding,
            self._wanted,
            contig_lengths=self._shard.file.header.contigs,
            window_bytes=self._window_bytes,
        )


def open_vcf(uri: str, *, s3: S3Access | None = None) -> VcfFile:
    """Read the header. Raises GenotypeFileError for a file that is no complete VCF with samples."""
    source = open_byte_ranges(uri, s3=s3)
    compression = detect_compression(source.read(0, bgzf.MAX_BLOCK_BYTES))
    pieces = read_text(source, compression, 0, 0)
    text = read_header_text((piece.text for piece in pieces), uri)
    if compression is Compression.BGZIP:
        bgzf.check_end(source)
    first_record, header_rest = place_behind(source, compression, text.n_bytes)
    header = parse_header(text, uri)
    return VcfFile(
        uri=uri,
        size_bytes=source.size_bytes,
        compression=compression,
        header=header,
        first_record=first_record,
        header_rest=header_rest,
        is_gvcf=header.names_blocks
        and _begins_with_blocks(source, compression, first_record, header_rest),
    )


_FIRST_TEXT_BYTES = 1 << 20


def _begins_with_blocks(
    source: ByteRanges, compression: Compression, first_record: int, header_rest: int
) -> bool:
    """Whether some of the first records is a reference line of a gVCF, as nearly all of one are."""
    text = bytearray()
    if first_record < source.size_bytes:
        for piece in read_text(source, compression, first_record, first_record):
            text += piece.text
            if len(text) >= header_rest + _FIRST_TEXT_BYTES:
                break
    lines = bytes(text[header_rest:]).split(b"\n")
    return any(is_block(line.split(b"\t", 8)) for line in lines)


def _looks_into_blocks(file: VcfFile, wanted: Wanted) -> bool:
    return file.is_gvcf and answers_from_blocks(wanted)


def place_behind(
    source: ByteRanges, compression: Compression, header_bytes: int
) -> tuple[int, int]:
    """(first_record, header_rest) as in VcfFile, of any file with so much text before its records;
    the end of the file where there are no records."""
    match compression:
        case Compression.PLAIN:
            return header_bytes, 0
        case Compression.GZIP:
            return 0, header_bytes
        case Compression.BGZIP:
            for piece in read_text(source, compression, 0, 0):
                if header_bytes < len(piece.text):
                    return piece.offset, header_bytes
                header_bytes -= len(piece.text)
            return source.size_bytes, 0


def cut(
    whole: tuple[int, int], compression: Compression, shard_bytes: int
) -> Iterator[tuple[int, int]]:
    """Ranges of `shard_bytes` of a range of bytes; at least one."""
    start, end = whole
    if not compression.is_splittable or start + shard_bytes >= end:
        yield start, end
        return
    while start < end:
        stop = min(start + shard_bytes, end)
        yield start, stop
        start = stop


def declared_field(header: VcfHeader, field: GenotypeField, uri: str) -> GenotypeField:
    """GT, DS, HDS or GP; anything but GT is declared in the header, else GenotypeFileError."""
    formats = header.formats
    if field is GenotypeField.AUTO:
        return GenotypeField.DS if "DS" in formats else GenotypeField.GT
    if field is not GenotypeField.GT and field not in formats:
        raise GenotypeFileError(
            f"the header declares no FORMAT field {field}.",
            where=Where(uri, field=field),
            fix=f"Read GT (genotype field GT or auto), or declare {field} in the header.",
        )
    return field


def _text_ranges(shard: Shard, s3: S3Access | None) -> list[TextRange]:
    file = shard.file
    source = open_byte_ranges(file.uri, s3=s3)
    if source.size_bytes != file.size_bytes:
        raise GenotypeFileError(
            "the file changed after it was opened.",
            where=Where(file.uri),
            fix="Start the job again.",
        )
    if shard.sought is None:
        parts = (Part(shard.start, shard.stop, owns_first=False),)
        source = read_ahead(source, shard.stop)
    else:
        parts = shard.sought.parts
    return [
        TextRange(
            source,
            file.compression,
            part.start,
            part.stop,
            skip=file.header_rest if part.start == file.first_record else None,
            is_sought=part.start != shard.start,
            owns_first=part.owns_first,
        )
        for part in parts
    ]
