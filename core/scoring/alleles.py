"""Alleles in kernels: as bytes and offsets of their Arrow column, and as codes that one compare
tells apart.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.simd import kernel

Bytes = npt.NDArray[np.uint8]
Element = Any
"""One element of an array, which has no type of its own for a type checker."""


class Alleles(NamedTuple):
    """n strings, null being the one of no bytes: string i is data[offsets[i] : offsets[i + 1]].

    offsets (n + 1,) int32 never decrease and stay inside data (bytes). Both are read-only, so that
    a kernel is compiled once.
    """

    offsets: npt.NDArray[np.int32]
    data: Bytes


def alleles_of(strings: pa.Array) -> Alleles:
    """The strings of a column of type `string`; null becomes the string of no bytes."""
    if strings.null_count:
        strings = pc.fill_null(strings, "")
    _, offsets, data = strings.buffers()
    if len(strings) == 0:
        return Alleles(read_only(np.zeros(1, np.int32)), read_only(np.empty(0, np.uint8)))
    first = np.frombuffer(offsets, np.int32)[strings.offset : strings.offset + len(strings) + 1]
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    if int(first[-1]) > len(text):
        raise ValueError("a string column ends behind its bytes")
    return Alleles(read_only(first), read_only(text))


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written: numba compiles other code for arrays that can."""
    view = array.view()
    view.flags.writeable = False
    return view


NO_ALLELE, UNKNOWN_ALLELE = 0, -1
"""Codes of null, and of a long allele that the value set lacks: they equal no other's code."""

_SHORT = 7
_LETTERS = (1 << 8 * _SHORT) - 1


def allele_codes(alleles: Alleles, long_alleles: Mapping[bytes, int]) -> npt.NDArray[np.int64]:
    """(n,) equal alleles have equal codes, different ones do not, UNKNOWN_ALLELE aside.

    Up to seven bytes are the code itself, under their number in the top byte; those of longer
    alleles are `long_alleles`.
    """
    codes = _short_codes(alleles)
    for i in np.flatnonzero(codes == UNKNOWN_ALLELE).tolist():
        allele = alleles.data[alleles.offsets[i] : alleles.offsets[i + 1]].tobytes()
        codes[i] = long_alleles.get(allele, UNKNOWN_ALLELE)
    return codes


def long_alleles_of(*columns: pa.Array) -> dict[bytes, int]:
    """A code below UNKNOWN_ALLELE for each distinct allele that does not fit into its code."""
    strings = pa.chunked_array(columns, pa.string())
    longer = strings.filter(pc.greater(pc.binary_length(strings), _SHORT)).unique()
    return {name.encode(): UNKNOWN_ALLELE - 1 - n for n, name in enumerate(longer.to_pylist())}


def allele_texts(
    codes: npt.NDArray[np.int64], long_alleles: Mapping[bytes, int]
) -> pa.DictionaryArray:
    """The alleles of codes, "N" for NO_ALLELE: the inverse of `allele_codes`."""
    longer = {code: allele for allele, code in long_alleles.items()}
    distinct, of = np.unique(codes, return_inverse=True)
    names = [
        longer[code] if code < 0 else (code & _LETTERS).to_bytes(_SHORT, "little").rstrip(b"\0")
        for code in distinct.tolist()
    ]
    alleles = pa.array([name or b"N" for name in names], pa.binary()).cast(pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(of.astype(np.int32)), alleles)


@kernel
def _short_codes(alleles: Alleles) -> npt.NDArray[np.int64]:
    offsets, data = alleles.offsets, alleles.data
    codes = np.empty(len(offsets) - 1, np.int64)
    for i in range(len(codes)):
        start, end = offsets[i], offsets[i + 1]
        code = (end - start) << 56
        if end - start > _SHORT:
            codes[i] = UNKNOWN_ALLELE
            continue
        for at in range(start, end):
            code |= np.int64(data[at]) << (8 * (at - start))
        codes[i] = code
    return codes


