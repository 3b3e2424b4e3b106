"""The open block of a scan: rows that fill up, then a DosageBlock.

A record gives one row for each ALT allele. A record without ALT (".") gives one row with alt "."
and dosage 0, so that REF's dosage can be counted there as well; its `n_alts` is 1, too.
Blocks are cut between position groups. The memory of dosages is the block's own: a consumer may
keep it. What the sites are collected in is used again, block after block.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from core.errors import GenotypeFileError, Where
from core.genotypes.block import DosageBlock, Dosages, numbers, strings, texts
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.vcf_kernels import Bytes, Ints
from core.genotypes.vcf_progress import BlockRows
from core.genotypes.vcf_sites import Ints32, SiteRows, new_site_rows

SITE_BYTES = 64
"""Of a row beside its dosages; keeps blocks of few samples small, too."""

MAX_GROUP_DOSAGE_BYTES = 1 << 30
"""The rows of one position may not need more, their strings included."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How calls become dosages. `field` is GT, DS, HDS or GP."""

    samples: tuple[str, ...]
    field: GenotypeField
    half_call: HalfCall
    block_bytes: int

    @property
    def dosage_type(self) -> type[np.uint8] | type[np.float32]:
        return np.uint8 if self.field is GenotypeField.GT else np.float32

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


class BlockMemory:
    """Arrays for the rows of blocks, used again once nobody holds the block they were in.

    Fresh memory costs page faults, a tenth of the reader's time and, where shards are small, a
    third: so a thread keeps what its last reader used. A block, its Arrow columns and every view of
    them hold the array that they look at, so its references tell whether it is free.
    """

    @classmethod
    def of_thread(cls, decoding: Decoding) -> "BlockMemory":
        """The memory that this thread's last reader used, where it has this one's shape."""
        shape = (len(decoding.samples), decoding.dosage_type, decoding.block_rows)
        if getattr(_last_used, "shape", None) != shape:
            _last_used.shape, _last_used.memory = shape, cls(decoding)
        return _last_used.memory

    def __init__(self, decoding: Decoding) -> None:
        self._n_samples = len(decoding.samples)
        self._dtype = decoding.dosage_type
        self._is_imputed = decoding.dosage_type is np.float32
        self._n_rows = decoding.block_rows
        self._dosages: list[Dosages] = []
        self._ploidies: list[Bytes] = []

    def rows(self, n_rows: int) -> BlockRows:
        """At least `n_rows`, and as many as a block has. What the rows hold is undefined."""
        n_rows = max(n_rows, self._n_rows)
        dosage = self._free(self._dosages, n_rows, self._dtype)
        nothing = (0, self._n_samples)
        return BlockRows(
            calls=np.empty(nothing, np.uint8) if self._is_imputed else dosage,
            imputed=dosage if self._is_imputed else np.empty(nothing, np.float32),
            ploidy=self._free(self._ploidies, n_rows, np.uint8),
            is_diploid=np.empty(n_rows, np.bool_),
        )

    def _free(self, arrays: list[Any], n_rows: int, dtype: type[np.generic]) -> Any:
        for i in range(len(arrays)):
            if len(arrays[i]) == n_rows and sys.getrefcount(arrays[i]) == _UNUSED:
                return arrays[i][:]
        array = np.empty((n_rows, self._n_samples), dtype)
        if n_rows == self._n_rows:
            arrays.append(array)
        return array[:]


_last_used = threading.local()

_UNUSED = 2
"""References of an array that only the list holds, the one of the question included."""


def block_ranges(group: Ints, decoding: Decoding) -> Iterator[tuple[int, int]]:
    """Ranges of rows: whole position groups, as many as a block holds, and one at least.

    group  (n,) numbers of the rows' groups, ascending
    """
    stops = np.append(np.flatnonzero(np.diff(group)) + 1, len(group))
    first = 0
    while first < len(group):
        fitting = int(np.searchsorted(stops, first + decoding.block_rows, "right")) - 1
        least = int(np.searchsorted(stops, first, "right"))
        stop = int(stops[max(fitting, least)])
        yield first, stop
        first = stop


def check_group(
    n_rows: int, decoding: Decoding, site: str, uri: str, *, string_bytes: int = 0
) -> None:
    """Raises GenotypeFileError where rows that stand together, and their strings, need too much
    memory."""
    if n_rows * decoding.row_bytes + string_bytes > MAX_GROUP_DOSAGE_BYTES:
        raise GenotypeFileError(
            f"{site} has more than {MAX_GROUP_DOSAGE_BYTES >> 20} MiB of dosages and alleles.",
            where=Where(uri),
            fix="Leave out some of the variants at this position.",
        )


def no_rows(decoding: Decoding) -> BlockRows:
    """What a scan starts with: a block without room."""
    shape = (0, len(decoding.samples))
    calls, imputed = np.empty(shape, np.uint8), np.empty(shape, np.float32)
    return BlockRows(calls, imputed, np.empty(shape, np.uint8), np.empty(0, np.bool_))


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
        "record": numbers(sites.record[:n_rows].copy()),
        "contig": texts([name.encode() for name in contigs]).take(numbers(sites.contig[:n_rows])),
        "position": numbers(sites.position[:n_rows].copy()),
        "id": _strings(sites.id_offsets, sites.ids, n_rows),
        "ref": _strings(sites.ref_offsets, sites.refs, n_rows),
        "alt": _strings(sites.alt_offsets, sites.alts, n_rows),
        "n_alts": numbers(sites.n_alts[:n_rows].copy()),
    }
    return DosageBlock.build(columns, dosage[:n_rows], ploidy)


def _strings(offsets: Ints32, content: Bytes, n_rows: int) -> pa.Array:
    return strings(offsets[: n_rows + 1].copy(), content[: offsets[n_rows]].copy())


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
