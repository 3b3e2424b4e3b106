"""DosageBlocks from stored chunks: blocks are filled across chunks, and no position group is cut.

A group never lies in two chunks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from core.genotypes.block import SITE_SCHEMA, DosageBlock, Dosages, numbers, values_of
from core.genotypes.store_calls import Ints
from core.genotypes.store_chunk import Tile
from core.genotypes.store_load import ChunkRows
from core.genotypes.vcf_blocks import BlockMemory, Decoding
from core.genotypes.vcf_progress import BlockRows
from core.genotypes.wanted_sites import group_starts


@dataclass(slots=True)
class _OpenBlock:
    """A block that is being filled; rows up to `n_rows` are."""

    rows: BlockRows
    sites: dict[str, list[pa.Array]] = field(
        default_factory=lambda: {name: [] for name in SITE_SCHEMA.names}
    )
    n_rows: int = 0
    n_records: int = 0
    is_diploid: bool = True

    @property
    def dosage(self) -> Dosages:
        return self.rows.calls if len(self.rows.calls) else self.rows.imputed

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
            self.rows.ploidy[: self.n_rows] = 2
            self.is_diploid = False
        column = 0
        for tile in tiles:
            tile.decode_ploidy(rows, self.rows.ploidy, self.n_rows, column)
            column += tile.n_samples

    def _append_sites(self, sites: pa.RecordBatch, rows: Ints) -> None:
        is_run = int(rows[-1] - rows[0]) + 1 == len(rows)
        part = sites.slice(int(rows[0]), len(rows)) if is_run else sites.take(numbers(rows))
        record = values_of(part.column("record"))
        starts = np.append(True, record[1:] != record[:-1])
        ordinals = np.cumsum(starts, dtype=np.int32) + np.int32(self.n_records - 1)
        self.n_records = int(ordinals[-1]) + 1
        for name, column in zip(SITE_SCHEMA.names, part.columns, strict=True):
            self.sites[name].append(column)
        self.sites["record"][-1] = numbers(ordinals)
        self.sites["contig"][-1] = part.column("contig").dictionary_decode()

    def close(self) -> DosageBlock:
        sites = {
            name: parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
            for name, parts in self.sites.items()
        }
        ploidy = None if self.is_diploid else self.rows.ploidy[: self.n_rows]
        return DosageBlock.build(sites, self.dosage[: self.n_rows], ploidy)


class StoredBlocks:
    """Feed it chunks; it yields full blocks, and `finish` the last one.

    A block has as many rows as `decoding` says, unless one position needs more.
    """

    def __init__(self, decoding: Decoding) -> None:
        self._memory = BlockMemory.of_thread(decoding)
        self._block: _OpenBlock | None = None

    def add(self, chunk: ChunkRows) -> Iterator[DosageBlock]:
        sites, rows, tiles = chunk
        group = np.cumsum(group_starts(values_of(sites.column("position"))))[rows]
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
        self._block = _OpenBlock(self._memory.rows(least_rows))
        return self._block
