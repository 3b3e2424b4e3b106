"""Which parts of a shard hold wanted records, by the directory of its file's blocks.

The parts are pieces of the file in the sense of block_directory, read one after the other as if
they were shards; every wanted group is in exactly one of them, and the same shard owns it as in a
pass over everything.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.genotypes.block_directory import KEY_SHIFT, BlockDirectory
from core.genotypes.vcf import Wanted

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MAX_SHARE = 0.25
"""Of a file's blocks: when more hold wanted records, reading all of them is no slower."""

_MERGED_GAP = 2
"""So many unwanted blocks between two wanted ones are read: a new part costs more."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of the object between the starts of two blocks.

    It holds the groups that start in (L(start), L(stop)], and the one at L(start) where
    `owns_first`; with start == stop that is the only one.
    """

    start: int
    stop: int
    owns_first: bool


@dataclass(frozen=True, slots=True, eq=False)
class WantedBlocks:
    """blocks   (k,) int64, sorted: indexes into the directory; a group in (L(block), L(block + 1)]
             may be wanted
    is_next  (k,) bool: only the one that starts at L(block + 1), so that `block` need not be read
    """

    blocks: Ints
    is_next: Bools


def find_wanted(directory: BlockDirectory, wanted: Wanted) -> WantedBlocks | None:
    """None where seeking does not pay or cannot be done: many blocks are wanted, records are wanted
    by ID, or the file is not sorted."""
    if wanted.ids or not directory.is_sorted or not len(directory):
        return None
    found = _by_position(directory, _wanted_keys(directory, wanted))
    whole = _whole_contigs(directory, wanted.whole_contigs)
    blocks = np.concatenate([found.blocks, whole])
    is_next = np.concatenate([found.is_next, np.zeros(len(whole), np.bool_)])
    # Of a block that is wanted for two reasons, the one that reads it comes first.
    unique, first = np.unique(2 * blocks + is_next, return_index=True)
    is_repeated = np.diff(unique >> 1, prepend=-1) == 0
    kept = first[~is_repeated]
    if len(kept) >= MAX_SHARE * len(directory):
        return None
    return WantedBlocks(blocks[kept], is_next[kept])


def parts_of(
    directory: BlockDirectory, wanted: WantedBlocks, start: int, stop: int, size_bytes: int
) -> tuple[Part, ...]:
    """The parts of the shard of the bytes `start` to `stop`, in order."""
    offsets = np.append(directory.offsets, size_bytes)
    first, last = np.searchsorted(directory.offsets[wanted.blocks], [start, stop])
    blocks, is_next = wanted.blocks[first:last], wanted.is_next[first:last]
    starts, stops = blocks + is_next, blocks + 1
    is_start = np.ones(len(blocks), np.bool_)
    is_start[1:] = starts[1:] > stops[:-1] + np.where(is_next[1:], 1, _MERGED_GAP)
    heads = np.flatnonzero(is_start)
    tails = np.append(heads[1:], len(blocks))[: len(heads)] - 1
    return tuple(
        Part(int(offsets[starts[head]]), int(offsets[stops[tail]]), bool(is_next[head]))
        for head, tail in zip(heads, tails, strict=True)
    )


def _wanted_keys(directory: BlockDirectory, wanted: Wanted) -> Ints:
    keys = [
        (index << KEY_SHIFT) | wanted.positions[name]
        for index, name in enumerate(directory.contigs)
        if name in wanted.positions
    ]
    return np.concatenate([np.empty(0, np.int64), *keys])


def _by_position(directory: BlockDirectory, wanted: Ints) -> WantedBlocks:
    """Where only one line lies between two Ls, a key is that of the second L or not in the file.

    The file's first block owns L(0) as well, so it is read for every key up to that one.
    """
    keys = directory.keys
    blocks = np.maximum(np.searchsorted(keys, wanted) - 1, 0)
    is_at_next = np.append(keys, -1)[blocks + 1] == wanted
    is_single = (directory.n_lines[blocks] == 1) & (wanted > keys[0])
    is_kept = ~is_single | is_at_next
    return WantedBlocks(blocks[is_kept], is_single[is_kept])


def _whole_contigs(directory: BlockDirectory, names: frozenset[str]) -> Ints:
    keys = directory.keys
    blocks = [np.empty(0, np.int64)]
    for index, name in enumerate(directory.contigs):
        if name in names:
            first, stop = np.searchsorted(keys, [index << KEY_SHIFT, (index + 1) << KEY_SHIFT])
            blocks.append(np.arange(max(first - 1, 0), stop))
    return np.concatenate(blocks)
