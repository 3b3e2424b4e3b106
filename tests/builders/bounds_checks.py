"""Kernels with bounds checks: numba reads its settings once, so they need their own process."""

import os
import subprocess
import sys
from pathlib import Path


def run_with_bounds_checks(program: str, cache: Path) -> None:
    """Run a Python program whose kernels check every index, compiled into the folder `cache`: with
    the plain forms of vector loads, hence. Raises AssertionError, with its last words, if it fails.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
