"""DosageBlocks from stored chunks: blocks are filled across chunks, and no position group is cut.

A group never lies in two chunks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from core.genotypes.block import SITE_SCHEMA, DosageBlock, Dosages
from core.genotypes.store_calls import Bytes, Ints
from core.genotypes.store_chunk import Tile
from core.genotypes.store_load import ChunkRows, group_starts
from core.genotypes.vcf_blocks import SITE_BYTES


@dataclass(slots=True)
class _OpenBlock:
    """A block that is being filled; rows up to `n_rows` are."""

    dosage: Dosages
    ploidy: Bytes | None = None
    sites: dict[str, list[pa.Array]] = field(
        default_factory=lambda: {name: [] for name in SITE_SCHEMA.names}
    )
    n_rows: int = 0
    n_records: int = 0

    @classmethod
    def of(cls, n_rows: int, n_samples: int, *, is_imputed: bool) -> "_OpenBlock":
        shape = (n_rows, n_samples)
        return cls(np.empty(shape, np.float32) if is_imputed else np.empty(shape, np.uint8))

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
        if self.ploidy is None:
            if all(tile.are_diploid(rows) for tile in tiles):
                return
            self.ploidy = np.empty(self.dosage.shape, np.uint8)
            self.ploidy[: self.n_rows] = 2
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
        for name, column in zip(SITE_SCHEMA.names, part.columns, strict=True):
            self.sites[name].append(column)
        self.sites["record"][-1] = pa.array(ordinals)
        self.sites["contig"][-1] = part.column("contig").dictionary_decode()

    def close(self) -> DosageBlock:
        sites = {
            name: parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
            for name, parts in self.sites.items()
        }
        ploidy = None if self.ploidy is None else self.ploidy[: self.n_rows]
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

    def add(self, chunk: ChunkRows) -> Iterator[DosageBlock]:
        sites, rows, tiles = chunk
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
