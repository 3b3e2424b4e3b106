"""VCF as DosageBlocks: open the files of a cohort, plan shards, read one shard.

A shard is a range of bytes of one file, bgzip-compressed or plain text; a file in plain gzip cannot
be split and is one shard. Whole position groups belong to one shard (vcf_lines says to which), so
the rows of all shards, in order, are the same for every shard size.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import CohortError, GenomeBuildError, GenotypeFileError, Where
from core.genome_build import GenomeBuild
from core.genotypes import bgzf
from core.genotypes.block import DosageBlock
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.text import Compression, detect_compression, read_text
from core.genotypes.vcf_blocks import BlockBuilder, Decoding, string_column
from core.genotypes.vcf_header import VcfHeader, parse_header, read_header_text
from core.genotypes.vcf_kernels import SECOND_TAB, THIRD_TAB
from core.genotypes.vcf_lines import WINDOW_BYTES, Bools, LineWindow, ShardLines, TextRange
from core.storage.byte_ranges import ByteRanges, S3Access, open_byte_ranges

DEFAULT_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class VcfFile:
    """`first_record`: byte of the object, the start of the block (bgzip), the line (plain) or the
    file (gzip) that holds the first record; `header_rest`: bytes of header text from there on."""

    uri: str
    size_bytes: int
    compression: Compression
    header: VcfHeader
    first_record: int
    header_rest: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """Files with the same samples in the same order, one for each chromosome for example."""

    files: tuple[VcfFile, ...]
    samples: tuple[str, ...]
    build: GenomeBuild | None

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Shard:
    """Bytes start to stop of the object; all of it for gzip. `index` counts over the cohort."""

    index: int
    file: VcfFile
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are decoded: the position groups that hold any of these.

    positions      canonical contig -> sorted unique 1-based positions
    ids            an ID of the record, which may have several, separated by ";"
    whole_contigs  canonical contigs
    """

    positions: Mapping[str, npt.NDArray[np.int64]] = field(
        default_factory=dict[str, npt.NDArray[np.int64]]
    )
    ids: frozenset[str] = frozenset()
    whole_contigs: frozenset[str] = frozenset()


def open_cohort(uris: Sequence[str], *, s3: S3Access | None = None) -> Cohort:
    """Read the headers.

    Raises GenotypeFileError for a file that is no complete VCF with samples, CohortError where the
    samples differ, GenomeBuildError where the files state different genome builds.
    """
    if not uris:
        raise CohortError("there is no genotype file.", fix="Give at least one VCF.")
    files = tuple(_open_file(uri, s3) for uri in uris)
    first = files[0]
    for file in files[1:]:
        _check_same_samples(first, file)
    return Cohort(files, first.header.samples, _build_of(files))


def plan_shards(cohort: Cohort, shard_bytes: int) -> tuple[Shard, ...]:
    """Cut every file behind its header into ranges of `shard_bytes`; at least one for each file."""
    if shard_bytes < 1:
        raise ValueError(f"shard_bytes is {shard_bytes}")
    ranges = [
        (file, start, stop) for file in cohort.files for start, stop in _ranges(file, shard_bytes)
    ]
    return tuple(Shard(index, *shard) for index, shard in enumerate(ranges))


