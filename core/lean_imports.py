"""Packages that are not loaded for the sake of others, which ask for them and do without.

pyarrow imports pandas (a quarter of a second) with the first array that it makes of Python values,
to see whether they are pandas' own; numba imports scipy (a third) with the first kernel, to see
whether there is linear algebra. A short job has no time for either.
"""

import sys
from collections.abc import Sequence
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


def keep_out(package: str) -> None:
    """Nobody finds `package` from now on, unless it is loaded already."""
    let_in(package)
    sys.meta_path.insert(0, _NotFound(package))


def let_in(package: str) -> None:
    """Ends `keep_out`."""
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not (isinstance(finder, _NotFound) and finder.package == package)
    ]
