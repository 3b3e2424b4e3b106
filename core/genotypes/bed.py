"""PLINK 1 .bed: biallelic hard calls, decoded by bed-reader.

A1 of the .bim is ALT and A2 is REF, as plink2 reads such files; `plink2 --ref-from-fa` or
`--alt1-allele` puts them right where a program has swapped them. Beside the calls: NAME.bim and
NAME.fam. The file does not say how large it should be: the tables do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import GenotypeFileError, Where
from core.genotypes.block import MISSING_CALL, Dosages
from core.genotypes.plink import (
    Fileset,
    Ints,
    PlinkFile,
    Variants,
    fileset_of,
    read_tables,
)
from core.genotypes.plink_sites import Sites

_MAGIC = b"\x6c\x1b\x01"
_SAMPLE_MAJOR = b"\x6c\x1b\x00"
_MISSING_BYTE = np.uint8(256 - 127)
"""-127 as bed-reader writes it into int8."""


def bed_fileset(uri: str) -> Fileset:
    return fileset_of(uri, (".bim",), ".fam")


def open_bed(uri: str) -> PlinkFile:
    """Read the tables and check the size.

    Raises UnsupportedFormatError for a remote file, GenotypeFileError for files that cannot be used
    or do not belong together.
    """
    fileset = bed_fileset(uri)
    size_bytes = fileset.calls.stat().st_size
    _check_magic(fileset.calls)
    samples, sites_file, sites = read_tables(fileset, None)
    n_variants = sites.table.num_rows
    _check_size(fileset, size_bytes, n_variants, len(samples.names))
    _check_biallelic(fileset, sites)
    return PlinkFile(
        uri=uri,
        size_bytes=size_bytes,
        samples=samples.names,
        sexes=samples.sexes,
        build_evidence=sites.build_evidence,
        n_variants=n_variants,
        sites=sites_file,
        calls=BedCalls(str(fileset.calls), size_bytes, n_variants, len(samples.names)),
    )


def _check_magic(path: Path) -> None:
    with path.open("rb") as file:
        magic = file.read(len(_MAGIC))
    if magic == _MAGIC:
        return
    if magic == _SAMPLE_MAJOR:
        raise GenotypeFileError(
            "the file is in sample-major order, which PLINK gave up.",
            where=Where(str(path)),
            fix="Write it again (plink2 --make-bed).",
        )
    raise GenotypeFileError(
        "the file is not a PLINK 1 .bed.",
        where=Where(str(path)),
        fix="Give the .bed of a .bed/.bim/.fam fileset, not a table of genomic intervals.",
    )


def _check_size(fileset: Fileset, size_bytes: int, n_variants: int, n_samples: int) -> None:
    expected = len(_MAGIC) + n_variants * -(-n_samples // 4)
    if size_bytes != expected:
        raise GenotypeFileError(
            f"the file has {size_bytes} bytes; {n_variants} variants of {fileset.sites} and "
            f"{n_samples} samples of {fileset.samples} make {expected}.",
            where=Where(str(fileset.calls)),
            fix="Copy the file again, or give the tables that were written with it.",
        )


def _check_biallelic(fileset: Fileset, sites: Sites) -> None:
    several = np.flatnonzero(sites.n_alts > 1)
    if len(several):
        raise GenotypeFileError(
            f"variant {int(several[0]) + 1} has a comma in its first allele; a .bed has two "
            "alleles.",
            where=Where(str(fileset.sites), field="A1"),
            fix="Write the fileset again (plink2 --make-bed).",
        )


@dataclass(frozen=True, slots=True)
class BedCalls:
    """A .bed that open_bed has checked."""

    path: str
    size_bytes: int
    n_variants: int
    n_samples: int
    has_dosages: bool = False

    def open(self, sites: Sites) -> "BedReader":
        if Path(self.path).stat().st_size != self.size_bytes:
            raise GenotypeFileError(
                "the file changed after it was opened.",
                where=Where(self.path),
                fix="Start the job again.",
            )
        return BedReader(self)


class BedReader:
    """Counts A1's copies, in the thread that asks."""

    def __init__(self, file: BedCalls) -> None:
        from bed_reader import open_bed as bed_reader  # noqa: PLC0415 - only where it is needed

        self._path = file.path
        self._bed: Any = bed_reader(
            Path(file.path),
            iid_count=file.n_samples,
            sid_count=file.n_variants,
            count_A1=True,
            num_threads=1,
        )

    def read(self, variants: Variants, alleles: Ints, into: Dosages) -> None:
        """As CallsReader has it: hard calls, of one ALT each."""
        try:
            chosen = (slice(None), variants.astype(np.intp))
            calls = self._bed.read(index=chosen, dtype="int8", order="F")
        except (OSError, ValueError, RuntimeError) as error:
            raise GenotypeFileError(
                "the calls cannot be read.", where=Where(self._path), fix="Copy the file again."
            ) from error
        into[:] = calls.T.view(np.uint8)
        np.copyto(into, MISSING_CALL, where=into == _MISSING_BYTE)
