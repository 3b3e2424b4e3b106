"""Which records are decoded, and how the scan asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import inner_kernel, kernel
from core.genotypes.vcf_kernels import Bytes, Ints, Text


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are decoded: the position groups that hold any of these.

    positions      canonical contig -> sorted unique 1-based positions
    ids            an ID of the record, which may have several, separated by ";"
    whole_contigs  canonical contigs

    With `min_reference_gq`, a reference block of a gVCF answers the positions inside it
    (reference_blocks); without, it is one record at its POS.
    """

    positions: Mapping[str, npt.NDArray[np.int64]] = field(
        default_factory=dict[str, npt.NDArray[np.int64]]
    )
    ids: frozenset[str] = frozenset()
    whole_contigs: frozenset[str] = frozenset()
    min_reference_gq: float | None = None


NO_POSITIONS = np.empty(0, np.int64)
NO_IDS = np.empty(0, np.int64)

_SEMICOLON = 59
_FNV_BASIS = -3750763034362895579
_FNV_PRIME = 1099511628211
_NEAR = 8


@inner_kernel
def seek_position(positions: Ints, at: int, position: int) -> int:
    """The first index whose position is not before `position`; `at` is where the last search ended.

    positions  (n,) sorted; records in order walk them together, one step or a few at a time.
    """
    low, high = 0, positions.shape[0]
    if at > 0 and positions[at - 1] >= position:
        high = at
    else:
        low = at
        for _ in range(_NEAR):
            if low >= high or positions[low] >= position:
                return low
            low += 1
    while low < high:
        middle = (low + high) // 2
        if positions[middle] < position:
            low = middle + 1
        else:
            high = middle
    return low


@inner_kernel
def _is_in(table: Ints, hashed: int) -> bool:
    at = _slot(table, hashed)
    return table[at] != 0


@inner_kernel
def _slot(table: Ints, hashed: int) -> int:
    """Where a hash stands, or the free slot where it belongs."""
    last = table.shape[0] - 1
    at = (hashed ^ (hashed >> 29)) & last
    while table[at] != 0 and table[at] != hashed:
        at = (at + 1) & last
    return at


@inner_kernel
def _hash_with(hashed: int, byte: int) -> int:
    """One step of FNV-1a, 64 bits; never 0, which marks a free slot."""
    mixed = (hashed ^ byte) * _FNV_PRIME
    return mixed if mixed != 0 else 1


@inner_kernel
def has_wanted_id(text: Text, start: int, end: int, table: Ints) -> bool:
    """Whether an ID column, or one of its parts between ";", is in a table of `id_table`.

    Two texts may have one hash: then a group is decoded that nobody asked for.
    """
    whole, part = _FNV_BASIS, _FNV_BASIS
    for i in range(start, end):
        byte = int(text[i])
        whole = _hash_with(whole, byte)
        if byte == _SEMICOLON:
            if _is_in(table, part):
                return True
            part = _FNV_BASIS
        else:
            part = _hash_with(part, byte)
    return _is_in(table, part) or _is_in(table, whole)


@kernel
def _fill_table(content: Bytes, offsets: Ints, table: Ints) -> None:
    for i in range(offsets.shape[0] - 1):
        hashed = _FNV_BASIS
        for at in range(offsets[i], offsets[i + 1]):
            hashed = _hash_with(hashed, int(content[at]))
        table[_slot(table, hashed)] = hashed


@lru_cache(maxsize=4)
def id_table(ids: frozenset[str]) -> Ints:
    """(2**k,) int64 hashes in open addressing, at most half full; empty for no IDs."""
    if not ids:
        return NO_IDS
    encoded = [identifier.encode() for identifier in ids]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    table = np.zeros(1 << (2 * len(ids)).bit_length(), np.int64)
    _fill_table(np.frombuffer(bytearray(b"".join(encoded)), np.uint8), ends, table)
    return table
