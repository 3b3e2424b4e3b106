"""Patterns of rows, against sorting them one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.patterns import KeyedRows, counting_places, distinct_patterns

FILES = st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=12), min_size=1)
LARGE = (1 << 40, 1 << 61)
"""Factors that leave a key and a code no room in one number, or leave it."""


def keyed(rows: list[tuple[int, int]], key_factor: int, code_factor: int) -> KeyedRows:
    key, code = np.array(rows, np.int64).reshape(-1, 2).T.copy()
    return KeyedRows(key * key_factor, code * code_factor)


@given(FILES, st.sampled_from([1, LARGE[0]]), st.sampled_from([1, LARGE[1]]))
def test_rows_know_their_pattern_and_patterns_are_in_order(files, key_factor, code_factor):
    parts = [keyed(rows, key_factor, code_factor) for rows in files]
    key, code, place = distinct_patterns(parts)
    distinct = sorted({row for rows in files for row in rows})
    assert key.tolist() == [k * key_factor for k, _ in distinct]
    assert code.tolist() == [c * code_factor for _, c in distinct]
    assert [of.tolist() for of in place] == [[distinct.index(row) for row in f] for f in files]


PARTS = st.lists(st.lists(st.integers(0, 5), max_size=15), min_size=1, max_size=4)


@given(PARTS, st.lists(st.integers(0, 3), max_size=6))
def test_counting_places_rows_as_a_stable_sort_does(parts, of):
    codes = [np.array(parts[n % len(parts)], np.int32) for n in of]
    places, first = counting_places(codes, 6)
    together = [code for part in codes for code in part.tolist()]
    placed = sorted(range(len(together)), key=together.__getitem__)
    order = np.argsort(np.concatenate([*places, np.empty(0, np.int32)]), kind="stable")
    assert order.tolist() == placed
    assert first.tolist() == [sum(code < c for code in together) for c in range(7)]
