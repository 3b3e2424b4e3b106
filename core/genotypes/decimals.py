"""Decimal numbers from text, as Python's float() reads them."""

import numpy as np

from core.genotypes.simd import Bytes, kernel

_PLUS = 43
_MINUS = 45
_DOT = 46
_ZERO = 48
_NINE = 57

_POWERS_OF_TEN = 10.0 ** np.arange(23)
"""All exact in float64."""


@kernel
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


@kernel
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


@kernel
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


@kernel
def _renormalise(high: float, low: float) -> tuple[float, float]:
    """The same sum with |low| at most half a unit in the last place of high."""
    total = high + low
    return total, low - (total - high)


@kernel
def _product(a: float, b: float) -> tuple[float, float]:
    """(rounded product, its exact error)."""
    split_a, split_b = 134217729.0 * a, 134217729.0 * b
    a_high, b_high = split_a - (split_a - a), split_b - (split_b - b)
    a_low, b_low = a - a_high, b - b_high
    product = a * b
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@kernel
def _multiply(high: float, low: float, factor: float) -> tuple[float, float]:
    product, error = _product(high, factor)
    return _renormalise(product, error + low * factor)


@kernel
def _divide(high: float, low: float, divisor: float) -> tuple[float, float]:
    quotient = high / divisor
    product, error = _product(quotient, divisor)
    return _renormalise(quotient, (high - product - error + low) / divisor)
