"""Stored files, loaded and checked, and only where something in them is wanted."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from core.errors import GenotypeFileError
from core.genotypes.store_calls import Ints
from core.genotypes.store_chunk import SITES_SCHEMA, TILE_SCHEMA, Tile, damaged, from_file
from core.genotypes.store_manifest import Chunk, Manifest, StoredFile
from core.genotypes.vcf_wanted import Wanted
from core.genotypes.wanted_sites import wanted_rows
from core.storage.byte_ranges import S3Access, open_byte_ranges

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")

AHEAD = 4
"""Chunks of a remote store that are on their way at a time."""


class ChunkRows(NamedTuple):
    """The wanted rows of a chunk: ascending, whole position groups, at least one."""

    sites: pa.RecordBatch
    rows: Ints
    tiles: tuple[Tile, ...]


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


def load_chunk(
    uri: str, manifest: Manifest, chunk: Chunk, *, wanted: Wanted | None, s3: S3Access | None
) -> ChunkRows | None:
    """What is wanted of a chunk of the store in the folder `uri`; None where that is nothing."""
    key = chunk.name.sites_key
    sites = load(f"{uri}/{key}", chunk.sites, SITES_SCHEMA, chunk.n_rows, s3)
    rows = wanted_rows(sites, wanted)
    if len(rows) == 0:
        return None
    tiles: list[Tile] = []
    for number, stored in enumerate(chunk.tiles):
        name, n_samples = f"{uri}/{chunk.name.tile_key(number)}", manifest.tiles[number].n_samples
        batch = load(name, stored, TILE_SCHEMA, chunk.n_rows, s3)
        tiles.append(Tile.of(batch, n_samples, name))
    return ChunkRows(sites, rows, tuple(tiles))


def ahead(load_one: Callable[[Item], Loaded], items: Iterable[Item]) -> Iterator[Loaded]:
    """What map() gives, with some items on their way in threads: a remote store answers late."""
    with ThreadPoolExecutor(max_workers=AHEAD) as threads:
        waiting: deque[Future[Loaded]] = deque()
        try:
            for item in items:
                waiting.append(threads.submit(load_one, item))
                if len(waiting) == AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


def may_hold(chunk: Chunk, wanted: Wanted | None) -> bool:
    """Whether the chunk can have wanted records, from its statistics alone."""
    if wanted is None or wanted.ids or chunk.contig in wanted.whole_contigs:
        return True
    positions = wanted.positions.get(chunk.contig)
    if positions is None:
        return False
    at = int(np.searchsorted(positions, chunk.first_position))
    return at < len(positions) and bool(positions[at] <= chunk.last_position)
