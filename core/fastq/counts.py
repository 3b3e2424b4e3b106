"""What is counted over reads, and how counts of parts of a file add up.

`+` is associative and commutative, so parts may be counted anywhere and in any order. Bases and
qualities are kept by cycle, the place in the read from its start, up to N_CYCLES; what comes behind
is counted in one row, so memory does not grow with the length of reads.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.fastq.adapters import ADAPTERS, SEARCHED
from core.fastq.duplication import N_SLOTS, SequenceSample, fill_table, sample_of
from core.genotypes.simd import LANES

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

N_CYCLES = 1024
"""Cycles that are counted apart; a multiple of LANES. The last row of an array is the rest."""

BASES = "ACGTN"
"""Rows of `bases`. U counts as T; N is every letter that names no single base, gaps included."""

N_CODES = 130
"""ASCII codes of qualities, and two that stay empty: rows of a power of two would fall into a few
sets of the cache, which makes counting eight times as slow."""

_STEPS_BITS = 6
N_LENGTHS = N_CYCLES + (1 << _STEPS_BITS) * 20
"""Classes of read lengths: each up to N_CYCLES, then 64 to an octave, as far as 2**30."""

TOTALS = np.dtype([(name, np.int64) for name in ("shortest", "longest", "titles", "level")])
NO_READ = 2**62
"""`shortest` of no read; its `longest` is -1."""


class Tally(NamedTuple):
    """Counts in the making, for kernels; the arrays of ReadCounts, and

    searched      of adapters.py
    letters       (4, N_CYCLES / 64 + 1) uint64: of adapters.py, of the present read
    recent        (5 * N_CYCLES + 64,) uint8: bases by cycle of up to 255 reads
    n_recent      (2,) int64: how many reads these are, and the longest of them
    keys, times   (N_SLOTS,) int64, n_kept (1,): the table of duplication.py
    totals        (1,) TOTALS
    """

    bases: Ints
    qualities: Ints
    lengths: Ints
    gc_percents: Ints
    mean_qualities: Ints
    adapters: Ints
    searched: Bytes
    letters: npt.NDArray[np.uint64]
    recent: Bytes
    n_recent: Ints
    keys: Ints
    times: Ints
    n_kept: Ints
    totals: npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ReadCounts:
    """bases           (5, N_CYCLES + 1) int64: by BASES and cycle
    qualities       (N_CYCLES + 1, N_CODES) int64: by cycle and ASCII code
    lengths         (N_LENGTHS,) int64: reads by class of length
    gc_percents     (101,) int64: reads by their percentage of G and C, rounded half up
    mean_qualities  (N_CODES,) int64: reads by the mean of their codes, rounded down
    adapters        (adapters, N_CYCLES + 1) int64: reads by the cycle at which each begins
    shortest, longest   length of a read; NO_READ and -1 where there is none
    sequences       sample of them, for duplicates
    """

    bases: Ints
    qualities: Ints
    lengths: Ints
    gc_percents: Ints
    mean_qualities: Ints
    adapters: Ints
    shortest: int
    longest: int
    sequences: SequenceSample

    @property
    def n_reads(self) -> int:
        return int(self.lengths.sum())

    @property
    def n_bases(self) -> int:
        return int(self.bases.sum())

    def __add__(self, other: "ReadCounts") -> "ReadCounts":
        sums = {name: getattr(self, name) + getattr(other, name) for name in _ARRAYS}
        return ReadCounts(
            **sums,
            shortest=min(self.shortest, other.shortest),
            longest=max(self.longest, other.longest),
            sequences=self.sequences + other.sequences,
        )


_ARRAYS = ("bases", "qualities", "lengths", "gc_percents", "mean_qualities", "adapters")
_SAMPLE_COLUMNS = ("extremes", "keys", "times")
_SHAPES = {
    "bases": (len(BASES), N_CYCLES + 1),
    "qualities": (N_CYCLES + 1, N_CODES),
    "lengths": (N_LENGTHS,),
    "gc_percents": (101,),
    "mean_qualities": (N_CODES,),
    "adapters": (len(ADAPTERS), N_CYCLES + 1),
}


def new_tally() -> Tally:
    """Of no read."""
    tally = Tally(
        **{name: np.zeros(shape, np.int64) for name, shape in _SHAPES.items()},
        searched=SEARCHED,
        letters=np.zeros((4, N_CYCLES // LANES + 1), np.uint64),
        recent=np.zeros(len(BASES) * N_CYCLES + LANES, np.uint8),
        n_recent=np.zeros(2, np.int64),
        keys=np.zeros(N_SLOTS, np.int64),
        times=np.zeros(N_SLOTS, np.int64),
        n_kept=np.zeros(1, np.int64),
        totals=np.zeros(1, TOTALS),
    )
    tally.totals["shortest"], tally.totals["longest"] = NO_READ, -1
    return tally


def no_reads() -> ReadCounts:
    return counts_of(new_tally())


def counts_of(tally: Tally) -> ReadCounts:
    """The counts of a tally whose recent reads are added up."""
    return ReadCounts(
        **{name: getattr(tally, name) for name in _ARRAYS},
        shortest=int(tally.totals["shortest"][0]),
        longest=int(tally.totals["longest"][0]),
        sequences=_sample(tally),
    )


def _sample(tally: Tally) -> SequenceSample:
    kept = tally.times > 0
    return sample_of(int(tally.totals["level"][0]), tally.keys[kept], tally.times[kept])


def thin_out(tally: Tally) -> None:
    """Makes room in the table of sequences."""
    sample = _sample(tally)
    tally.keys[:] = 0
    tally.times[:] = 0
    fill_table(tally.keys, tally.times, sample.keys, sample.times)
    tally.n_kept[0], tally.totals["level"] = len(sample.keys), sample.level


def length_class(length: int) -> int:
    """The row of `lengths` for a length below 2**30."""
    if length < N_CYCLES:
        return length
    octave = length.bit_length() - N_CYCLES.bit_length()
    step = (length >> (length.bit_length() - 1 - _STEPS_BITS)) & ((1 << _STEPS_BITS) - 1)
    return N_CYCLES + (octave << _STEPS_BITS) + step


def shortest_of_class(row: int) -> int:
    """The least length that is counted in a row of `lengths`."""
    if row < N_CYCLES:
        return row
    octave, step = divmod(row - N_CYCLES, 1 << _STEPS_BITS)
    return ((1 << _STEPS_BITS) + step) << (N_CYCLES.bit_length() - 1 - _STEPS_BITS + octave)


def to_columns(counts: ReadCounts) -> dict[str, pa.Array]:
    """One row: a column of lists for each array."""
    arrays = {name: getattr(counts, name).ravel() for name in _ARRAYS}
    sample = counts.sequences
    arrays |= {
        "extremes": np.array([counts.shortest, counts.longest, sample.level]),
        "keys": sample.keys,
        "times": sample.times,
    }
    return {name: one_list(values) for name, values in arrays.items()}


def one_list(values: Ints) -> pa.Array:
    """One row that is a list; of a numpy array, for Python's values pyarrow imports pandas."""
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), pa.array(values))


def from_columns(table: pa.Table) -> ReadCounts:
    """The counts of a table of one row that has the columns of `to_columns`."""
    arrays = {
        name: table.column(name).chunk(0).values.to_numpy() for name in (*_ARRAYS, *_SAMPLE_COLUMNS)
    }
    shortest, longest, level = map(int, arrays["extremes"])
    return ReadCounts(
        **{name: arrays[name].reshape(shape) for name, shape in _SHAPES.items()},
        shortest=shortest,
        longest=longest,
        sequences=SequenceSample(level, arrays["keys"], arrays["times"]),
    )
