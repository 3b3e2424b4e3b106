"""Patterns: what rows of several scoring files have in common, found and put in order."""

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


def distinct_patterns(parts: Sequence[KeyedRows]) -> tuple[Indices, Indices, list[Codes]]:
    """(key and code of each pattern in order; the pattern of each row, part by part)."""
    key = np.concatenate([part.key for part in parts])
    code = np.concatenate([part.pattern for part in parts])
    order = _ascending(key, code)
    if order is not None:
        key, code = key[order], code[order]
    begins = np.ones(len(key), bool)
    begins[1:] = (key[1:] != key[:-1]) | (code[1:] != code[:-1])
    pattern = np.cumsum(begins, dtype=np.int32) - np.int32(1)
    if order is not None:
        pattern[order] = pattern.copy()
    ends = np.cumsum([len(part.key) for part in parts])
    return key[begins], code[begins], np.split(pattern, ends[:-1])


def _ascending(key: Indices, code: Indices) -> Indices | None:
    """The order of rows by key, then code; None where that is the one they have."""
    same = key[1:] == key[:-1]
    if ((key[1:] > key[:-1]) | (same & (code[1:] >= code[:-1]))).all():
        return None
    bits = int(code.max()).bit_length()
    if int(key.max()).bit_length() + bits < 63:
        return np.argsort(key << bits | code)
    return np.lexsort((code, key))


def counting_places(codes: Sequence[Codes], n_codes: int) -> tuple[list[Codes], Indices]:
    """(where each row goes in the order of codes, those of one code as they stand; (n_codes + 1,)
    where each code begins).

    The rows come in parts, each (n,) of 0 to n_codes - 1; a part may come several times.
    """
    first = np.zeros(n_codes + 1, np.int64)
    for part in codes:
        _count(read_only(part), first[1:])
    np.cumsum(first, out=first)
    next_free = first[:-1].copy()
    places = [np.empty(len(part), np.int32) for part in codes]
    for part, place in zip(codes, places, strict=True):
        _place(read_only(part), next_free, place)
    return places, first


@kernel
def _count(codes: Codes, counts: Indices) -> None:
    """counts (n_codes,): one more for each row of a code."""
    for row in range(len(codes)):
        counts[codes[row]] += 1


@kernel
def _place(codes: Codes, next_free: Indices, place: Codes) -> None:
    """Counting sort. next_free (n_codes,): where the next row of each code goes."""
    for row in range(len(codes)):
        place[row] = next_free[codes[row]]
        next_free[codes[row]] += 1
