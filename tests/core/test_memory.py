"""What allocators keep goes back to the system."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from core.memory import give_back_memory


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_memory_that_is_not_used_any_more_is_given_back_and_what_is_used_stays():
    kept = np.arange(1000)
    pieces = [bytes(100_000) for _ in range(1000)]
    column = pa.array(range(1_000_000))
    del pieces[::2], column
    full = resident_bytes()
    del pieces
    give_back_memory()
    assert resident_bytes() < full
    assert kept.sum() == 499_500
