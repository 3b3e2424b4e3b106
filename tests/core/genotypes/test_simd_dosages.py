"""The vector form and the plain form against Python."""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.genotypes import simd_dosages
from core.genotypes.simd_dosages import SAMPLES

MOST = 2.01

calls = st.one_of(
    st.sampled_from(["0|0", "0/1", "1|1", "./.", ".|."]),
    st.sampled_from(["", "0", "0|2", ".|1", "0|1|1", "1-1", "0\\1", "2/0"]),
)
numbers = st.one_of(
    st.decimals(0, 2, places=3).map(str),
    st.text("0123456789", min_size=1, max_size=9),
    st.tuples(st.text("0123", max_size=4), st.text("01234", max_size=4)).map(".".join),
    st.text("0123456789./,e-\n\0", max_size=9),
)
samples = st.one_of(
    st.tuples(st.sampled_from(["0|0", "1/0"]), st.just("0.025"), numbers), st.tuples(calls, numbers)
)


def expected(sample: tuple[str, ...], index: int) -> np.float32 | None:
    """None for what is left to others."""
    if not re.fullmatch(r"[01][|/][01]|\.[|/]\.", sample[0]):
        return None
    word = sample[index]
    if len(word) > 8 or not re.fullmatch(r"[0-9]*\.?[0-9]*", word) or not word.strip("."):
        return None
    return np.float32(float(word)) if float(word) <= MOST else None


@pytest.mark.parametrize("store", [simd_dosages._store, simd_dosages._store_plain])
@settings(deadline=None)
@given(
    column=st.lists(samples, min_size=SAMPLES + 1, max_size=SAMPLES + 1),
    n_fields=st.integers(2, 4),
)
@example(
    column=[
        ("0|0", word)
        for word in ["1.", ".5", ".", "..", "1.5.", "0.0000001", "19999999", "1.999999", "2"]
    ],
    n_fields=2,
)
def test_eight_dosages_are_what_python_reads(store, column, n_fields):
    fields = [(*sample, *"789")[:n_fields] for sample in column]
    text = "\t" + "\t".join(":".join(sample) for sample in fields)
    lengths = [len(word) + 1 for sample in fields for word in sample]
    ends = np.cumsum([0, *lengths])
    array = np.frombuffer((text + "\n" + "0" * 9).encode(), np.uint8).copy()
    for index in range(1, n_fields):
        dosage = np.full((3, SAMPLES + 2), 77, np.float32)
        mask = store(array, ends, n_fields, n_fields, index, MOST, dosage, 1, 1)
        for i, sample in enumerate(fields[1:]):
            value = expected(sample, index)
            assert mask >> i & 1 == (value is None)
            assert value is None or dosage[1, 1 + i].tobytes() == value.tobytes()
        dosage[1, 1 : SAMPLES + 1] = 77
        assert (dosage == 77).all()


@pytest.mark.parametrize("store", [simd_dosages._store, simd_dosages._store_plain])
def test_a_sample_that_begins_behind_a_colon_is_none(store):
    text = np.frombuffer(b"\t0|0:1" + b":0|0:1" * SAMPLES + b"\n" + b"0" * 9, np.uint8).copy()
    ends = np.flatnonzero(np.isin(text, [9, 10, 58]))
    dosage = np.empty((1, SAMPLES), np.float32)
    assert store(text, ends, 2, 2, 1, MOST, dosage, 0, 0) == (1 << SAMPLES) - 1
