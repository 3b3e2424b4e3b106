"""Vector forms for what stands in a sample's column: cells of four bytes, words of eight.

As in `simd`, whose contract holds: arrays are C-contiguous, the vector form checks nothing, and
the plain form with checked indices is chosen where numba checks bounds. Bytes are little-endian,
as on every processor that numba compiles for by default.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.genotypes.simd import IS_PLAIN, Bytes, inlined_kernel, inner_kernel

Ints = npt.NDArray[np.int64]

CELLS = 16
"""Calls such as a tab and 0|1 in CELL_BYTES bytes."""
CELL_BYTES = 64

MISSING = 255

_TAB = 9
_DOT = 46
_SLASH = 47
_ZERO = 48
_COLON = 58
_BAR = 124

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_WORD_VECTOR = ir.VectorType(_I64, CELLS)
_CELL_VECTOR = ir.VectorType(_I32, CELLS)
_CALL_VECTOR = ir.VectorType(_I8, CELLS)


def _lanes(value: int) -> Any:
    """The same number in every cell."""
    return ir.Constant(_CELL_VECTOR, [value] * CELLS)


def _splat(builder: Any, number: Any) -> Any:
    """The low 32 bits of an int64 in every cell."""
    undefined = ir.Constant(_CELL_VECTOR, ir.Undefined)
    low = builder.trunc(number, _I32)
    first = builder.insert_element(undefined, low, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, undefined, _lanes(0))


def load_lanes(context: Any, builder: Any, array_type: Any, array: Any, at: Any, kind: Any) -> Any:
    """For vector forms: one `kind`, a word or a vector, at array[at], unaligned."""
    data = context.make_array(array_type)(context, builder, array).data
    loaded = builder.load(builder.bitcast(builder.gep(data, [at]), kind.as_pointer()))
    loaded.align = 1
    return loaded


def _store_calls(context: Any, builder: Any, signature: Any, arguments: Any, calls: Any) -> None:
    """<16 x i8> to dosage[row, sample], the third to fifth argument."""
    dosage, row, sample = arguments[2:5]
    array = context.make_array(signature.args[2])(context, builder, dosage)
    n_samples = builder.extract_value(array.shape, 1)
    address = builder.gep(array.data, [builder.add(builder.mul(row, n_samples), sample)])
    builder.store(calls, builder.bitcast(address, _CALL_VECTOR.as_pointer())).align = 1


def _one_alt_vector(
    typingctx: Any,  # noqa: ARG001
    text: Any,
    at: Any,  # noqa: ARG001
    dosage: Any,
    row: Any,  # noqa: ARG001
    sample: Any,  # noqa: ARG001
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        text_type = signature.args[0]
        cells = load_lanes(context, builder, text_type, arguments[0], arguments[1], _CELL_VECTOR)
        alleles = builder.and_(cells, _lanes(0x01000100))
        rest = builder.xor(cells, alleles)
        unphased = builder.icmp_unsigned("==", rest, _lanes(0x302F3009))
        phased = builder.icmp_unsigned("==", rest, _lanes(0x307C3009))
        no_call = builder.icmp_unsigned("==", cells, _lanes(0x2E2F2E09))
        no_phased_call = builder.icmp_unsigned("==", cells, _lanes(0x2E7C2E09))
        is_missing = builder.or_(no_call, no_phased_call)
        is_read = builder.or_(builder.or_(unphased, phased), is_missing)
        left = builder.lshr(alleles, _lanes(8))
        copies = builder.add(left, builder.lshr(alleles, _lanes(24)))
        copies = builder.trunc(copies, _CALL_VECTOR)
        missing = ir.Constant(_CALL_VECTOR, [MISSING] * CELLS)
        copies = builder.select(is_missing, missing, copies)
        _store_calls(context, builder, signature, arguments, copies)
        other = builder.bitcast(builder.not_(is_read), _I16)
        return builder.zext(other, _I64)

    int64 = types.int64
    return int64(text, int64, dosage, int64, int64), generate


def _one_allele_vector(
    typingctx: Any,  # noqa: ARG001
    text: Any,
    at: Any,  # noqa: ARG001
    dosage: Any,
    row: Any,  # noqa: ARG001
    sample: Any,  # noqa: ARG001
    allele: Any,  # noqa: ARG001
    n_alts: Any,  # noqa: ARG001
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        text_type = signature.args[0]
        cells = load_lanes(context, builder, text_type, arguments[0], arguments[1], _CELL_VECTOR)
        cells = builder.xor(cells, _lanes(0x30003009))  # a digit becomes its number, a tab 0
        left = builder.and_(builder.lshr(cells, _lanes(8)), _lanes(255))
        right = builder.lshr(cells, _lanes(24))
        between = builder.and_(cells, _lanes(0x00FF00FF))
        is_cell = builder.or_(
            builder.icmp_unsigned("==", between, _lanes(_SLASH << 16)),
            builder.icmp_unsigned("==", between, _lanes(_BAR << 16)),
        )
        most = _splat(builder, arguments[6])
        is_called = builder.and_(
            builder.icmp_unsigned("<=", left, most), builder.icmp_unsigned("<=", right, most)
        )
        no_allele = _lanes(_DOT ^ _ZERO)
        is_missing = builder.and_(
            builder.icmp_unsigned("==", left, no_allele),
            builder.icmp_unsigned("==", right, no_allele),
        )
        named = _splat(builder, arguments[5])
        copies = builder.add(
            builder.zext(builder.icmp_unsigned("==", left, named), _CALL_VECTOR),
            builder.zext(builder.icmp_unsigned("==", right, named), _CALL_VECTOR),
        )
        missing = ir.Constant(_CALL_VECTOR, [MISSING] * CELLS)
        copies = builder.select(is_missing, missing, copies)
        _store_calls(context, builder, signature, arguments, copies)
        is_read = builder.and_(is_cell, builder.or_(is_called, is_missing))
        other = builder.bitcast(builder.not_(is_read), _I16)
        return builder.zext(other, _I64)

    int64 = types.int64
    return int64(text, int64, dosage, int64, int64, int64, int64), generate


def _word_vector(typingctx: Any, text: Any, at: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return load_lanes(context, builder, signature.args[0], arguments[0], arguments[1], _I64)

    return types.uint64(text, types.int64), generate


def _gather_vector(typingctx: Any, text: Any, starts: Any, sample: Any, cells: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        text_type, starts_type, _, cells_type = signature.args
        text, starts, sample, cells = arguments
        one = ir.Constant(_I64, 1)
        begins = load_lanes(context, builder, starts_type, starts, sample, _WORD_VECTOR)
        ends = load_lanes(
            context, builder, starts_type, starts, builder.add(sample, one), _WORD_VECTOR
        )
        words: Any = ir.Constant(_WORD_VECTOR, ir.Undefined)
        for i in range(CELLS):
            begin = builder.extract_element(begins, ir.Constant(_I32, i))
            word = load_lanes(context, builder, text_type, text, builder.sub(begin, one), _I64)
            words = builder.insert_element(words, word, ir.Constant(_I32, i))
        data = context.make_array(cells_type)(context, builder, cells).data
        address = builder.bitcast(data, _CELL_VECTOR.as_pointer())
        builder.store(builder.trunc(words, _CELL_VECTOR), address).align = 1

        def every(number: int) -> Any:
            return ir.Constant(_WORD_VECTOR, [number] * CELLS)

        behind = builder.and_(builder.lshr(words, every(32)), every(255))
        n_bytes = builder.sub(ends, begins)
        goes_on = builder.and_(
            builder.icmp_signed(">", n_bytes, every(4)),
            builder.icmp_unsigned("==", behind, every(_COLON)),
        )
        is_whole = builder.or_(builder.icmp_signed("==", n_bytes, every(4)), goes_on)
        return builder.zext(builder.bitcast(builder.not_(is_whole), _I16), _I64)

    return types.int64(text, starts, types.int64, cells), generate


_one_alt_of: Any = intrinsic(_one_alt_vector)
_one_allele_of: Any = intrinsic(_one_allele_vector)
_word_of: Any = intrinsic(_word_vector)
_gather_of: Any = intrinsic(_gather_vector)


@inlined_kernel
def _one_alt(text: Bytes, at: int, dosage: Bytes, row: int, sample: int) -> int:
    return _one_alt_of(text, at, dosage, row, sample)


@inlined_kernel
def _one_allele(
    text: Bytes, at: int, dosage: Bytes, row: int, sample: int, allele: int, n_alts: int
) -> int:
    return _one_allele_of(text, at, dosage, row, sample, allele, n_alts)


@inlined_kernel
def _word(text: Bytes, at: int) -> np.uint64:
    return _word_of(text, at)


@inlined_kernel
def _gather(text: Bytes, starts: Ints, sample: int, cells: Bytes) -> int:
    return _gather_of(text, starts, sample, cells)


@inner_kernel
def _one_allele_plain(
    text: Bytes, at: int, dosage: Bytes, row: int, sample: int, allele: int, n_alts: int
) -> int:
    other = 0
    for i in range(CELLS):
        cell = at + 4 * i
        left, right = np.int64(text[cell + 1]), np.int64(text[cell + 3])
        is_cell = text[cell] == _TAB and (text[cell + 2] == _SLASH or text[cell + 2] == _BAR)
        is_called = 0 <= left - _ZERO <= n_alts and 0 <= right - _ZERO <= n_alts
        is_missing = left == _DOT and right == _DOT
        copies = (left - _ZERO == allele) + (right - _ZERO == allele)
        dosage[row, sample + i] = MISSING if is_missing else copies
        if not (is_cell and (is_called or is_missing)):
            other |= 1 << i
    return other


@inner_kernel
def _one_alt_plain(text: Bytes, at: int, dosage: Bytes, row: int, sample: int) -> int:
    return _one_allele_plain(text, at, dosage, row, sample, 1, 1)


@inner_kernel
def _word_plain(text: Bytes, at: int) -> np.uint64:
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(text[at + i]) << np.uint64(8 * i)
    return word


@inner_kernel
def _gather_plain(text: Bytes, starts: Ints, sample: int, cells: Bytes) -> int:
    other = 0
    for i in range(CELLS):
        at = starts[sample + i]
        n_bytes = starts[sample + i + 1] - at
        for j in range(4):
            cells[4 * i + j] = text[at - 1 + j]
        if not (n_bytes == 4 or (n_bytes > 4 and text[at + 3] == _COLON)):
            other |= 1 << i
    return other


store_calls_of_one_alt = _one_alt_plain if IS_PLAIN else _one_alt
"""(text, at, dosage, row, sample) -> mask of the cells that are neither a tab with 0 or 1, / or |,
0 or 1, nor a tab with ./. or .|. Cell i is text[at + 4 * i : at + 4 * i + 4]; dosage[row, sample +
i] becomes its copies of ALT, 255 where it is missing, and anything where its bit (2**i) is set.

dosage is (rows, samples) uint8; 0 <= at, at + 64 <= len(text), row is one of its rows, 0 <= sample,
sample + 16 <= samples."""

store_calls = _one_allele_plain if IS_PLAIN else _one_allele
"""(text, at, dosage, row, sample, allele, n_alts) -> mask, as `store_calls_of_one_alt`, but for
calls of the alleles 0 .. n_alts, at most 9; what is counted are copies of `allele`."""

load_word = _word_plain if IS_PLAIN else _word
"""(text, at) -> uint64 of text[at : at + 8], the first byte lowest.

0 <= at, at + 8 <= len(text)."""

gather_cells = _gather_plain if IS_PLAIN else _gather
"""(text, starts, sample, cells) -> mask of the 16 samples from `sample` whose first three letters
are followed neither by the sample's end nor by a colon. Sample s is text[starts[s] : starts[s + 1]
- 1]; its first three letters and the byte before them become cell s - sample of `cells`.

cells has 64 bytes; 0 <= sample, sample + 17 <= len(starts), every start is 1 .. len(text) - 7."""
