"""Names of reads, put together so that two files can be compared without keeping any name.

A chain of names is a polynomial of their hashes, modulo 2**64. Chains of parts of a file add up in
the order of the file, and equal chains are equal names in equal order.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.fastq.duplication import hash_bytes
from core.fastq.record_kernels import OK, Bytes, States, find_record
from core.genotypes.simd import LANES, equal_mask, inner_kernel, kernel, trailing_zeros

Ints = npt.NDArray[np.int64]

TITLE_FACTOR = 0x5DEECE66D
_MODULUS = 1 << 64


@dataclass(frozen=True, slots=True)
class TitleChain:
    """`digest` is 64 bits, signed."""

    n_titles: int = 0
    digest: int = 0

    def __add__(self, other: "TitleChain") -> "TitleChain":
        """Of what comes first and what follows on it: associative, not commutative."""
        moved = self.digest * pow(TITLE_FACTOR, other.n_titles, _MODULUS)
        digest = (moved + other.digest) % _MODULUS
        signed = digest - _MODULUS if digest >= _MODULUS >> 1 else digest
        return TitleChain(self.n_titles + other.n_titles, signed)


@inner_kernel
def title_hash(text: Bytes, start: int, end: int) -> int:
    """Of a read's name: the title up to a space or tab, without the number of a mate (`/1`, `.2`,
    `_1`), which differs between the mates of a pair."""
    n = _name_length(text, start, end)
    if n > 2 and (text[start + n - 1] == 49 or text[start + n - 1] == 50):
        mark = text[start + n - 2]
        if mark == 47 or mark == 46 or mark == 95:  # / . _
            n -= 2
    return hash_bytes(text, start, n)


@inner_kernel
def _name_length(text: Bytes, start: int, end: int) -> int:
    at = start
    while at < end:
        mask = equal_mask(text, at, 32) | equal_mask(text, at, 9)
        if mask != 0:
            return min(at + trailing_zeros(mask), end) - start
        at += LANES
    return end - start


@kernel
def read_titles(text: Bytes, states: States, hashes: Ints, lines: Ints, n: int) -> tuple[int, int]:
    """Appends the hash of each record's name, and the line of its title, from 0, to the `n` that
    are there: (status, n). OK where the arrays are full, else that of `find_record`."""
    s = states[0]
    while n < hashes.shape[0]:
        status = find_record(text, s)
        if status != OK:
            return status, n
        hashes[n], lines[n] = title_hash(text, s.title, s.title_end), s.n_lines
        s.at = s.next
        s.n_lines += s.n_record_lines
        s.n_reads += 1
        n += 1
    return OK, n
