"""PLINK filesets as DosageBlocks: what PLINK 1 and PLINK 2 have in common.

A fileset is three local files: calls (.pgen, .bed), variants (.pvar, .bim) and samples (.psam,
.fam). A shard is a range of variants; its sites are looked at first, and only the calls of wanted
position groups are decoded. Ploidies are those of core.genotypes.plink_ploidy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.build_evidence import BuildEvidence
from core.errors import GenotypeFileError, UnsupportedFormatError, Where
from core.genome_build import GenomeBuild, plink_contig
from core.genotypes.block import SITE_SCHEMA, DosageBlock, Dosages, numbers, texts, values_of
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.plink_ploidy import copies_in_places, place_calls, place_dosages, places_of
from core.genotypes.plink_samples import PlinkSamples, read_samples
from core.genotypes.plink_sites import Sites, SitesFile, load_sites
from core.genotypes.vcf import DEFAULT_BLOCK_BYTES
from core.genotypes.vcf_blocks import BlockMemory, Decoding, block_ranges, check_group
from core.genotypes.vcf_progress import BlockRows
from core.genotypes.vcf_wanted import Wanted
from core.genotypes.wanted_sites import group_starts, wanted_rows
from core.storage.byte_ranges import S3Access

SHARD_GENOTYPES = 1 << 29
"""A shard has no more genotypes, about a second's work, or no more than `shard_bytes`."""

MAX_REPEATED_BYTES = 256 << 20
"""Of IDs and REFs, which stand once in a table of sites and in the row of each ALT."""

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Variants = npt.NDArray[np.uint32]


class CallsReader(Protocol):
    """Decodes variants of one file."""

    def read(self, variants: Variants, alleles: Ints, into: Dosages) -> None:
        """Copies of ALTs, 0 to 2, as if everything were diploid.

        variants (R,) ascending; alleles (R,) ALT numbers from 1 on; into (R, S), overwritten: uint8
        hard calls, 255 missing, or, of a file that has dosages, float32, NaN missing.
        Raises GenotypeFileError for damaged calls.
        """
        ...


class CallsFile(Protocol):
    """The file with the calls, its header checked against the tables beside it."""

    @property
    def path(self) -> str: ...

    @property
    def has_dosages(self) -> bool: ...

    def open(self, sites: Sites) -> CallsReader: ...


@dataclass(frozen=True, slots=True)
class Fileset:
    """The paths of the three files of a fileset, which are all there."""

    calls: Path
    sites: Path
    samples: Path

    @property
    def uris(self) -> tuple[str, ...]:
        return (str(self.calls), str(self.sites), str(self.samples))


def fileset_of(uri: str, sites_suffixes: tuple[str, ...], samples_suffix: str) -> Fileset:
    """The files beside `uri`, which has a suffix; the first of `sites_suffixes` that is there.

    Raises UnsupportedFormatError for what is not on this machine, GenotypeFileError, naming both
    files, where one is missing.
    """
    path = local_path(uri, "a PLINK fileset", "its three files")
    return Fileset(path, _beside(path, sites_suffixes), _beside(path, (samples_suffix,)))


def local_path(uri: str, what: str, files: str) -> Path:
    """Of a file on this machine, which is there; `what` it is of and its `files`, for people."""
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme not in ("", "file"):
        raise UnsupportedFormatError(
            f"{what} cannot be read from {scheme}://.",
            where=Where(uri),
            fix=f"Copy {files} to a local folder, or store it (jobs.store_cohort) and read "
            "the store from there.",
        )
    path = Path(unquote(urlsplit(uri).path) if scheme else uri)
    if not path.is_file():
        raise GenotypeFileError(
            "there is no such file.",
            where=Where(uri),
            fix="Check the path; relative paths start at the working directory.",
        )
    return path


def _beside(path: Path, suffixes: tuple[str, ...]) -> Path:
    candidates = [path.with_suffix(suffix) for suffix in suffixes]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        names = " or ".join(candidate.name for candidate in candidates)
        raise GenotypeFileError(
            f"{names} is not beside it.",
            where=Where(str(path)),
            fix="Keep the three files of a fileset in one folder, under one name.",
        )
    return found


