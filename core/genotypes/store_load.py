"""Stored files, loaded and checked, and only where something in them is wanted."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import GenotypeFileError
from core.genotypes.block import texts, values_of
from core.genotypes.store_calls import Ints
from core.genotypes.store_chunk import SITES_SCHEMA, TILE_SCHEMA, Tile, damaged, from_file
from core.genotypes.store_manifest import Chunk, Manifest, StoredFile
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access, open_byte_ranges

Bools = npt.NDArray[np.bool_]
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


def wanted_rows(sites: pa.RecordBatch, wanted: Wanted | None) -> Ints:
    """(W,) rows of a chunk, ascending: those of the position groups that hold something wanted."""
    contig = sites.column("contig")[0].as_py()
    if wanted is None or contig in wanted.whole_contigs:
        return np.arange(sites.num_rows)
    positions = values_of(sites.column("position"))
    is_wanted = np.zeros(sites.num_rows, np.bool_)
    if contig in wanted.positions:
        is_wanted |= _are_in(positions, wanted.positions[contig])
    if wanted.ids:
        has_id = _have_id(sites.column("id"), texts([name.encode() for name in sorted(wanted.ids)]))
        group = np.cumsum(group_starts(positions)) - 1
        is_wanted |= (np.bincount(group, weights=has_id) > 0)[group]
    return np.flatnonzero(is_wanted)


def group_starts(positions: npt.NDArray[np.int64]) -> Bools:
    """(n,) whether a row begins a position group of one contig."""
    return np.append(True, positions[1:] != positions[:-1])


def _are_in(positions: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> Bools:
    """(n,) whether a position is among the sorted unique wanted ones.

    Wanted positions are looked up in the chunk's, which are more; those may be unsorted.
    """
    order = None if (positions[1:] >= positions[:-1]).all() else np.argsort(positions)
    start, stop = np.searchsorted(wanted, (positions.min(), positions.max() + 1))
    first = np.searchsorted(positions, wanted[start:stop], "left", sorter=order)
    last = np.searchsorted(positions, wanted[start:stop], "right", sorter=order)
    edges = np.bincount(first, minlength=len(positions) + 1).astype(np.int64)
    edges -= np.bincount(last, minlength=len(positions) + 1)
    found = np.cumsum(edges)[:-1] > 0
    if order is None:
        return found
    is_in = np.empty_like(found)
    is_in[order] = found
    return is_in


def _have_id(ids: pa.Array, wanted: pa.Array) -> Bools:
    """(n,) whether one of a record's IDs, separated by ";", is among `wanted`."""
    parts = pc.split_pattern(ids, ";")
    hits = pc.is_in(pc.list_flatten(parts), wanted).cast(pa.uint8())
    found = np.zeros(len(ids), np.bool_)
    found[values_of(pc.list_parent_indices(parts))[values_of(hits) == 1]] = True
    return found
