"""The vector form and the plain form of every function against Python."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.genotypes import simd

BYTES = st.binary(min_size=2 * simd.LANES, max_size=3 * simd.LANES)


def as_mask(bits) -> int:
    return sum(1 << i for i, bit in enumerate(bits) if bit)


def unsigned(mask: int) -> int:
    return mask & (2**64 - 1)


@pytest.mark.parametrize("equal", [simd.equal_mask, simd._equal_mask_plain])
@given(content=BYTES, at=st.integers(0, simd.LANES), byte=st.integers(0, 3))
def test_equal_mask_marks_the_bytes_that_are_equal(equal, content, at, byte):
    array = np.frombuffer(content, np.uint8) % 4
    expected = as_mask(array[at : at + simd.LANES] == byte)
    assert unsigned(equal(array.copy(), at, byte)) == expected


@pytest.mark.parametrize("differ", [simd.differ_mask, simd._differ_mask_plain])
@given(content=BYTES, at=st.integers(0, simd.LANES), other=st.integers(0, simd.LANES))
def test_differ_mask_marks_the_bytes_that_differ(differ, content, at, other):
    array = np.frombuffer(content, np.uint8) % 3
    left, right = array[at : at + simd.LANES], array[other : other + simd.LANES]
    assert unsigned(differ(array.copy(), at, array.copy(), other)) == as_mask(left != right)


@pytest.mark.parametrize("mask_of", [simd.letter_mask, simd._letter_mask_plain])
@given(text=st.text("AaBbN\n ", min_size=128, max_size=192), at=st.integers(0, simd.LANES))
def test_letter_mask_marks_a_letter_in_either_case(mask_of, text, at):
    array = np.frombuffer(text.encode(), np.uint8)
    expected = as_mask(letter in "Aa" for letter in text[at : at + simd.LANES])
    assert unsigned(mask_of(array.copy(), at, ord("A"))) == expected


@pytest.mark.parametrize("add", [simd.add_mask, simd._add_mask_plain])
@given(content=BYTES, at=st.integers(0, simd.LANES), mask=st.integers(-(2**63), 2**63 - 1))
def test_a_mask_is_added_to_counts(add, content, at, mask):
    counts = np.frombuffer(content, np.uint8) % 255
    expected = counts.copy()
    expected[at : at + simd.LANES] += np.array([mask >> i & 1 for i in range(64)], np.uint8)
    added = counts.copy()
    assert add(added, at, mask) == mask
    assert added.tolist() == expected.tolist()


@pytest.mark.parametrize("read", [simd.word_at, simd._word_at_plain])
@given(content=BYTES, at=st.integers(0, simd.LANES))
def test_a_word_is_eight_bytes_from_the_lowest_on(read, content, at):
    word = read(np.frombuffer(content, np.uint8).copy(), at)
    assert unsigned(word) == int.from_bytes(content[at : at + 8], "little")


@pytest.mark.parametrize("move", [simd.move_down, simd._move_down_plain])
@given(content=BYTES, first=st.integers(0, simd.LANES), n_bytes=st.integers(0, simd.LANES))
def test_bytes_move_down_over_themselves(move, content, first, n_bytes):
    array = np.frombuffer(content, np.uint8).copy()
    assert move(array, first, n_bytes) == n_bytes
    assert bytes(array) == content[first : first + n_bytes] + content[n_bytes:]


@pytest.mark.parametrize("count", [simd.bit_count, simd._bit_count_plain])
@given(mask=st.integers(-(2**63), 2**63 - 1))
def test_bits_are_counted(count, mask):
    assert count(mask) == f"{unsigned(mask):b}".count("1")


@pytest.mark.parametrize("count", [simd.trailing_zeros, simd._trailing_zeros_plain])
@given(mask=st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 62).map(lambda i: 1 << i)))
def test_zeros_below_the_lowest_bit_are_counted(count, mask):
    bits = f"{unsigned(mask):064b}"
    assert count(mask) == (64 - len(bits.rstrip("0")) if mask else 64)


def test_the_plain_form_is_chosen_under_bounds_checks_and_finds_a_load_outside(tmp_path):
    program = (
        "import numpy as np\n"
        "from core.genotypes import simd\n"
        "assert simd.IS_PLAIN\n"
        "simd.equal_mask(np.zeros(64, np.uint8), 0, 9)\n"
        "try:\n"
        "    simd.equal_mask(np.zeros(64, np.uint8), 1, 9)\n"
        "except IndexError:\n"
        "    print('found')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "found\n"


def test_a_kernel_is_compiled_anew_when_one_that_it_calls_has_changed(tmp_path):
    package = tmp_path / "changing"
    package.mkdir()
    imports = "from core.genotypes.simd import kernel\n"
    caller = "from changing.callee import one\n@kernel\ndef both() -> int:\n    return one() + 40\n"
    (package / "caller.py").write_text(imports + caller)
    for value in (1, 2):
        callee = f"@kernel\ndef one() -> int:\n    return {value}\n"
        (package / "callee.py").write_text(imports + callee)
        done = subprocess.run(
            [sys.executable, "-c", "from changing.caller import both; print(both())"],
            cwd=Path(__file__).parents[3],
            env=os.environ
            | {
                "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
                # Python takes byte-code for fresh whose source is as long and of the same second
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])]),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{40 + value}\n"
    assert list((tmp_path / "cache").rglob("*.nbi"))


def test_a_cached_kernel_is_loaded_without_what_only_compiling_needs(tmp_path):
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from numba import njit\n"
        "from core.genotypes import simd\n"
        "assert simd.trailing_zeros(8) == 3\n"
        "print('numba.np.linalg' in sys.modules)\n"
        "assert njit(lambda values: values.sum())(np.ones(3)) == 3.0\n"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert printed == ["True\n", "False\n"]
