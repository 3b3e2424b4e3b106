"""The genotype store: a file's dosages kept in columns, so that no later score reads the VCF again.

A store is a folder, on disk or in a bucket, whose name ends in SUFFIX:

    manifest.json           what is stored, every file with size and sha256; written last
                            (core.genotypes.store_manifest)
    samples/tile-000.arrow  names of the samples of a tile, at most 65,536
    chunks/SSSSS-NNNNN-sites.arrow, …-tile-000.arrow
                            chunk N of shard S: a run of records on one contig
                            (core.genotypes.store_chunk)

Everything is JSON and Arrow IPC, for any tool to read. Files are written once. New samples append:
more tiles for every chunk, and a new manifest in place of the old one.

A StoreReader gives the DosageBlocks that the reader of the file gave: the same rows in the same
order, dosages and ploidies bit for bit. It reads the chunks whose positions are wanted, and checks
every file against its sha256 before it looks inside.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.errors import GenotypeFileError, NotStoredError, Where
from core.genome_build import GenomeBuild
from core.genotypes.block import DosageBlock
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.store_blocks import StoredBlocks, wanted_rows
from core.genotypes.store_chunk import (
    SAMPLES_SCHEMA,
    SITES_SCHEMA,
    TILE_SCHEMA,
    Tile,
    damaged,
    from_file,
)
from core.genotypes.store_manifest import MANIFEST, Chunk, Manifest, StoredFile, samples_key
from core.genotypes.vcf import DEFAULT_BLOCK_BYTES
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access, open_byte_ranges

SUFFIX = ".cgstore"

SHARD_GENOTYPES = 1 << 29
"""A shard of a store ends when it has so many, which are half a second's work, or `shard_bytes`."""


@dataclass(frozen=True, slots=True)
class StoreFile:
    """One store, opened. `uri` is that of its folder."""

    uri: str
    manifest: Manifest
    samples: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        return self.manifest.size_bytes

    @property
    def build(self) -> GenomeBuild | None:
        return self.manifest.build

    def shards(self, shard_bytes: int, first_index: int) -> tuple["StoreShard", ...]:
        """Cut between chunks; at least one, which may be empty."""
        bounds = [0, *_cuts(self.manifest, shard_bytes), len(self.manifest.chunks)]
        ranges = enumerate(zip(bounds[:-1], bounds[1:], strict=True), start=first_index)
        return tuple(StoreShard(index, self, first, stop) for index, (first, stop) in ranges)


@dataclass(frozen=True, slots=True)
class StoreShard:
    """Chunks first to stop of a store. `index` counts over the cohort."""

    index: int
    file: StoreFile
    first: int
    stop: int

    def reader(
        self,
        *,
        field: GenotypeField,
        half_call: HalfCall,
        wanted: Wanted | None,
        s3: S3Access | None,
    ) -> "StoreReader":
        return StoreReader(self, field=field, half_call=half_call, wanted=wanted, s3=s3)


def open_store(uri: str, *, s3: S3Access | None = None) -> StoreFile:
    """Read the manifest and the samples of the store in the folder `uri`.

    Raises GenotypeFileError where there is no manifest, or none that can be used.
    """
    uri = uri.rstrip("/")
    source = open_byte_ranges(f"{uri}/{MANIFEST}", s3=s3)
    content = source.read(0, source.size_bytes)
    manifest = Manifest.from_json(content, Where(source.uri))
    samples: list[str] = []
    for number, tile in enumerate(manifest.tiles):
        uri_of_names = f"{uri}/{samples_key(number)}"
        names = load(uri_of_names, tile.samples, SAMPLES_SCHEMA, tile.n_samples, s3)
        samples += names.column("sample").to_pylist()
    return StoreFile(uri, manifest, tuple(samples))


def _cuts(manifest: Manifest, shard_bytes: int) -> Iterator[int]:
    """Chunks that begin a shard, but for the first."""
    n_bytes = n_genotypes = 0
    for number, chunk in enumerate(manifest.chunks):
        if n_bytes >= shard_bytes or n_genotypes >= SHARD_GENOTYPES:
            yield number
            n_bytes = n_genotypes = 0
        n_bytes += chunk.size_bytes
        n_genotypes += chunk.n_rows * manifest.n_samples


