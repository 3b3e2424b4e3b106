"""The scaling curves: one axis at a time, from the same middle; and the workers."""

from collections.abc import Sequence
from dataclasses import replace

from tests.benchmarks.cohorts import CohortShape
from tests.benchmarks.peers import Plink2
from tests.benchmarks.programs import CuraGenieCall, Program
from tests.benchmarks.race import Race
from tests.benchmarks.results import Found, Timing
from tests.benchmarks.scoring_files import ScoreSet
from tests.benchmarks.shapes import Shapes


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
    what = f"{shape.dimensions} × {scores.n_scores}"
    return Race(f"by {axis}", what, "", shape, scores, programs, ())


_WORKERS = {
    "1 thread": ("curagenie, threads", 1),
    "2 threads": ("curagenie, threads", 2),
    "1 Ray worker": ("curagenie, Ray workers", 1),
    "2 Ray workers": ("curagenie, Ray workers", 2),
}


def worker_points(rows: Sequence[Found]) -> list[Found]:
    """The curve over workers, from the rows that compare one with two."""
    return [
        Found(
            row="by workers",
            what=f"{found.what}: {timing.program}",
            goal="",
            timings=[Timing(_WORKERS[timing.program][0], timing.runs)],
            facts={"n_workers": _WORKERS[timing.program][1]},
        )
        for found in rows
        if found.row in ("threads", "ray-workers")
        for timing in found.timings
    ]