@kernel
def same_allele(alleles: Alleles, i: int, j: int) -> bool:
    """alleles[i] == alleles[j]."""
    one, two = alleles.offsets[i], alleles.offsets[j]
    length = alleles.offsets[i + 1] - one
    if alleles.offsets[j + 1] - two != length:
        return False
    at = 0
    while at < length and alleles.data[one + at] == alleles.data[two + at]:
        at += 1
    return at == length


@kernel
def is_single_base(code: Element) -> bool:
    """Whether a code is that of one byte, which is then its low byte."""
    return code >> 56 == 1


@kernel
def single_base(byte: Element) -> Element:
    """The code of an allele of one byte; for 0, one that no allele has."""
    return 1 << 56 | np.int64(byte)


@kernel
def complement_base(base: Element) -> int:
    """The base on the other strand; -1 for what is none of ACGT."""
    if base == 65:
        return 84
    if base == 84:
        return 65
    if base == 67:
        return 71
    if base == 71:
        return 67
    return -1


@kernel
def is_palindrome(ref: Alleles, alt: Alleles, i: int, basewise: bool) -> bool:
    """Whether REF on the other strand reads as ALT: reversed, or base by base."""
    length = ref.offsets[i + 1] - ref.offsets[i]
    if length == 0 or alt.offsets[i + 1] - alt.offsets[i] != length:
        return False
    first, last = alt.offsets[i], alt.offsets[i + 1] - 1
    for at in range(length):
        other = alt.data[first + at] if basewise else alt.data[last - at]
        if complement_base(ref.data[ref.offsets[i] + at]) != other:
            return False
    return True


def variant_ids(
    contig: Alleles,
    position: npt.NDArray[np.int64],
    ref: Alleles,
    alt: Alleles,
    rows: npt.NDArray[np.int64],
) -> pa.Array:
    """contig:position:REF:ALT of each of `rows`; a negative row has none (null)."""
    return _strings(rows, *_write_ids(contig, position, ref, alt, rows))


@kernel
def _write_ids(
    contig: Alleles,
    position: npt.NDArray[np.int64],
    ref: Alleles,
    alt: Alleles,
    rows: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int32], Bytes]:
    """(offsets, data) of the strings; positions are not negative."""
    offsets = np.zeros(len(rows) + 1, np.int32)
    for n in range(len(rows)):
        size, i = 0, rows[n]
        if i >= 0:
            size = 3 + _n_digits(position[i]) + _length(contig, i) + _length(ref, i)
            size += _length(alt, i)
        offsets[n + 1] = offsets[n] + size
    data = np.empty(offsets[len(rows)], np.uint8)
    for n in range(len(rows)):
        i = rows[n]
        if i < 0:
            continue
        at = _copy(contig, i, data, offsets[n])
        end = at + 1 + _n_digits(position[i])
        data[at], left = 58, position[i]
        for digit in range(end - 1, at, -1):
            data[digit] = 48 + left % 10
            left //= 10
        data[end] = 58
        at = _copy(ref, i, data, end + 1)
        data[at] = 58
        _copy(alt, i, data, at + 1)
    return offsets, data


def _strings(rows: npt.NDArray[np.int64], offsets: npt.NDArray[np.int32], data: Bytes) -> pa.Array:
    known = np.packbits(rows >= 0, bitorder="little")
    buffers = [pa.py_buffer(known), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(rows), buffers)


@kernel
def _length(strings: Alleles, i: int) -> int:
    return strings.offsets[i + 1] - strings.offsets[i]


@kernel
def _copy(strings: Alleles, i: int, into: Bytes, at: int) -> int:
    """Write strings[i] at `at`; returns where it ends."""
    for source in range(strings.offsets[i], strings.offsets[i + 1]):
        into[at] = strings.data[source]
        at += 1
    return at


@kernel
def _n_digits(number: Element) -> int:
    digits = 1
    while number >= 10:
        number //= 10
        digits += 1
    return digits
