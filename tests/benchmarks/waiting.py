"""A row of the table of goals; and rows that wait for something of ours to be built."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from tests.benchmarks.race import Bench
from tests.benchmarks.results import Found, NotAvailableError


class Row(Protocol):
    @property
    def row(self) -> str: ...

    @property
    def what(self) -> str: ...

    @property
    def goal(self) -> str: ...

    def measure(self, bench: Bench) -> Found:
        """Raises NotAvailableError with the reason where it cannot be measured."""
        ...


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A row of the table of goals whose work does not exist yet."""

    row: str
    what: str
    goal: str
    why: str

    def measure(self, bench: Bench) -> Found:
        raise NotAvailableError(self.why)


@dataclass(frozen=True, slots=True)
class Needs:
    """A row that waits for a module of ours."""

    then: Row
    module: str

    @property
    def row(self) -> str:
        return self.then.row

    @property
    def what(self) -> str:
        return self.then.what

    @property
    def goal(self) -> str:
        return self.then.goal

    def measure(self, bench: Bench) -> Found:
        if find_spec(self.module) is None:
            raise NotAvailableError(f"{self.module} is not there")
        return self.then.measure(bench)
