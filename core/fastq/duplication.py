"""How many reads are copies of others, from a sample that any cut of the file gives alike.

A read is in the sample by the hash of its bases, not by its place: of all sequences those are kept
whose hash ends in `level` zero bits, each with how often it was read. The level is the lowest one
at which no more than CAPACITY sequences remain, so it depends on the reads alone, neither on their
order nor on how they were cut. With up to CAPACITY different sequences the rate is exact; else some
16,000 to 32,768 of them stand for all (a standard error of 0.3 percentage points or so).

The rate is fastp's: reads beyond the first of each sequence over all reads, compared over their
whole length, in one strand. fastp keeps every read in a Bloom filter; it takes a pair for one
sequence, where here each file of a pair has a rate of its own, which is higher.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import inner_kernel, kernel, word_at

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

CAPACITY = 1 << 15
"""Sequences of a sample."""

N_SLOTS = 1 << 17
"""Of the table in which a sample grows; it is never fuller than a quarter and one."""

MOST_SHOWN = 10
"""Sequences that are read this often or more are counted together in `levels`."""

_SEED = 0x2545F4914F6CDD1D
_FACTOR = 0x5851F42D4C957F2D
_ODD_FACTOR = 0x14057B7EF767814F
_SLOT_SHIFT = 24
_HIGH_BITS = 0xFFFFFFFF


@inner_kernel
def hash_bytes(text: Bytes, start: int, n_bytes: int) -> int:
    """A hash of some bytes, int64; up to 7 bytes behind them are read, and do not count."""
    even, odd = _SEED ^ n_bytes, _SEED  # two chains, so that one need not wait for the other
    for i in range(0, n_bytes, 16):
        even = _mixed(even, word_at(text, start + i), n_bytes - i)
        if n_bytes - i > 8:
            odd = _mixed(odd, word_at(text, start + i + 8), n_bytes - i - 8)
    value = (even ^ (odd * _ODD_FACTOR)) * _FACTOR
    return value ^ ((value >> 29) & _HIGH_BITS)


@inner_kernel
def _mixed(value: int, word: int, n_left: int) -> int:
    """A hash with up to 8 bytes more."""
    if n_left < 8:
        word &= (1 << (8 * n_left)) - 1
    value = (value ^ word) * _FACTOR
    return value ^ ((value >> 32) & _HIGH_BITS)


@inner_kernel
def add_hash(keys: Ints, times: Ints, value: int, n_times: int) -> int:
    """Adds to the table's count of a hash; 1 where it is new, else 0. The table has room."""
    slot = (value >> _SLOT_SHIFT) & (N_SLOTS - 1)
    while times[slot] > 0 and keys[slot] != value:
        slot = (slot + 1) & (N_SLOTS - 1)
    is_new = times[slot] == 0
    keys[slot] = value
    times[slot] += n_times
    return 1 if is_new else 0


@kernel
def fill_table(keys: Ints, times: Ints, some_keys: Ints, some_times: Ints) -> None:
    """Puts a sample into an empty table."""
    for i in range(some_keys.shape[0]):
        add_hash(keys, times, some_keys[i], some_times[i])


@dataclass(frozen=True, slots=True, eq=False)
class SequenceSample:
    """keys   (n,) int64, increasing: hashes of sequences that end in `level` zero bits
    times  (n,) int64: how many reads have each
    """

    level: int
    keys: Ints
    times: Ints

    def __add__(self, other: "SequenceSample") -> "SequenceSample":
        return sample_of(
            max(self.level, other.level),
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.times, other.times]),
        )

    @property
    def n_reads(self) -> int:
        return int(self.times.sum())

    @property
    def duplication_rate(self) -> float | None:
        """Reads beyond the first of each sequence over all reads; None without reads."""
        return 1 - len(self.keys) / self.n_reads if len(self.keys) else None

    @property
    def levels(self) -> Mapping[int, float]:
        """Share of the reads whose sequence is read 1, 2, … times, the last key: or more often."""
        often = np.minimum(self.times, MOST_SHOWN)
        reads = np.bincount(often, weights=self.times, minlength=MOST_SHOWN + 1)
        return {n: float(reads[n] / self.n_reads) for n in range(1, MOST_SHOWN + 1) if reads[n]}


def sample_of(level: int, keys: Ints, times: Ints) -> SequenceSample:
    """The sample of hashes in any order, which may repeat, at the lowest level from `level` on."""
    kept = keys & ((1 << level) - 1) == 0
    keys, times = keys[kept], times[kept]
    order = np.argsort(keys, kind="stable")  # which merges what is sorted already
    keys, times = keys[order], times[order]
    first = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    unique, totals = keys[first], np.add.reduceat(times, first) if len(first) else times
    while len(unique) > CAPACITY:
        level += 1
        kept = unique & ((1 << level) - 1) == 0
        unique, totals = unique[kept], totals[kept]
    return SequenceSample(level, unique, totals)
