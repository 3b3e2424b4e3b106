"""Totals of a cohort, from the sums of subtrees."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.shard_tree import add_in_tree
from core.scoring.sums import NO_SETS, ScoreTotals, Sums, add, add_totals
from core.scoring.totals import totals_of


def sums_of(value: float) -> Sums:
    sums = Sums.zeros(NO_SETS, 1, 2)
    sums.score_sum[:] = value
    return sums


def random_sums(random: np.random.Generator, n_scores: int) -> Sums:
    """Some have missing calls and others of them imputed dosages."""
    sums = Sums.zeros(NO_SETS, n_scores, 2)
    sums.score_sum[:] = random.normal(size=(n_scores, 2))
    sums.records[:] = 9
    if random.random() < 0.5:
        sums.missing_calls(kept=False)[:] = random.integers(0, 9, (n_scores, 2))
    if random.random() < 0.5:
        sums.imputed_dosages()[:] = random.normal(size=(n_scores, 2))
    return sums


def totals(parts: Sequence[Sums], n_scores: int) -> list[ScoreTotals]:
    subtrees: list[Callable[[], Sums]] = [lambda one=one: one for one in parts]
    return list(totals_of(subtrees, n_scores, 2))


def test_partial_sums_are_added_along_the_tree():
    """Floats do not commute: another order would give other bits."""
    (of_score,) = totals([sums_of(value) for value in (1e16, 1.0, 1.0, -1e16)], 1)
    assert of_score.score_sum.tolist() == [0.0, 0.0]


@given(st.integers(1, 7), st.integers(1, 5), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_totals_are_the_same_however_many_scores_are_added_at_a_time(n_parts, n_scores, held, seed):
    random = np.random.default_rng(seed)
    parts = [random_sums(random, n_scores) for _ in range(n_parts)]
    want = [add_in_tree((part.of_score(k) for part in parts), add_totals) for k in range(n_scores)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.scoring.totals._TOTALS_BYTES", held)
        got = totals(parts, n_scores)
    for ours, theirs in zip(got, want, strict=True):
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, two)


def test_totals_leave_the_sums_of_the_subtrees_as_they_are():
    parts = [sums_of(1.0), sums_of(2.0), sums_of(3.0)]
    assert [t.score_sum.tolist() for _ in range(2) for t in totals(parts, 1)] == [[6.0, 6.0]] * 2
    assert [part.score_sum[0, 0] for part in parts] == [1.0, 2.0, 3.0]


def test_a_sum_is_made_in_memory_that_may_be_written_and_in_no_other():
    for order in (1, -1):
        ours, theirs = (sums_of(value) for value in (1.0, 2.0))
        theirs.score_sum.flags.writeable = False
        added = add(*[ours, theirs][::order])
        assert added.score_sum is ours.score_sum
        assert added.score_sum.tolist() == [[3.0, 3.0]]
        assert theirs.score_sum.tolist() == [[2.0, 2.0]]
