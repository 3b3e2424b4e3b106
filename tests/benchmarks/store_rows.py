"""Rescoring: a cohort that was stored when it was uploaded, scored again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.settings import Settings
from tests.benchmarks.cohorts import Cohort
from tests.benchmarks.peers import Plink2, Sgemm
from tests.benchmarks.programs import OURS_HELD, OURS_WARM, CuraGenieCall, CuraGenieProcess
from tests.benchmarks.race import Bench, Race, say
from tests.benchmarks.results import wall_ratio, wall_seconds
from tests.benchmarks.shapes import Shapes
from tests.benchmarks.waiting import Needs, Row
from tests.benchmarks.worker import with_worker


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
        f"{shapes.catalogue.n_variants:,} variants of {shapes.phased.dimensions}",
        "faster than the dense sgemm peak",
        shapes.phased,
        shapes.catalogue,
        (warm, held, from_pgen, Sgemm()),
        (
            wall_ratio(Sgemm().name, OURS_WARM, "dense sgemm", 1),
            wall_ratio(Sgemm().name, OURS_HELD, "dense sgemm, scoring files held"),
            wall_ratio("plink2 from pgen", OURS_WARM, "plink2 from pgen"),
        ),
        genotypes=_stored,
    )
    return tuple(Needs(race, "core.genotypes.store") for race in (one, wide, many))


def _stored(bench: Bench, cohort: Cohort) -> Path:
    """The cohort's store, written anew by what reads an upload."""
    folder = bench.empty_folder("stores", cohort.shape.name).absolute()
    parameters = {
        "vcf": str(cohort.vcf),
        "folder": str(folder),
        "name": "cohort.cgstore",
        "shard_bytes": Settings.model_fields["shard_bytes"].default,
    }
    with with_worker("store", parameters, log=folder / "log.txt") as write:
        taken = write()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    say(
        f"{cohort.shape.name}: stored in {taken.wall_seconds:.1f} s, {size / 1e6:.1f} MB, peak "
        f"{taken.peak_bytes / 2**20:.0f} MiB"
    )
    return folder / "cohort.cgstore"
