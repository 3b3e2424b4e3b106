"""Scores from VCF: dense, sparse, and a hundred at once, beside every peer that can do the work."""

from collections.abc import Sequence

from tests.benchmarks.peers import (
    CYVCF2,
    FLOORS,
    GNOMON,
    PLINK2,
    Bcftools,
    Bgzip,
    Cyvcf2,
    Gnomon,
    InflateLoop,
    Plink2,
)
from tests.benchmarks.programs import (
    OURS_COLD,
    OURS_HELD,
    OURS_WARM,
    CuraGenieCall,
    CuraGenieProcess,
    Program,
)
from tests.benchmarks.race import Race
from tests.benchmarks.results import share_of_floor, wall_ratio, wall_seconds
from tests.benchmarks.shapes import Shapes
from tests.benchmarks.waiting import Needs, Row

_SECOND_RUN = "curagenie, warm, second run"


def _floors() -> tuple[Program, ...]:
    return tuple(InflateLoop(name) for name in FLOORS)


def dense_rows(shapes: Shapes, gnomon: Gnomon) -> Sequence[Race]:
    """One dense score of each kind of file."""
    peers = (Plink2(), gnomon, Bgzip(), *_floors())
    loops = (Bcftools(), Cyvcf2())
    warm, cold = CuraGenieCall(), CuraGenieProcess()
    colds = (cold,) if shapes.tells_cold else ()
    return (
        Race(
            "dense",
            f"dense score from VCF, GT {shapes.phased_long.dimensions}, warm",
            "≥ 12× plink2 (wall), ≥ 75 % of the floor",
            shapes.phased_long,
            shapes.dense,
            (warm, CuraGenieCall(name=OURS_HELD, holds_scoring_files=True), *peers),
            (
                wall_ratio(PLINK2, OURS_WARM, "plink2", 12),
                share_of_floor(OURS_WARM, FLOORS, 75),
                wall_ratio(PLINK2, OURS_HELD, "plink2, scoring files held"),
                share_of_floor(OURS_HELD, FLOORS, None),
                wall_ratio(GNOMON, OURS_WARM, "gnomon"),
            ),
        ),
        Race(
            "dense-cold",
            f"the same, whole process, cold, GT {shapes.phased_long.dimensions}",
            "≥ 6× plink2 (wall)",
            shapes.phased_long,
            shapes.dense,
            (cold, Plink2()),
            (wall_ratio(PLINK2, OURS_COLD, "plink2", 6),),
        ),
        Race(
            "baseline",
            f"dense score from VCF, GT {shapes.baseline.dimensions}, warm and cold",
            "told: where the project began",
            shapes.baseline,
            shapes.dense,
            (warm, cold, Plink2()),
            (
                wall_ratio(PLINK2, OURS_WARM, "plink2, warm"),
                wall_ratio(PLINK2, OURS_COLD, "plink2, cold process"),
            ),
        ),
        Race(
            "phased",
            f"dense score from VCF, GT {shapes.phased.dimensions}, warm",
            "told beside every reader",
            shapes.phased,
            shapes.dense,
            (warm, cold, *peers, *loops),
            (
                wall_ratio(PLINK2, OURS_WARM, "plink2"),
                share_of_floor(OURS_WARM, FLOORS, None),
                wall_ratio(CYVCF2, OURS_WARM, "cyvcf2 loop"),
            ),
        ),
        Race(
            "minimac",
            f"imputed GT:HDS:GP:DS {shapes.minimac.dimensions}, warm",
            "≥ 6× plink2 (wall), ≥ 55 % of the floor",
            shapes.minimac,
            shapes.dense,
            (warm, *colds, *peers, *loops),
            (wall_ratio(PLINK2, OURS_WARM, "plink2", 6), share_of_floor(OURS_WARM, FLOORS, 55)),
            field="DS",
        ),
        Race(
            "dosages",
            f"imputed GT:DS:GP {shapes.dosages.dimensions}, warm",
            "≥ 6× plink2 (wall), ≥ 55 % of the floor",
            shapes.dosages,
            shapes.dense,
            (warm, *colds, *peers),
            (wall_ratio(PLINK2, OURS_WARM, "plink2", 6), share_of_floor(OURS_WARM, FLOORS, 55)),
            field="DS",
        ),
        Race(
            "joint",
            f"joint-called GT:AD:DP:GQ:PL {shapes.joint.dimensions}, warm",
            "≥ 6× plink2 (wall)",
            shapes.joint,
            shapes.dense,
            (warm, *colds, *peers, *loops),
            (wall_ratio(PLINK2, OURS_WARM, "plink2", 6), share_of_floor(OURS_WARM, FLOORS, None)),
        ),
        Race(
            "wide",
            f"wide GT {shapes.wide.dimensions}, warm",
            "≥ 12× plink2 (wall)",
            shapes.wide,
            shapes.dense,
            (warm, *colds, *peers, *loops),
            (wall_ratio(PLINK2, OURS_WARM, "plink2", 12), share_of_floor(OURS_WARM, FLOORS, None)),
        ),
    )


def sparse_rows(shapes: Shapes, gnomon: Gnomon) -> Sequence[Row]:
    warm = CuraGenieCall()
    scan = Race(
        "sparse-scan",
        f"{shapes.sparse.n_variants:,} variants of {shapes.phased_long.dimensions}, no index, warm",
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
        f"{shapes.sparse.n_variants:,} variants of {shapes.phased_long.dimensions}, "
        "block directory",
        "≤ 0.03 s",
        shapes.phased_long,
        shapes.sparse,
        (CuraGenieCall(name=_SECOND_RUN, forgets=False),),
        (wall_seconds(_SECOND_RUN, 0.03),),
    )
    medium = Race(
        "medium",
        f"{shapes.medium.n_variants:,} variants of {shapes.phased_long.dimensions}, no index, warm",
        "told",
        shapes.phased_long,
        shapes.medium,
        (warm, Plink2()),
        (wall_ratio(PLINK2, OURS_WARM, "plink2"),),
    )
    return scan, Needs(directory, "core.genotypes.block_directory"), medium


def panel_row(shapes: Shapes, gnomon: Gnomon) -> Race:
    held = CuraGenieCall(name=OURS_HELD, holds_scoring_files=True)
    return Race(
        "panel",
        f"{shapes.panel.n_scores} dense scores from VCF, GT {shapes.phased.dimensions}, warm",
        "≥ 6× plink2, ≥ 50× gnomon (wall)",
        shapes.phased,
        shapes.panel,
        (CuraGenieCall(), held, Plink2(), gnomon),
        (
            wall_ratio(PLINK2, OURS_WARM, "plink2", 6),
            wall_ratio(GNOMON, OURS_WARM, "gnomon", 50),
            wall_ratio(PLINK2, OURS_HELD, "plink2, scoring files held"),
            wall_ratio(GNOMON, OURS_HELD, "gnomon, scoring files held"),
        ),
    )
