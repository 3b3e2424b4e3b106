"""The table of goals: one row each, as DESIGN.md has them, and the programs that run for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from core.settings import Settings
from tests.benchmarks.cohorts import Cohort, CohortShape
from tests.benchmarks.programs import (
    FLOORS,
    GNOMON,
    OURS_COLD,
    OURS_WARM,
    PLINK2,
    Bcftools,
    Bgzip,
    CuraGenieCall,
    CuraGenieProcess,
    Cyvcf2,
    Gnomon,
    InflateLoop,
    Plink2,
    Program,
    Run,
    Sgemm,
    Work,
)
from tests.benchmarks.race import Bench, Race, say
from tests.benchmarks.ray_stack import running_ray
from tests.benchmarks.results import (
    Found,
    NotAvailableError,
    Target,
    peak_mib,
    share_of_floor,
    wall_ratio,
    wall_seconds,
)
from tests.benchmarks.scoring_files import ScoreSet
from tests.benchmarks.service import ServiceRows
from tests.benchmarks.shapes import Shapes
from tests.benchmarks.worker import with_worker

HELD = "curagenie, warm, scoring files held"
SECOND_RUN = "curagenie, warm, second run"
MIB = 1 << 20


class Row(Protocol):
    row: str
    what: str
    goal: str

    def measure(self, bench: Bench) -> Found:
        """Raises NotAvailableError with the reason where it cannot be measured."""
        ...


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A row of the table of goals whose work does not exist yet."""

    row: str
    what: str
    goal: str
    why: str

    def measure(self, bench: Bench) -> Found:
        raise NotAvailableError(self.why)


def all_rows(shapes: Shapes, peers: Path) -> Sequence[Row]:
    gnomon = Gnomon(peers / "gnomon")
    return (
        *_from_vcf(shapes, gnomon),
        *_sparse(shapes, gnomon),
        _panel(shapes, gnomon),
        *_store(shapes),
        *_small(shapes, gnomon),
        *_side_by_side(shapes),
        _one_task(shapes),
        *ServiceRows.of(shapes),
        NotBuilt("fastq", "FASTQ quality", "≥ 1.5 M reads/s gz per core", "issue 4 builds it"),
    )


SLOW_TO_START = frozenset(
    (
        *("small-ray", "ray-workers", "ray-overhead", "memory"),
        *("person", "upload", "upload-s3", "events-100", "events-500"),
    )
)
"""Rows that start a Ray or the service, which `make bench-quick` has no time for."""


def _floors() -> tuple[Program, ...]:
    return tuple(InflateLoop(name) for name in FLOORS)


