"""Vector form of imputed dosages: eight samples at once, a call and a decimal number of each.

As in `simd_cells`, whose contract holds.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.genotypes.simd import IS_PLAIN, Bytes, inlined_kernel, inner_kernel
from core.genotypes.simd_cells import load_lanes

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SAMPLES = 8
"""As many at once."""

_TAB = 9
_DOT = 46
_SLASH = 47
_ZERO = 48
_COLON = 58
_BAR = 124

# A tab, a call and a colon, the tab lowest: 0/0, 0|0, ./. and .|.
_UNPHASED, _PHASED = 0x3A302F3009, 0x3A307C3009
_NO_CALLS = (0x3A2E2F2E09, 0x3A2E7C2E09)
_CALL_BYTES = 0xFFFFFFFFFF
_ALLELE_BITS = 0x0001000100

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORDS = ir.VectorType(_I64, SAMPLES)
_SHORTS = ir.VectorType(ir.IntType(16), 4 * SAMPLES)
_DOUBLES = ir.VectorType(ir.DoubleType(), SAMPLES)
_SINGLES = ir.VectorType(ir.FloatType(), SAMPLES)


def _every(number: int) -> Any:
    """The same word in every lane."""
    return ir.Constant(_WORDS, [number] * SAMPLES)


def _each_byte(byte: int) -> Any:
    """The same byte in every lane's bytes."""
    return _every(byte * 0x0101010101010101)


def _is_call(builder: Any, words: Any) -> Any:
    """Which words are a tab, a diploid call of REF and one ALT or of nothing, and a colon."""
    calls = builder.and_(words, _every(_CALL_BYTES))
    rest = builder.and_(calls, _every(_CALL_BYTES ^ _ALLELE_BITS))
    found = builder.icmp_unsigned("==", rest, _every(_UNPHASED))
    found = builder.or_(found, builder.icmp_unsigned("==", rest, _every(_PHASED)))
    for no_call in _NO_CALLS:
        found = builder.or_(found, builder.icmp_unsigned("==", calls, _every(no_call)))
    return found


def _eight_digits(builder: Any, digits: Any) -> Any:
    """The numbers, as float64, of eight digits, the first one in the lowest byte: in pairs, fours,
    all, in steps that every processor has for vectors."""
    tens = builder.add(builder.shl(digits, _every(3)), builder.shl(digits, _every(1)))
    pairs = builder.add(tens, builder.lshr(digits, _every(8)))
    pairs = builder.and_(pairs, _every(0x00FF00FF00FF00FF))
    hundred = ir.Constant(_SHORTS, [100] * 4 * SAMPLES)
    hundreds = builder.bitcast(builder.mul(builder.bitcast(pairs, _SHORTS), hundred), _WORDS)
    fours = builder.add(hundreds, builder.lshr(pairs, _every(16)))
    first = builder.mul(builder.and_(fours, _every(0xFFFF)), _every(10000))
    second = builder.and_(builder.lshr(fours, _every(32)), _every(0xFFFF))
    number = builder.trunc(builder.add(first, second), ir.VectorType(_I32, SAMPLES))
    return builder.sitofp(number, _DOUBLES)


def _decimals(builder: Any, words: Any, n_letters: Any) -> tuple[Any, Any]:
    """(float64 numbers, which are numbers) of words whose lowest `n_letters` bytes are letters.

    Numbers are digits with at most one point, 1 to 8 letters; read_decimal has the same steps.
    """
    is_length = builder.icmp_unsigned("<", builder.sub(n_letters, _every(1)), _every(8))
    n_bits = builder.shl(n_letters, _every(3))
    letters = builder.shl(words, builder.and_(builder.sub(_every(64), n_bits), _every(63)))
    others = builder.xor(letters, _each_byte(_DOT))
    points = builder.and_(builder.sub(others, _each_byte(1)), builder.not_(others))
    points = builder.and_(points, _each_byte(128))
    point = builder.and_(points, builder.neg(points))
    has_point = builder.icmp_unsigned("!=", point, _every(0))
    unit = builder.lshr(point, _every(7))  # a 1 in the point's byte
    whole = builder.and_(letters, builder.sub(unit, _every(1)))
    up_to_point = builder.sub(builder.shl(point, _every(1)), _every(1))
    above = builder.and_(letters, builder.not_(up_to_point))
    moved = builder.or_(above, builder.shl(whole, _every(8)))
    letters = builder.select(has_point, moved, letters)
    n_bits = builder.select(has_point, builder.sub(n_bits, _every(8)), n_bits)
    is_length = builder.and_(is_length, builder.icmp_unsigned("!=", n_bits, _every(0)))
    rest = builder.and_(builder.sub(n_bits, _every(8)), _every(63))
    zeros = builder.lshr(builder.lshr(_each_byte(_ZERO), rest), _every(8))
    letters = builder.or_(letters, zeros)
    is_number = is_length
    for number in (letters, builder.add(letters, _each_byte(6))):
        halves = builder.and_(number, _each_byte(0xF0))
        is_digits = builder.icmp_unsigned("==", halves, _each_byte(_ZERO))
        is_number = builder.and_(is_number, is_digits)
    # A 1 as the digit where the point stood is the power of ten to divide by.
    unit = builder.select(has_point, unit, _every(1 << 56))
    mantissa = _eight_digits(builder, builder.sub(letters, _each_byte(_ZERO)))
    return builder.fdiv(mantissa, _eight_digits(builder, unit)), is_number


