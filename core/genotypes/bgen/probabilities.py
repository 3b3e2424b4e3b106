"""Genotype probabilities of one variant of a BGEN (layout 2): inflated bytes in, dosages out.

The block is: number of samples, of alleles, least and most ploidy; a byte for each sample, ploidy |
missing << 7; whether the probabilities are of haplotypes (phased); bits of each; the numbers. A
number is a probability times 2**bits - 1. Of every distribution the last one is left out, as what
the others leave of 1; that of genotypes of several alleles comes in the order of VCF's GP, for
every ploidy. Dosages are exact: whole numbers are added, divided once and rounded to float32.
"""

import numpy as np

from core.genotypes.simd import inlined_kernel, inner_kernel, kernel
from core.genotypes.vcf_kernels import Bytes, Floats, Ints

OK = 0
OTHER_SAMPLES = 1
OTHER_ALLELES = 2
BAD_PLOIDY = 3
BAD_BITS = 4
WRONG_LENGTH = 5
MORE_THAN_ONE = 6

MAX_PLOIDY = 63
MAX_BITS = 32
MAX_ALLELES = 255
"""In genotypes of several alleles and copies, whose number grows with each."""

_FIXED_BYTES = 8
_PLOIDY_BITS = 63
_MISSING_BIT = 128


@inlined_kernel
def _bits(data: Bytes, at: int, n_bits: int) -> int:
    """The number of `n_bits` that begins at bit `at`, the lowest bit of a byte first."""
    value, shift = 0, -(at & 7)
    for byte in range(at >> 3, (at + n_bits + 7) >> 3):
        part = np.int64(data[byte])
        value |= part << shift if shift >= 0 else part >> -shift
        shift += 8
    return int(value & ((1 << n_bits) - 1))


@kernel
def decode_probabilities(data: Bytes, n_alleles: int, dosage: Floats, ploidy: Bytes) -> int:
    """The status of one variant's block.

    dosage  (max(1, n_alleles - 1), samples), overwritten: expected copies of each ALT, NaN missing
    ploidy  (samples,), overwritten; somebody without a copy is missing with ploidy 1, as "." is
    """
    n_samples = dosage.shape[1]
    fixed = _FIXED_BYTES + n_samples
    if data.shape[0] < fixed + 2 or _bits(data, 0, 32) != n_samples:
        return OTHER_SAMPLES
    if _bits(data, 32, 16) != n_alleles or n_alleles > MAX_ALLELES:
        return OTHER_ALLELES
    n_bits = int(np.int64(data[fixed + 1]))
    if data[fixed] > 1 or not 1 <= n_bits <= MAX_BITS:
        return BAD_BITS
    is_phased = data[fixed] == 1
    at, end = 8 * (fixed + 2), 8 * data.shape[0]
    sums, genotype = np.zeros(n_alleles, np.int64), np.zeros(MAX_PLOIDY + 1, np.int64)
    one = np.float64((1 << n_bits) - 1)
    for s in range(n_samples):
        copies = int(np.int64(data[_FIXED_BYTES + s]) & _PLOIDY_BITS)
        is_missing = copies == 0 or data[_FIXED_BYTES + s] >= _MISSING_BIT
        if (data[_FIXED_BYTES + s] & 64) != 0:
            return BAD_PLOIDY
        ploidy[s] = max(copies, 1)
        if is_phased:
            status, at = _add_haplotypes(data, at, end, n_bits, copies, sums)
        else:
            status, at = _add_genotypes(data, at, end, n_bits, copies, sums, genotype)
        if status != OK and not (status == MORE_THAN_ONE and is_missing):
            return status
        for r in range(dosage.shape[0]):
            copies_of_alt = np.float64(sums[r + 1]) / one if r + 1 < n_alleles else 0.0
            dosage[r, s] = np.float32(np.nan) if is_missing else np.float32(copies_of_alt)
    return OK if (at + 7) >> 3 == data.shape[0] else WRONG_LENGTH


@inner_kernel
def _add_haplotypes(
    data: Bytes, at: int, end: int, n_bits: int, copies: int, sums: Ints
) -> tuple[int, int]:
    """(status, the bit behind the sample's numbers); `sums` (alleles,) overwritten."""
    sums[:] = 0
    n_alleles = sums.shape[0]
    if at + copies * (n_alleles - 1) * n_bits > end:
        return WRONG_LENGTH, at
    status = OK
    for _ in range(copies):
        left = (1 << n_bits) - 1
        for allele in range(n_alleles - 1):
            number = _bits(data, at, n_bits)
            sums[allele] += number
            left -= number
            at += n_bits
        sums[n_alleles - 1] += left
        if left < 0:
            status = MORE_THAN_ONE
    return status, at


@inner_kernel
def _add_genotypes(
    data: Bytes, at: int, end: int, n_bits: int, copies: int, sums: Ints, genotype: Ints
) -> tuple[int, int]:
    """As `_add_haplotypes`; genotype (more than copies,) is overwritten: the alleles of one,
    ascending."""
    sums[:] = 0
    highest = sums.shape[0] - 1
    genotype[:copies] = 0
    left = (1 << n_bits) - 1
    while True:
        is_last = copies == 0 or genotype[0] == highest
        if not is_last and at + n_bits > end:
            return WRONG_LENGTH, at
        number = left if is_last else _bits(data, at, n_bits)
        for i in range(copies):
            sums[genotype[i]] += number
        if is_last:
            return OK if left >= 0 else MORE_THAN_ONE, at
        left -= number
        at += n_bits
        i = 0
        while i + 1 < copies and genotype[i] == genotype[i + 1]:
            genotype[i] = 0
            i += 1
        genotype[i] += 1
