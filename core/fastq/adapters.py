"""The adapters that reads are searched for, and the kernel that does it.

Library preparation ligates adapters to fragments; where a fragment is shorter than the read, the
sequencer reads into the adapter. As in FastQC, a read has an adapter from the first place where the
adapter's first 12 bases stand in it, without a mismatch, in capitals. The first N_CYCLES cycles are
searched (counts.py).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import inner_kernel, trailing_zeros

Bytes = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.uint64]

N_SEARCHED = 12
LANES = 64


@dataclass(frozen=True, slots=True)
class Adapter:
    """`sequence`: 5' to 3', as it follows on the fragment."""

    name: str
    sequence: str
    source: str


_ILLUMINA = "Illumina Adapter Sequences, document 1000000002694"

ADAPTERS: tuple[Adapter, ...] = (
    # What the adapters of both reads begin with; they differ behind it.
    Adapter("illumina_truseq", "AGATCGGAAGAGC", f"{_ILLUMINA}, TruSeq Single Indexes"),
    Adapter("nextera_transposase", "CTGTCTCTTATACACATCT", f"{_ILLUMINA}, Nextera DNA"),
    Adapter("illumina_small_rna_3p", "TGGAATTCTCGGGTGCCAAGG", f"{_ILLUMINA}, TruSeq Small RNA"),
    Adapter("illumina_small_rna_5p", "GATCGTCGGACTGTAGAACTCTGAAC", f"{_ILLUMINA}, RA5 reversed"),
)

SEARCHED: Bytes = np.array(
    [list(adapter.sequence[:N_SEARCHED].encode()) for adapter in ADAPTERS], np.uint8
)
"""(adapters, 12) uint8: what is searched for."""

_N_FIRST = 6
"""Bases of an adapter that are looked for 64 places at a time."""


@inner_kernel
def find_adapter(
    text: Bytes, start: int, n_bases: int, letters: Masks, searched: Bytes, adapter: int
) -> int:
    """The cycle, from 0, at which a read has the first 12 bases of an adapter; -1 for nowhere.

    letters  (4, m + 1) uint64: bits of the read's first n_bases places, 64 to a word, that are A,
             C, G, T in either case; the word behind the last one is 0
    """
    n_places = n_bases - N_SEARCHED + 1
    for word in range((n_places + LANES - 1) // LANES):
        mask = letters[_row(searched[adapter, 0]), word]
        for k in range(1, _N_FIRST):
            row, shift = _row(searched[adapter, k]), np.uint64(k)
            here = letters[row, word] >> shift
            mask &= here | (letters[row, word + 1] << (np.uint64(LANES) - shift))
        while mask != np.uint64(0):
            place = word * LANES + trailing_zeros(int(np.int64(mask)))
            if place >= n_places:
                return -1
            if _is_at(text, start + place, searched, adapter):
                return place
            mask &= mask - np.uint64(1)
    return -1


@inner_kernel
def _row(base: int) -> int:
    """Of `letters`: bits 1 and 2 of A, C, T, G count from 0 to 3."""
    code = (base >> 1) & 3
    return code ^ (code >> 1)


@inner_kernel
def _is_at(text: Bytes, at: int, searched: Bytes, adapter: int) -> bool:
    k = 0
    while k < N_SEARCHED and text[at + k] == searched[adapter, k]:
        k += 1
    return k == N_SEARCHED
