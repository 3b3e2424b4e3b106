"""Sex from ploidy: who is written haploid on X outside the pseudo-autosomal regions.

Only a file that writes some people haploid says anything: where everyone is diploid on X, males may
have been written diploid too, and nobody's sex is known.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genome_build import GenomeBuild, par_intervals
from core.genotypes.block import MISSING_CALL, DosageBlock
from core.samples import FEMALE, MALE, UNKNOWN

Counts = npt.NDArray[np.int64]


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


def to_table(counts: Counts) -> pa.Table:
    """One row, for the trip between processes."""
    return pa.table({"counts": pa.array([counts.tobytes()], pa.large_binary())})


def from_table(table: pa.Table) -> Counts:
    return np.frombuffer(table.column("counts")[0].as_buffer(), np.int64).reshape(2, -1)
