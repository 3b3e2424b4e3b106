"""The manifest of a genotype store: what it holds, and the size and sha256 of every file.

It is JSON and is written last, so that a store without one is not there at all. Its fields are
those of `Manifest`. Names of files follow from their numbers: no manifest points out of its store.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import GenotypeFileError, UnsupportedFormatError, Where
from core.genome_build import GenomeBuild
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.store_chunk import FORMAT, TILE_SAMPLES, VERSION

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class StoredFile:
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ChunkName:
    """The shard that was written, and the chunk's number in it."""

    shard: int
    number: int

    def __str__(self) -> str:
        return f"{self.shard:05}-{self.number:05}"

    @property
    def sites_key(self) -> str:
        return f"chunks/{self}-sites.arrow"

    def tile_key(self, tile: int) -> str:
        return f"chunks/{self}-tile-{tile:03}.arrow"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Positions are the lowest and the highest; `tiles` are in the order of the manifest's."""

    name: ChunkName
    contig: str
    first_position: int
    last_position: int
    n_rows: int
    n_records: int
    sites: StoredFile
    tiles: tuple[StoredFile, ...]

    @property
    def size_bytes(self) -> int:
        return self.sites.size_bytes + sum(tile.size_bytes for tile in self.tiles)


@dataclass(frozen=True, slots=True)
class SampleTile:
    """Samples that stand beside each other in the cohort; `samples` holds their names."""

    n_samples: int
    samples: StoredFile


def samples_key(tile: int) -> str:
    return f"samples/tile-{tile:03}.arrow"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`is_imputed`: dosages are float32, else uint8 hard calls. `genotype_field` and `half_call`
    are those that calls were read with. `chunks` are in file order."""

    build: GenomeBuild | None
    genotype_field: GenotypeField
    half_call: HalfCall
    is_imputed: bool
    tiles: tuple[SampleTile, ...]
    chunks: tuple[Chunk, ...]

    @property
    def n_samples(self) -> int:
        return sum(tile.n_samples for tile in self.tiles)

    @property
    def size_bytes(self) -> int:
        return sum(chunk.size_bytes for chunk in self.chunks)

    def to_json(self) -> bytes:
        facts = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return json.dumps(facts, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, content: bytes, where: Where) -> "Manifest":
        """Raises UnsupportedFormatError for another version, GenotypeFileError for what is no
        manifest."""
        try:
            facts = json.loads(content)
            _check_version(facts, where)
            manifest = _manifest_of(facts)
            _check(manifest)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GenotypeFileError(
                f"the manifest of the store cannot be used ({error}).",
                where=where,
                fix="Store the genotypes again.",
            ) from error
        return manifest


def chunk_of(facts: Mapping[str, Any]) -> Chunk:
    """The inverse of dataclasses.asdict, from JSON."""
    parts: dict[str, Any] = {
        "name": ChunkName(**facts["name"]),
        "sites": StoredFile(**facts["sites"]),
        "tiles": tuple(StoredFile(**tile) for tile in facts["tiles"]),
    }
    return Chunk(**{**facts, **parts})


def _check_version(facts: Mapping[str, Any], where: Where) -> None:
    if facts["format"] != FORMAT or facts["version"] != VERSION:
        raise UnsupportedFormatError(
            f"{facts['format']} version {facts['version']} is not what this program reads "
            f"({FORMAT} version {VERSION}).",
            where=where,
            fix="Store the genotypes again.",
        )


def _manifest_of(facts: Mapping[str, Any]) -> Manifest:
    tiles = [SampleTile(t["n_samples"], StoredFile(**t["samples"])) for t in facts["tiles"]]
    return Manifest(
        build=GenomeBuild(facts["build"]) if facts["build"] is not None else None,
        genotype_field=GenotypeField(facts["genotype_field"]),
        half_call=HalfCall(facts["half_call"]),
        is_imputed=bool(facts["is_imputed"]),
        tiles=tuple(tiles),
        chunks=tuple(chunk_of(chunk) for chunk in facts["chunks"]),
    )


def _check(manifest: Manifest) -> None:
    """Numbers are numbers, tiles have their size, every chunk has every tile."""
    for tile in manifest.tiles:
        if not 1 <= tile.n_samples <= TILE_SAMPLES:
            raise ValueError(f"a tile of {tile.n_samples} samples")
    for chunk in manifest.chunks:
        name = chunk.name
        if not all(number >= 0 for number in (name.shard, name.number, chunk.first_position)):
            raise ValueError(f"chunk {name} has a negative number")
        if min(chunk.n_rows, chunk.n_records) < 1:
            raise ValueError(f"chunk {name} has no rows")
        if len(chunk.tiles) != len(manifest.tiles):
            raise ValueError(f"chunk {name} has {len(chunk.tiles)} tiles")
