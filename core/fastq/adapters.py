"""The adapters that reads are searched for, and the kernel that does it.

Library preparation ligates adapters to fragments; where a fragment is shorter than the read, the
sequencer reads into the adapter. As in FastQC, a read has an adapter from the first place where the
adapter's first 12 bases stand in it, without a mismatch, in capitals.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import equal_mask, inner_kernel, trailing_zeros

Bytes = npt.NDArray[np.uint8]

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


@inner_kernel
def find_adapter(text: Bytes, start: int, n_bases: int, searched: Bytes, adapter: int) -> int:
    """The cycle, from 0, at which a read has the first 12 bases of an adapter; -1 for nowhere.

    Reads up to 67 bytes behind the sequence.
    """
    n_places = n_bases - N_SEARCHED + 1
    for i in range(0, n_places, LANES):
        at = start + i
        mask = equal_mask(text, at, searched[adapter, 0])
        mask &= equal_mask(text, at + 1, searched[adapter, 1])
        mask &= equal_mask(text, at + 2, searched[adapter, 2])
        mask &= equal_mask(text, at + 3, searched[adapter, 3])
        while mask != 0:
            place = i + trailing_zeros(mask)
            if place >= n_places:
                return -1
            if _is_at(text, start + place, searched, adapter):
                return place
            mask &= mask - 1
    return -1


@inner_kernel
def _is_at(text: Bytes, at: int, searched: Bytes, adapter: int) -> bool:
    k = 4
    while k < N_SEARCHED and text[at + k] == searched[adapter, k]:
        k += 1
    return k == N_SEARCHED
