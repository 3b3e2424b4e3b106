"""What a benchmark finds: timings, goals that were measured, and what could not be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median

from tests.benchmarks.measure import Measured


class NotAvailableError(Exception):
    """A row that cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The runs of one program, in the order they were made."""

    program: str
    runs: tuple[Measured, ...]

    @property
    def wall_seconds(self) -> float:
        return median(run.wall_seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return median(run.cpu_seconds for run in self.runs)

    @property
    def p99_seconds(self) -> float:
        walls = sorted(run.wall_seconds for run in self.runs)
        return walls[ceil(0.99 * len(walls)) - 1]

    @property
    def peak_bytes(self) -> int:
        return max(run.peak_bytes for run in self.runs)


Timings = Mapping[str, Timing]


@dataclass(frozen=True, slots=True)
class Target:
    """One number of a goal: how it follows from the timings, and what it should be.

    `bound` is None for a number that is only told.
    """

    what: str
    value_of: Callable[[Timings], float]
    bound: float | None
    unit: str = "×"
    at_most: bool = False

    def measured(self, timings: Timings) -> "MeasuredTarget":
        try:
            return MeasuredTarget(self, self.value_of(timings))
        except KeyError as error:
            return MeasuredTarget(self, None, f"{error.args[0]} was not measured")


@dataclass(frozen=True, slots=True)
class MeasuredTarget:
    target: Target
    value: float | None
    why_not: str | None = None

    @property
    def is_met(self) -> bool | None:
        """None where there is no bound or no value."""
        if self.value is None or self.target.bound is None:
            return None
        if self.target.at_most:
            return self.value <= self.target.bound
        return self.value >= self.target.bound


@dataclass(frozen=True, slots=True)
class Found:
    """One row. `why_not`: why nothing was measured. `absent`: programs that could not take part,
    with the reason. `agreement`: which sums were compared. `ours`: whose peak memory it states."""

    row: str
    what: str
    goal: str
    ours: str = ""
    timings: Sequence[Timing] = ()
    targets: Sequence[MeasuredTarget] = ()
    absent: Mapping[str, str] = field(default_factory=dict[str, str])
    agreement: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    facts: Mapping[str, float] = field(default_factory=dict[str, float])
    why_not: str | None = None

    @property
    def peak_bytes(self) -> int | None:
        peaks = [timing.peak_bytes for timing in self.timings if timing.program == self.ours]
        return peaks[0] if peaks else None


def wall_ratio(slow: str, fast: str, what: str, at_least: float | None = None) -> Target:
    return Target(what, lambda t: t[slow].wall_seconds / t[fast].wall_seconds, at_least)


def wall_seconds(program: str, at_most: float | None, what: str = "wall") -> Target:
    return Target(what, lambda t: t[program].wall_seconds, at_most, "s", at_most=True)


def share_of_floor(ours: str, floors: Sequence[str], at_least: float | None) -> Target:
    """CPU time, because a floor runs on one core and we on all."""

    def share(timings: Timings) -> float:
        measured = [timings[name].cpu_seconds for name in floors if name in timings]
        if not measured:
            raise KeyError("the floor")
        return 100 * min(measured) / timings[ours].cpu_seconds

    return Target("of the floor (CPU)", share, at_least, "%")


def peak_mib(program: str, at_most: float) -> Target:
    return Target("peak", lambda t: t[program].peak_bytes / 2**20, at_most, "MiB", at_most=True)