class ShardReader:
    """Iterate once over the blocks of a shard; then `n_records` and `contig_records` are known.

    field        what a dosage is (calls.GenotypeField); with AUTO, a file whose header declares DS
                 gives float32 blocks, any other uint8 blocks
    wanted       None decodes every record
    block_bytes  of dosages in a block, unless one position needs more
    window_bytes of text in memory, unless one position needs more

    n_records and contig_records (canonical name -> records) count every record that the shard owns,
    wanted or not. Readers share nothing: each may have its own thread.
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
        self.contig_records: dict[str, int] = {}
        self._shard = shard
        self._wanted = wanted
        self._ids = pa.array(sorted(wanted.ids), pa.string()) if wanted else None
        self._decoding = Decoding(
            samples=shard.file.header.samples,
            dosage_type=_dosage_type(shard.file, field),
            half_call=half_call,
            block_bytes=block_bytes,
        )
        self._window_bytes = window_bytes
        self._s3 = s3

    def __iter__(self) -> Iterator[DosageBlock]:
        text_range = _text_range(self._shard, self._s3)
        lines = ShardLines(text_range, window_bytes=self._window_bytes)
        blocks = BlockBuilder(self._decoding, lines)
        for window in lines:
            self._count(window)
            yield from blocks.add(self._select(window))
        yield from blocks.finish()

    def _count(self, window: LineWindow) -> None:
        self.n_records += len(window)
        for contig, run in window.contig_runs():
            n_records = run.stop - run.start
            self.contig_records[contig] = self.contig_records.get(contig, 0) + n_records

    def _select(self, window: LineWindow) -> LineWindow:
        if self._wanted is None:
            return window
        is_wanted = np.zeros(len(window), np.bool_)
        for contig, run in window.contig_runs():
            if contig in self._wanted.whole_contigs:
                is_wanted[run] = True
            elif contig in self._wanted.positions:
                is_wanted[run] = _are_in(window.positions[run], self._wanted.positions[contig])
        if self._ids is not None and len(self._ids):
            is_wanted |= _have_id(window, self._ids)
        return window.groups_with(is_wanted)


def _open_file(uri: str, s3: S3Access | None) -> VcfFile:
    source = open_byte_ranges(uri, s3=s3)
    compression = detect_compression(source.read(0, bgzf.MAX_BLOCK_BYTES))
    pieces = read_text(source, compression, 0, 0)
    text = read_header_text((piece.text for piece in pieces), uri)
    if compression is Compression.BGZIP:
        bgzf.check_end(source)
    first_record, header_rest = _first_record(source, compression, text.n_bytes)
    return VcfFile(
        uri=uri,
        size_bytes=source.size_bytes,
        compression=compression,
        header=parse_header(text, uri),
        first_record=first_record,
        header_rest=header_rest,
    )


def _first_record(
    source: ByteRanges, compression: Compression, header_bytes: int
) -> tuple[int, int]:
    """(first_record, header_rest) as in VcfFile; the end of the file where there are no records."""
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


def _check_same_samples(first: VcfFile, other: VcfFile) -> None:
    ours, theirs = first.header.samples, other.header.samples
    if ours == theirs:
        return
    fix = "Give every file the same samples in the same order (bcftools view -S)."
    where = Where(other.uri, field="samples")
    if len(ours) != len(theirs):
        raise CohortError(
            f"the file has {len(theirs)} samples, {first.uri} has {len(ours)}.",
            where=where,
            fix=fix,
        )
    i = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    raise CohortError(
        f"sample {i + 1} is {theirs[i]}, in {first.uri} it is {ours[i]}.", where=where, fix=fix
    )


def _build_of(files: Sequence[VcfFile]) -> GenomeBuild | None:
    known = [file for file in files if file.header.build is not None]
    for file in known[1:]:
        if file.header.build != known[0].header.build:
            raise GenomeBuildError(
                f"the header states {file.header.build}, that of {known[0].uri} "
                f"states {known[0].header.build}.",
                where=Where(file.uri, field="header"),
                fix="Score files of different builds apart, or lift one over first.",
            )
    return known[0].header.build if known else None


def _ranges(file: VcfFile, shard_bytes: int) -> Iterator[tuple[int, int]]:
    start = file.first_record
    if not file.compression.is_splittable or start + shard_bytes >= file.size_bytes:
        yield start, file.size_bytes
        return
    while start < file.size_bytes:
        stop = min(start + shard_bytes, file.size_bytes)
        yield start, stop
        start = stop


def _dosage_type(file: VcfFile, field: GenotypeField) -> type[np.uint8] | type[np.float32]:
    has_ds = "DS" in file.header.formats
    if field is GenotypeField.DS and not has_ds:
        raise GenotypeFileError(
            "the header declares no FORMAT field DS.",
            where=Where(file.uri, field="DS"),
            fix="Read GT (genotype field GT or auto), or declare DS in the header.",
        )
    return np.float32 if has_ds and field is not GenotypeField.GT else np.uint8


def _text_range(shard: Shard, s3: S3Access | None) -> TextRange:
    file = shard.file
    source = open_byte_ranges(file.uri, s3=s3)
    if source.size_bytes != file.size_bytes:
        raise GenotypeFileError(
            "the file changed after it was opened.",
            where=Where(file.uri),
            fix="Start the job again.",
        )
    is_first = shard.start == file.first_record
    skip = file.header_rest if is_first else None
    return TextRange(source, file.compression, shard.start, shard.stop, skip)


def _are_in(positions: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> Bools:
    """(n,) whether a position is among the sorted unique wanted ones."""
    at = np.searchsorted(wanted, positions)
    found = at < len(wanted)
    found[found] = wanted[at[found]] == positions[found]
    return found


def _have_id(window: LineWindow, ids: pa.Array) -> Bools:
    """(n,) whether one of a record's IDs is among `ids`."""
    starts = np.ascontiguousarray(window.lines[:, SECOND_TAB] + 1)
    ends = np.ascontiguousarray(window.lines[:, THIRD_TAB])
    column, is_ascii = string_column(window.text, starts, ends, folds=False)
    if not is_ascii:  # an ID that is not UTF-8 is no scoring file's ID
        column = pa.array([_decoded(text) for text in column.cast(pa.binary()).to_pylist()])
    found = pc.is_in(column, ids).to_numpy(zero_copy_only=False)
    several = np.flatnonzero(pc.match_substring(column, ";").to_numpy(zero_copy_only=False))
    if len(several):
        parts = pc.split_pattern(column.take(pa.array(several)), ";")
        owner = several[pc.list_parent_indices(parts).to_numpy()]
        hits = pc.is_in(pc.list_flatten(parts), ids).to_numpy(zero_copy_only=False)
        found = found.copy()
        found[owner[hits]] = True
    return found


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")
