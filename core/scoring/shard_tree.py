"""The fixed binary tree over the shards of a run: in which order their partial sums are added.

    ((0 + 1) + (2 + 3)) + ((4 + 5) + 6)

The tree depends on the number of shards alone. Whoever adds, and however many shards one task
takes, adds along its edges; so floating-point sums have the same bits for every grouping, number of
workers, retry and resume.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Sum = TypeVar("Sum")


@dataclass(frozen=True, slots=True, order=True)
class Subtree:
    """Shards start to start + size, as far as there are any; size is a power of two that divides
    start."""

    start: int
    size: int

    @property
    def stop(self) -> int:
        return self.start + self.size

    @property
    def sibling(self) -> "Subtree":
        return Subtree(self.start ^ self.size, self.size)

    @property
    def parent(self) -> "Subtree":
        return Subtree(self.start & ~self.size, 2 * self.size)

    def holds(self, other: "Subtree") -> bool:
        return self.start <= other.start and other.stop <= self.stop


def subtrees(n_shards: int, size: int) -> Iterator[Subtree]:
    """Those of one size, in order; together they hold every shard once."""
    return (Subtree(start, size) for start in range(0, n_shards, size))


def add_in_tree(parts: Iterable[Sum], add: Callable[[Sum, Sum], Sum]) -> Sum:
    """The sum of neighbouring subtrees of one size, given in order; at most log2 of them are held.

    Raises ValueError where there are none.
    """
    waiting: list[tuple[int, Sum]] = []
    for part in parts:
        size, total = 1, part
        while waiting and waiting[-1][0] == size:
            total = add(waiting.pop()[1], total)
            size *= 2
        waiting.append((size, total))
    if not waiting:
        raise ValueError("a tree without leaves has no sum")
    _, total = waiting.pop()
    while waiting:
        total = add(waiting.pop()[1], total)
    return total
