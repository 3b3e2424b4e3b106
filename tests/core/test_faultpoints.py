"""Fault points do nothing unless they are asked to."""

import pytest

from core.errors import InfrastructureError
from core.faultpoints import VARIABLE, FaultPoint, reached


def test_a_point_does_nothing_unless_it_is_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    for point in FaultPoint:
        reached(point)
    monkeypatch.setenv(VARIABLE, "completed:raise")
    reached(FaultPoint.HEARTBEAT)
    with pytest.raises(InfrastructureError):
        reached(FaultPoint.COMPLETED)


def test_a_deed_that_does_not_exist_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "completed:explode")
    with pytest.raises(ValueError, match="kill, stop and raise"):
        reached(FaultPoint.COMPLETED)
