"""Sex: from the ploidy of calls alone, as scores need it, and from all that X and Y say.

A score's denominator depends on how many alleles are written for a person, so `infer_sex` asks who
is written haploid on X outside the pseudo-autosomal regions (PAR). Only a file that writes some
people haploid says anything: where everyone is diploid on X, males may have been written diploid
too, and nobody's sex is known.

`judge_sex` is for quality, where a contradiction is worth more than an answer. X speaks first:

    somebody in the file is haploid on X     most of the sample's calls haploid: male; none: female
    else, 100 heterozygotes were expected    F > 0.8: male; F < 0.2: female

F = 1 - heterozygotes / expected, and 0.2 and 0.8 are the defaults of plink --check-sex. Expected is
the sum of 2pq over the sample's calls in a cohort of 50 (F is plink's then), else the share of
heterozygotes among the sample's autosomal calls with an ALT, applied to those on X: our stand-in
for the frequencies that a small file cannot know. Fewer than 100 expected leave F to chance.

Y speaks where the file has several samples, 20 records on Y, and somebody who is not called there;
otherwise everyone is written in the same way, or the records are those at which one person was
called. Call rate >= 0.8: male; <= 0.2: female (ours, after plink's two thresholds).

    X        Y                 sex
    male     male, silent      male
    female   female, silent    female
    male     female            unknown, x_and_y_disagree (Y lost, or samples mixed up)
    female   male              unknown, x_and_y_disagree (XXY, contamination, mixed up)
    silent   any               unknown, no_x_evidence
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genome_build import GenomeBuild, par_intervals
from core.genotypes.block import MISSING_CALL, DosageBlock
from core.samples import FEMALE, MALE, UNKNOWN

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SMALL_COHORT = 50
"""Fewer samples have no allele frequencies of their own worth the name (plink's limit, too)."""

_FEMALE_MAX_F, _MALE_MIN_F = 0.2, 0.8
_MIN_EXPECTED_HET = 100
_FEMALE_MAX_Y, _MALE_MIN_Y = 0.2, 0.8
_MIN_Y_RECORDS = 20

X_PLOIDY, X_HETEROZYGOSITY = "x_ploidy", "x_heterozygosity"
NO_X_EVIDENCE, X_AND_Y_DISAGREE = "no_x_evidence", "x_and_y_disagree"


def count_x_ploidy(
    blocks: Iterable[DosageBlock], n_samples: int, build: GenomeBuild | None
) -> Counts:
    """(2, samples): haploid and diploid hard calls on X outside the PAR, first ALT row of each
    record.

    A missing "./." is diploid, but "." says nothing: many programs write it for any ploidy. Without
    a build, the PAR of both builds is left out.
    """
    counts = np.zeros((2, n_samples), np.int64)
    for block in blocks:
        rows = _x_rows(block, build)
        if block.ploidy is None:
            counts[1] += rows.sum()
            continue
        haploid = block.ploidy[rows] == 1
        counts[0] += (haploid & (block.dosage[rows] != MISSING_CALL)).sum(axis=0)
        counts[1] += (~haploid).sum(axis=0)
    return counts


def _x_rows(block: DosageBlock, build: GenomeBuild | None) -> npt.NDArray[np.bool_]:
    rows = pc.equal(block.column("contig"), "X").to_numpy(zero_copy_only=False)
    rows[1:] &= block.record[1:] != block.record[:-1]
    for one in GenomeBuild if build is None else (build,):
        for first, last in par_intervals(one):
            rows &= (block.position < first) | (block.position > last)
    return rows


def infer_sex(counts: Counts) -> npt.NDArray[np.int8]:
    """(samples,) male where most calls are haploid, female where all are diploid, else unknown."""
    haploid, diploid = counts
    sex = np.full(haploid.shape, UNKNOWN, np.int8)
    if not haploid.any():
        return sex
    sex[haploid > diploid] = MALE
    sex[(haploid == 0) & (diploid > 0)] = FEMALE
    return sex


@dataclass(frozen=True, slots=True)
class SexEvidence:
    """What the calls on X and Y outside the PAR say, (samples,) each.

    n_x_haploid, n_x_diploid   calls that are not missing
    n_x_het, x_expected_het    of the diploid; expected may be NaN
    y_call_rate                NaN where there are no records
    n_y_records                of the file
    """

    n_x_haploid: Counts
    n_x_diploid: Counts
    n_x_het: Counts
    x_expected_het: Floats
    y_call_rate: Floats
    n_y_records: int

    @property
    def x_f(self) -> Floats:
        """(samples,) NaN where too few heterozygotes were expected."""
        enough = self.x_expected_het >= _MIN_EXPECTED_HET
        expected = np.where(enough, self.x_expected_het, np.nan)
        return 1 - self.n_x_het / expected


def judge_sex(evidence: SexEvidence) -> tuple[npt.NDArray[np.int8], list[str]]:
    """(samples,) sex codes, and why: X_PLOIDY or X_HETEROZYGOSITY, or why sex is unknown."""
    by_ploidy = infer_sex(np.stack([evidence.n_x_haploid, evidence.n_x_diploid]))
    by_f = np.full(by_ploidy.shape, UNKNOWN, np.int8)
    if not evidence.n_x_haploid.any():
        by_f[evidence.x_f > _MALE_MIN_F] = MALE
        by_f[evidence.x_f < _FEMALE_MAX_F] = FEMALE
    by_x = np.where(by_ploidy != UNKNOWN, by_ploidy, by_f)
    by_y = _sex_by_y(evidence)
    disagree = (by_x != UNKNOWN) & (by_y != UNKNOWN) & (by_x != by_y)
    why = np.where(by_ploidy != UNKNOWN, X_PLOIDY, X_HETEROZYGOSITY)
    why = np.where(by_x == UNKNOWN, NO_X_EVIDENCE, why)
    why = np.where(disagree, X_AND_Y_DISAGREE, why)
    return np.where(disagree, UNKNOWN, by_x).astype(np.int8), why.tolist()


def _sex_by_y(evidence: SexEvidence) -> npt.NDArray[np.int8]:
    rate = evidence.y_call_rate
    sex = np.full(rate.shape, UNKNOWN, np.int8)
    if len(rate) > 1 and evidence.n_y_records >= _MIN_Y_RECORDS and (rate <= _FEMALE_MAX_Y).any():
        sex[rate >= _MALE_MIN_Y] = MALE
        sex[rate <= _FEMALE_MAX_Y] = FEMALE
    return sex


def to_table(counts: Counts) -> pa.Table:
    """One row, for the trip between processes."""
    return pa.table({"counts": pa.array([counts.tobytes()], pa.large_binary())})


def from_table(table: pa.Table) -> Counts:
    return np.frombuffer(table.column("counts")[0].as_buffer(), np.int64).reshape(2, -1)
