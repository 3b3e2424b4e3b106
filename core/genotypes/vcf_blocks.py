"""The open block of a scan: rows that fill up, then a DosageBlock.

A record gives one row for each ALT allele. A record without ALT (".") gives one row with alt "."
and dosage 0, so that REF's dosage can be counted there as well; its `n_alts` is 1, too.
Blocks are cut between position groups. The memory of dosages is the block's own: a consumer may
keep it. What the sites are collected in is used again, block after block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from core.genotypes.block import DosageBlock
from core.genotypes.calls import HalfCall
from core.genotypes.vcf_scan import BlockRows
from core.genotypes.vcf_sites import Ints32, SiteRows, new_site_rows
from core.genotypes.vcf_kernels import Bytes

SITE_BYTES = 64
"""Of a row beside its dosages; keeps blocks of few samples small, too."""

MAX_GROUP_DOSAGE_BYTES = 1 << 30
"""The rows of one position may not need more, their strings included."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How calls become dosages. `dosage_type` float32 takes DS, then GT; uint8 takes GT."""

    samples: tuple[str, ...]
    dosage_type: type[np.uint8] | type[np.float32]
    half_call: HalfCall
    block_bytes: int

    @property
    def row_bytes(self) -> int:
        return len(self.samples) * np.dtype(self.dosage_type).itemsize

    @property
    def block_rows(self) -> int:
        return self.block_bytes // (self.row_bytes + SITE_BYTES)


class BadSite(NamedTuple):
    """A string that is not UTF-8: the column, and where its line starts in the shard's text."""

    column: str
    line: int


def new_block_rows(n_rows: int, decoding: Decoding) -> BlockRows:
    """Memory that is never written costs nothing: most blocks need no ploidy."""
    is_imputed = decoding.dosage_type is np.float32
    n_samples = len(decoding.samples)
    return BlockRows(
        calls=np.empty((0 if is_imputed else n_rows, n_samples), np.uint8),
        imputed=np.empty((n_rows if is_imputed else 0, n_samples), np.float32),
        ploidy=np.empty((n_rows, n_samples), np.uint8),
        is_diploid=np.empty(n_rows, np.bool_),
    )


def closed_block(
    rows: BlockRows, sites: SiteRows, n_rows: int, contigs: Sequence[str]
) -> DosageBlock:
    """The first `n_rows` rows; `contigs` are the names that sites.contig counts."""
    is_diploid = rows.is_diploid[:n_rows]
    ploidy = None
    if not is_diploid.all():
        ploidy = rows.ploidy[:n_rows]
        ploidy[is_diploid] = 2
    dosage = rows.calls if len(rows.calls) else rows.imputed
    columns = {
        "record": pa.array(sites.record[:n_rows].copy()),
        "contig": pa.array(contigs, pa.string()).take(pa.array(sites.contig[:n_rows])),
        "position": pa.array(sites.position[:n_rows].copy()),
        "id": _strings(sites.id_offsets, sites.ids, n_rows),
        "ref": _strings(sites.ref_offsets, sites.refs, n_rows),
        "alt": _strings(sites.alt_offsets, sites.alts, n_rows),
        "n_alts": pa.array(sites.n_alts[:n_rows].copy()),
    }
    return DosageBlock.build(columns, dosage[:n_rows], ploidy)


def _strings(offsets: Ints32, content: Bytes, n_rows: int) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets[: n_rows + 1].copy()), None]
    buffers[2] = pa.py_buffer(content[: offsets[n_rows]].copy())
    return pa.Array.from_buffers(pa.string(), n_rows, buffers)


def bad_site(sites: SiteRows, n_rows: int) -> BadSite | None:
    """The first string of the first `n_rows` rows that is not UTF-8."""
    columns = {
        "ID": (sites.id_offsets, sites.ids),
        "REF": (sites.ref_offsets, sites.refs),
        "ALT": (sites.alt_offsets, sites.alts),
    }
    for name, (offsets, content) in columns.items():
        for row in range(n_rows):
            try:
                bytes(content[offsets[row] : offsets[row + 1]]).decode("utf-8")
            except UnicodeDecodeError:
                return BadSite(name, int(sites.line[row]))
    return None


def enlarged_sites(sites: SiteRows, n_rows: int, n_bytes: int) -> SiteRows:
    """The same first rows with room for `n_rows`, and for strings of `n_bytes`."""
    larger = new_site_rows(n_rows, n_bytes)
    for old, new in zip(sites, larger, strict=True):
        kept = min(len(old), len(new))
        new[:kept] = old[:kept]
    return larger
