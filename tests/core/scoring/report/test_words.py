"""The report has words for everything that a result can say."""

import pytest

from core.scoring.matching import Reason
from core.scoring.policy import Missing, ScoringPolicy
from core.scoring.report import words
from core.scoring.scores import ScoreStatus


@pytest.mark.parametrize(
    ("sentences", "said"),
    [
        (words.REASON_SENTENCES, set(Reason)),
        (words.STATUS_SENTENCES, set(ScoreStatus)),
        (words.STATUS_LABELS, set(ScoreStatus)),
        (words.MISSING_SENTENCES, set(Missing)),
        (words.POLICY_SENTENCES, set(ScoringPolicy().as_dict())),
    ],
    ids=["reasons", "statuses", "labels", "missing calls", "policy fields"],
)
def test_nothing_is_left_unexplained(sentences, said):
    assert set(sentences) == said
    assert all(sentences.values())
