"""What the fuzzers need to know of a reader."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st


@dataclass(frozen=True)
class Target:
    """A reader under test; its files are plain text.

    check    reads a file's text, in a folder of its own; raises for what the reader gets wrong
    mutated  the text after one change
    files    texts, as good as valid
    seeds    of the same, to begin with
    real     more of them, good and bad: a pattern of paths in the acceptance data
    """

    name: str
    check: Callable[[bytes, Path], None]
    mutated: Callable[[bytes, random.Random], bytes]
    files: st.SearchStrategy[bytes]
    seeds: tuple[bytes, ...]
    real: str

    def damaged_files(self) -> st.SearchStrategy[bytes]:
        """Texts after up to four changes."""
        return st.builds(self._damaged, self.files, st.lists(st.integers(0, 2**32), max_size=4))

    def _damaged(self, content: bytes, numbers: list[int]) -> bytes:
        for number in numbers:
            content = self.mutated(content, random.Random(number))
        return content
