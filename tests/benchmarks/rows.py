"""The table of goals: one row each, as DESIGN.md has them, and the programs that run for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.fastq_rows import FastqRow
from tests.benchmarks.peers import PLINK2, Gnomon, Plink2
from tests.benchmarks.programs import (
    OURS_COLD,
    CuraGenieCall,
    CuraGenieProcess,
    Program,
    Run,
    Work,
)
from tests.benchmarks.race import Race
from tests.benchmarks.ray_stack import running_ray
from tests.benchmarks.results import Target, peak_mib, wall_ratio, wall_seconds
from tests.benchmarks.service import ServiceRows
from tests.benchmarks.shapes import Shapes
from tests.benchmarks.store_rows import store_rows
from tests.benchmarks.vcf_rows import dense_rows, panel_row, sparse_rows
from tests.benchmarks.waiting import Row

MIB = 1 << 20


def all_rows(shapes: Shapes, peers: Path) -> Sequence[Row]:
    gnomon = Gnomon(peers / "gnomon")
    return (
        *dense_rows(shapes, gnomon),
        *sparse_rows(shapes, gnomon),
        panel_row(shapes, gnomon),
        *store_rows(shapes),
        *_small(shapes, gnomon),
        *_side_by_side(shapes),
        _one_task(shapes),
        *ServiceRows.of(shapes),
        FastqRow(shapes.n_reads),
    )


NOT_QUICK = frozenset(
    (
        *(
            "baseline",
            "dosages",
            "medium",
            "store-wide",
            "small-ray",
            "ray-workers",
            "ray-overhead",
            "memory",
        ),
        *("person", "upload", "upload-s3", "events-100", "events-500"),
    )
)
"""Rows that `make bench-quick` has no time for: they start a Ray or the service, or another row
tells nearly the same."""


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
        f"small file {shapes.small.dimensions}, whole process, cold",
        "≤ 0.8 s",
        shapes.small,
        shapes.dense,
        (CuraGenieProcess(executor="auto"), Plink2(), gnomon),
        (wall_seconds(OURS_COLD, 0.8), wall_ratio(PLINK2, OURS_COLD, "plink2")),
    )
    with_ray = replace(
        race,
        row="small-ray",
        what=f"small file {shapes.small.dimensions}, whole process, on a Ray that runs already",
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
            f"2 threads / 1, GT {shapes.to_store.dimensions}",
            "≥ 1.9×",
            shapes.to_store,
            shapes.dense,
            (two, one),
            (wall_ratio("1 thread", "2 threads", "1 thread", 1.9),),
        ),
        Race(
            "ray-workers",
            f"2 Ray workers / 1, GT {shapes.to_store.dimensions}",
            "≥ 1.8×",
            shapes.to_store,
            shapes.dense,
            (ray_2, ray_1),
            (wall_ratio("1 Ray worker", "2 Ray workers", "1 Ray worker", 1.8),),
        ),
        Race(
            "ray-overhead",
            f"Ray's overhead at 16 and 64 MiB shards, GT {shapes.to_store.dimensions}",
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
        f"one task's memory, {shapes.people.dimensions} × {shapes.panel.n_scores} scores",
        "≤ 1 GiB",
        shapes.people,
        shapes.panel,
        (on_ray, inline),
        (peak_mib("1 Ray worker", 1024), peak_mib("1 thread", 1024)),
        rounds=1,
    )
