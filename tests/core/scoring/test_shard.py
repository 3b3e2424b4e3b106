"""One shard's work on blocks in memory."""

from dataclasses import replace

import numpy as np
import pytest

from core.scoring.contested_rows import contested_rows
from core.scoring.join import join_rows
from core.scoring.policy import Compat, policy_for
from core.scoring.scoring_file import read_scoring_file
from core.scoring.shard import ScorePlan, score_shard
from core.scoring.terms import TermContext
from tests.builders.blocks import block_of
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
