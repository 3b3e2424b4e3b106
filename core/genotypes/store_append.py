"""New samples for a store: more tiles over the same sites.

What is accepted: a cohort whose rows are the store's, one for one and in the same order, by contig,
position, REF, ALT and the record that they belong to (one person's part of a joint call, a batch
imputed against the same panel). IDs may differ; the store's stay. Everything else is refused:
filling in what one side lacks would invent calls. Sample names must be new.

One at a time: two appends at once would write the same files, and one of them would be found
damaged by its sha256.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import CohortError, GenomeBuildError, Where
from core.genotypes.block import DosageBlock, values_of
from core.genotypes.quality_summary import QUALITY_FOLDER
from core.genotypes.source import Cohort, GenotypeShard
from core.genotypes.store import StoreFile
from core.genotypes.store_chunk import SITES_SCHEMA, TileRows
from core.genotypes.store_load import load
from core.genotypes.store_manifest import Chunk, Manifest
from core.genotypes.store_writer import StoreTarget, publish, put_samples, put_tiles, tile_ranges
from core.storage.byte_ranges import S3Access

_FIX = "Call or impute all samples at the same sites, or store these by themselves."


def check_joins(store: StoreFile, cohort: Cohort[GenotypeShard]) -> None:
    """Raises CohortError where samples have the same names, GenomeBuildError where the builds
    differ."""
    known = set(store.samples)
    twice = next((name for name in cohort.samples if name in known), None)
    where = Where(cohort.files[0].uri, field="samples")
    if twice is not None:
        raise CohortError(
            f"sample {twice} is in the store already.", where=where, fix="Rename or leave it out."
        )
    stored = store.manifest.build
    if cohort.build is not None and stored not in (None, cohort.build):
        raise GenomeBuildError(
            f"the genotypes are on {cohort.build}, the store is on {stored}.",
            where=where,
            fix="Lift one over first, or store these by themselves.",
        )


def append_samples(
    target: StoreTarget,
    store: StoreFile,
    samples: Sequence[str],
    blocks: Iterable[DosageBlock],
    s3: S3Access | None = None,
) -> Manifest:
    """Writes the tiles of `samples`, whose rows are `blocks`, then the manifest that has them.

    `target` is the place of `store`. Raises CohortError, naming the first row that differs.
    """
    manifest, rows = store.manifest, _Rows(iter(blocks))
    ranges = tile_ranges(len(samples))
    chunks: list[Chunk] = []
    for chunk in manifest.chunks:
        uri = f"{store.uri}/{chunk.name.sites_key}"
        sites = load(uri, chunk.sites, SITES_SCHEMA, chunk.n_rows, s3)
        tiles = tuple(TileRows(start, stop) for start, stop in ranges)
        _encode(rows, sites, tiles, is_imputed=manifest.is_imputed)
        added = put_tiles(target, chunk.name, tiles, len(manifest.tiles))
        chunks.append(replace(chunk, tiles=chunk.tiles + added))
    if (extra := rows.take(1)) is not None:
        raise CohortError(f"{_site(extra.batch, 0)} is behind the store's last row.", fix=_FIX)
    added_samples = put_samples(target, samples, len(manifest.tiles))
    manifest = replace(manifest, tiles=manifest.tiles + added_samples, chunks=tuple(chunks))
    target.delete_folder(QUALITY_FOLDER)  # its frequencies are those of the cohort as it was
    publish(target, manifest)
    return manifest


@dataclass(slots=True)
class _Rows:
    """Rows of blocks, handed out in runs of any length."""

    blocks: Iterator[DosageBlock]
    block: DosageBlock | None = None
    at: int = 0

    def take(self, at_most: int) -> DosageBlock | None:
        """The next rows of one block; None at the end."""
        while self.block is None or self.at == self.block.n_rows:
            self.block, self.at = next(self.blocks, None), 0
            if self.block is None:
                return None
        n_rows = min(at_most, self.block.n_rows - self.at)
        run = DosageBlock(self.block.batch.slice(self.at, n_rows))
        self.at += n_rows
        return run


def _encode(
    rows: _Rows, sites: pa.RecordBatch, tiles: Sequence[TileRows], *, is_imputed: bool
) -> None:
    """One chunk's rows, checked against its sites."""
    at = 0
    while at < sites.num_rows:
        run = rows.take(sites.num_rows - at)
        if run is None:
            raise CohortError(
                f"the genotypes end before {_site(sites, at)} of the store.", fix=_FIX
            )
        if (run.hard_calls is None) is not is_imputed:
            raise CohortError("one has imputed dosages and the other hard calls.", fix=_FIX)
        _check_sites(run.batch, sites.slice(at, run.n_rows))
        for tile in tiles:
            tile.add(run.dosage, run.ploidy)
        at += run.n_rows


def _check_sites(ours: pa.RecordBatch, stored: pa.RecordBatch) -> None:
    """Rows of a block, and as many of the store."""
    differ = _record_starts(ours) != _record_starts(stored)
    for name in ("contig", "position", "ref", "alt", "n_alts"):
        one, other = ours.column(name), stored.column(name).cast(ours.column(name).type)
        differ |= values_of(pc.not_equal(one, other).cast(pa.uint8())) == 1
    if differ.any():
        row = int(np.flatnonzero(differ)[0])
        raise CohortError(
            f"{_site(ours, row)} stands where the store has {_site(stored, row)}, or in another "
            "record.",
            fix=_FIX,
        )


def _record_starts(sites: pa.RecordBatch) -> np.ndarray:
    record = values_of(sites.column("record"))
    return np.append(True, record[1:] != record[:-1])


def _site(sites: pa.RecordBatch, row: int) -> str:
    names = ("contig", "position", "ref", "alt")
    return ":".join(str(sites.column(name)[row]) for name in names)
