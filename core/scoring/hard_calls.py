"""Weighted sums over diploid hard calls of few scores: the inner loops. Arrays in, arrays out.

Calls are a block's uint8 dosages as one flat array: the call of sample s on row v is
calls[v * n_samples + s]: 0, 1, 2, or missing (255; whatever is above 2 counts as missing).

Most calls are 0, so a term is written as what 1, 2 and missing add beyond what 0 adds; that is a
constant of the score. Each cell receives its terms in their order, however its neighbours are
skipped, so blocks of any size give the same bits. All rows are in range, all arrays C-contiguous.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import LANES, bit_count, equal_mask, kernel, trailing_zeros

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]
Signed = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int64]

TILE = 8192
"""Samples whose sums are worked on together: they stay in the L2 cache."""

_SPARSE = 16
"""Rows with fewer than one in so many calls that are not 0 are walked, call by call."""


class CallTerms(NamedTuple):
    """T terms: what a call of 1, 2, missing adds beyond a 0, to the score and to the dosage sum.

    row, score             (T,) int64: row of the calls, row of the sums
    one, two, missing      (T,) float64
    dosages                (T, 3) int8, none beyond 2 either way
    """

    row: Indices
    score: Indices
    one: Floats
    two: Floats
    missing: Floats
    dosages: Signed


@kernel
def has_missing(calls: Bytes, n_samples: int, rows: Indices) -> Bools:
    """(T,) some call of the row is missing."""
    found = np.zeros(len(rows), np.bool_)
    for t in range(len(rows)):
        start = rows[t] * n_samples
        highest = np.uint8(0)
        for call in calls[start : start + n_samples]:
            highest = max(highest, call)
        found[t] = highest > 2
    return found


@kernel
def count_calls(calls: Bytes, n_samples: int, rows: Indices) -> Indices:
    """(T, 4) how often each row holds 0, 1, 2, missing."""
    counts = np.zeros((len(rows), 4), np.int64)
    for t in range(len(rows)):
        at, end = rows[t] * n_samples, (rows[t] + 1) * n_samples
        while at + LANES <= end:
            for call in range(3):
                counts[t, call] += bit_count(equal_mask(calls, at, call))
            at += LANES
        for call in calls[at:end]:
            counts[t, min(call, 3)] += call <= 2
        counts[t, 3] = n_samples - counts[t, 0] - counts[t, 1] - counts[t, 2]
    return counts


_FULL = 63
"""Terms of at most 2 that a signed byte has room for."""


@kernel
def add_calls(
    calls: Bytes, n_samples: int, terms: CallTerms, sums: Floats, dosages: Counts
) -> None:
    """Add terms to `sums` and `dosages`, both (K, n_samples).

    Dosages are summed in bytes on the way: 64 of them are one vector.
    """
    rows, scores = terms.row, terms.score
    one, two, missing, small = terms.one, terms.two, terms.missing, terms.dosages
    held = np.zeros((len(sums), min(TILE, n_samples)), np.int8)
    masks = np.empty(TILE // LANES + 1, np.int64)
    for start in range(0, n_samples, TILE):
        width = min(TILE, n_samples - start)
        n_held = np.zeros(len(sums), np.int64)
        for t in range(len(rows)):
            k, first = scores[t], rows[t] * n_samples + start
            part = calls[first : first + width]
            tile, bytes_ = sums[k, start : start + width], held[k, :width]
            n_others = mark(calls, first, width, 0, masks)
            if n_others * _SPARSE <= width:
                _walk(part, masks, tile, bytes_, one[t], two[t], missing[t], small[t])
            else:
                _add_floats(part, tile, one[t], two[t], missing[t])
                _add_bytes(part, bytes_, small[t])
            n_held[k] += 1
            if n_held[k] == _FULL:
                _move(bytes_, dosages[k, start : start + width])
                n_held[k] = 0
        for k in range(len(sums)):
            _move(held[k, :width], dosages[k, start : start + width])


@kernel
def mark(calls: Bytes, first: int, width: int, common: int, masks: Indices) -> int:
    """Masks of the calls from `first` that are not `common`; returns how many there are.

    masks    (width // 64 + 1,), overwritten: masks[n] is of the 64 calls from 64 * n; the last is
             of the last 64 calls without those of the mask before it, or of all where there are
             fewer
    """
    n, n_others, rest = 0, 0, width % LANES
    for at in range(0, width - LANES + 1, LANES):
        masks[n] = ~equal_mask(calls, first + at, common)
        n_others += bit_count(masks[n])
        n += 1
    last = np.int64(0)
    if width >= LANES:
        if rest > 0:
            known = (1 << (LANES - rest)) - 1
            last = ~equal_mask(calls, first + width - LANES, common) & ~known
    else:
        for i in range(width):
            last |= np.int64(calls[first + i] != common) << i
    masks[n] = last
    return n_others + bit_count(int(last))


@kernel
def _walk(
    calls: Bytes,
    masks: Indices,
    sums: Floats,
    held: Signed,
    one: float,
    two: float,
    missing: float,
    dosages: Signed,
) -> None:
    """One term on the marked calls, one by one."""
    width = len(calls)
    for n in range(width // LANES + 1):
        mask, at = masks[n], max(min(n * LANES, width - LANES), 0)
        while mask != 0:
            i = at + trailing_zeros(mask)
            mask &= mask - 1
            call = min(calls[i], 3)
            sums[i] += one if call == 1 else (two if call == 2 else missing)
            held[i] += dosages[call - 1]


@kernel
def _add_floats(calls: Bytes, sums: Floats, one: float, two: float, missing: float) -> None:
    for i in range(len(sums)):
        call = calls[i]
        x = one if call == 1 else (two if call == 2 else missing)
        sums[i] += 0.0 if call == 0 else x


@kernel
def _add_bytes(calls: Bytes, held: Signed, dosages: Signed) -> None:
    nothing, one, two, missing = np.int8(0), dosages[0], dosages[1], dosages[2]
    for i in range(len(held)):
        call = calls[i]
        x = one if call == 1 else (two if call == 2 else missing)
        held[i] += nothing if call == 0 else x


@kernel
def _move(held: Signed, dosages: Counts) -> None:
    for i in range(len(dosages)):
        dosages[i] += held[i]
        held[i] = 0


@kernel
def add_dosages(
    calls: Bytes, n_samples: int, rows: Indices, slots: Indices, dosages: Signed, sums: Counts
) -> None:
    """Add the dosages alone: row t to sums[slots[t]], with `dosages` (T, 3) as in CallTerms.

    slots    (T,) ascending: the bytes of one slot are held at a time
    """
    held = np.zeros(min(TILE, n_samples), np.int8)
    for start in range(0, n_samples, TILE):
        width = min(TILE, n_samples - start)
        n_held = 0
        for t in range(len(rows)):
            first = rows[t] * n_samples + start
            _add_bytes(calls[first : first + width], held[:width], dosages[t])
            n_held += 1
            if n_held == _FULL or t + 1 == len(rows) or slots[t + 1] != slots[t]:
                _move(held[:width], sums[slots[t], start : start + width])
                n_held = 0


@kernel
def add_missing(
    calls: Bytes, n_samples: int, rows: Indices, slots: Indices, counts: Counts
) -> None:
    """Count the missing calls of each row into its slot of `counts` (slots, n_samples)."""
    for t in range(len(rows)):
        first, count = rows[t] * n_samples, counts[slots[t]]
        at = 0
        while at + LANES <= n_samples:
            known = equal_mask(calls, first + at, 0) | equal_mask(calls, first + at, 1)
            missing = ~(known | equal_mask(calls, first + at, 2))
            while missing != 0:
                count[at + trailing_zeros(missing)] += 1
                missing &= missing - 1
            at += LANES
        for i in range(at, n_samples):
            count[i] += calls[first + i] > 2
