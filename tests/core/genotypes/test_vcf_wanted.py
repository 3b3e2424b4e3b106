import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes.vcf_wanted import has_wanted_id, id_table, seek_position

POSITIONS = st.integers(0, 200)


@settings(deadline=None)
@given(wanted=st.sets(POSITIONS, max_size=60), asked=st.lists(POSITIONS, max_size=30))
def test_positions_are_found_in_any_order(wanted, asked):
    positions = np.array(sorted(wanted), np.int64)
    at = 0
    for position in asked:
        at = seek_position(positions, at, position)
        assert at == np.searchsorted(positions, position)


@settings(deadline=None)
@given(
    ids=st.frozensets(st.text("rs12;é", max_size=4), max_size=20),
    asked=st.lists(st.text("rs12é", max_size=4), min_size=1, max_size=3),
)
def test_an_id_is_wanted_whole_or_by_one_of_its_parts(ids, asked):
    written = ";".join(asked)
    text = np.frombuffer(bytearray(f"x{written}x".encode()), np.uint8)
    table = id_table(ids or frozenset({"none"}))
    found = has_wanted_id(text, 1, len(text) - 1, table)
    assert found == (written in ids or any(part in ids for part in asked))


@pytest.mark.parametrize("n_ids", [0, 1, 3, 4, 1000])
def test_the_table_of_ids_is_at_most_half_full(n_ids):
    table = id_table(frozenset(f"rs{i}" for i in range(n_ids)))
    assert np.count_nonzero(table) == n_ids
    assert len(table) >= 2 * n_ids
