"""Rescoring: a cohort that was stored when it was uploaded, scored again."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.cohorts import Cohort, CohortShape
from tests.benchmarks.measure import Measured, measure_command
from tests.benchmarks.peers import Plink2, Sgemm
from tests.benchmarks.programs import OURS_HELD, OURS_WARM, CuraGenieCall, CuraGenieProcess
from tests.benchmarks.race import Bench, Race
from tests.benchmarks.results import Found, Target, Timing, wall_ratio, wall_seconds
from tests.benchmarks.shapes import Shapes
from tests.benchmarks.waiting import Needs, Row
from tests.benchmarks.worker import ROOT

WRITING = "curagenie, writing the store"


def store_rows(shapes: Shapes) -> Sequence[Row]:
    """A cohort that was stored while it was uploaded, scored again."""
    warm, from_pgen = CuraGenieCall(), Plink2(name="plink2 from pgen", from_pgen=True)
    held = CuraGenieCall(name=OURS_HELD, holds_scoring_files=True)
    one = Race(
        "store",
        f"rescoring the store, {shapes.to_store.dimensions}, 1 score, warm",
        "≤ 0.3 s",
        shapes.to_store,
        shapes.dense,
        (warm, held, CuraGenieProcess(), from_pgen),
        (
            wall_seconds(OURS_WARM, 0.3),
            wall_seconds(OURS_HELD, None, "wall, scoring files held"),
            wall_ratio("plink2 from pgen", OURS_WARM, "plink2 from pgen"),
        ),
        genotypes=_stored,
    )
    wide = replace(
        one,
        row="store-wide",
        what=f"rescoring the store, {shapes.to_store_wide.dimensions}, 1 score, warm",
        goal="told",
        shape=shapes.to_store_wide,
        targets=(wall_ratio("plink2 from pgen", OURS_WARM, "plink2 from pgen"),),
    )
    many = Race(
        "store-catalogue",
        f"rescoring the store, {shapes.catalogue.n_scores:,} scores over "
        f"{shapes.catalogue.n_variants:,} variants of {shapes.phased.dimensions}, "
        "warm, scoring files held",
        "faster than the dense sgemm peak",
        shapes.phased,
        shapes.catalogue,
        (held, from_pgen, Sgemm()),
        (
            wall_ratio(Sgemm().name, OURS_HELD, "dense sgemm", 1),
            wall_ratio("plink2 from pgen", OURS_HELD, "plink2 from pgen"),
        ),
        genotypes=_stored,
    )
    rows = (StoreWriting(shapes.to_store), one, wide, many)
    return tuple(Needs(row, "jobs.store_cohort") for row in rows)


@dataclass(frozen=True, slots=True)
class StoreWriting:
    """`python -m jobs.store_cohort`: what an upload is read and stored with."""

    shape: CohortShape
    row: str = "store-write"
    goal: str = "told"

    @property
    def what(self) -> str:
        return f"writing the store, {self.shape.dimensions}, whole process"

    def measure(self, bench: Bench) -> Found:
        cohort = bench.cohort(self.shape)
        runs = [write_store(bench, cohort) for _ in range(min(bench.rounds, 3))]
        n_bytes = sum(file.stat().st_size for file in _folder(bench, cohort).rglob("*.arrow"))
        timings = {WRITING: Timing(WRITING, tuple(runs))}
        speed = Target(
            "of VCF, written",
            lambda t: cohort.vcf.stat().st_size / 1e6 / t[WRITING].wall_seconds,
            None,
            "MB/s",
        )
        size = Target("of store", lambda t: n_bytes / 1e6, None, "MB")
        return Found(
            row=self.row,
            what=self.what,
            goal=self.goal,
            ours=WRITING,
            timings=list(timings.values()),
            targets=[target.measured(timings) for target in (speed, size)],
            facts={"cohort_bytes": cohort.vcf.stat().st_size},
        )


def write_store(bench: Bench, cohort: Cohort) -> Measured:
    folder = _folder(bench, cohort)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "jobs.store_cohort", "--genotypes", str(cohort.vcf)]
    command += ["--output", str(folder), "--executor", "inline"]
    env = {"PYTHONPATH": str(ROOT), "CURAGENIE_DATA_DIR": str(folder.parent / "data")}
    return measure_command(command, log=folder.parent / "log.txt", env=env)


def _stored(bench: Bench, cohort: Cohort) -> Path:
    """The cohort's store, written anew: another commit may write it otherwise."""
    write_store(bench, cohort)
    return _folder(bench, cohort)


def _folder(bench: Bench, cohort: Cohort) -> Path:
    return bench.folder.absolute() / "stores" / cohort.folder.name / "cohort.cgstore"
