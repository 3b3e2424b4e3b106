"""Joined blocks hold what their parts held."""

import pytest

from core.scoring.joined_blocks import joined_blocks
from tests.builders.blocks import block_of


@pytest.fixture
def blocks():
    return [
        block_of([("1", 1, "A", "C,G"), ("1", 2, "A", "C")], [[0, 1], [1, 0], [2, 255]]),
        block_of([("1", 3, "A", "C")], [[1, 1]]),
        block_of([("2", 1, "A", "C"), ("2", 7, "A", "T")], [[0, 0], [2, 2]]),
        block_of([("X", 1, "A", "C")], [[1, 1]], ploidy=[[1, 2]]),
    ]


def test_rows_follow_each_other_and_records_are_counted_on(blocks):
    joined, haploid = joined_blocks(blocks, n_rows=100)
    assert joined.record.tolist() == [0, 0, 1, 2, 3, 4]
    assert joined.position.tolist() == [1, 1, 2, 3, 1, 7]
    assert joined.dosage.tolist() == [row for block in blocks[:3] for row in block.dosage.tolist()]
    assert haploid is blocks[3]


def test_a_block_is_closed_when_it_has_enough_rows_or_bytes(blocks):
    assert [b.n_rows for b in joined_blocks(blocks, n_rows=4)] == [4, 2, 1]
    assert [b.n_rows for b in joined_blocks(blocks, n_rows=100, n_bytes=6)] == [3, 3, 1]
    assert list(joined_blocks([])) == []