def _from_vcf(shapes: Shapes, gnomon: Gnomon) -> Sequence[Race]:
    """One dense score of each kind of file."""
    peers = (Plink2(), gnomon, Bgzip(), *_floors())
    loops = (Bcftools(), Cyvcf2())
    warm, cold = CuraGenieCall(), CuraGenieProcess()
    return (
        Race(
            "dense",
            f"dense score from VCF, GT {_size(shapes.phased_long)}, warm",
            "≥ 12× plink2 (wall), ≥ 75 % of the floor",
            shapes.phased_long,
            shapes.dense,
            (warm, CuraGenieCall(name=HELD, holds_scoring_files=True), cold, *peers),
            (
                wall_ratio(PLINK2, OURS_WARM, "plink2", 12),
                share_of_floor(OURS_WARM, FLOORS, 75),
                wall_ratio(PLINK2, HELD, "plink2, scoring files held"),
                share_of_floor(HELD, FLOORS, None),
                wall_ratio(GNOMON, OURS_WARM, "gnomon"),
            ),
        ),
        Race(
            "dense-cold",
            f"the same, whole process, cold, GT {_size(shapes.phased_long)}",
            "≥ 6× plink2 (wall)",
            shapes.phased_long,
            shapes.dense,
            (cold, Plink2()),
            (wall_ratio(PLINK2, OURS_COLD, "plink2", 6),),
        ),
        Race(
            "phased",
            f"dense score from VCF, GT {_size(shapes.phased)}, warm",
            "told beside every reader",
            shapes.phased,
            shapes.dense,
            (warm, cold, *peers, *loops),
            (
                wall_ratio(PLINK2, OURS_WARM, "plink2"),
                share_of_floor(OURS_WARM, FLOORS, None),
                wall_ratio("cyvcf2 loop", OURS_WARM, "cyvcf2 loop"),
            ),
        ),
        Race(
            "minimac",
            f"imputed GT:HDS:GP:DS {_size(shapes.minimac)}, warm",
            "≥ 6× plink2 (wall), ≥ 55 % of the floor",
            shapes.minimac,
            shapes.dense,
            (warm, cold, *peers, *loops),
            (wall_ratio(PLINK2, OURS_WARM, "plink2", 6), share_of_floor(OURS_WARM, FLOORS, 55)),
            field="DS",
        ),
        Race(
            "dosages",
            f"imputed GT:DS:GP {_size(shapes.dosages)}, warm",
            "≥ 6× plink2 (wall), ≥ 55 % of the floor",
            shapes.dosages,
            shapes.dense,
            (warm, cold, *peers),
            (wall_ratio(PLINK2, OURS_WARM, "plink2", 6), share_of_floor(OURS_WARM, FLOORS, 55)),
            field="DS",
        ),
        Race(
            "joint",
            f"joint-called GT:AD:DP:GQ:PL {_size(shapes.joint)}, warm",
            "≥ 6× plink2 (wall)",
            shapes.joint,
            shapes.dense,
            (warm, cold, *peers, *loops),
            (wall_ratio(PLINK2, OURS_WARM, "plink2", 6), share_of_floor(OURS_WARM, FLOORS, None)),
        ),
        Race(
            "wide",
            f"wide GT {_size(shapes.wide)}, warm",
            "≥ 12× plink2 (wall)",
            shapes.wide,
            shapes.dense,
            (warm, cold, *peers, *loops),
            (wall_ratio(PLINK2, OURS_WARM, "plink2", 12), share_of_floor(OURS_WARM, FLOORS, None)),
        ),
    )


def _sparse(shapes: Shapes, gnomon: Gnomon) -> Sequence[Row]:
    warm = CuraGenieCall()
    scan = Race(
        "sparse-scan",
        f"{shapes.sparse.n_variants} variants of {_size(shapes.phased_long)}, no index, warm",
        "≥ 90 % of the floor",
        shapes.phased_long,
        shapes.sparse,
        (warm, Plink2(), gnomon, *_floors()),
        (
            share_of_floor(OURS_WARM, FLOORS, 90),
            wall_ratio(PLINK2, OURS_WARM, "plink2"),
            wall_ratio(GNOMON, OURS_WARM, "gnomon"),
        ),
    )
    directory = Race(
        "sparse-seek",
        f"{shapes.sparse.n_variants} variants of {_size(shapes.phased_long)}, block directory",
        "≤ 0.03 s",
        shapes.phased_long,
        shapes.sparse,
        (CuraGenieCall(name=SECOND_RUN, forgets=False),),
        (wall_seconds(SECOND_RUN, 0.03),),
    )
    medium = Race(
        "medium",
        f"{shapes.medium.n_variants} variants of {_size(shapes.phased_long)}, no index, warm",
        "told",
        shapes.phased_long,
        shapes.medium,
        (warm, Plink2()),
        (wall_ratio(PLINK2, OURS_WARM, "plink2"),),
    )
    return scan, Needs(directory, "core.genotypes.block_directory"), medium


