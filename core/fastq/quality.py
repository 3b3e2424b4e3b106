"""What counts over reads say of their quality: numbers of a file, and curves over its cycles.

Rates are over all bases, N included, as fastp has them. Means of qualities are means of Phred
scores. None stands for what a file without bases or reads does not have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from core.fastq.adapters import ADAPTERS
from core.fastq.counts import BASES, N_CODES, N_CYCLES, ReadCounts, shortest_of_class
from core.fastq.encoding import FoundEncoding

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PERCENTILES = (10, 25, 50, 75, 90)
_DIGITS = 6


def file_facts(counts: ReadCounts, found: FoundEncoding) -> dict[str, Any]:
    """Ready for JSON: the numbers of one file, and `curves` (see `curves`)."""
    return {
        **totals([(counts, found)]),
        "shortest_read": counts.shortest if counts.n_reads else None,
        "longest_read": counts.longest if counts.n_reads else None,
        "quality_encoding": found.facts(),
        "duplication": _duplication(counts),
        "adapters": _adapters(counts),
        "curves": curves(counts, found),
    }


def totals(files: Sequence[tuple[ReadCounts, FoundEncoding]]) -> dict[str, Any]:
    """n_reads, n_bases, mean_length, mean_quality, q20_bases, q30_bases, and rates: q20_rate,
    q30_rate, gc_rate, n_rate; of one file or of several together."""
    n_reads = sum(counts.n_reads for counts, _ in files)
    n_bases = sum(counts.n_bases for counts, _ in files)
    scores = sum((_by_score(counts, found).sum(axis=0) for counts, found in files), _NO_SCORES)
    bases = sum((counts.bases.sum(axis=1) for counts, _ in files), np.zeros(len(BASES), np.int64))
    above = {q: int(scores[q:].sum()) for q in (20, 30)}
    return {
        "n_reads": n_reads,
        "n_bases": n_bases,
        "mean_length": _share(n_bases, n_reads),
        "mean_quality": _share(float(scores @ np.arange(len(scores))), n_bases),
        "q20_bases": above[20],
        "q30_bases": above[30],
        "q20_rate": _share(above[20], n_bases),
        "q30_rate": _share(above[30], n_bases),
        "gc_rate": _share(int(bases[BASES.index("G")] + bases[BASES.index("C")]), n_bases),
        "n_rate": _share(int(bases[BASES.index("N")]), n_bases),
    }


_NO_SCORES = np.zeros(N_CODES, np.int64)


def _by_score(counts: ReadCounts, found: FoundEncoding) -> Ints:
    """(N_CYCLES + 1, N_CODES): bases by cycle and Phred score."""
    by_score = np.zeros_like(counts.qualities)
    np.add.at(by_score.T, found.encoding.scores, counts.qualities.T)
    return by_score


def _duplication(counts: ReadCounts) -> dict[str, Any]:
    sample = counts.sequences
    return {
        "rate": _rounded(sample.duplication_rate),
        "is_exact": sample.level == 0,
        "n_sampled_reads": sample.n_reads,
        "share_by_times_read": {str(n): round(x, _DIGITS) for n, x in sample.levels.items()},
    }


def _adapters(counts: ReadCounts) -> list[dict[str, Any]]:
    """Of each adapter, how many reads have it."""
    n_with = counts.adapters.sum(axis=1)
    return [
        {
            "name": adapter.name,
            "sequence": adapter.sequence,
            "n_reads": int(n),
            "rate": _share(int(n), counts.n_reads),
        }
        for adapter, n in zip(ADAPTERS, n_with, strict=True)
    ]


def curves(counts: ReadCounts, found: FoundEncoding) -> dict[str, Any]:
    """Lists by cycle, up to the longest read or N_CYCLES, and histograms of reads:

    quality    mean, and p10 to p90: the lowest score that so many percent of the bases do not pass
    content    share of A, C, G, T, N among the bases of the cycle
    adapters   by name: share of the reads in which the adapter begins at the cycle or before
    gc_percent          101 numbers of reads
    mean_quality        numbers of reads by the floor of their mean score
    lengths             [shortest, reads] of each class of lengths that has reads
    """
    n_cycles = max(min(counts.longest, N_CYCLES), 0)
    by_score = _by_score(counts, found)[:n_cycles]
    bases = counts.bases[:, :n_cycles]
    at_cycle = bases.sum(axis=0)
    began = np.cumsum(counts.adapters, axis=1)[:, :n_cycles] / max(counts.n_reads, 1)
    classes = np.flatnonzero(counts.lengths).tolist()
    return {
        "quality": _quality_curves(by_score, at_cycle),
        "content": {base: _list(row / at_cycle) for base, row in zip(BASES, bases, strict=True)},
        "adapters": {a.name: _list(row) for a, row in zip(ADAPTERS, began, strict=True)},
        "gc_percent": counts.gc_percents.tolist(),
        "mean_quality": _reads_by_score(counts, found),
        "lengths": [[shortest_of_class(row), int(counts.lengths[row])] for row in classes],
    }


def _quality_curves(by_score: Ints, at_cycle: Ints) -> Mapping[str, Any]:
    means = by_score @ np.arange(N_CODES) / at_cycle
    below = np.cumsum(by_score, axis=1)
    percentiles = {
        f"p{p}": np.argmax(below * 100 >= p * at_cycle[:, None], axis=1).tolist()
        for p in PERCENTILES
    }
    return {"mean": _list(means), **percentiles}


def _reads_by_score(counts: ReadCounts, found: FoundEncoding) -> list[int]:
    by_score = np.bincount(
        found.encoding.scores, weights=counts.mean_qualities, minlength=N_CODES
    ).astype(np.int64)
    return by_score[: int(np.flatnonzero(by_score)[-1]) + 1 if by_score.any() else 0].tolist()


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, _DIGITS) if whole else None


def _rounded(number: float | None) -> float | None:
    return round(number, _DIGITS) if number is not None else None


def _list(values: Floats) -> list[float]:
    return np.round(values, _DIGITS).tolist()
