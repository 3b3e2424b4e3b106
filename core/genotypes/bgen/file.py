"""BGEN 1.2 and 1.3 as DosageBlocks: expected copies of each ALT, from the genotype probabilities.

The first allele is REF, as plink2's `ref-first` and most writers have it; the format itself does
not say. Local files only. A shard is a range of variants; their headers are passed over once in a
process (core.genotypes.bgen.sites), and only the probabilities of wanted position groups are
inflated. Own decoding: the `bgen` package, the oracle of the tests, keeps half a kilobyte for each
variant of the file, holds the GIL and knows no copies beyond two.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from zlib_ng import zlib_ng

from core.errors import GenotypeFileError, Where
from core.genotypes.bgen import probabilities
from core.genotypes.bgen.header import (
    NONE,
    ZSTD,
    BgenHeader,
    damaged,
    read_header,
    read_sample_names,
    sample_file,
)
from core.genotypes.bgen.probabilities import decode_probabilities
from core.genotypes.bgen.sites import (
    DATA,
    DATA_BYTES,
    INFLATED_BYTES,
    N_ALLELES,
    SitesFile,
    load_sites,
)
from core.genotypes.bgzf import InflateError
from core.genotypes.block import SITE_SCHEMA, DosageBlock, numbers, values_of
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.plink import ShardSites, SiteRows, cut_variants, local_path
from core.genotypes.vcf import DEFAULT_BLOCK_BYTES
from core.genotypes.vcf_blocks import BlockMemory, Decoding, block_ranges, check_group
from core.genotypes.vcf_kernels import Bytes, Ints
from core.genotypes.vcf_progress import BlockRows
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access

_DOSAGES = (GenotypeField.AUTO, GenotypeField.DS, GenotypeField.GP)

_PROBLEMS = {
    probabilities.OTHER_SAMPLES: "are of another number of samples than the header's",
    probabilities.OTHER_ALLELES: "are of another number of alleles, or of more than 255",
    probabilities.BAD_PLOIDY: "have a ploidy that cannot be",
    probabilities.BAD_BITS: "are phased or stored in a way that does not exist",
    probabilities.WRONG_LENGTH: "are not as long as they need to be",
    probabilities.MORE_THAN_ONE: "add up to more than 1",
}


@dataclass(frozen=True, slots=True)
class BgenFile:
    """One BGEN, opened. It does not state a genome build."""

    uri: str
    size_bytes: int
    samples: tuple[str, ...]
    sites: SitesFile

    @property
    def build_evidence(self) -> None:
        return None

    @property
    def header(self) -> BgenHeader:
        return self.sites.header

    def shards(self, shard_bytes: int, first_index: int) -> tuple["BgenShard", ...]:
        """Ranges of variants of about one size, cut between position groups; at least one."""
        table = load_sites(self.sites).table
        ranges = cut_variants(table, len(self.samples), self.size_bytes, shard_bytes)
        shards = enumerate(ranges, start=first_index)
        return tuple(BgenShard(index, self, first, stop) for index, (first, stop) in shards)


def open_bgen(uri: str) -> BgenFile:
    """Read the header and the samples' names.

    Raises UnsupportedFormatError for a remote file or layout 1, GenotypeFileError for a file that
    cannot be used or whose samples have no names.
    """
    path = local_path(uri, "a BGEN", "the file, and its .sample,")
    status = path.stat()
    with path.open("rb") as file:
        header = read_header(file, path, status.st_size)
        samples = read_sample_names(file, path, header)
    sites = SitesFile(str(path), header, status.st_size, status.st_mtime_ns)
    return BgenFile(uri, status.st_size, samples, sites)


def bgen_files(uri: str) -> Sequence[str]:
    """The file, and its .sample file where that names the samples."""
    path = local_path(uri, "a BGEN", "the file, and its .sample,")
    with path.open("rb") as file:
        header = read_header(file, path, path.stat().st_size)
    return (uri,) if header.names_bytes else (uri, str(sample_file(path)))


@dataclass(frozen=True, slots=True)
class BgenShard:
    """Variants first to stop of a file. `index` counts over the cohort."""

    index: int
    file: BgenFile
    first: int
    stop: int

    def reader(
        self,
        *,
        field: GenotypeField,
        half_call: HalfCall,
        wanted: Wanted | None,
        s3: S3Access | None,
    ) -> "BgenReader":
        return BgenReader(self, field=field, half_call=half_call, wanted=wanted, s3=s3)


class BgenReader:
    """Iterate once over the blocks of a shard; then `n_records` and `contig_records` are known.

    The protocol is that of core.genotypes.vcf.ShardReader. Blocks are float32. A BGEN has no calls,
    so that `half_call` changes nothing, and is local, so that `s3` does not either.
    Raises GenotypeFileError for GT and HDS.
    """

    def __init__(
        self,
        shard: BgenShard,
        *,
        field: GenotypeField = GenotypeField.AUTO,
        half_call: HalfCall = HalfCall.MISSING,
        wanted: Wanted | None = None,
        block_bytes: int = DEFAULT_BLOCK_BYTES,
        s3: S3Access | None = None,
    ) -> None:
        if field not in _DOSAGES:
            raise GenotypeFileError(
                f"a BGEN has genotype probabilities, no {field}.",
                where=Where(shard.file.uri, field=field),
                fix="Read dosages (genotype field auto or DS); where a score depends on sex, give "
                "it (--samples).",
            )
        self.n_records = 0
        self.directory: BlockDirectory | None = None
        self.contig_records: dict[str, int] = {}
        self._shard = shard
        self._wanted = wanted
        self._decoding = Decoding(
            samples=shard.file.samples,
            field=GenotypeField.DS,
            half_call=half_call,
            block_bytes=block_bytes,
        )

    def __iter__(self) -> Iterator[DosageBlock]:
        file, shard = self._shard.file, self._shard
        sites = load_sites(file.sites)
        variants = ShardSites(sites.table, shard.first, shard.stop, None, file.uri)
        self.n_records = shard.stop - shard.first
        self.contig_records = variants.contig_records()
        rows = variants.rows(self._wanted)
        memory = BlockMemory.of_thread(self._decoding)
        with Path(file.sites.path).open("rb", buffering=0) as opened:
            decoder = _Decoder(opened.fileno(), file.sites, sites.data)
            for first, stop in block_ranges(rows.group, self._decoding):
                check_group(stop - first, self._decoding, rows.site(first), file.uri)
                yield _block(rows.range(first, stop), decoder, memory.rows(stop - first))


def _block(rows: SiteRows, decoder: "_Decoder", memory: BlockRows) -> DosageBlock:
    n_rows = len(rows.variant)
    dosage, ploidy = memory.imputed[:n_rows], memory.ploidy[:n_rows]
    firsts = np.flatnonzero(rows.allele == 1)
    for first, stop in zip(firsts, np.append(firsts[1:], n_rows), strict=True):
        site = rows.site(int(first))
        decoder.read(int(rows.variant[first]), dosage[first:stop], ploidy[first], site)
        ploidy[first + 1 : stop] = ploidy[first]
    columns = dict(zip(SITE_SCHEMA.names, rows.table.columns, strict=True))
    record = values_of(columns["record"])
    columns["record"] = numbers((record - record[0]).astype(np.int32))
    return DosageBlock.build(columns, dosage, ploidy if (ploidy != 2).any() else None)


class _Decoder:
    """Dosages of single variants of an open file; `data` as in BgenSites."""

    def __init__(self, descriptor: int, file: SitesFile, data: Ints) -> None:
        self._descriptor = descriptor
        self._file = file
        self._data = data

    def read(self, variant: int, dosage: np.ndarray, ploidy: Bytes, site: str) -> None:
        """As `decode_probabilities`; `site` is the variant's, for people."""
        place = self._data[variant]
        packed = os.pread(self._descriptor, int(place[DATA_BYTES]), int(place[DATA]))
        data = self._inflated(packed, int(place[INFLATED_BYTES]))
        if data is None:
            raise self._damaged(site, "do not inflate, or not to the length that they state")
        content = np.frombuffer(data, np.uint8)
        status = decode_probabilities(content, int(place[N_ALLELES]), dosage, ploidy)
        if status != probabilities.OK:
            raise self._damaged(site, _PROBLEMS[status])

    def _inflated(self, packed: bytes, n_bytes: int) -> bytes | None:
        """None where they are not `n_bytes` of data."""
        compression = self._file.header.compression
        if compression == NONE:
            return packed if len(packed) == n_bytes else None
        try:
            if compression == ZSTD:
                return pa.decompress(packed, n_bytes, codec="zstd", asbytes=True)
            inflater = zlib_ng.decompressobj()
            data = inflater.decompress(packed, n_bytes + 1)
        except (InflateError, OSError, pa.ArrowException):
            return None
        return data if len(data) == n_bytes and inflater.eof else None

    def _damaged(self, site: str, what: str) -> GenotypeFileError:
        return damaged(Path(self._file.path), f"the probabilities at {site} {what}.")
