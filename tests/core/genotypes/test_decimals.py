import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.genotypes.decimals import parse_number, read_decimal


def as_text(content: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(content), np.uint8)


def number(text: str) -> float | None:
    value, is_number = parse_number(as_text(text.encode()), 0, len(text))
    return value if is_number else None


def bits(value: float | None) -> bytes:
    assert value is not None
    return struct.pack("<f", np.float32(value))


@pytest.mark.parametrize("text", ["0", "1", "2.", ".5", "0.0250", "-0.5", "+1", "1e-05", "1E+1"])
def test_a_decimal_number_is_read(text):
    assert number(text) == float(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "1e", "1e+", "e5", "1,5", "0x1", "nan", "inf", "1e39", "1.2.3", " 1", "1_0"],
)
def test_what_is_no_finite_number_is_refused(text):
    assert number(text) is None


@settings(deadline=None)
@given(st.floats(min_value=0, max_value=1e6))
@example(5e-324)
@example(1e-45)
@example(0.1 + 0.2)
def test_the_shortest_form_of_a_float64_reads_back_as_the_same_float32(value):
    assert bits(number(repr(value))) == bits(value)


@settings(deadline=None)
@given(digits=st.text("0123456789", min_size=1, max_size=30), point=st.integers(0, 30))
@example(digits="16777217", point=8)
@example(digits="9007199254740993", point=16)
def test_any_decimal_text_reads_as_the_float32_of_its_float64(digits, point):
    text = digits[:point] + "." + digits[point:]
    assert bits(number(text)) == bits(float(text))


@settings(deadline=None)
@given(mantissa=st.integers(0, 10**25), exponent=st.integers(-60, 12))
def test_any_exponent_reads_as_the_float32_of_its_float64(mantissa, exponent):
    text = f"{mantissa}e{exponent}"
    assert bits(number(text)) == bits(float(text))


@settings(deadline=None)
@given(
    text=st.one_of(
        st.decimals(0, 2, places=3).map(str),
        st.text("0123456789", max_size=9),
        st.text("0123456789..e-+/:", max_size=9),
    ),
    behind=st.binary(min_size=8, max_size=8),
)
@example(text=".", behind=b"5" * 8)
@example(text="1", behind=b".5555555")
@example(text="0./", behind=b"0" * 8)
def test_short_numbers_are_read_at_once_as_letter_by_letter(text, behind):
    array = as_text(text.encode() + behind)
    assert read_decimal(array, 0, len(text)) == parse_number(array, 0, len(text))
