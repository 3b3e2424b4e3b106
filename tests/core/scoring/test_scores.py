"""Merging shards: order, contested rows, the trip through Arrow."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.scores import Merged, contested_rows, merge
from core.scoring.shard import MATCH_SCHEMA, ShardScores, from_partial, matches_of, to_partial
from core.scoring.shard_tree import add_in_tree
from core.scoring.sums import NO_SETS, Sums, add, add_totals

MATCHED, EXCLUDED, UNMATCHED = 0, 1, 2


def matches(*rows: tuple[int, int, int]) -> pa.Table:
    """(row, status, match type), all of one block."""
    return matches_in_blocks(*((0, *row) for row in rows))


def matches_in_blocks(*rows: tuple[int, int, int, int]) -> pa.Table:
    """(block, row, status, match type)."""
    columns = ("block", "row", "status", "match_type")
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        [row | {"n_rows": 1, "shard": 0, "reason": -1, "variant_id": "v"} for row in named],
        schema=MATCH_SCHEMA,
    )


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


def shard(value: float, *rows: tuple[int, int, int]) -> ShardScores:
    sums = Sums.zeros(NO_SETS, 1, 2)
    sums.score_sum[:] = value
    return ShardScores(sums, matches(*rows))


def shard_of(random: np.random.Generator, n_scores: int) -> ShardScores:
    """Some shards have missing calls and others of them imputed dosages."""
    sums = Sums.zeros(NO_SETS, n_scores, 2)
    sums.score_sum[:] = random.normal(size=(n_scores, 2))
    sums.records[:] = 9
    if random.random() < 0.5:
        sums.missing_calls(kept=False)[:] = random.integers(0, 9, (n_scores, 2))
    if random.random() < 0.5:
        sums.imputed_dosages()[:] = random.normal(size=(n_scores, 2))
    return ShardScores(sums, matches())


def merged_of(shards: Sequence[ShardScores]) -> Merged:
    sums = [lambda one=one: one.sums for one in shards]
    return merge(sums, [one.matches for one in shards], len(shards))


def test_partial_sums_are_added_along_the_tree():
    """Floats do not commute: another order would give other bits."""
    values = [1e16, 1.0, 1.0, -1e16]
    merged = merged_of([shard(value) for value in values])
    (totals,) = merged.totals(1, 2)
    assert totals.score_sum.tolist() == [0.0, 0.0]


@given(st.integers(1, 7), st.integers(1, 5), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_totals_are_the_same_however_many_scores_are_added_at_a_time(n_parts, n_scores, held, seed):
    random = np.random.default_rng(seed)
    parts = [shard_of(random, n_scores) for _ in range(n_parts)]
    want = [add_in_tree((p.sums.of_score(k) for p in parts), add_totals) for k in range(n_scores)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.scoring.scores._TOTALS_BYTES", held)
        got = list(merged_of(parts).totals(n_scores, 2))
    for ours, theirs in zip(got, want, strict=True):
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, two)


def test_totals_leave_the_sums_of_the_subtrees_as_they_are():
    parts = [shard(1.0), shard(2.0), shard(3.0)]
    merged = merged_of(parts)
    assert [t.score_sum.tolist() for _ in range(2) for t in merged.totals(1, 2)] == [[6.0, 6.0]] * 2
    assert [part.sums.score_sum[0, 0] for part in parts] == [1.0, 2.0, 3.0]


def test_a_row_that_one_shard_matches_and_another_misses_is_matched():
    merged = merged_of([shard(0, (5, UNMATCHED, -1)), shard(0, (5, MATCHED, 1))])
    assert merged.matches.column("status").to_pylist() == [MATCHED]


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


def test_a_sum_is_made_in_memory_that_may_be_written_and_in_no_other():
    for order in (1, -1):
        ours, theirs = (shard(value).sums for value in (1.0, 2.0))
        theirs.score_sum.flags.writeable = False
        added = add(*[ours, theirs][::order])
        assert added.score_sum is ours.score_sum
        assert added.score_sum.tolist() == [[3.0, 3.0]]
        assert theirs.score_sum.tolist() == [[2.0, 2.0]]


@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_a_partial_result_survives_the_trip_through_arrow(n_scores, n_samples, seed):
    random = np.random.default_rng(seed)
    sums = Sums.zeros(NO_SETS, n_scores, n_samples)
    sums.score_sum[:] = random.normal(size=(n_scores, n_samples))
    sums.records[:] = 5
    if seed % 2:
        sums.missing_calls(kept=True)[:] = seed % 7
        sums.imputed_dosages()[:] = 0.5
    if seed % 3:
        sums.other_calls().allele_count[:] = 2
    scores = ShardScores(sums, matches((3, MATCHED, 1)))
    partial = to_partial(scores)
    back = from_partial(partial)
    for k in range(n_scores):
        for ours, theirs in zip(back.sums.of_score(k), sums.of_score(k), strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
    assert back.matches.equals(scores.matches)
    assert matches_of(partial.select(["matches"])).equals(scores.matches)
