"""Tables in parcels."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import parcels
from jobs.parcels import Unpacking, parcels_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parcels")


@given(
    st.lists(st.lists(st.binary(max_size=99), max_size=4), min_size=1, max_size=4),
    st.integers(8, 900),
    st.randoms(),
)
def test_tables_come_out_as_they_went_in_whatever_the_order_of_their_parcels(
    folder, tables, size, random
):
    sent = [pa.table({"a": pa.array(values, pa.large_binary())}) for values in tables]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parcels, "PARCEL_BYTES", size)
        rows = [
            row for task, table in enumerate(sent) for row in parcels_of(task, lambda t=table: t)
        ]
        random.shuffle(rows)
        unpacking = Unpacking(folder)
        batches = [pa.concat_tables(rows[:3]), *rows[3:]]
        complete = [task for batch in batches for task in unpacking.add(batch)]
    found = {task: unpacking.table(task) for task in complete}
    assert len(found) == len(sent)
    for task, table in enumerate(sent):
        came, file = found[task]
        file.unlink()  # the table outlives it
        assert came.equals(table)
    assert not list(folder.iterdir())


def test_a_parcel_that_comes_twice_is_no_harm(tmp_path, monkeypatch):
    """A task whose worker died may send again."""
    monkeypatch.setattr(parcels, "PARCEL_BYTES", 64)
    table = pa.table({"a": list(range(100))})
    first, *others = parcels_of(0, lambda: table)
    unpacking = Unpacking(tmp_path)
    assert [task for row in (first, first, *others) for task in unpacking.add(row)] == [0]
    assert unpacking.table(0)[0].equals(table)
