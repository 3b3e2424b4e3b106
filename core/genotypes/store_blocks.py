"""DosageBlocks from stored chunks: which rows are wanted, and blocks filled across chunks.

Whole position groups are taken, and no group is cut: a group never lies in two chunks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.block import SITE_SCHEMA, DosageBlock, Dosages
from core.genotypes.store_calls import Bytes, Ints
from core.genotypes.store_chunk import Tile
from core.genotypes.vcf_wanted import Wanted
from core.genotypes.vcf_blocks import SITE_BYTES

Bools = npt.NDArray[np.bool_]


def wanted_rows(sites: pa.RecordBatch, wanted: Wanted | None) -> Ints:
    """(W,) rows of a chunk, ascending: those of the position groups that hold something wanted."""
    contig = sites.column("contig")[0].as_py()
    if wanted is None or contig in wanted.whole_contigs:
        return np.arange(sites.num_rows)
    positions = sites.column("position").to_numpy()
    is_wanted = np.zeros(sites.num_rows, np.bool_)
    if contig in wanted.positions:
        is_wanted |= _are_in(positions, wanted.positions[contig])
    if wanted.ids:
        has_id = _have_id(sites.column("id"), pa.array(sorted(wanted.ids), pa.string()))
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
    hits = pc.is_in(pc.list_flatten(parts), wanted).to_numpy(zero_copy_only=False)
    found = np.zeros(len(ids), np.bool_)
    found[pc.list_parent_indices(parts).to_numpy()[hits]] = True
    return found


@dataclass(slots=True)
class _OpenBlock:
    """A block that is being filled; rows up to `n_rows` are."""

    dosage: Dosages
    ploidy: Bytes
    is_diploid: bool = True
    sites: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])
    n_rows: int = 0
    n_records: int = 0

    @classmethod
    def of(cls, n_rows: int, n_samples: int, *, is_imputed: bool) -> "_OpenBlock":
        shape = (n_rows, n_samples)
        dosage = np.empty(shape, np.float32) if is_imputed else np.empty(shape, np.uint8)
        # Memory that is never written costs nothing: most blocks need no ploidy.
        return cls(dosage, np.empty(shape, np.uint8))

    @property
    def n_free_rows(self) -> int:
        return len(self.dosage) - self.n_rows

    def append(self, sites: pa.RecordBatch, rows: Ints, tiles: Sequence[Tile]) -> None:
        column = 0
        for tile in tiles:
            tile.decode(rows, self.dosage, self.n_rows, column)
            column += tile.n_samples
        self._append_ploidy(rows, tiles)
        self._append_sites(sites, rows)
        self.n_rows += len(rows)

    def _append_ploidy(self, rows: Ints, tiles: Sequence[Tile]) -> None:
        if self.is_diploid and all(tile.are_diploid(rows) for tile in tiles):
            return
        if self.is_diploid:
            self.ploidy[: self.n_rows] = 2
            self.is_diploid = False
        column = 0
        for tile in tiles:
            tile.decode_ploidy(rows, self.ploidy, self.n_rows, column)
            column += tile.n_samples

    def _append_sites(self, sites: pa.RecordBatch, rows: Ints) -> None:
        is_run = int(rows[-1] - rows[0]) + 1 == len(rows)
        part = sites.slice(int(rows[0]), len(rows)) if is_run else sites.take(pa.array(rows))
        record = part.column("record").to_numpy()
        starts = np.append(True, record[1:] != record[:-1])
        ordinals = np.cumsum(starts, dtype=np.int32) + np.int32(self.n_records - 1)
        self.n_records = int(ordinals[-1]) + 1
        columns = dict(zip(part.schema.names, part.columns, strict=True))
        columns |= {
            "record": pa.array(ordinals),
            "contig": columns["contig"].cast(pa.string()),
        }
        self.sites.append(pa.RecordBatch.from_pydict(columns, schema=SITE_SCHEMA))

    def close(self) -> DosageBlock:
        sites = {
            name: pa.concat_arrays([part.column(name) for part in self.sites])
            for name in SITE_SCHEMA.names
        }
        ploidy = None if self.is_diploid else self.ploidy[: self.n_rows]
        return DosageBlock.build(sites, self.dosage[: self.n_rows], ploidy)


class StoredBlocks:
    """Feed it chunks; it yields full blocks, and `finish` the last one.

    A block has `block_bytes` of dosages, unless one position needs more.
    """

    def __init__(self, n_samples: int, is_imputed: bool, block_bytes: int) -> None:
        self._n_samples = n_samples
        self._is_imputed = is_imputed
        row_bytes = n_samples * (4 if is_imputed else 1)
        self._rows_in_block = block_bytes // (row_bytes + SITE_BYTES)
        self._block: _OpenBlock | None = None

    def add(
        self, sites: pa.RecordBatch, rows: Ints, tiles: Sequence[Tile]
    ) -> Iterator[DosageBlock]:
        """`rows` of the chunk, which are whole position groups, ascending."""
        group = np.cumsum(group_starts(sites.column("position").to_numpy()))[rows]
        stops = np.append(np.flatnonzero(np.diff(group)) + 1, len(rows))
        at = 0
        while at < len(rows):
            first_stop = int(stops[np.searchsorted(stops, at, "right")])
            block = self._block or self._new_block(first_stop - at)
            if first_stop - at > block.n_free_rows:
                yield from self.finish()
                continue
            fitting = int(np.searchsorted(stops, at + block.n_free_rows, "right")) - 1
            block.append(sites, rows[at : stops[fitting]], tiles)
            at = int(stops[fitting])

    def finish(self) -> Iterator[DosageBlock]:
        if self._block is not None:
            yield self._block.close()
            self._block = None

    def _new_block(self, least_rows: int) -> _OpenBlock:
        n_rows = max(self._rows_in_block, least_rows)
        self._block = _OpenBlock.of(n_rows, self._n_samples, is_imputed=self._is_imputed)
        return self._block
