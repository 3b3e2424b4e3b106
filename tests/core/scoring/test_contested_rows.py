"""Rows that several blocks met: which keeps them."""

import pyarrow as pa

from core.scoring.contested_rows import contested_rows
from core.scoring.shard import MATCH_SCHEMA
from tests.builders.match_lines import EXCLUDED, MATCHED, UNMATCHED, matches, matches_in_blocks


def lost(tables: list[pa.Table]) -> dict[int, dict[int, list[int]]]:
    """Rows by shard and block, of tables in the order of shards."""
    at = MATCH_SCHEMA.get_field_index("shard")
    numbered = [
        table.set_column(at, "shard", pa.array([n] * len(table), pa.int32()))
        for n, table in enumerate(tables)
    ]
    return {
        shard: {block: rows.tolist() for block, rows in by_block.items()}
        for shard, by_block in contested_rows(10, numbered).items()
    }


def test_a_row_met_by_two_shards_stays_with_the_better_match():
    tables = [matches((5, MATCHED, 3), (6, MATCHED, 0)), matches((5, MATCHED, 1))]
    assert lost(tables) == {0: {0: [5]}}


def test_among_equals_the_first_shard_keeps_the_row():
    tables = [matches((5, MATCHED, 1)), matches((5, EXCLUDED, 1)), matches((5, UNMATCHED, -1))]
    assert lost(tables) == {1: {0: [5]}}


def test_two_blocks_of_one_shard_do_not_both_let_a_row_go():
    tables = [
        matches_in_blocks((0, 5, MATCHED, 1), (0, 6, MATCHED, 1), (3, 5, MATCHED, 0)),
        matches_in_blocks((2, 5, MATCHED, 0), (2, 6, MATCHED, 1)),
    ]
    assert lost(tables) == {0: {0: [5]}, 1: {2: [5, 6]}}


def test_nothing_is_contested_where_each_row_is_met_once():
    assert lost([matches((1, MATCHED, 0)), matches((2, MATCHED, 0))]) == {}
    assert lost([]) == {}
