"""Packages that others would load and do without; each case needs a process of its own."""

import subprocess
import sys

PANDAS = """
import sys
import numpy as np
import pyarrow as pa
from core.lean_imports import kept_out

with kept_out("pandas"):
    table = pa.table({"a": pa.array([1, 2]), "b": pa.array(np.zeros(2))})
    assert "pandas" not in sys.modules
assert table.to_pandas()["a"].tolist() == [1, 2]
assert pa.array(table.to_pandas()["a"]).to_pylist() == [1, 2]
"""

EARLY = """
from core.lean_imports import kept_out, let_in

with kept_out("pandas"):
    let_in("pandas")
    import pandas
"""

FAILED = """
import sys
from core.lean_imports import kept_out

before = list(sys.meta_path)
try:
    with kept_out("pandas"):
        raise OSError
except OSError:
    assert sys.meta_path == before
"""


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


def test_arrow_does_without_pandas_and_with_it_afterwards():
    run(PANDAS)


def test_what_needs_a_package_lets_it_in_early():
    run(EARLY)


def test_a_failure_leaves_nothing_kept_out():
    run(FAILED)
