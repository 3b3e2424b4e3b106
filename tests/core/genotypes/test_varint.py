import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.genotypes.varint import decode_varints, encode_varints


def leb128(number: int) -> bytes:
    """One number, as the specification's pseudo-code has it."""
    out = bytearray()
    while True:
        byte, number = number & 0x7F, number >> 7
        out.append(byte | (0x80 if number else 0))
        if not number:
            return bytes(out)


@given(st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)), max_size=50))
def test_numbers_are_written_as_the_specification_has_them_and_come_back(numbers):
    data = encode_varints(np.array(numbers, np.int64))
    assert data == b"".join(map(leb128, numbers))
    assert decode_varints(data, len(numbers)).tolist() == numbers


@given(st.binary(max_size=30), st.integers(0, 10))
def test_any_bytes_are_numbers_or_refused(data, n_numbers):
    try:
        numbers = decode_varints(data, n_numbers)
    except ValueError:
        return
    assert numbers.shape == (n_numbers,)


def test_a_number_below_zero_is_refused():
    with pytest.raises(ValueError, match="below 0"):
        encode_varints(np.array([-1]))