def _store_vector(
    typingctx: Any,  # noqa: ARG001
    text: Any,
    ends: Any,
    first: Any,  # noqa: ARG001
    step: Any,  # noqa: ARG001
    index: Any,  # noqa: ARG001
    most: Any,  # noqa: ARG001
    dosage: Any,
    row: Any,  # noqa: ARG001
    sample: Any,  # noqa: ARG001
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        text, ends, first, step, index, most, dosage, row, sample = arguments
        text_type, ends_type, dosage_type = signature.args[0], signature.args[1], signature.args[6]
        undefined = ir.Constant(_WORDS, ir.Undefined)
        calls, words, n_letters = undefined, undefined, undefined
        one, at = ir.Constant(_I64, 1), first
        for i in range(SAMPLES):
            lane = ir.Constant(_I32, i)
            begin = load_lanes(context, builder, ends_type, ends, at, _I64)
            call = load_lanes(context, builder, text_type, text, begin, _I64)
            value_at = builder.add(at, index)
            value_begin = load_lanes(context, builder, ends_type, ends, value_at, _I64)
            value_begin = builder.add(value_begin, one)
            value_at = builder.add(value_at, one)
            value_end = load_lanes(context, builder, ends_type, ends, value_at, _I64)
            word = load_lanes(context, builder, text_type, text, value_begin, _I64)
            calls = builder.insert_element(calls, call, lane)
            words = builder.insert_element(words, word, lane)
            length = builder.sub(value_end, value_begin)
            n_letters = builder.insert_element(n_letters, length, lane)
            at = builder.add(at, step)
        values, is_read = _decimals(builder, words, n_letters)
        limit = builder.insert_element(
            ir.Constant(_DOUBLES, ir.Undefined), most, ir.Constant(_I32, 0)
        )
        spread = ir.Constant(ir.VectorType(_I32, SAMPLES), [0] * SAMPLES)
        limit = builder.shuffle_vector(limit, ir.Constant(_DOUBLES, ir.Undefined), spread)
        is_read = builder.and_(is_read, builder.fcmp_ordered("<=", values, limit))
        is_read = builder.and_(is_read, _is_call(builder, calls))
        array = context.make_array(dosage_type)(context, builder, dosage)
        n_samples = builder.extract_value(array.shape, 1)
        address = builder.gep(array.data, [builder.add(builder.mul(row, n_samples), sample)])
        address = builder.bitcast(address, _SINGLES.as_pointer())
        builder.store(builder.fptrunc(values, _SINGLES), address).align = 4
        return builder.zext(builder.bitcast(builder.not_(is_read), _I8), _I64)

    int64, float64 = types.int64, types.float64
    return int64(text, ends, int64, int64, int64, float64, dosage, int64, int64), generate


_store_of: Any = intrinsic(_store_vector)


@inlined_kernel
def _store(
    text: Bytes,
    ends: Ints,
    first: int,
    step: int,
    index: int,
    most: float,
    dosage: Floats,
    row: int,
    sample: int,
) -> int:
    return _store_of(text, ends, first, step, index, most, dosage, row, sample)


@inner_kernel
def _store_plain(
    text: Bytes,
    ends: Ints,
    first: int,
    step: int,
    index: int,
    most: float,
    dosage: Floats,
    row: int,
    sample: int,
) -> int:
    other = 0
    for i in range(SAMPLES):
        at = ends[first + i * step]
        left, phase, right = text[at + 1], text[at + 2], text[at + 3]
        is_read = text[at] == _TAB and text[at + 4] == _COLON
        is_read = is_read and phase in (_SLASH, _BAR)
        is_called = left & 254 == _ZERO and right & 254 == _ZERO
        is_read = is_read and (is_called or (left == _DOT and right == _DOT))
        begin, end = ends[first + i * step + index] + 1, ends[first + i * step + index + 1]
        number, power, n_points = 0, 1, 0
        for j in range(begin, min(end, begin + 8)):
            if text[j] == _DOT:
                n_points += 1
            elif _ZERO <= text[j] <= _ZERO + 9:
                number = number * 10 + (np.int64(text[j]) - _ZERO)
                power *= 10 if n_points else 1
            else:
                is_read = False
        value = number / power
        n_digits = end - begin - n_points
        is_read = is_read and n_points <= 1 and n_digits > 0 and end - begin <= 8
        dosage[row, sample + i] = np.float32(value)
        if not (is_read and value <= most):
            other |= 1 << i
    return other


store_dosages = _store_plain if IS_PLAIN else _store
"""(text, ends, first, step, index, most, dosage, row, sample) -> mask of the eight samples from
`sample` that do not begin with a diploid call of REF and one ALT (or ./.), or whose field `index`
is no plain number of up to eight letters from 0 to `most`. dosage[row, sample + i] becomes the
float32 of the number's float64, and anything where its bit (2**i) is set.

Sample i begins behind ends[first + i * step]; ends has the positions of tabs and colons in text,
and the line's end: the sample's field k is text[ends[j + k] + 1 : ends[j + k + 1]] with j = first +
i * step. `index` is 1 or more, and `ends` has `first + 7 * step + index + 2` or more.
dosage is (rows, samples) float32; 0 <= ends <= len(text) - 9, row is one of its rows, 0 <= sample,
sample + 8 <= samples."""
