"""Memory that allocators keep for later, given back where a run goes on to something else."""

import ctypes
import sys

import pyarrow as pa


def give_back_memory() -> None:
    """Milliseconds; what is in use stays. Otherwise what one stage needed, a hundred megabytes of
    it, stays beside what the next one needs, and the next run's."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if trim is not None:
            trim(0)
