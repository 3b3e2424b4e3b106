"""The sites of a block as arrays: read once, for matching, terms and the names of variants."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.genotypes.block import DosageBlock
from core.genotypes.simd import kernel
from core.scoring.alleles import Alleles, alleles_of, read_only, same_allele

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BlockSites:
    """The R rows of a block: contig, ref, alt are R strings, the others (R,); all read-only.

    contigs     (name, how many rows) of each run of rows on one contig
    """

    contig: Alleles
    position: Indices
    ref: Alleles
    alt: Alleles
    record: npt.NDArray[np.int32]
    n_alts: npt.NDArray[np.int32]
    contigs: tuple[list[str], Indices]


def sites_of(block: DosageBlock) -> BlockSites:
    """The sites of a block, zero-copy."""
    column = block.column("contig")
    contig = alleles_of(column)
    starts = _run_starts(contig)
    names = [column[start].as_py() for start in starts.tolist()]
    return BlockSites(
        contig=contig,
        position=read_only(block.position),
        ref=alleles_of(block.column("ref")),
        alt=alleles_of(block.column("alt")),
        record=read_only(block.record),
        n_alts=read_only(block.column("n_alts").to_numpy()),
        contigs=(names, np.diff(np.append(starts, block.n_rows))),
    )


@kernel
def _run_starts(strings: Alleles) -> Indices:
    """The indices where a string differs from the one before; 0 is the first of them."""
    found, n = np.empty(len(strings.offsets) - 1, np.int64), 0
    for i in range(len(strings.offsets) - 1):
        if i == 0 or not same_allele(strings, i - 1, i):
            found[n] = i
            n += 1
    return found[:n]
