"""One shard's work on blocks in memory."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.contested_rows import contested_rows
from core.scoring.join import join_rows
from core.scoring.policy import Compat, policy_for
from core.scoring.scoring_file import read_scoring_file
from core.scoring.shard import (
    ScorePlan,
    ShardScores,
    from_partial,
    matches_of,
    score_shard,
    to_partial,
)
from core.scoring.sums import NO_SETS, Sums
from core.scoring.terms import TermContext
from tests.builders.blocks import block_of
from tests.builders.match_lines import MATCHED, matches
from tests.builders.scoring_file import Row, write_scoring_file


@pytest.fixture
def plan(tmp_path):
    policy = policy_for(
        Compat.DEFAULT, n_samples=2, has_frequencies=False, overrides={"match_by": "rsid"}
    )
    file = write_scoring_file(tmp_path / "s.txt", [Row(None, None, "G", "A", 1.0, rsid="rs1")])
    rows = join_rows([read_scoring_file(file)], policy)
    return ScorePlan(TermContext(rows, policy, np.zeros(2, np.int8), None, None), 2)


def test_a_row_that_two_blocks_of_a_shard_fit_is_left_with_the_better(plan):
    blocks = [
        block_of([("1", 100, "T", "C")], [[2, 2]], ids=["rs1"]),
        block_of([("1", 900, "A", "G")], [[0, 1]], ids=["rs1"]),
    ]
    (settled,) = contested_rows(1, [score_shard(plan, blocks).matches]).values()
    scores = score_shard(replace(plan, settled=settled), blocks)
    assert scores.sums.of_score(0).score_sum.tolist() == [0.0, 1.0]
    assert scores.sums.of_score(0).denominator.tolist() == [2, 2]
    assert scores.matches.column("variant_id").to_pylist() == ["1:900:A:G"]


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
