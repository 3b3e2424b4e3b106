"""Whether a file lists calls without an ALT allele, or variants only.

A file of variants only does not tell "two reference alleles" from "never looked at", and what is
made from it must say so. The first records are enough to know: where reference calls are listed
they are most of what there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from core.genotypes.block import MISSING_CALL, DosageBlock

ENOUGH_RECORDS = 2_000
ENOUGH_CALLS = 5_000_000
_BEST_GUESS_HAS_ALT = 0.5


@dataclass(frozen=True, slots=True)
class ReferenceCalls:
    """Of the records looked at that somebody has a call of; in `n_without_alt` nobody carries an
    ALT allele."""

    n_records: int
    n_without_alt: int


def count_reference_calls(blocks: Iterable[DosageBlock]) -> ReferenceCalls:
    """Whole blocks from the first on, until records or calls are enough."""
    n_records = n_without_alt = n_calls = 0
    for block in blocks:
        called, with_alt = _of_records(block)
        n_records += int(called.sum())
        n_without_alt += int((called & ~with_alt).sum())
        n_calls += block.n_rows * block.n_samples
        if n_records >= ENOUGH_RECORDS or n_calls >= ENOUGH_CALLS:
            break
    return ReferenceCalls(n_records, n_without_alt)


def _of_records(block: DosageBlock) -> tuple[np.ndarray, np.ndarray]:
    """(records,) whether somebody has a call; whether somebody carries an ALT."""
    calls, dosage = block.hard_calls, block.dosage
    if calls is not None:
        is_called, has_alt = calls != MISSING_CALL, (calls > 0) & (calls != MISSING_CALL)
    else:
        is_called, has_alt = ~np.isnan(dosage), dosage >= _BEST_GUESS_HAS_ALT
    first = np.flatnonzero(np.diff(block.record, prepend=-1))
    if len(first) == 0:
        return np.zeros(0, bool), np.zeros(0, bool)
    called = np.logical_or.reduceat(is_called.any(axis=1), first)
    with_alt = np.logical_or.reduceat(has_alt.any(axis=1), first)
    return called, with_alt
