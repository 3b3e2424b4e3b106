"""Copies of a chromosome, which PLINK files leave to the reader: everything in them is diploid.

    place                    male  female  unknown
    X, outside the PAR       1     2       2
    Y                        1     0       1
    MT                       1     1       1
    all others, PAR          2     2       2

Chromosome codes are PLINK's: 23 is X, 24 is Y, 26 is MT; 25, XY, PAR1 and PAR2 are the PAR of X. In
a file that writes all of X as X, the build's PAR boundaries tell; where the file does not state its
build, what is in the PAR of either build stays diploid. Sex is the SEX of .psam or .fam.

One copy: hard calls 0, 1, 2 (and dosages 0 to 2) become 0, -, 1 (0 to 1) with ploidy 1. A
heterozygous hard call cannot be one copy and stays as it is written, two alleles with ploidy 2:
`plink2 --export vcf` writes it so, and `plink2 --score` counts it so. Without a copy the call is
missing with ploidy 1, the "." of a VCF, and scores know from the sex that nobody is missed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from core.genome_build import GenomeBuild, par_intervals, plink_contig
from core.genotypes.block import MISSING_CALL
from core.genotypes.simd import kernel
from core.samples import FEMALE, MALE, UNKNOWN

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

DIPLOID, X_NON_PAR, Y, MT = 0, 1, 2, 3

_COPIES: Mapping[int, Mapping[int, int]] = {
    X_NON_PAR: {MALE: 1, FEMALE: 2, UNKNOWN: 2},
    Y: {MALE: 1, FEMALE: 0, UNKNOWN: 1},
    MT: {MALE: 1, FEMALE: 1, UNKNOWN: 1},
}
_PLACES = {"X": X_NON_PAR, "Y": Y, "MT": MT}
_PAR_CODES = frozenset({"25", "XY", "PAR1", "PAR2"})


def places_of(
    chromosomes: Sequence[str],
    chromosome_of: npt.NDArray[np.integer],
    positions: Ints,
    build: GenomeBuild | None,
) -> Bytes:
    """(n,) DIPLOID to MT of variants; `chromosome_of` counts names as PLINK files write them."""
    of_name = np.array([_place_of(name) for name in chromosomes], np.uint8)
    place = of_name[chromosome_of]
    for one in GenomeBuild if build is None else (build,):
        for first, last in par_intervals(one):
            in_par = (place == X_NON_PAR) & (positions >= first) & (positions <= last)
            place[in_par] = DIPLOID
    return place


def _place_of(name: str) -> int:
    bare = name[3:] if name[:3].lower() == "chr" else name
    return DIPLOID if bare.upper() in _PAR_CODES else _PLACES.get(plink_contig(name), DIPLOID)


def copies_in_places(sexes: Bytes) -> Bytes:
    """(places, samples) copies that each sample has, by sex code (samples,)."""
    copies = np.full((len(_COPIES) + 1, len(sexes)), 2, np.uint8)
    for place, of_sex in _COPIES.items():
        for sex, count in of_sex.items():
            copies[place, sexes == sex] = count
    return copies


@kernel
def place_calls(
    calls: Bytes, record: npt.NDArray[np.int32], place: Bytes, copies: Bytes, ploidy: Bytes
) -> None:
    """Hard calls, 0 to 2 of two copies and 255 missing, become what the places allow.

    calls (R, S), changed; record (R,) has one number in the ALT rows of a record, which are
    adjacent; place (R,); copies as `copies_in_places` has them; ploidy (R, S), overwritten.
    """
    start = 0
    for stop in range(1, calls.shape[0] + 1):
        if stop < calls.shape[0] and record[stop] == record[start]:
            continue
        for s in range(calls.shape[1]):
            n_copies, is_het = copies[place[start], s], False
            for row in range(start, stop):
                is_het |= calls[row, s] == 1
            for row in range(start, stop):
                ploidy[row, s] = 2 if n_copies == 2 or (is_het and n_copies == 1) else 1
                if n_copies == 0:
                    calls[row, s] = MISSING_CALL
                elif ploidy[row, s] == 1 and calls[row, s] == 2:
                    calls[row, s] = 1
        start = stop


@kernel
def place_dosages(dosages: Floats, place: Bytes, copies: Bytes, ploidy: Bytes) -> None:
    """As `place_calls` for imputed dosages, NaN missing, which one copy halves."""
    for row in range(dosages.shape[0]):
        for s in range(dosages.shape[1]):
            n_copies = copies[place[row], s]
            ploidy[row, s] = 2 if n_copies == 2 else 1
            if n_copies == 0:
                dosages[row, s] = np.nan
            elif n_copies == 1:
                dosages[row, s] *= np.float32(0.5)
