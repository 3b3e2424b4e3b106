"""Weighted sums of many scores: the inner loops. Arrays in, arrays out.

Scores side by side are a vector: a call adds a row of weights to the row of its sample. Few calls
are not what most people have, 0 or 2, so with only these added it is a small part of the work of
a matrix product. A tile of samples is finished before the next: its sums stay in the L2 cache.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import LANES, kernel, trailing_zeros
from core.scoring.alleles import Element
from core.scoring.hard_calls import mark
from core.scoring.imputed_dosages import Bits, Dosages, any_bit

Counts = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_TILE_BYTES = 1 << 19
_MOST_SAMPLES = 4096


class ManyTerms(NamedTuple):
    """T terms of several scores each.

    row            (T,) row of the calls
    first, n_rows  (T,) its weights are weight[first : first + n_rows], and so its scores
    common         (T,) the call that most people have: 0 or 2
    everyone       (T,) what multiplies the weights for such a call
    times          (T, 4) what multiplies them for a call of 0, 1, 2, missing, beyond that
    dosage         (T, 4) int32, the same for the dosage sums of `by_row`
    by_row         (T,) bool, the dosages are summed for each score by itself
    """

    row: Indices
    first: Indices
    n_rows: Indices
    common: Indices
    everyone: Floats
    times: Floats
    dosage: Counts
    by_row: npt.NDArray[np.bool_]


def samples_per_tile(n_scores: int) -> int:
    """A multiple of 64."""
    fitting = _TILE_BYTES // (8 * n_scores) // LANES * LANES
    return min(max(fitting, LANES), _MOST_SAMPLES)


@kernel
def add_calls(
    calls: Bytes,
    n_samples: int,
    terms: ManyTerms,
    weight: Floats,
    score: Counts,
    n_tile: int,
    sums: Floats,
    dosages: Counts,
) -> None:
    """Add to `sums` (K, n_samples) what terms add beyond what everyone has.

    A term of K rows has all scores, in their order.

    calls            flat, as in `hard_calls`
    weight, score    (N,) of the rows of scoring files
    n_tile           samples of a tile
    dosages          (K, n_samples) for terms `by_row`; (0, 0) where there are none
    """
    rows, common, n_rows = terms.row, terms.common, terms.n_rows
    masks = np.empty(n_tile // LANES + 1, np.int64)
    tile = np.zeros((min(n_tile, n_samples), len(sums)))
    small = np.zeros((min(n_tile, n_samples), len(dosages)), np.int32)
    for start in range(0, n_samples, n_tile):
        width = min(n_tile, n_samples - start)
        for t in range(len(rows)):
            first = rows[t] * n_samples + start
            if mark(calls, first, width, common[t], masks) > 0:
                part = calls[first : first + width]
                weights = weight[terms.first[t] : terms.first[t] + n_rows[t]]
                scores = score[terms.first[t] : terms.first[t] + n_rows[t]]
                _add_marked(part, masks, terms.times[t], weights, scores, tile)
                if terms.by_row[t]:
                    _count_marked(part, masks, terms.dosage[t], scores, small)
        _empty(tile, width, sums, start)
        _empty(small, width, dosages, start)


@kernel
def _add_marked(
    calls: Bytes, masks: Indices, times: Floats, weights: Floats, scores: Counts, tile: Floats
) -> None:
    for n in range(len(calls) // LANES + 1):
        mask, at = masks[n], max(min(n * LANES, len(calls) - LANES), 0)
        while mask != 0:
            i = at + trailing_zeros(mask)
            mask &= mask - 1
            x = times[min(calls[i], 3)]
            if len(weights) == tile.shape[1]:
                add_weights(x, weights, tile[i])
            else:
                scatter_weights(x, weights, scores, tile[i])


@kernel
def _count_marked(
    calls: Bytes, masks: Indices, dosage: Counts, scores: Counts, tile: Counts
) -> None:
    for n in range(len(calls) // LANES + 1):
        mask, at = masks[n], max(min(n * LANES, len(calls) - LANES), 0)
        while mask != 0:
            i = at + trailing_zeros(mask)
            mask &= mask - 1
            x = dosage[min(calls[i], 3)]
            for k in scores:
                tile[i, k] += x


@kernel
def add_to_everyone(
    everyone: Floats,
    first: Indices,
    n_rows: Indices,
    weight: Floats,
    score: Counts,
    offset: Floats,
) -> None:
    """Add to `offset` (K,) what everyone has: `everyone` (T,) times the weights of terms, as in
    ManyTerms."""
    for t in range(len(everyone)):
        if everyone[t] != 0.0:
            for row in range(first[t], first[t] + n_rows[t]):
                offset[score[row]] += everyone[t] * weight[row]


class ManyDosages(NamedTuple):
    """T terms of several scores each, on imputed dosages. row, first, n_rows (T,) as in ManyTerms;
    times (T,) what multiplies a dosage; missing (T,) what stands for a missing one."""

    row: Indices
    first: Indices
    n_rows: Indices
    times: Floats
    missing: Floats


@kernel
def add_dosages(
    dosages: Dosages,
    bits: Bits,
    terms: ManyDosages,
    weight: Floats,
    score: Counts,
    n_tile: int,
    sums: Floats,
) -> None:
    """As `add_calls`, of dosages as in `imputed_dosages`: what each adds to `sums` (K, S)."""
    rows, n_rows, times, missing = terms.row, terms.n_rows, terms.times, terms.missing
    n_samples = dosages.shape[1]
    tile = np.zeros((min(n_tile, n_samples), len(sums)))
    for start in range(0, n_samples, n_tile):
        width = min(n_tile, n_samples - start)
        for t in range(len(rows)):
            weights = weight[terms.first[t] : terms.first[t] + n_rows[t]]
            scores = score[terms.first[t] : terms.first[t] + n_rows[t]]
            for at in range(0, width, LANES):
                end = min(at + LANES, width)
                if any_bit(bits[rows[t], start + at : start + end]):
                    part = dosages[rows[t], start + at : start + end]
                    _add_part(part, times[t], missing[t], weights, scores, tile[at:end])
        _empty(tile, width, sums, start)


@kernel
def _add_part(
    dosages: Dosages,
    times: Element,
    missing: Element,
    weights: Floats,
    scores: Counts,
    tile: Floats,
) -> None:
    for i in range(len(dosages)):
        dosage = float(dosages[i])
        if dosage != 0.0:
            x = missing if np.isnan(dosage) else times * dosage
            if len(weights) == tile.shape[1]:
                add_weights(x, weights, tile[i])
            else:
                scatter_weights(x, weights, scores, tile[i])


@kernel
def add_weights(times: Element, weights: Floats, sums: Floats) -> None:
    for k in range(len(sums)):
        sums[k] += times * weights[k]


@kernel
def scatter_weights(times: Element, weights: Floats, scores: Counts, sums: Floats) -> None:
    for j in range(len(weights)):
        sums[scores[j]] += times * weights[j]


@kernel
def _empty(tile: npt.NDArray[Any], width: int, sums: npt.NDArray[Any], start: int) -> None:
    """Move tile[i, k] to sums[k, start + i], for `width` samples."""
    for at in range(0, width, 8):
        end = min(at + 8, width)
        for k in range(len(sums)):
            for i in range(at, end):
                sums[k, start + i] += tile[i, k]
                tile[i, k] = 0
