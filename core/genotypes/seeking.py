"""Which parts of a shard hold wanted records, by a directory or an index of the file's blocks.

The parts are pieces of the file in the sense of block_directory, read one after the other as if
they were shards; every wanted group is in exactly one of them, and the same shard owns it as in a
pass over everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from core.genotypes.block_directory import KEY_SHIFT, MAX_POSITION, BlockDirectory
from core.genotypes.tabix import BLOCK_SHIFT, TabixIndex
from core.genotypes.vcf_wanted import Wanted

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MAX_SHARE = 0.25
"""Of a file: where more of it holds wanted records, reading all of it is no slower."""

GAP_BYTES = 4 << 10
REMOTE_GAP_BYTES = 1 << 20
"""So much between two wanted pieces is read with them: a new part costs more, and in a bucket a
request."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of the object, of which `start` begins a block unless it is that of the shard.

    It holds the groups that start in (L(start), L(stop)], and the one at L(start) where
    `owns_first`; with start == stop that is the only one.
    """

    start: int
    stop: int
    owns_first: bool


@dataclass(frozen=True, slots=True)
class Sought:
    """All that is to be read of a shard. n_records: what it adds to the file's number of them."""

    parts: tuple[Part, ...]
    n_records: int


class WantedPieces(Protocol):
    """What to read of a file."""

    def parts(self, start: int, stop: int) -> tuple[Part, ...]:
        """Of the shard of the bytes `start` to `stop`, in order."""
        ...

    def n_records(self, start: int, stop: int) -> int:
        """What the shard adds to the number of records of the file."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class WantedBlocks:
    """By a directory.

    directory   of the file
    blocks      (k,) int64, sorted: indexes; a group in (L(block), L(block + 1)] may be wanted
    is_next     (k,) bool: only the one that starts at L(block + 1): `block` need not be read
    size_bytes  of the object
    gap_bytes   what is read between two pieces rather than begin anew
    """

    directory: BlockDirectory
    blocks: Ints
    is_next: Bools
    size_bytes: int
    gap_bytes: int

    def parts(self, start: int, stop: int) -> tuple[Part, ...]:
        offsets = np.append(self.directory.offsets, self.size_bytes)
        first, last = np.searchsorted(offsets[self.blocks], [start, stop])
        blocks, is_next = self.blocks[first:last], self.is_next[first:last]
        starts, stops = offsets[blocks + is_next], offsets[blocks + 1]
        heads, tails = _merged(starts, stops, self.gap_bytes)
        return _parts(starts[heads], stops[tails], is_next[heads])

    def n_records(self, start: int, stop: int) -> int:
        """Lines that start behind the first byte of the shard, up to that of the next."""
        first, last = np.searchsorted(self.directory.offsets, [start, stop])
        return int(self.directory.n_lines[first:last].sum())


@dataclass(frozen=True, slots=True, eq=False)
class WantedRanges:
    """By an index. starts, stops: (k,) int64, increasing: bytes of the object."""

    index: TabixIndex
    starts: Ints
    stops: Ints

    def parts(self, start: int, stop: int) -> tuple[Part, ...]:
        first = int(np.searchsorted(self.stops, start, "right"))
        last = int(np.searchsorted(self.starts, stop))
        starts = np.maximum(self.starts[first:last], start)
        return _parts(starts, np.minimum(self.stops[first:last], stop), np.zeros(len(starts), bool))

    def n_records(self, start: int, stop: int) -> int:
        """All that the file has, in the shard in which they end: an index knows no more."""
        has_end = start <= self.index.end >> BLOCK_SHIFT < stop
        return sum(self.index.contig_records.values()) if has_end else 0


def find_in_directory(
    directory: BlockDirectory, wanted: Wanted, size_bytes: int, *, gap_bytes: int = GAP_BYTES
) -> WantedBlocks | None:
    """None where seeking does not pay or cannot be done: much of the file is wanted, records are
    wanted by ID, or the file is not sorted."""
    if wanted.ids or not directory.is_sorted or not len(directory):
        return None
    lows, highs = _wanted_keys(directory.contigs, wanted)
    found, is_next = _by_position(directory, lows[lows == highs])
    whole = _between(directory.keys, lows[lows < highs], highs[lows < highs])
    blocks = np.concatenate([found, whole])
    is_next = np.append(is_next, np.zeros(len(whole), np.bool_))
    # Of a block that is wanted for two reasons, the one that reads it comes first.
    both, first = np.unique(2 * blocks + is_next, return_index=True)
    kept = first[np.diff(both >> 1, prepend=-1) > 0]
    if len(kept) >= MAX_SHARE * len(directory):
        return None
    return WantedBlocks(directory, blocks[kept], is_next[kept], size_bytes, gap_bytes)


def find_in_index(
    index: TabixIndex,
    wanted: Wanted,
    first_record: int,
    size_bytes: int,
    *,
    gap_bytes: int = GAP_BYTES,
) -> WantedRanges | None:
    """None as in `find_in_directory`."""
    if wanted.ids:
        return None
    lows, highs = _wanted_keys(index.contigs, wanted)
    # A cut in front of a block is good where some record behind its first byte has a lower key.
    blocks, is_inside = index.starts >> BLOCK_SHIFT, (index.starts & 0xFFFF) > 0
    before = np.append(np.where(is_inside, blocks, np.append(first_record, blocks[:-1])), 0)
    starts = before[np.searchsorted(index.high_keys, lows) - 1]
    starts[lows <= np.append(index.high_keys, MAX_POSITION)[0]] = first_record
    behind = np.append(blocks + is_inside, size_bytes)
    stops = behind[np.searchsorted(index.low_keys, highs)]
    heads, tails = _merged(starts, stops, gap_bytes)
    starts, stops = starts[heads], stops[tails]
    if (stops - starts).sum() >= MAX_SHARE * (size_bytes - first_record):
        return None
    return WantedRanges(index, starts, stops)


def _wanted_keys(contigs: Sequence[str], wanted: Wanted) -> tuple[Ints, Ints]:
    """(k,) first and last keys of what is wanted, increasing, none within another."""
    lows, highs = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for index, name in enumerate(contigs):
        first = index << KEY_SHIFT
        if name in wanted.whole_contigs:
            lows.append(np.array([first]))
            highs.append(np.array([first + MAX_POSITION]))
        elif name in wanted.positions:
            keys = first + np.clip(wanted.positions[name], 0, MAX_POSITION)
            lows.append(keys)
            highs.append(keys)
    return np.concatenate(lows), np.concatenate(highs)


def _by_position(directory: BlockDirectory, wanted: Ints) -> tuple[Ints, Bools]:
    """(blocks, is_next). Where one line lies between two Ls, a key is that of the second L, or not
    in the file.

    The file's first block owns L(0) as well, so it is read for every key up to that one.
    """
    keys = directory.keys
    blocks = np.maximum(np.searchsorted(keys, wanted) - 1, 0)
    is_at_next = np.append(keys, -1)[blocks + 1] == wanted
    is_single = (directory.n_lines[blocks] == 1) & (wanted > keys[0])
    is_kept = ~is_single | is_at_next
    return blocks[is_kept], is_single[is_kept]


def _between(keys: Ints, lows: Ints, highs: Ints) -> Ints:
    """Every block that may hold keys of a range."""
    firsts = np.maximum(np.searchsorted(keys, lows) - 1, 0)
    stops = np.searchsorted(keys, highs, "right")
    ranges = [np.arange(first, stop) for first, stop in zip(firsts, stops, strict=True)]
    return np.concatenate([np.empty(0, np.int64), *ranges])


def _merged(starts: Ints, stops: Ints, gap: int) -> tuple[Ints, Ints]:
    """Indexes of the first and last of every run with no more than `gap` in between."""
    is_head = np.ones(len(starts), np.bool_)
    is_head[1:] = starts[1:] > stops[:-1] + gap
    heads = np.flatnonzero(is_head)
    return heads, np.append(heads[1:], len(starts))[: len(heads)] - 1


def _parts(starts: Ints, stops: Ints, owns_first: npt.NDArray[np.bool_]) -> tuple[Part, ...]:
    columns = (starts.tolist(), stops.tolist(), owns_first.tolist())
    return tuple(Part(*row) for row in zip(*columns, strict=True))
