"""The genotype store: a file's dosages kept in columns, so that no later score reads the VCF again.

A store is a folder, on disk or in a bucket, whose name ends in SUFFIX:

    manifest.json           what is stored, every file with size and sha256; written last
                            (core.genotypes.store_manifest)
    samples/tile-000.arrow  names of the samples of a tile, at most 65,536
    chunks/SSSSS-NNNNN-sites.arrow, …-tile-000.arrow
                            chunk N of shard S: a run of records on one contig
                            (core.genotypes.store_chunk)
    quality/…               what was counted while the store was written, which reports tell and
                            no reader needs (core.genotypes.quality_summary); gone once samples
                            are appended

Everything is JSON and Arrow IPC, for any tool to read. Files are written once. New samples append:
more tiles for every chunk, and a new manifest in place of the old one.

A StoreReader gives the DosageBlocks that the reader of the file gave: the same rows in the same
order, dosages and ploidies bit for bit. It reads the chunks whose positions are wanted, and checks
every file against its sha256 before it looks inside.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from core.build_evidence import BuildEvidence, BuildSource
from core.errors import NotStoredError, Where
from core.genotypes.block import DosageBlock
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.store_blocks import StoredBlocks
from core.genotypes.store_chunk import SAMPLES_SCHEMA
from core.genotypes.store_load import ChunkRows, ahead, load, load_chunk, may_hold
from core.genotypes.store_manifest import MANIFEST, Manifest, samples_key
from core.genotypes.vcf import DEFAULT_BLOCK_BYTES
from core.genotypes.vcf_blocks import Decoding
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
    def build_evidence(self) -> BuildEvidence | None:
        build = self.manifest.build
        words = "the manifest of the store"
        return None if build is None else BuildEvidence(build, BuildSource.HEADER, words)

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
        self._decoding = Decoding(
            samples=shard.file.samples,
            field=GenotypeField.DS if shard.file.manifest.is_imputed else GenotypeField.GT,
            half_call=half_call,
            block_bytes=block_bytes,
        )
        self._s3 = s3

    def __iter__(self) -> Iterator[DosageBlock]:
        self._count()
        blocks = StoredBlocks(self._decoding)
        for rows in self._load():
            yield from blocks.add(rows)
        yield from blocks.finish()

    def _count(self) -> None:
        for chunk in self._chunks:
            self.n_records += chunk.n_records
            n_before = self.contig_records.get(chunk.contig, 0)
            self.contig_records[chunk.contig] = n_before + chunk.n_records

    def _load(self) -> Iterator[ChunkRows]:
        """The chunks that hold something wanted, in order."""
        wanted, file = self._wanted, self._file
        chunks = [chunk for chunk in self._chunks if may_hold(chunk, wanted)]
        load_one = partial(load_chunk, file.uri, file.manifest, wanted=wanted, s3=self._s3)
        loaded = ahead(load_one, chunks) if _is_remote(file.uri) else map(load_one, chunks)
        return (rows for rows in loaded if rows is not None)


def _is_remote(uri: str) -> bool:
    return "://" in uri and not uri.startswith("file://")


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
