"""Decimal numbers from text, as Python's float() reads them."""

import numpy as np

from core.genotypes.simd import Bytes, inlined_kernel, inner_kernel, trailing_zeros
from core.genotypes.simd_cells import load_word

_PLUS = 43
_MINUS = 45
_DOT = 46
_ZERO = 48
_NINE = 57

_BYTE = np.uint64(8)
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)
_ZEROS = np.uint64(0x3030303030303030)
_SIX_EACH = np.uint64(0x0606060606060606)
_HIGH_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0)
_LOWEST_BITS = np.uint64(0x0101010101010101)
_HIGHEST_BITS = np.uint64(0x8080808080808080)
_EVERY_FOURTH = np.uint64(0x000000FF000000FF)

_POWERS_OF_TEN = 10.0 ** np.arange(23)
"""All exact in float64."""


@inlined_kernel
def read_decimal(text: Bytes, start: int, end: int) -> tuple[float, bool]:
    """(value, is_number), as `parse_number`; up to eight letters at once where they are a plain
    number such as 0, 1.25 or .5.

    text  goes on for 8 bytes behind `start`, whatever they are
    """
    n_letters = end - start
    if n_letters < 1 or n_letters > 8:
        return parse_number(text, start, end)
    # The first letter is the lowest byte. Shifted up, the last digit is in the highest one.
    letters = load_word(text, start) << np.uint64(64 - 8 * n_letters)
    others = letters ^ _DOTS
    points = (others - _LOWEST_BITS) & ~others & _HIGHEST_BITS
    point = trailing_zeros(int(np.int64(points)))
    n_decimals = 0
    if point < 64:
        below = np.uint64(point - 7)  # bits of what stands before the point
        whole = letters & ((np.uint64(1) << below) - np.uint64(1))
        letters = ((letters >> below >> _BYTE) << below << _BYTE) | (whole << _BYTE)
        n_letters -= 1
        n_decimals = (63 - point) >> 3
    if n_letters == 0:
        return 0.0, False
    letters |= _ZEROS >> np.uint64(8 * n_letters - 8) >> _BYTE
    is_digits = (letters & _HIGH_HALVES == _ZEROS) & (
        (letters + _SIX_EACH) & _HIGH_HALVES == _ZEROS
    )
    if not is_digits:
        return parse_number(text, start, end)
    return np.float64(_eight_digits(letters)) / _POWERS_OF_TEN[n_decimals], True


@inlined_kernel
def _eight_digits(letters: np.uint64) -> np.int64:
    """The number of eight digits, the first one in the lowest byte: in pairs, fours, all."""
    digits = letters - _ZEROS
    pairs = digits * np.uint64(10) + (digits >> _BYTE)
    low = (pairs & _EVERY_FOURTH) * np.uint64(100 + (1000000 << 32))
    high = ((pairs >> np.uint64(16)) & _EVERY_FOURTH) * np.uint64(1 + (10000 << 32))
    return np.int64((low + high) >> np.uint64(32))


@inner_kernel
def parse_number(text: Bytes, start: int, end: int) -> tuple[float, bool]:
    """(value, is_number) of a decimal number such as 1, .5, 0.0250, 1e-05.

    The float64 nearest to the text up to 19 significant digits; more digits are cut off, which a
    float32 does not show. Infinities and NaN are no numbers.
    """
    at, sign = start, 1.0
    if at < end and (text[at] == _MINUS or text[at] == _PLUS):
        sign = -1.0 if text[at] == _MINUS else 1.0
        at += 1
    mantissa, exponent, n_digits, is_fraction = np.uint64(0), 0, 0, False
    while at < end:
        byte = text[at]
        if _ZERO <= byte <= _NINE:
            n_digits += 1
            if mantissa < np.uint64(10**18):
                mantissa = mantissa * np.uint64(10) + np.uint64(byte - np.uint8(_ZERO))
                exponent -= is_fraction
            else:
                exponent += not is_fraction
        elif byte == _DOT and not is_fraction:
            is_fraction = True
        else:
            break
        at += 1
    if n_digits == 0:
        return 0.0, False
    if at < end:
        written, is_exponent = _read_exponent(text, at, end)
        if not is_exponent:
            return 0.0, False
        exponent += written
    value = _scale(mantissa, exponent)
    return sign * value, value < 3.4028235677973366e38


@inner_kernel
def _read_exponent(text: Bytes, start: int, end: int) -> tuple[int, bool]:
    """(exponent, is_exponent) of e-05, E+3, e7 in start..end; cut off at 9,999."""
    if text[start] != 69 and text[start] != 101:
        return 0, False
    at, sign = start + 1, 1
    if at < end and (text[at] == _MINUS or text[at] == _PLUS):
        sign = -1 if text[at] == _MINUS else 1
        at += 1
    if at >= end:
        return 0, False
    value = 0
    for i in range(at, end):
        if text[i] < _ZERO or text[i] > _NINE:
            return 0, False
        value = min(value * 10 + (np.int64(text[i]) - _ZERO), 9999)
    return int(sign * value), True


@inner_kernel
def _scale(mantissa: np.uint64, exponent: int) -> float:
    """mantissa * 10**exponent.

    One correctly rounded operation where both are exact in float64 (Clinger's fast path); otherwise
    in a pair of float64 (Dekker), 106 bits, rounded once at the end.
    """
    if mantissa == 0 or exponent < -80:
        return 0.0
    if exponent > 60:
        return np.inf
    if mantissa < np.uint64(2**53) and -22 <= exponent <= 22:
        number = np.float64(mantissa)
        if exponent < 0:
            return number / _POWERS_OF_TEN[-exponent]
        return number * _POWERS_OF_TEN[exponent]
    high = np.float64(mantissa >> np.uint64(32)) * 4294967296.0
    low = np.float64(mantissa & np.uint64(0xFFFFFFFF))
    high, low = _renormalise(high, low)
    while exponent > 0:
        step = min(exponent, 22)
        high, low = _multiply(high, low, _POWERS_OF_TEN[step])
        exponent -= step
    while exponent < 0:
        step = min(-exponent, 22)
        high, low = _divide(high, low, _POWERS_OF_TEN[step])
        exponent += step
    return high + low


@inner_kernel
def _renormalise(high: float, low: float) -> tuple[float, float]:
    """The same sum with |low| at most half a unit in the last place of high."""
    total = high + low
    return total, low - (total - high)


@inner_kernel
def _product(a: float, b: float) -> tuple[float, float]:
    """(rounded product, its exact error)."""
    split_a, split_b = 134217729.0 * a, 134217729.0 * b
    a_high, b_high = split_a - (split_a - a), split_b - (split_b - b)
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@inner_kernel
def _multiply(high: float, low: float, factor: float) -> tuple[float, float]:
    product, error = _product(high, factor)
    return _renormalise(product, error + low * factor)


@inner_kernel
def _divide(high: float, low: float, divisor: float) -> tuple[float, float]:
    quotient = high / divisor
    product, error = _product(quotient, divisor)
    return _renormalise(quotient, (high - product - error + low) / divisor)
