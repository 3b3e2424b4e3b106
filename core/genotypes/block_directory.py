"""A directory of the blocks of a BGZF VCF: which records lie where, so that a few are found without
reading the others.

With L(b) the first line that starts behind the first byte of block b, a file that is cut in front
of some of its blocks falls into pieces of which the one between the cuts a and b holds the position
groups that start in (L(a), L(b)]; that is how shards are made (vcf_scan). The directory keeps the
position of L(b) for the blocks in which such a line starts. In a sorted file the group of a wanted
position w therefore lies in the piece with L(a) < w <= L(b), which is one piece, and reading some
of the pieces gives the same rows as reading all and dropping the others.

One pass over a shard gives the directory of that shard, `join` that of the file.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from core.genotypes.varint import decode_varints, encode_varints

Ints = npt.NDArray[np.int64]

KEY_SHIFT = 32
"""A record's key is its contig's index << KEY_SHIFT | POS: it orders the records of a file."""

MAX_POSITION = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class BlockDirectory:
    """Of a file, or of the blocks that start in one shard of it.

    offsets         (n,) int64, increasing: bytes of the object at which blocks start
    positions       (n,) int64 POS of L(block)
    contig_indexes  (n,) int64, not decreasing: of L(block)'s contig in `contigs`
    n_lines         (n,) int64, from 1 on: lines from L(block) up to the next block's L
    contigs         canonical names, in the order of the records
    contig_records  records of each contig, all of them and not only those behind some L(block)
    is_sorted       records of one contig stand together and in order of POS. Where they do not, the
                    arrays are empty: nothing can be found by them
    """

    offsets: Ints
    positions: Ints
    contig_indexes: Ints
    n_lines: Ints
    contigs: tuple[str, ...]
    contig_records: Mapping[str, int]
    is_sorted: bool

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def n_records(self) -> int:
        return sum(self.contig_records.values())

    @property
    def keys(self) -> Ints:
        """(n,) keys of L(block), not decreasing."""
        return (self.contig_indexes << KEY_SHIFT) | self.positions

    def to_bytes(self) -> bytes:
        """About 5 bytes for each block; `from_bytes` takes it."""
        numbers = self._columns()
        columns = [encode_varints(column) for column in numbers]
        header = {
            "contigs": self.contigs,
            "records": dict(self.contig_records),
            "is_sorted": self.is_sorted,
            "columns": [[len(c), len(n)] for c, n in zip(columns, numbers, strict=True)],
        }
        return b"\n".join([json.dumps(header).encode(), b"".join(columns)])

    def _columns(self) -> list[Ints]:
        """Differences between neighbours, which are small; a contig's first position stands."""
        firsts, n_blocks = np.unique(self.contig_indexes, return_index=True)[1], self._n_blocks()
        position_steps = np.diff(self.positions, prepend=0)
        position_steps[firsts] = self.positions[firsts]
        return [n_blocks, np.diff(self.offsets, prepend=0), position_steps, self.n_lines]

    def _n_blocks(self) -> Ints:
        """(contigs,) blocks of each."""
        return np.bincount(self.contig_indexes, minlength=len(self.contigs)).astype(np.int64)

    @classmethod
    def from_bytes(cls, data: bytes) -> "BlockDirectory":
        """Raises ValueError for bytes that `to_bytes` does not write."""
        header_text, _, content = data.partition(b"\n")
        header: dict[str, Any] = json.loads(header_text)
        contigs: tuple[str, ...] = tuple(header["contigs"])
        columns: list[Ints] = []
        for n_bytes, n_numbers in header["columns"]:
            columns.append(decode_varints(content[:n_bytes], n_numbers))
            content = content[n_bytes:]
        n_blocks, offset_steps, position_steps, n_lines = columns
        contig_indexes = np.repeat(np.arange(len(contigs)), n_blocks)
        return cls(
            offsets=np.cumsum(offset_steps),
            positions=_sums_within(position_steps, contig_indexes),
            contig_indexes=contig_indexes,
            n_lines=n_lines,
            contigs=contigs,
            contig_records=header["records"],
            is_sorted=header["is_sorted"],
        )


def _sums_within(steps: Ints, contig_indexes: Ints) -> Ints:
    """Cumulative sums that begin anew with every contig."""
    sums = np.cumsum(steps)
    contigs, firsts = np.unique(contig_indexes, return_index=True)
    before = sums[firsts] - steps[firsts]
    return sums - before[np.searchsorted(contigs, contig_indexes)]


def unsorted_directory(contig_records: Mapping[str, int]) -> BlockDirectory:
    """Of records in no order: it only counts them."""
    none = np.empty(0, np.int64)
    names = tuple(contig_records)
    return BlockDirectory(none, none, none, none, names, contig_records, is_sorted=False)


def join(parts: Sequence[BlockDirectory]) -> BlockDirectory:
    """The directory of a file from those of all its shards, in order.

    A shard's `contigs` are those of its lines up to and with L of the next shard's first block, so
    that neighbours overlap and no step from line to line goes unseen.
    """
    records = Counter[str]()
    for part in parts:
        records.update(part.contig_records)
    contigs = [name for name, _ in groupby(name for part in parts for name in part.contigs)]
    if len(contigs) != len(set(contigs)) or not all(part.is_sorted for part in parts):
        return unsorted_directory(records)
    index_of = {name: index for index, name in enumerate(contigs)}
    indexes = [
        np.array([index_of[name] for name in part.contigs], np.int64)[part.contig_indexes]
        for part in parts
        if len(part)
    ]
    return BlockDirectory(
        offsets=_concatenated([part.offsets for part in parts]),
        positions=_concatenated([part.positions for part in parts]),
        contig_indexes=_concatenated(indexes),
        n_lines=_concatenated([part.n_lines for part in parts]),
        contigs=tuple(contigs),
        contig_records=records,
        is_sorted=True,
    )


def _concatenated(arrays: Sequence[Ints]) -> Ints:
    return np.concatenate([np.empty(0, np.int64), *arrays])
