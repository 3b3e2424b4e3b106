"""Columns of lines against Python's own split, on any bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes import vcf_kernels as kernels
from core.genotypes.simd import PADDING


def as_text(content: bytes, padding: bytes = b"\t\n" * (PADDING // 2)) -> np.ndarray:
    """The padding is full of what is searched: nothing may be found there."""
    return np.frombuffer(bytearray(content + padding), np.uint8)


@settings(deadline=None)
@given(st.binary(max_size=600), st.integers(0, 600))
def test_a_line_end_is_found_where_it_is(content, start):
    start = min(start, len(content))
    found = content.find(b"\n", start)
    expected = found if found >= 0 else len(content)
    assert kernels.find_newline(as_text(content), start, len(content)) == expected


@settings(deadline=None)
@given(n_bytes=st.integers(0, 2000), start=st.integers(0, 2000))
def test_a_line_end_is_found_behind_many_bytes(n_bytes, start):
    content = b"0|1\t" * (n_bytes // 4) + b"\n0|1"
    start = min(start, len(content) - 4)
    assert kernels.find_newline(as_text(content), start, len(content)) == len(content) - 4


@settings(deadline=None)
@given(
    before=st.binary(max_size=70),
    line=st.lists(st.text("ab1\r", max_size=40), max_size=14).map("\t".join),
)
def test_the_first_nine_tabs_are_found_as_python_finds_them(before, line):
    text = as_text(before + line.encode())
    start, end = len(before), len(before) + len(line)
    lines = np.full((3, kernels.N_LINE_COLUMNS), -1, np.int64)
    n_tabs = kernels.index_columns(text, start, end, lines, 1)
    tabs = [start + i for i, letter in enumerate(line) if letter == "\t"][:9]
    assert n_tabs == len(tabs)
    assert lines[1].tolist() == [start, *tabs, *[end] * (9 - len(tabs)), end]
    assert (lines[[0, 2]] == -1).all()


@settings(deadline=None)
@given(st.one_of(st.text("0123456789", max_size=22), st.text("01-+. x", max_size=5)))
def test_a_position_is_an_integer_below_two_to_the_31(written):
    text = as_text(b"7" + written.encode() + b"7")
    is_position = written.isdigit() and len(written) <= 18 and int(written) <= 2**31 - 1
    expected = int(written) if is_position else -1
    assert kernels.read_position(text, 1, 1 + len(written)) == expected


@pytest.mark.parametrize(
    ("span", "name", "length", "expected"),
    [
        (b"22", b"22", 2, True),
        (b"22", b"2", 1, False),
        (b"22", b"23", 2, False),
        (b"", b"", 0, True),
        (b"", b"", -1, False),
    ],
)
def test_a_name_is_compared_whole(span, name, length, expected):
    text = as_text(span)
    array = np.frombuffer(bytearray(name), np.uint8)
    assert kernels.is_name(text, 0, len(span), array, length) == expected


@pytest.mark.parametrize(("alts", "n_alts"), [(b".", 0), (b"G", 1), (b"G,T,*", 3), (b"..", 1)])
def test_alleles_of_alt_are_counted(alts, n_alts):
    assert kernels.count_alts(as_text(alts), 0, len(alts)) == n_alts
