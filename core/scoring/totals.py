"""The totals of a cohort: the sums of all subtrees, added up a few scores at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from core.scoring.shard_tree import add_in_tree
from core.scoring.sums import ScoreTotals, Sums, add_totals

_TOTALS_BYTES = 16 << 20
_CELL_BYTES = 40
"""Of the five numbers per sample of ScoreTotals."""


def totals_of(
    subtrees: Sequence[Callable[[], Sums]], n_scores: int, n_samples: int
) -> Iterator[ScoreTotals]:
    """What each score comes to, in their order.

    `subtrees` give the sums of a subtree each, by mapping a file or from memory; they are of one
    size, in order. A subtree is let go of as soon as a few scores of it are read: the sums of all
    scores are never in memory, nor do pages stay mapped.
    """
    n_held = max(_TOTALS_BYTES // (_CELL_BYTES * n_samples), 1)
    for first in range(0, n_scores, n_held):
        some = range(first, min(first + n_held, n_scores))
        parts = (_some_totals(sums, some) for sums in subtrees)
        yield from add_in_tree(parts, _add_each)


def _some_totals(sums: Callable[[], Sums], scores: Iterable[int]) -> list[ScoreTotals]:
    part = sums()
    return [part.of_score(k) for k in scores]


def _add_each(left: list[ScoreTotals], right: list[ScoreTotals]) -> list[ScoreTotals]:
    return list(map(add_totals, left, right))
