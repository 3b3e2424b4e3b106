"""Whether a file lists reference calls is told from its first records."""

from collections.abc import Iterator

import numpy as np
import pytest

from core.genotypes.block import DosageBlock
from core.genotypes.reference_calls import (
    ENOUGH_CALLS,
    ENOUGH_RECORDS,
    ReferenceCalls,
    count_reference_calls,
)
from tests.builders.blocks import block_of

SITES = [("1", 100, "A", "G"), ("1", 200, "A", "G,T"), ("1", 300, "A", "G"), ("1", 400, "C", ".")]


def test_a_record_is_with_alt_where_anybody_carries_any_of_its_alts():
    block = block_of(SITES, [[0, 0], [0, 0], [0, 1], [0, 255], [0, 0]])
    assert count_reference_calls([block]) == ReferenceCalls(n_records=4, n_without_alt=3)


def test_a_record_that_nobody_is_called_for_says_nothing():
    block = block_of(SITES[:1], [[255, 255]])
    assert count_reference_calls([block, block]) == ReferenceCalls(0, 0)


def test_an_imputed_dosage_counts_as_its_best_guess():
    sites = [SITES[0], SITES[2], ("1", 500, "A", "G")]
    block = block_of(sites, [[0.1, 0.4], [0.1, 0.6], [np.nan, np.nan]], imputed=True)
    assert count_reference_calls([block]) == ReferenceCalls(n_records=2, n_without_alt=1)


@pytest.mark.parametrize(
    ("n_rows", "n_samples"),
    [(ENOUGH_RECORDS, 1), (10, ENOUGH_CALLS // 10)],
    ids=["enough records", "enough calls"],
)
def test_nothing_is_read_once_enough_is_known(n_rows: int, n_samples: int):
    sites = [("1", 100 + row, "A", "G") for row in range(n_rows)]
    block = block_of(sites, np.zeros((n_rows, n_samples)))

    def blocks() -> Iterator[DosageBlock]:
        yield block
        raise AssertionError("a second block was asked for")

    assert count_reference_calls(blocks()) == ReferenceCalls(n_rows, n_rows)
