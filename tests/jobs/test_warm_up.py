"""What a warmed process need not compile; each case has a process of its own, as runs have."""

import os
import subprocess
import sys
from pathlib import Path

COMPILED_BY_A_RUN_AFTER_WARMING = """
import gc
import sys
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from core.demo_data import demo_score_rows, demo_sites, write_demo_scoring_file, write_demo_vcf
from jobs.score_cohort import main
from jobs.warm_up import warm_up


def compiled():
    kernels = [kernel for kernel in gc.get_objects() if isinstance(kernel, Dispatcher)]
    return {
        (kernel.py_func.__module__, kernel.py_func.__qualname__, str(signature))
        for kernel in kernels
        for signature in kernel.signatures
    }


folder = Path(sys.argv[1])
sites = demo_sites(90)
write_demo_vcf(folder / "cohort.vcf.gz", sites, n_samples=7)
write_demo_scoring_file(folder / "score.txt", demo_score_rows(sites))
warm_up()
before = compiled()
assert {name for _, name, _ in before} >= {"scan", "inflate_block", "decode_calls", "add_calls"}
run = ["--genotypes", str(folder / "cohort.vcf.gz"), "--scoring-file", str(folder / "score.txt")]
assert main([*run, "--output", str(folder / "results")]) == 0
assert compiled() == before, compiled() - before
"""


def test_a_run_in_a_warmed_process_compiles_and_loads_nothing(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-c", COMPILED_BY_A_RUN_AFTER_WARMING, str(tmp_path)], check=True
    )


def test_warming_leaves_no_files_behind(tmp_path: Path):
    environment = os.environ | {"TMPDIR": str(tmp_path), "CURAGENIE_CACHE_DIR": str(tmp_path / "c")}
    subprocess.run(
        [sys.executable, "-m", "jobs.warm_up"],
        check=True,
        env=environment,
        capture_output=True,
    )
    assert list(tmp_path.iterdir()) == []