def _panel(shapes: Shapes, gnomon: Gnomon) -> Race:
    return Race(
        "panel",
        f"{shapes.panel.n_scores} dense scores from VCF, GT {_size(shapes.phased)}, warm",
        "≥ 6× plink2, ≥ 50× gnomon (wall)",
        shapes.phased,
        shapes.panel,
        (CuraGenieCall(), CuraGenieCall(name=HELD, holds_scoring_files=True), Plink2(), gnomon),
        (
            wall_ratio(PLINK2, OURS_WARM, "plink2", 6),
            wall_ratio(GNOMON, OURS_WARM, "gnomon", 50),
            wall_ratio(PLINK2, HELD, "plink2, scoring files held"),
            wall_ratio(GNOMON, HELD, "gnomon, scoring files held"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Needs:
    """A row that waits for a module of ours."""

    then: Race
    module: str

    @property
    def row(self) -> str:
        return self.then.row

    @property
    def what(self) -> str:
        return self.then.what

    @property
    def goal(self) -> str:
        return self.then.goal

    def measure(self, bench: Bench) -> Found:
        if find_spec(self.module) is None:
            raise NotAvailableError(f"{self.module} is not there")
        return self.then.measure(bench)


def _store(shapes: Shapes) -> Sequence[Row]:
    """A cohort that was stored while it was uploaded, scored again."""
    warm, from_pgen = CuraGenieCall(), Plink2(name="plink2 from pgen", from_pgen=True)
    held = CuraGenieCall(name=HELD, holds_scoring_files=True)
    one = Race(
        "store",
        f"rescoring the store, {_size(shapes.to_store)}, 1 score, warm",
        "≤ 0.3 s",
        shapes.to_store,
        shapes.dense,
        (warm, held, CuraGenieProcess(), from_pgen),
        (
            wall_seconds(OURS_WARM, 0.3),
            wall_seconds(HELD, None, "wall, scoring files held"),
            wall_ratio("plink2 from pgen", OURS_WARM, "plink2 from pgen"),
        ),
        genotypes=_stored,
    )
    wide = replace(
        one,
        row="store-wide",
        what=f"rescoring the store, {_size(shapes.to_store_wide)}, 1 score, warm",
        goal="told",
        shape=shapes.to_store_wide,
        targets=(wall_ratio("plink2 from pgen", OURS_WARM, "plink2 from pgen"),),
    )
    many = Race(
        "store-catalogue",
        f"rescoring the store, {shapes.catalogue.n_scores} scores over "
        f"{shapes.catalogue.n_variants} variants of {_size(shapes.phased)}",
        "faster than the dense sgemm peak",
        shapes.phased,
        shapes.catalogue,
        (warm, held, from_pgen, Sgemm()),
        (
            wall_ratio(Sgemm().name, OURS_WARM, "dense sgemm", 1),
            wall_ratio(Sgemm().name, HELD, "dense sgemm, scoring files held"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideRay(CuraGenieProcess):
    """The whole process, while a Ray of this machine runs and RAY_ADDRESS names it."""

    @contextmanager
    def session(self, work: Work, folder: Path) -> Iterator[Run]:
        with running_ray() as env:
            joining = CuraGenieProcess(executor=self.executor, env=tuple(env.items()))
            with joining.session(work, folder) as run:
                yield run


def _small(shapes: Shapes, gnomon: Gnomon) -> Sequence[Race]:
    beside = "curagenie, cold process, Ray running"
    race = Race(
        "small",
        f"small file {_size(shapes.small)}, whole process, cold",
        "≤ 0.8 s",
        shapes.small,
        shapes.dense,
        (CuraGenieProcess(executor="auto"), Plink2(), gnomon),
        (wall_seconds(OURS_COLD, 0.8), wall_ratio(PLINK2, OURS_COLD, "plink2")),
    )
    with_ray = replace(
        race,
        row="small-ray",
        what=f"small file {_size(shapes.small)}, whole process, on a Ray that runs already",
        goal="told",
        programs=(BesideRay(name=beside, executor="ray"), Plink2()),
        targets=(wall_seconds(beside, None), wall_ratio(PLINK2, beside, "plink2")),
    )
    return race, with_ray


def _side_by_side(shapes: Shapes) -> Sequence[Race]:
    """Threads against one thread, Ray's workers against one, and Ray against none."""
    one = CuraGenieCall(name="1 thread", cpus=1)
    two = CuraGenieCall(name="2 threads", cpus=2)
    ray_1 = CuraGenieCall(name="1 Ray worker", executor="ray", ray_cpus=1)
    ray_2 = CuraGenieCall(name="2 Ray workers", executor="ray", ray_cpus=2)
    in_16 = replace(one, name="1 thread, 16 MiB shards", shard_bytes=16 * MIB)
    ray_16 = replace(ray_1, name="1 Ray worker, 16 MiB shards", shard_bytes=16 * MIB)
    in_64 = replace(one, name="1 thread, 64 MiB shards", shard_bytes=64 * MIB)
    ray_64 = replace(ray_1, name="1 Ray worker, 64 MiB shards", shard_bytes=64 * MIB)
    return (
        Race(
            "threads",
            f"2 threads / 1, GT {_size(shapes.to_store)}",
            "≥ 1.9×",
            shapes.to_store,
            shapes.dense,
            (two, one),
            (wall_ratio("1 thread", "2 threads", "1 thread", 1.9),),
        ),
        Race(
            "ray-workers",
            f"2 Ray workers / 1, GT {_size(shapes.to_store)}",
            "≥ 1.8×",
            shapes.to_store,
            shapes.dense,
            (ray_2, ray_1),
            (wall_ratio("1 Ray worker", "2 Ray workers", "1 Ray worker", 1.8),),
        ),
        Race(
            "ray-overhead",
            f"Ray's overhead at 16 and 64 MiB shards, GT {_size(shapes.to_store)}",
            "≤ 10 %",
            shapes.to_store,
            shapes.dense,
            (ray_16, in_16, ray_64, in_64),
            (
                _overhead(ray_16, in_16, "at 16 MiB"),
                _overhead(ray_64, in_64, "at 64 MiB"),
            ),
        ),
    )


def _overhead(with_ray: Program, without: Program, what: str) -> Target:
    return Target(
        what,
        lambda t: 100 * (t[with_ray.name].wall_seconds / t[without.name].wall_seconds - 1),
        10,
        "%",
        at_most=True,
    )


def _one_task(shapes: Shapes) -> Race:
    """Workers of Ray are processes of their own: the largest of them, or their driver, counts."""
    inline = CuraGenieCall(name="1 thread", cpus=1)
    on_ray = CuraGenieCall(name="1 Ray worker", executor="ray", ray_cpus=1)
    return Race(
        "memory",
        f"one task's memory, {_size(shapes.people)} × {shapes.panel.n_scores} scores",
        "≤ 1 GiB",
        shapes.people,
        shapes.panel,
        (on_ray, inline),
        (peak_mib("1 Ray worker", 1024), peak_mib("1 thread", 1024)),
        rounds=1,
    )


def scaling_rows(shapes: Shapes) -> Sequence[Race]:
    """One axis at a time, from the same middle."""
    base = replace(shapes.phased, n_variants=min(shapes.phased.n_variants, 10_000))
    programs = (CuraGenieCall(), Plink2())
    by_samples = [_resized(base, n_samples=n) for n in (250, 1_000, 4_000, 16_000)]
    by_variants = [_resized(base, n_variants=n) for n in (1_000, 4_000, 16_000, 64_000)]
    cohorts = [("samples", shape) for shape in by_samples]
    cohorts += [("variants", shape) for shape in by_variants]
    races = [_scaling(axis, shape, shapes.dense, programs) for axis, shape in cohorts]
    middle = _resized(base)
    for n_scores in (1, 4, 16, 64):
        scores = ScoreSet(f"scaling-{n_scores}", n_scores=n_scores)
        races.append(_scaling("scores", middle, scores, programs))
    return races


def _resized(base: CohortShape, **sizes: int) -> CohortShape:
    shape = replace(base, **sizes)
    return replace(shape, name=f"scaling-{shape.n_samples}x{shape.n_variants}")


def _scaling(
    axis: str, shape: CohortShape, scores: ScoreSet, programs: tuple[Program, ...]
) -> Race:
    what = f"{_size(shape)} × {scores.n_scores}"
    return Race(f"by {axis}", what, "", shape, scores, programs, ())


def _size(shape: CohortShape) -> str:
    return f"{shape.n_samples:,} × {shape.n_variants:,}"
