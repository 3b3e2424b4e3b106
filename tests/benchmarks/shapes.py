"""The cohorts and scores of `make bench`, and their small counterparts of `make bench-quick`."""

from dataclasses import dataclass, replace

from tests.benchmarks.cohorts import CohortShape
from tests.benchmarks.sample_columns import Format
from tests.benchmarks.scoring_files import ScoreSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """`phased_long` repeats `phased` on other positions, and `to_store` does so more often.

    `tells_cold`: whole processes run for the rows, too, whose goal is a warm call. `n_reads`: of
    the FASTQ.
    """

    baseline: CohortShape
    phased: CohortShape
    phased_long: CohortShape
    to_store: CohortShape
    to_store_wide: CohortShape
    minimac: CohortShape
    dosages: CohortShape
    joint: CohortShape
    wide: CohortShape
    people: CohortShape
    person: CohortShape
    small: CohortShape
    upload: CohortShape

    n_reads: int = 1_000_000
    tells_cold: bool = True

    dense: ScoreSet = ScoreSet("dense")
    sparse: ScoreSet = ScoreSet("sparse", n_variants=300)
    medium: ScoreSet = ScoreSet("medium", n_variants=10_000)
    panel: ScoreSet = ScoreSet("panel", n_scores=100)
    catalogue: ScoreSet = ScoreSet("catalogue", n_scores=1_000, n_variants=20_000)
    person_scores: ScoreSet = ScoreSet("person", n_scores=100, n_variants=1_000)


_PHASED = CohortShape("phased", n_samples=2_504, n_variants=100_000)
_IMPUTED = replace(_PHASED, n_samples=1_000, n_variants=50_000, multiallelic=0, rare_share=0.7)
_UNPHASED = replace(_PHASED, is_phased=False, rare_share=0.65)

FULL = Shapes(
    baseline=replace(_PHASED, name="baseline", n_variants=50_000),
    phased=_PHASED,
    phased_long=replace(_PHASED, name="phased-long", n_variants=500_000, repeats=5),
    to_store=replace(_PHASED, name="to-store", n_variants=1_000_000, repeats=10),
    to_store_wide=replace(_PHASED, name="to-store-wide", n_samples=20_000, n_variants=50_000),
    minimac=replace(_IMPUTED, name="minimac", format=Format.HDS),
    dosages=replace(_IMPUTED, name="dosages", format=Format.DS),
    joint=CohortShape(
        "joint",
        n_samples=500,
        n_variants=50_000,
        format=Format.JOINT,
        is_phased=False,
        multiallelic=0.04,
        missing=0.016,
    ),
    wide=replace(_UNPHASED, name="wide", n_samples=50_000, n_variants=2_000),
    people=replace(_UNPHASED, name="people", n_samples=500_000, n_variants=200),
    person=replace(_UNPHASED, name="person", n_samples=1, n_variants=200_000, multiallelic=0),
    small=replace(_PHASED, name="small", n_samples=100, n_variants=5_000),
    upload=replace(_IMPUTED, name="minimac", format=Format.HDS),
)

QUICK = Shapes(
    n_reads=100_000,
    tells_cold=False,
    baseline=replace(_PHASED, name="quick-baseline", n_variants=2_500),
    phased=replace(_PHASED, name="quick-phased", n_variants=5_000),
    phased_long=replace(_PHASED, name="quick-phased-long", n_variants=20_000, repeats=4),
    to_store=replace(_PHASED, name="quick-to-store", n_variants=20_000, repeats=4),
    to_store_wide=replace(_PHASED, name="quick-to-store-wide", n_samples=20_000, n_variants=500),
    minimac=replace(FULL.minimac, name="quick-minimac", n_variants=2_500),
    dosages=replace(FULL.dosages, name="quick-dosages", n_variants=2_500),
    joint=replace(FULL.joint, name="quick-joint", n_variants=2_500),
    wide=replace(FULL.wide, name="quick-wide", n_samples=20_000, n_variants=250),
    people=replace(FULL.people, name="quick-people", n_samples=100_000, n_variants=50),
    person=replace(FULL.person, name="quick-person", n_variants=20_000),
    small=FULL.small,
    upload=replace(FULL.minimac, name="quick-minimac", n_variants=2_500),
    panel=ScoreSet("panel", n_scores=20),
    catalogue=ScoreSet("catalogue", n_scores=50, n_variants=2_000),
    person_scores=ScoreSet("person", n_scores=20, n_variants=500),
)
