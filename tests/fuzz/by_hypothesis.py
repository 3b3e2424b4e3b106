"""Fuzz one reader with hypothesis, which makes a failing file small."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from tests.fuzz.process import Watched, bound_memory
from tests.fuzz.readers import READERS

settings.register_profile(
    "fuzz",
    max_examples=1000,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


def main(name: str, folder: str, seconds: str) -> None:
    """Other files in every round, until the time is up."""
    settings.load_profile("fuzz")
    target = READERS[name]
    watched = Watched(target, Path(folder), float(seconds))
    bound_memory()

    @given(target.damaged_files())
    def any_file_is_read_or_refused(content: bytes) -> None:
        if not watched.is_over:
            watched.check(content)

    while not watched.is_over:
        any_file_is_read_or_refused()
    watched.tell()


if __name__ == "__main__":
    main(*sys.argv[1:])
