"""What scoring files have in common is held once, and says the same."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.shared_columns import SharedColumns

NUMBERS = st.lists(st.floats(allow_nan=True) | st.none(), min_size=2, max_size=2)


def table(**columns: list[object]) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def address(found: pa.Table, name: str) -> int:
    return found.column(name).chunk(0).buffers()[1].address


def test_a_column_that_says_the_same_is_the_one_before():
    shared = SharedColumns()
    first = shared.of(table(position=[1, 2], weight=[0.5, 1.0]))
    second = shared.of(table(position=[1, 2], weight=[0.5, 2.0]))
    assert address(second, "position") == address(first, "position")
    assert second.column("weight").to_pylist() == [0.5, 2.0]


@given(st.lists(NUMBERS, max_size=4))
def test_no_value_changes(columns):
    shared = SharedColumns()
    for values in columns:
        column = pa.array(values, pa.float64())
        assert repr(shared.of(pa.table({"x": column})).column("x").to_pylist()) == repr(
            column.to_pylist()
        )