def read_tables(fileset: Fileset, most: int | None) -> tuple[PlinkSamples, SitesFile, Sites]:
    """Samples and sites; `most` as in SitesFile."""
    sites_file = SitesFile.of(fileset.sites, most)
    return read_samples(fileset.samples), sites_file, load_sites(sites_file)


def check_count(fileset: Fileset, table: Path, what: str, stated: int, listed: int) -> None:
    """Raises GenotypeFileError where the file of the calls and a table do not agree."""
    if stated != listed:
        more = "more" if listed > stated else f"{listed}"
        raise GenotypeFileError(
            f"the file has {stated} {what}, {table} has {more}.",
            where=Where(str(fileset.calls)),
            fix="These are not of one fileset: give the files that were written together.",
        )


@dataclass(frozen=True, slots=True)
class PlinkFile:
    """One fileset, opened. `uri` is that of its calls; `sexes` as in PlinkSamples."""

    uri: str
    size_bytes: int
    samples: tuple[str, ...]
    sexes: bytes
    build_evidence: BuildEvidence | None
    n_variants: int
    sites: SitesFile
    calls: CallsFile

    def shards(self, shard_bytes: int, first_index: int) -> tuple["PlinkShard", ...]:
        """Ranges of variants of about one size, cut between position groups; at least one."""
        table = load_sites(self.sites).table
        ranges = cut_variants(table, len(self.samples), self.size_bytes, shard_bytes)
        shards = enumerate(ranges, start=first_index)
        return tuple(PlinkShard(index, self, first, stop) for index, (first, stop) in shards)


