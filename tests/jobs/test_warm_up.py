"""What a warmed process need not compile; each case has a process of its own, as runs have."""

import os
import subprocess
import sys
from pathlib import Path

LOADED = """
import gc
import sys
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from core.demo_data import demo_score_rows, demo_sites, write_demo_scoring_file, write_demo_vcf
from jobs.score_cohort import main
from jobs.warm_up import load_usual, warm_up


def loaded():
    kernels = [kernel for kernel in gc.get_objects() if isinstance(kernel, Dispatcher)]
    return {
        (kernel.py_func.__module__, kernel.py_func.__qualname__, str(signature))
        for kernel in kernels
        for signature in kernel.signatures
    }


folder = Path(sys.argv[1])
sites = demo_sites(90)
write_demo_scoring_file(folder / "score.txt", demo_score_rows(sites))


def score(genotypes):
    run = ["--genotypes", str(genotypes), "--scoring-file", str(folder / "score.txt")]
    assert main([*run, "--output", str(folder / "results")]) == 0
"""

A_RUN_AFTER_WARMING = f"""
{LOADED}
from tests.builders.bcf import write_bcf

write_demo_vcf(folder / "cohort.vcf.gz", sites, n_samples=7)
warm_up()
before = loaded()
names = {{name for _, name, _ in before}}
assert names >= {{"scan", "inflate_block", "decode_calls", "add_calls"}}
assert names >= {{"_fill_table", "_read_chunks"}}
assert names >= {{"find_record", "decode_values", "index_variants", "decode_probabilities"}}
score(folder / "cohort.vcf.gz")
score(write_bcf(folder / "cohort.vcf.gz", folder / "cohort.bcf"))
assert loaded() == before, loaded() - before
"""

A_PERSON_IN_A_WORKER = f"""
{LOADED}
from core.genotypes.store_writer import StoreTarget
from core.storage.objects import ObjectsLocation
from jobs.run_shards import Executor
from jobs.summarise_cohort import summarise_cohort

upload, store = folder / "person.vcf.gz", folder / "person.cgstore"
write_demo_vcf(upload, sites, n_samples=1)
load_usual()
before = loaded()
summarise_cohort(
    [str(upload)],
    executor=Executor.INLINE,
    on_progress=lambda done, total: None,
    shard_bytes=None,
    store=StoreTarget(ObjectsLocation(root=store), ""),
)
score(store)
assert loaded() == before, loaded() - before
"""


def run(program: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)


def test_a_run_in_a_warmed_process_compiles_and_loads_nothing(tmp_path: Path):
    run(A_RUN_AFTER_WARMING, tmp_path)


def test_an_upload_and_its_score_in_a_warmed_worker_load_nothing(tmp_path: Path):
    run(A_PERSON_IN_A_WORKER, tmp_path)


def test_warming_leaves_no_files_behind(tmp_path: Path):
    environment = os.environ | {"TMPDIR": str(tmp_path), "CURAGENIE_CACHE_DIR": str(tmp_path / "c")}
    subprocess.run(
        [sys.executable, "-m", "jobs.warm_up"],
        check=True,
        env=environment,
        capture_output=True,
    )
    assert list(tmp_path.iterdir()) == []
