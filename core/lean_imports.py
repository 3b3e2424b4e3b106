"""Packages that are not loaded for the sake of others, which ask for them and do without.

pyarrow imports pandas (a quarter of a second) with the first array that it makes of Python values,
to see whether they are pandas' own. A short job has no time for it.
"""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NotFound(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname == self.package:
            raise ModuleNotFoundError(f"{fullname} is kept out", name=fullname)
        return None


@contextmanager
def kept_out(package: str) -> Generator[None]:
    """Inside, nobody of this process finds `package`, unless it is loaded already or `let_in`."""
    sys.meta_path.insert(0, _NotFound(package))
    try:
        yield
    finally:
        let_in(package)


def let_in(package: str) -> None:
    """Ends `kept_out` early, for work that does need the package."""
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not (isinstance(finder, _NotFound) and finder.package == package)
    ]
