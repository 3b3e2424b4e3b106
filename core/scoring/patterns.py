"""Patterns: what rows of several scoring files have in common, found and put in order."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import kernel
from core.scoring.alleles import read_only

Codes = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]


class KeyedRows(NamedTuple):
    """The n joinable rows of one file, in its order; all arrays (n,).

    pattern    int64, a number for each distinct (effect allele, other allele, effect type)
    """

    key: Indices
    pattern: Indices
    row_number: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float64]
    frequency: npt.NDArray[np.float64]


def distinct_patterns(parts: Sequence[KeyedRows]) -> tuple[Indices, Indices, Codes]:
    """(key and code of each pattern in order; the pattern of each row, file after file).

    Files of the same variants in the same order, as those of one study are, are looked at once.
    """
    distinct: dict[bytes, int] = {}
    leaders: list[KeyedRows] = []
    of: list[int] = []
    for part in parts:
        name = _digest(part)
        if name not in distinct:
            distinct[name] = len(leaders)
            leaders.append(part)
        of.append(distinct[name])
    key = np.concatenate([part.key for part in leaders])
    code = np.concatenate([part.pattern for part in leaders])
    order = _ascending(key, code)
    if order is not None:
        key, code = key[order], code[order]
    begins = np.ones(len(key), bool)
    begins[1:] = (key[1:] != key[:-1]) | (code[1:] != code[:-1])
    place = np.cumsum(begins, dtype=np.int32) - np.int32(1)
    if order is not None:
        place[order] = place.copy()
    ends = np.cumsum([0, *(len(part.key) for part in leaders)])
    return key[begins], code[begins], np.concatenate([place[ends[n] : ends[n + 1]] for n in of])


def _digest(part: KeyedRows) -> bytes:
    digest = hashlib.blake2b(part.key.data)
    digest.update(part.pattern.data)
    return digest.digest()


def _ascending(key: Indices, code: Indices) -> Indices | None:
    """The order of rows by key, then code; None where that is the one they have."""
    same = key[1:] == key[:-1]
    if ((key[1:] > key[:-1]) | (same & (code[1:] >= code[:-1]))).all():
        return None
    bits = int(code.max()).bit_length()
    if int(key.max()).bit_length() + bits < 63:
        return np.argsort(key << bits | code)
    return np.lexsort((code, key))


def counting_order(codes: Codes, n_codes: int) -> tuple[Indices, Indices]:
    """((n,) rows by code, those of one code as they stand; (n_codes + 1,) where each begins).

    codes (n,) int32, 0 to n_codes - 1.
    """
    first = np.append(0, np.cumsum(np.bincount(codes, minlength=n_codes)))
    if (codes[1:] >= codes[:-1]).all():
        return np.arange(len(codes)), first
    order = np.empty(len(codes), np.int64)
    _place(read_only(codes), first.copy(), order)
    return order, first


@kernel
def _place(codes: Codes, next_free: Indices, order: Indices) -> None:
    """Counting sort. next_free (n_codes + 1,): where the next row of each code goes."""
    for row in range(len(codes)):
        order[next_free[codes[row]]] = row
        next_free[codes[row]] += 1
