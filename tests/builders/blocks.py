"""DosageBlocks in memory, for logic that needs no file."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.genotypes.block import DosageBlock

Site = tuple[str, int, str, str]


def block_of(
    sites: Sequence[Site],
    dosage: npt.ArrayLike,
    *,
    ploidy: npt.ArrayLike | None = None,
    ids: Sequence[str] | None = None,
    imputed: bool = False,
) -> DosageBlock:
    """One record per site (contig, position, ref, alt); several ALTs, comma-separated, take as many
    rows of `dosage`."""
    rows = [
        (number, contig, position, ids[number] if ids else ".", ref, alt, alts.count(",") + 1)
        for number, (contig, position, ref, alts) in enumerate(sites)
        for alt in alts.split(",")
    ]
    names = ("record", "contig", "position", "id", "ref", "alt", "n_alts")
    columns = {
        name: pa.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    return DosageBlock.build(
        columns,
        np.array(dosage, np.float32) if imputed else np.array(dosage, np.uint8),
        None if ploidy is None else np.array(ploidy, np.uint8),
    )