def cut_variants(
    table: pa.Table, n_samples: int, size_bytes: int, shard_bytes: int
) -> Iterator[tuple[int, int]]:
    """Ranges of the rows of a table of sites, one for each variant of a file of `size_bytes`: of
    about one size, whole position groups, at least one."""
    n_variants = table.num_rows
    n_genotypes = n_variants * n_samples
    n_shards = max(-(-size_bytes // shard_bytes), -(-n_genotypes // SHARD_GENOTYPES), 1)
    wished = np.arange(1, n_shards) * n_variants // n_shards
    starts = np.append(np.flatnonzero(_all_group_starts(table)), n_variants)
    cuts = np.unique(starts[np.searchsorted(starts, wished)])
    bounds = [0, *(int(cut) for cut in cuts if 0 < cut < n_variants), n_variants]
    return zip(bounds[:-1], bounds[1:], strict=True)


def _all_group_starts(table: pa.Table) -> npt.NDArray[np.bool_]:
    chromosome = table.column("CHROM").combine_chunks()
    contig_of, _ = _canonical(chromosome)
    return group_starts(values_of(table.column("POS").combine_chunks()), contig_of)


def _canonical(chromosome: pa.DictionaryArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    """((n,) number of each row's contig, canonical names): X, 23 and XY are one contig."""
    names = [plink_contig(name) for name in chromosome.dictionary.to_pylist()]
    contigs = list(dict.fromkeys(names))
    number = {name: at for at, name in enumerate(contigs)}
    of_code = np.array([number[name] for name in names], np.int32)
    return of_code[values_of(chromosome.indices)], contigs


@dataclass(frozen=True, slots=True)
class PlinkShard:
    """Variants first to stop of a fileset. `index` counts over the cohort."""

    index: int
    file: PlinkFile
    first: int
    stop: int

    def reader(
        self,
        *,
        field: GenotypeField,
        half_call: HalfCall,
        wanted: Wanted | None,
        s3: S3Access | None,
    ) -> "PlinkReader":
        return PlinkReader(self, field=field, half_call=half_call, wanted=wanted, s3=s3)


class PlinkReader:
    """Iterate once over the blocks of a shard; then `n_records` and `contig_records` are known.

    The protocol is that of core.genotypes.vcf.ShardReader. A PLINK file has no half-calls, so that
    `half_call` changes nothing, and no remote files, so that `s3` does not either. AUTO is DS where
    the file has dosages, of which a call without one counts as its hard call; else GT.
    Raises GenotypeFileError for HDS and GP, which no reader gives, and DS where there is none.
    """

    def __init__(
        self,
        shard: PlinkShard,
        *,
        field: GenotypeField = GenotypeField.AUTO,
        half_call: HalfCall = HalfCall.MISSING,
        wanted: Wanted | None = None,
        block_bytes: int = DEFAULT_BLOCK_BYTES,
        s3: S3Access | None = None,
    ) -> None:
        self.n_records = 0
        self.directory: BlockDirectory | None = None
        self.contig_records: dict[str, int] = {}
        self._shard = shard
        self._wanted = wanted
        self._decoding = Decoding(
            samples=shard.file.samples,
            field=_field_of(shard.file, field),
            half_call=half_call,
            block_bytes=block_bytes,
        )

    def __iter__(self) -> Iterator[DosageBlock]:
        file, shard = self._shard.file, self._shard
        sites = load_sites(file.sites)
        variants = ShardSites(sites.table, shard.first, shard.stop, sites.build, file.uri)
        self.n_records = shard.stop - shard.first
        self.contig_records = variants.contig_records()
        rows = variants.rows(self._wanted)
        if not len(rows.variant):
            return
        calls = file.calls.open(sites)
        copies = copies_in_places(np.frombuffer(file.sexes, np.uint8))
        memory = BlockMemory.of_thread(self._decoding)
        for first, stop in block_ranges(rows.group, self._decoding):
            check_group(stop - first, self._decoding, rows.site(first), file.uri)
            block_rows = memory.rows(stop - first)
            yield _block(rows.range(first, stop), calls, copies, block_rows)


def _field_of(file: PlinkFile, field: GenotypeField) -> GenotypeField:
    """GT or DS."""
    if field is GenotypeField.AUTO:
        return GenotypeField.DS if file.calls.has_dosages else GenotypeField.GT
    if field is GenotypeField.GT or (field is GenotypeField.DS and file.calls.has_dosages):
        return field
    may_have = field is GenotypeField.DS
    raise GenotypeFileError(
        "the file has no dosages." if may_have else f"no PLINK file has {field}.",
        where=Where(file.uri, field=field),
        fix="Read hard calls (genotype field GT or auto).",
    )


@dataclass(frozen=True, slots=True)
class SiteRows:
    """R rows, one for each ALT of a variant. variant counts over the file; allele from 1 on; group
    ascends with the position groups; table has the columns of SITE_SCHEMA."""

    variant: Variants
    allele: Ints
    place: Bytes
    group: Ints
    table: pa.RecordBatch

    def site(self, row: int) -> str:
        return f"{self.table.column('contig')[row]}:{self.table.column('position')[row]}"

    def range(self, first: int, stop: int) -> "SiteRows":
        part = slice(first, stop)
        return SiteRows(
            self.variant[part],
            self.allele[part],
            self.place[part],
            self.group[part],
            self.table.slice(first, stop - first),
        )


class ShardSites:
    """The variants of one shard; `uri` of their file."""

    def __init__(
        self, table: pa.Table, first: int, stop: int, build: GenomeBuild | None, uri: str
    ) -> None:
        part = table.slice(first, stop - first)
        self._first = first
        self._build = build
        self._uri = uri
        self._column = {name: part.column(name).combine_chunks() for name in part.column_names}
        self._contig_of, self._contigs = _canonical(self._column["CHROM"])

    def contig_records(self) -> dict[str, int]:
        counts = np.bincount(self._contig_of, minlength=len(self._contigs))
        return {name: int(n) for name, n in zip(self._contigs, counts, strict=True) if n}

    @cached_property
    def _sites(self) -> pa.RecordBatch:
        names = texts([name.encode() for name in self._contigs])
        contig = pa.DictionaryArray.from_arrays(numbers(self._contig_of), names)
        columns = {"contig": contig, "position": self._column["POS"], "id": self._column["ID"]}
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def rows(self, wanted: Wanted | None) -> SiteRows:
        """Those of the position groups that hold something wanted. Raises GenotypeFileError where
        their names and alleles would fill the memory."""
        chosen = wanted_rows(self._sites, wanted)
        position = values_of(self._column["POS"])
        group = np.cumsum(group_starts(position, self._contig_of), dtype=np.int64)[chosen]
        taken = numbers(chosen)
        alts = pc.split_pattern(self._column["ALT"].take(taken), ",")
        of = values_of(pc.list_parent_indices(alts)).astype(np.int64)
        n_alts = np.bincount(of, minlength=len(chosen))
        self._check_repeated(taken, n_alts)
        allele = np.arange(len(of)) - np.repeat(np.cumsum(n_alts) - n_alts, n_alts) + 1
        repeated = numbers(chosen[of])
        columns = {
            "record": numbers(of.astype(np.int32)),
            "contig": self._sites.column("contig").take(repeated).dictionary_decode(),
            "position": numbers(position[chosen][of]),
            "id": self._column["ID"].take(repeated),
            "ref": _allele(self._column["REF"].take(repeated)),
            "alt": _allele(pc.list_flatten(alts)),
            "n_alts": numbers(n_alts[of].astype(np.int32)),
        }
        return SiteRows(
            variant=(chosen[of] + self._first).astype(np.uint32),
            allele=allele,
            place=self._places()[chosen][of],
            group=group[of],
            table=pa.RecordBatch.from_arrays(
                [columns[name] for name in SITE_SCHEMA.names], schema=SITE_SCHEMA
            ),
        )

    def _check_repeated(self, chosen: pa.Array, n_alts: Ints) -> None:
        """`n_alts` of the chosen variants."""
        n_bytes = 0
        for name in ("ID", "REF"):
            lengths = pc.binary_length(self._column[name].take(chosen))
            n_bytes += int(values_of(lengths) @ np.maximum(n_alts - 1, 0))
        if n_bytes > MAX_REPEATED_BYTES:
            raise GenotypeFileError(
                f"IDs and REF alleles of variants with several ALTs need more than "
                f"{MAX_REPEATED_BYTES >> 20} MiB.",
                where=Where(self._uri, field="REF"),
                fix="Leave these variants out.",
            )

    def _places(self) -> Bytes:
        chromosome = self._column["CHROM"]
        return places_of(
            chromosome.dictionary.to_pylist(),
            values_of(chromosome.indices),
            values_of(self._column["POS"]),
            self._build,
        )


def _allele(alleles: pa.Array) -> pa.Array:
    """Sequences in upper case; "<DEL>" and breakends as they are; "." for PLINK's "0"."""
    is_symbolic = pc.match_substring_regex(alleles, r"[<\[\]]")
    named = pc.if_else(is_symbolic, alleles, pc.ascii_upper(alleles))
    return pc.if_else(pc.equal(named, "0"), ".", named)


def _block(sites: SiteRows, calls: CallsReader, copies: Bytes, rows: BlockRows) -> DosageBlock:
    n_rows = len(sites.variant)
    record = values_of(sites.table.column("record"))
    record = (record - record[0]).astype(np.int32)
    ploidy = rows.ploidy[:n_rows]
    hard_calls, imputed = rows.calls[:n_rows], rows.imputed[:n_rows]
    dosage = hard_calls if len(hard_calls) else imputed
    calls.read(sites.variant, sites.allele, dosage)
    is_placed = bool(sites.place.any())
    if is_placed and len(hard_calls):
        place_calls(hard_calls, record, sites.place, copies, ploidy)
    elif is_placed:
        place_dosages(imputed, sites.place, copies, ploidy)
    columns = dict(zip(SITE_SCHEMA.names, sites.table.columns, strict=True))
    columns["record"] = numbers(record)
    has_haploid = is_placed and bool((ploidy != 2).any())
    return DosageBlock.build(columns, dosage, ploidy if has_haploid else None)
