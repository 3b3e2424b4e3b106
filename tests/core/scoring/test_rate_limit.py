"""Turns in a window, over threads."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.scoring.rate_limit import RateLimit


def test_no_window_has_more_turns_than_allowed() -> None:
    limit = RateLimit(5, seconds=0.2)

    def turn(_: int) -> float:
        limit.wait(at_most=10)
        return time.monotonic()

    with ThreadPoolExecutor(8) as threads:
        turns = sorted(threads.map(turn, range(16)))
    # sleeping never ends early, but may end late
    assert all(late - early > 0.15 for early, late in zip(turns, turns[5:], strict=False))
    assert turns[-1] - turns[0] > 0.55


def test_the_first_turns_do_not_wait() -> None:
    limit = RateLimit(3, seconds=60)
    assert [limit.wait(at_most=0) for _ in range(3)] == [0, 0, 0]


def test_who_would_wait_too_long_is_told_at_once_and_takes_no_turn() -> None:
    limit = RateLimit(1, seconds=0.3)
    limit.wait(at_most=0)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            limit.wait(at_most=0.01)
    assert limit.wait(at_most=1) <= 0.3
