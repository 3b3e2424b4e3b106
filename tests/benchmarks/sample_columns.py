"""The sample columns of VCF lines as text, in the four FORMATs of the benchmark's cohorts."""

from enum import StrEnum

import numpy as np
import numpy.typing as npt
from numba import njit


class Format(StrEnum):
    """FORMAT of every line. HARD: calls alone; HDS: minimac 4, zeros trimmed; DS: three fixed
    decimals; JOINT: joint calling, with ./. where there is no call."""

    HARD = "GT"
    HDS = "GT:HDS:GP:DS"
    DS = "GT:DS:GP"
    JOINT = "GT:AD:DP:GQ:PL"


HEADER_LINES = {
    "GT": '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n',
    "DS": '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Estimated ALT allele dosage">\n',
    "HDS": '##FORMAT=<ID=HDS,Number=.,Type=Float,Description="Haploid ALT allele dosage">\n',
    "GP": '##FORMAT=<ID=GP,Number=G,Type=Float,Description="Genotype probabilities">\n',
    "AD": '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depth per allele">\n',
    "DP": '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">\n',
    "GQ": '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">\n',
    "PL": '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Genotype likelihoods">\n',
}

Text = npt.NDArray[np.uint8]
_Words = tuple[Text, npt.NDArray[np.int64]]


def hard_calls(alleles: npt.NDArray[np.uint8], separator: str) -> Text:
    """(variants, 4 x samples + 1) from (variants, 2 x samples) of 0..9."""
    text = np.empty((len(alleles), 2 * alleles.shape[1] + 1), np.uint8)
    text[:, 0:-1:4] = ord("\t")
    text[:, 1:-1:4] = alleles[:, 0::2] + ord("0")
    text[:, 2:-1:4] = ord(separator)
    text[:, 3:-1:4] = alleles[:, 1::2] + ord("0")
    text[:, -1] = ord("\n")
    return text


def imputed(alleles: npt.NDArray[np.uint8], layout: Format, seed: int) -> Text:
    """One line from (2 x samples,) of 0 and 1: each haplotype's dosage strays from its allele."""
    words = _TRIMMED if layout is Format.HDS else _FIXED
    with_haplotypes = layout is Format.HDS
    buffer = np.empty(48 * (len(alleles) // 2) + 1, np.uint8)
    return buffer[: _imputed_line(buffer, alleles, with_haplotypes, seed, *words)]


def joint_called(alleles: npt.NDArray[np.uint8], n_alleles: int, seed: int) -> Text:
    """One line from (2 x samples,) of 0..n_alleles-1; 255 for both alleles is ./."""
    buffer = np.empty(96 * (len(alleles) // 2) + 1, np.uint8)
    return buffer[: _joint_line(buffer, alleles, n_alleles, seed, *_INTEGERS)]


def _words_of(texts: list[str]) -> _Words:
    """Texts in a row, and where each begins (one more than there are)."""
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return np.frombuffer("".join(texts).encode(), np.uint8).copy(), ends


_TRIMMED = _words_of([f"{m / 1000:.3f}".rstrip("0").rstrip(".") for m in range(2001)])
_FIXED = _words_of([f"{m / 1000:.3f}" for m in range(2001)])
_INTEGERS = _words_of([str(n) for n in range(4096)])


@njit(cache=True, nogil=True)
def _put(buffer, at, words, ends, number, after):
    """Writes the text of `number` and the byte `after`; returns where the next one goes."""
    for i in range(ends[number], ends[number + 1]):
        buffer[at] = words[i]
        at += 1
    buffer[at] = after
    return at + 1


@njit(cache=True, nogil=True)
def _haplotype_dosage(allele, error_rate):
    """In thousandths."""
    error = 0
    if np.random.random() < error_rate:  # noqa: NPY002 - numba's own generator, seeded per line
        error = min(999, int(np.random.exponential(70.0)))  # noqa: NPY002
    return 1000 - error if allele == 1 else error


@njit(cache=True, nogil=True)
def _imputed_line(buffer, alleles, with_haplotypes, seed, words, ends):
    np.random.seed(seed)  # noqa: NPY002
    rate = np.random.beta(2.0, 4.0)  # noqa: NPY002
    frequency = alleles.sum() / alleles.size
    rates = (rate * min(1.0, 0.02 + 3.0 * frequency), rate)
    tab, colon, comma = 9, 58, 44
    at = 0
    for sample in range(alleles.size // 2):
        first = _haplotype_dosage(alleles[2 * sample], rates[alleles[2 * sample]])
        second = _haplotype_dosage(alleles[2 * sample + 1], rates[alleles[2 * sample + 1]])
        both = (first * second + 500) // 1000
        one = first + second - 2 * both
        buffer[at : at + 5] = (tab, 48 + (first >= 500), 124, 48 + (second >= 500), colon)
        at += 5
        if with_haplotypes:
            at = _put(buffer, at, words, ends, first, comma)
            at = _put(buffer, at, words, ends, second, colon)
        else:
            at = _put(buffer, at, words, ends, first + second, colon)
        at = _put(buffer, at, words, ends, 1000 - one - both, comma)
        at = _put(buffer, at, words, ends, one, comma)
        at = _put(buffer, at, words, ends, both, colon)
        if with_haplotypes:
            at = _put(buffer, at, words, ends, first + second, colon)
        at -= 1
    buffer[at] = 10
    return at + 1


@njit(cache=True, nogil=True)
def _joint_line(buffer, alleles, n_alleles, seed, words, ends):
    np.random.seed(seed)  # noqa: NPY002
    tab, colon, comma, dot = 9, 58, 44, 46
    at = 0
    for sample in range(alleles.size // 2):
        low = min(alleles[2 * sample], alleles[2 * sample + 1])
        high = max(alleles[2 * sample], alleles[2 * sample + 1])
        called = high != 255
        depth = np.random.poisson(30.0) if called else 0  # noqa: NPY002
        of_high = np.random.binomial(depth, 0.5) if low != high else depth  # noqa: NPY002
        buffer[at] = tab
        buffer[at + 1] = 48 + low if called else dot
        buffer[at + 2] = 47
        buffer[at + 3] = 48 + high if called else dot
        buffer[at + 4] = colon
        at += 5
        for allele in range(n_alleles):
            reads = of_high if allele == high else depth - of_high if allele == low else 0
            at = _put(buffer, at, words, ends, reads, comma)
        buffer[at - 1] = colon
        at = _put(buffer, at, words, ends, depth, colon)
        if not called:
            buffer[at : at + 3] = (dot, colon, dot)
            at += 3
            continue
        quality = min(99, 3 * depth) if low == high else min(99, 20 + 5 * min(of_high, 16))
        at = _put(buffer, at, words, ends, quality, colon)
        for second in range(n_alleles):
            for first in range(second + 1):
                steps = (first != low) + (second != high)
                likelihood = steps * (quality + 11 * depth + 17 * (first + 2 * second))
                if low == high and steps == 1:
                    likelihood = quality
                at = _put(buffer, at, words, ends, likelihood, comma)
        at -= 1
    buffer[at] = 10
    return at + 1