class StoreReader:
    """Iterate once over the blocks of a shard; then `n_records` and `contig_records` are known.

    The protocol, the options and the blocks are those of core.genotypes.vcf.ShardReader.
    Raises NotStoredError where calls are asked for that the store was not written with, and
    InfrastructureError, with the name of the file, where something stored is damaged or gone.
    """

    def __init__(
        self,
        shard: StoreShard,
        *,
        field: GenotypeField = GenotypeField.AUTO,
        half_call: HalfCall = HalfCall.MISSING,
        wanted: Wanted | None = None,
        block_bytes: int = DEFAULT_BLOCK_BYTES,
        s3: S3Access | None = None,
    ) -> None:
        require_stored(shard.file, field, half_call)
        self.n_records = 0
        self.directory: BlockDirectory | None = None
        self.contig_records: dict[str, int] = {}
        self._file = shard.file
        self._chunks = shard.file.manifest.chunks[shard.first : shard.stop]
        self._wanted = wanted
        self._block_bytes = block_bytes
        self._s3 = s3

    def __iter__(self) -> Iterator[DosageBlock]:
        manifest = self._file.manifest
        blocks = StoredBlocks(manifest.n_samples, manifest.is_imputed, self._block_bytes)
        for chunk in self._chunks:
            self._count(chunk)
            if may_hold(chunk, self._wanted):
                yield from self._read(chunk, blocks)
        yield from blocks.finish()

    def _count(self, chunk: Chunk) -> None:
        self.n_records += chunk.n_records
        n_before = self.contig_records.get(chunk.contig, 0)
        self.contig_records[chunk.contig] = n_before + chunk.n_records

    def _read(self, chunk: Chunk, blocks: StoredBlocks) -> Iterator[DosageBlock]:
        sites = self._load(chunk.name.sites_key, chunk.sites, SITES_SCHEMA, chunk.n_rows)
        rows = wanted_rows(sites, self._wanted)
        if len(rows):
            yield from blocks.add(sites, rows, self._load_tiles(chunk))

    def _load_tiles(self, chunk: Chunk) -> tuple[Tile, ...]:
        tiles: list[Tile] = []
        for number, stored in enumerate(chunk.tiles):
            key, n_samples = (
                chunk.name.tile_key(number),
                self._file.manifest.tiles[number].n_samples,
            )
            batch = self._load(key, stored, TILE_SCHEMA, chunk.n_rows)
            tiles.append(Tile.of(batch, n_samples, f"{self._file.uri}/{key}"))
        return tuple(tiles)

    def _load(self, key: str, stored: StoredFile, schema: pa.Schema, n_rows: int) -> pa.RecordBatch:
        return load(f"{self._file.uri}/{key}", stored, schema, n_rows, self._s3)


def load(
    uri: str, stored: StoredFile, schema: pa.Schema, n_rows: int, s3: S3Access | None
) -> pa.RecordBatch:
    """The record batch of a stored file, whole and as it was written."""
    try:
        source = open_byte_ranges(uri, s3=s3)
        content = source.read(0, source.size_bytes)
    except GenotypeFileError as error:  # the store is ours, not the user's: its files are there
        raise damaged(uri, error.what) from error
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise damaged(uri, "its sha256 is not that of the manifest.")
    batch = from_file(content, schema, uri)
    if batch.num_rows != n_rows:
        raise damaged(uri, f"it has {batch.num_rows} rows, not {n_rows}.")
    return batch


def require_stored(file: StoreFile, field: GenotypeField, half_call: HalfCall) -> None:
    """Raises NotStoredError where reading the file that was stored could give other dosages.

    A store holds one reading of the calls, that of its manifest. Hard calls are GT, whichever field
    was asked for then.
    """
    manifest, where = file.manifest, Where(file.uri)
    stored_field = manifest.genotype_field if manifest.is_imputed else GenotypeField.GT
    if field not in (manifest.genotype_field, stored_field):
        raise NotStoredError(
            f"dosages are stored as {stored_field} gave them, not {field}.",
            where=where,
            fix=_READ_AGAIN,
        )
    if half_call is not manifest.half_call:
        raise NotStoredError(
            f"half-calls are stored as {manifest.half_call}, not as {half_call}.",
            where=where,
            fix=_READ_AGAIN,
        )


_READ_AGAIN = "Score the file itself, or store it again."


def may_hold(chunk: Chunk, wanted: Wanted | None) -> bool:
    """Whether the chunk can have wanted records, from its statistics alone."""
    if wanted is None or wanted.ids or chunk.contig in wanted.whole_contigs:
        return True
    positions = wanted.positions.get(chunk.contig)
    if positions is None:
        return False
    at = int(np.searchsorted(positions, chunk.first_position))
    return at < len(positions) and bool(positions[at] <= chunk.last_position)
