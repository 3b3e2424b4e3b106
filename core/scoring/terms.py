"""Terms: the matched rows of one block, made ready for the kernels.

A *term* is a range of rows that name one allele of one variant for several scores; what each row
adds is its weight times the effect dosage. Terms are in the order of the file.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.genome_build import GenomeBuild, par_intervals
from core.scoring import weighted_sum as kernels
from core.scoring.frequencies import Frequencies
from core.scoring.matching import BlockMatches
from core.scoring.policy import Par, ScoringPolicy, XMale
from core.scoring.rows import ScoreRows
from core.scoring.sites import BlockSites

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TermContext:
    """What every block of a run is scored with. `sex` is (S,) int8 as in core.samples; `build` is
    known wherever a row lies on X and PAR is by build."""

    rows: ScoreRows
    policy: ScoringPolicy
    sex: Codes
    build: GenomeBuild | None
    frequencies: Frequencies | None


@dataclass(frozen=True, slots=True)
class Terms:
    """T matched ranges of rows, in file order.

    match        (T,) the range's place in BlockMatches
    row, n_rows  (T,) rows of ScoreRows
    pattern      (T,) the pattern that they are of
    variant      (T,) block row
    call         (T,) row of the calls, which is `variant` unless the calls are not the block's own
    effect_type, is_ref, place, doubled    (T,) as in `weighted_sum.DosageTerms`
    alone        (T,) none of its scores has another term on the record; else it is a single row
    record_once  (T,) no earlier term is of the same record and score
    """

    match: Indices
    row: Indices
    n_rows: Indices
    pattern: Indices
    variant: Indices
    call: Indices
    effect_type: Codes
    is_ref: Bools
    place: Codes
    doubled: Bools
    alone: Bools
    record_once: Bools

    def __len__(self) -> int:
        return len(self.row)

    def where(self, chosen: Bools) -> "Terms":
        """Those of a mask (T,)."""
        return self if chosen.all() else self.take(np.flatnonzero(chosen))

    def take(self, chosen: Indices) -> "Terms":
        return Terms(*(getattr(self, name)[chosen] for name in self.__slots__))

    def by_row(self) -> "Terms":
        """One term per row."""
        if (self.n_rows == 1).all():
            return self
        of = np.repeat(np.arange(len(self)), self.n_rows)
        first = np.repeat(np.cumsum(self.n_rows) - self.n_rows, self.n_rows)
        single = self.take(of)
        row = single.row + np.arange(len(of)) - first
        return replace(single, row=row, n_rows=np.ones(len(of), np.int64))


def terms_of(context: TermContext, matches: BlockMatches) -> Terms:
    """The matched rows of a block."""
    matched = np.flatnonzero(matches.matched)
    matched = matched[np.argsort(matches.variant[matched], kind="stable")]
    variant, pattern = matches.variant[matched], matches.pattern[matched]
    place, doubled = places_of(context, matches.sites)
    return Terms(
        match=matched,
        row=matches.row[matched],
        n_rows=matches.n_rows[matched],
        pattern=pattern,
        variant=variant,
        call=variant,
        effect_type=context.rows.patterns.effect_type[pattern],
        is_ref=matches.effect_is_ref[matched],
        place=place[variant],
        doubled=doubled[variant],
        alone=matches.alone[matched],
        record_once=_first_of_record(context, matches, matched),
    )


def _first_of_record(context: TermContext, matches: BlockMatches, matched: Indices) -> Bools:
    """(T,) no earlier term names another allele of the record for the same score."""
    once = matches.alone[matched]
    if once.all():
        return once
    several = np.flatnonzero(~once)
    term = matched[several]
    score = context.rows.score[matches.row[term]].astype(np.int64)
    pair = score << 32 | matches.sites.record[matches.variant[term]].astype(np.int64)
    _, first = np.unique(pair, return_index=True)
    once[several[first]] = True
    return once


def places_of(context: TermContext, sites: BlockSites) -> tuple[Codes, Bools]:
    """(block rows,) each row's place, and whether haploid calls count twice there."""
    names, n_rows = sites.contigs
    of_contig = np.array([_PLACES.get(name, kernels.DIPLOID) for name in names], np.int8)
    place = np.repeat(of_contig, n_rows)
    on_x = place == kernels.X_NON_PAR
    policy = context.policy
    if policy.par is Par.BY_BUILD and on_x.any():
        in_par = on_x & _in_par(sites.position, context.build)
        place[in_par], on_x[in_par] = kernels.DIPLOID, False
    return place, on_x & (policy.x_male is XMale.DOUBLED)


_PLACES = {"X": kernels.X_NON_PAR, "Y": kernels.Y, "MT": kernels.MT}


def _in_par(position: Indices, build: GenomeBuild | None) -> Bools:
    if build is None:
        return np.zeros(len(position), bool)
    return np.logical_or.reduce(
        [(position >= first) & (position <= last) for first, last in par_intervals(build)]
    )
