"""Patterns of rows, against sorting them one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.patterns import KeyedRows, counting_order, distinct_patterns

FILES = st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=12), min_size=1)
LARGE = (1 << 40, 1 << 61)
"""Factors that leave a key and a code no room in one number, or leave it."""


def keyed(rows: list[tuple[int, int]], key_factor: int, code_factor: int) -> KeyedRows:
    key, code = np.array(rows, np.int64).reshape(-1, 2).T.copy()
    numbers = np.arange(len(rows))
    return KeyedRows(
        key * key_factor,
        code * code_factor,
        numbers.astype(np.int32),
        numbers.astype(np.float64),
        numbers.astype(np.float64),
    )


@given(FILES, st.sampled_from([1, LARGE[0]]), st.sampled_from([1, LARGE[1]]))
def test_rows_know_their_pattern_and_patterns_are_in_order(files, key_factor, code_factor):
    parts = [keyed(rows, key_factor, code_factor) for rows in files]
    key, code, place = distinct_patterns(parts)
    distinct = sorted({row for rows in files for row in rows})
    assert key.tolist() == [k * key_factor for k, _ in distinct]
    assert code.tolist() == [c * code_factor for _, c in distinct]
    assert place.tolist() == [distinct.index(row) for rows in files for row in rows]


@given(st.lists(st.integers(0, 5), max_size=40))
def test_counting_orders_rows_as_a_stable_sort_does(codes):
    order, first = counting_order(np.array(codes, np.int32), 6)
    assert order.tolist() == sorted(range(len(codes)), key=codes.__getitem__)
    assert first.tolist() == [sum(code < c for code in codes) for c in range(7)]
