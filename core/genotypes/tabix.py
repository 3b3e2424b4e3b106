"""Indexes of BGZF VCFs that tabix and bcftools make: TBI (tabix specification) and CSI (CSIv1).

Both put a record into the smallest bin of a tree that holds all of it (REF's length, or INFO/END)
and list, as chunks of the file, where the records of each bin lie. A chunk begins with a record of
its bin, so that its first record's position is known between two bounds. That is all that is taken
from an index: it says less than a BlockDirectory, in the same sense, and serves the same purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.genome_build import canonical_contig
from core.genotypes.block_directory import KEY_SHIFT, MAX_POSITION
from core.genotypes.simd import kernel

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

BLOCK_SHIFT = 16
"""A virtual offset is the byte of the object at which a block starts << 16 | a byte of its text."""

_TBI_MAGIC = b"TBI\1"
_CSI_MAGIC = b"CSI\1"
_VCF_PRESET = 2
_TBI_MIN_SHIFT, _TBI_DEPTH = 14, 5
_MAX_SHIFT = 62

_CUT = -1


@dataclass(frozen=True, slots=True, eq=False)
class TabixIndex:
    """Of some records of a sorted file, in its order:

    starts               (n,) int64, increasing: virtual offsets at which they start
    low_keys, high_keys  (n,) int64, not decreasing: bounds of their keys (see block_directory),
                         both included
    contigs              canonical names, in the order of the records
    contig_records       records of each
    end                  virtual offset behind the file's last record, 0 without records
    """

    starts: Ints
    low_keys: Ints
    high_keys: Ints
    contigs: tuple[str, ...]
    contig_records: Mapping[str, int]
    end: int


@dataclass(frozen=True, slots=True)
class _Tree:
    """Bins: level 0 is one bin of everything, each level has eight times as many."""

    min_shift: int
    depth: int

    @property
    def n_bins(self) -> int:
        return self.first_bin(self.depth + 1)

    def first_bin(self, level: int) -> int:
        return ((1 << (3 * level)) - 1) // 7

    def spans(self, bins: Ints) -> tuple[Ints, Ints]:
        """(n,) first and last 1-based positions of (n,) bins."""
        firsts = np.array([self.first_bin(level) for level in range(self.depth + 1)])
        levels = np.searchsorted(firsts, bins, "right") - 1
        shifts = self.min_shift + 3 * (self.depth - levels)
        places = bins - firsts[levels]
        return (places << shifts) + 1, (places + 1) << shifts


@dataclass(frozen=True, slots=True, eq=False)
class _Chunks:
    """(n,) int64 each, of one contig."""

    bins: Ints
    starts: Ints
    ends: Ints
    n_records: int


def parse_index(content: bytes) -> TabixIndex:
    """From the inflated bytes of a .tbi or .csi.

    Raises ValueError, saying why, for an index that is damaged, is not one of a VCF, does not count
    the records (htslib's do), or has two names of one contig.
    """
    try:
        if content[:4] == _TBI_MAGIC:
            return _parse_tbi(content)
        if content[:4] == _CSI_MAGIC:
            return _parse_csi(content)
    except IndexError:
        raise ValueError("it is cut or damaged") from None
    raise ValueError("it is neither TBI nor CSI")


def _parse_tbi(content: bytes) -> TabixIndex:
    names, at = _names(content, 8)
    tree = _Tree(_TBI_MIN_SHIFT, _TBI_DEPTH)
    return _parse_contigs(content, at, tree, names, _int32(content, 4), is_csi=False)


def _parse_csi(content: bytes) -> TabixIndex:
    min_shift, depth, n_extra_bytes = (_int32(content, at) for at in (4, 8, 12))
    if min_shift < 1 or depth < 0 or min_shift + 3 * depth > _MAX_SHIFT:
        raise ValueError("its tree of bins is not possible")
    names, _ = _names(content, 16)
    at = 16 + n_extra_bytes
    tree = _Tree(min_shift, depth)
    return _parse_contigs(content, at + 4, tree, names, _int32(content, at), is_csi=True)


def _names(content: bytes, at: int) -> tuple[list[str], int]:
    """tabix's description of the file: format, columns and characters, names of the contigs."""
    if _int32(content, at) & 0xFFFF != _VCF_PRESET:
        raise ValueError("it is not the index of a VCF (tabix -p vcf)")
    n_bytes = _int32(content, at + 24)
    end = at + 28 + n_bytes
    if n_bytes < 0 or end > len(content):
        raise IndexError
    names = content[at + 28 : end].split(b"\0")[:-1]
    return [canonical_contig(name.decode("utf-8", "replace")) for name in names], end


def _parse_contigs(
    content: bytes, at: int, tree: _Tree, names: list[str], n_contigs: int, *, is_csi: bool
) -> TabixIndex:
    if len(names) != n_contigs:
        raise ValueError(f"it names {len(names)} contigs of {n_contigs}")
    if len(set(names)) != len(names):
        raise ValueError("two of its contigs are one")
    data = np.frombuffer(bytearray(content), np.uint8)
    chunks: dict[str, _Chunks] = {}
    for name in names:
        chunks[name], at = _parse_contig(data, at, tree.n_bins, is_csi=is_csi)
    return _in_file_order({name: found for name, found in chunks.items() if len(found.bins)}, tree)


def _parse_contig(data: Bytes, at: int, n_bins: int, *, is_csi: bool) -> tuple[_Chunks, int]:
    end, n_chunks = _read_chunks(data, at, is_csi, np.empty((0, 3), np.int64))
    table = np.empty((n_chunks, 3), np.int64)
    _read_chunks(data, at, is_csi, table)
    if end == _CUT or (table < 0).any():
        raise IndexError
    bins, starts, ends = table[table[:, 0] < n_bins].T.copy()
    # htslib's bin behind the last: where the records lie, and how many there are
    counts = table[table[:, 0] == n_bins + 1]
    if len(bins) and len(counts) != 2:
        raise ValueError("it does not count the records; make it anew (tabix -f)")
    return _Chunks(bins, starts, ends, int(counts[1:, 1:].sum())), end


def _in_file_order(contigs: Mapping[str, _Chunks], tree: _Tree) -> TabixIndex:
    names = sorted(contigs, key=lambda name: int(contigs[name].starts.min()))
    starts, lows, highs = [np.empty(0, np.int64)], [], []
    for index, name in enumerate(names):
        first, last = tree.spans(contigs[name].bins)
        starts.append(contigs[name].starts)
        lows.append((index << KEY_SHIFT) + np.minimum(first, MAX_POSITION))
        highs.append((index << KEY_SHIFT) + np.minimum(last, MAX_POSITION))
    every = np.concatenate(starts)
    order = np.argsort(every, kind="stable")
    # What a neighbour's bin tells is true here, too, because the records are sorted.
    highest_first = np.concatenate([starts[0], *highs])[order][::-1]
    return TabixIndex(
        starts=every[order],
        low_keys=np.maximum.accumulate(np.concatenate([starts[0], *lows])[order]),
        high_keys=np.minimum.accumulate(highest_first)[::-1],
        contigs=tuple(names),
        contig_records={name: contigs[name].n_records for name in names},
        end=max((int(contigs[name].ends.max()) for name in names), default=0),
    )


def _int32(content: bytes, at: int) -> int:
    if at < 0 or at + 4 > len(content):
        raise IndexError
    return int.from_bytes(content[at : at + 4], "little", signed=True)


@kernel
def _read(data: Bytes, at: int, n_bytes: int) -> int:
    """A little-endian number; _CUT where the data ends before."""
    if at + n_bytes > data.shape[0]:
        return _CUT
    number = 0
    for i in range(n_bytes):
        number |= np.int64(data[at + i]) << (8 * i)
    return int(number)


@kernel
def _read_chunks(data: Bytes, at: int, is_csi: bool, chunks: Ints) -> tuple[int, int]:
    """(end of the contig's index, or _CUT; chunks); as many as fit are written to `chunks`, (n, 3):
    bin, start, end."""
    n_chunks = 0
    n_bins = _read(data, at, 4)
    at += 4
    for _ in range(n_bins):
        number = _read(data, at, 4)
        at += 12 if is_csi else 4  # CSI has the bin's lowest offset here
        n_in_bin = _read(data, at, 4)
        at += 4
        if n_in_bin < 0 or at + 16 * n_in_bin > data.shape[0]:
            return _CUT, 0
        for _ in range(n_in_bin):
            if n_chunks < chunks.shape[0]:
                chunks[n_chunks, 0] = number
                chunks[n_chunks, 1] = _read(data, at, 8)
                chunks[n_chunks, 2] = _read(data, at + 8, 8)
            n_chunks += 1
            at += 16
    if not is_csi:  # the linear index
        at += 4 + 8 * max(_read(data, at, 4), 0)
    if n_bins < 0 or at > data.shape[0]:
        return _CUT, 0
    return at, n_chunks
