"""Counts of parts add up to those of the whole, in any order and grouping, and travel unchanged."""

from functools import reduce
from operator import add
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fastq.counts import (
    N_LENGTHS,
    ReadCounts,
    from_columns,
    length_class,
    no_reads,
    shortest_of_class,
    to_columns,
)
from tests.builders.fastq import Read, any_read, count, facts_of, fastq_text

PARTS = st.lists(st.lists(any_read(), min_size=1, max_size=8), min_size=3, max_size=3)


@settings(deadline=None, max_examples=50)
@given(parts=PARTS)
def test_adding_is_associative_and_commutative_and_gives_the_whole(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[Read]]
) -> None:
    path = tmp_path_factory.mktemp("fastq") / "reads.fastq"
    a, b, c = (count(path, fastq_text(part)) for part in parts)
    whole = facts_of(count(path, fastq_text(sum(parts, []))))
    sums: list[ReadCounts] = [(a + b) + c, a + (b + c), c + a + b, no_reads() + b + a + c]
    assert all(facts_of(one) == whole for one in sums)


def test_counts_travel_as_a_row(tmp_path: Path) -> None:
    counts = count(tmp_path / "reads.fastq", fastq_text([Read("r", "ACGTN", "IIII#")] * 3))
    assert facts_of(from_columns(pa.table(to_columns(counts)))) == facts_of(counts)
    none = reduce(add, [no_reads(), no_reads()])
    assert facts_of(from_columns(pa.table(to_columns(none)))) == facts_of(none)


@given(length=st.one_of(st.integers(0, 5_000), st.integers(0, 2**30 - 1)))
def test_a_length_is_in_the_class_that_it_is_not_shorter_than(length: int) -> None:
    row = length_class(length)
    assert 0 <= row < N_LENGTHS
    assert shortest_of_class(row) <= length < shortest_of_class(row + 1)
