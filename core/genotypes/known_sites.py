"""Which build's positions the records of a file have, told by well-known SNPs.

known_sites.tsv lists SNPs that most people carry, wherever their ancestors lived, each at another
position on GRCh37 than on GRCh38; none has complementary alleles, and none lies where the builds
differ in strand. A record agrees with a build where it has the alleles of such a SNP at the
position of that build; REF and ALT may be swapped, as PLINK files have them. One person in ten must
have each allele, so that rare variants do not count: those of half a million genomes are a record
at every third base, and one in eight of these SNPs would be on the wrong build by chance.

Of the common ones there are about 8 million (1000 Genomes Project, 2015, doi:10.1038/nature15393),
one in 360 bases, and 0.31 of a genome's SNPs have the alleles of one drawn from the table: by
chance, one SNP in a thousand is on the wrong build; of one person's variants one in two thousand,
of an array's one in ten thousand.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.build_evidence import BuildEvidence, BuildSource
from core.errors import GenomeBuildError, Where
from core.genome_build import GenomeBuild
from core.genotypes.block import DosageBlock, Dosages

MIN_AGREEING = 5
"""SNPs from which on a build is believed."""

MAX_SHARE_OF_OTHER = 0.05
"""What the other build may have of them, by chance."""

PEOPLE_PER_CARRIER = 10
"""Of so many people one must have each allele; fewer people than that need not."""

_TABLE = Path(__file__).with_name("known_sites.tsv")
_COLUMN_OF_BUILD = {GenomeBuild.GRCH37: 1, GenomeBuild.GRCH38: 2}
_LOW_BITS = 0xFFFF


class _Table(NamedTuple):
    """`places`: (contig, position) to the build and the SNP's number; `alleles` by number;
    `may_be_known` (65536,) bool by the low bits of a position, which spares most look-ups."""

    places: Mapping[tuple[str, int], tuple[GenomeBuild, int]]
    alleles: tuple[frozenset[str], ...]
    may_be_known: npt.NDArray[np.bool_]


@cache
def _table() -> _Table:
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    sites = [line.split("\t") for line in lines if not line.startswith(("#", "contig\t"))]
    places = {
        (site[0], int(site[column])): (build, number)
        for number, site in enumerate(sites)
        for build, column in _COLUMN_OF_BUILD.items()
    }
    may_be_known = np.zeros(_LOW_BITS + 1, np.bool_)
    may_be_known[[position & _LOW_BITS for _, position in places]] = True
    return _Table(places, tuple(frozenset(site[3:5]) for site in sites), may_be_known)


def known_positions() -> dict[str, npt.NDArray[np.int64]]:
    """Where the SNPs are on either build: canonical contig → sorted unique 1-based positions."""
    positions: dict[str, set[int]] = {}
    for contig, position in _table().places:
        positions.setdefault(contig, set()).add(position)
    return {contig: np.array(sorted(here), np.int64) for contig, here in positions.items()}


def _is_common(dosage: Dosages) -> bool:
    """Whether enough people have each allele, by the (samples,) dosages of a diploid record."""
    n_with_alt = np.count_nonzero((dosage >= 0.5) & (dosage <= 2))  # NaN and 255 are missing
    n_with_ref = np.count_nonzero(dosage <= 1.5)
    return bool(min(n_with_alt, n_with_ref) >= len(dosage) // PEOPLE_PER_CARRIER)


class KnownSites:
    """The SNPs that the records of blocks agree with, by build; added up over shards."""

    def __init__(self, found: Mapping[str, Iterable[int]] | None = None) -> None:
        self.found = {build: set((found or {}).get(build, ())) for build in GenomeBuild}

    def add(self, block: DosageBlock) -> None:
        table = _table()
        maybe = np.flatnonzero(table.may_be_known[block.position & _LOW_BITS])
        if not len(maybe):
            return
        columns = [block.column(name).take(maybe) for name in ("contig", "position", "ref", "alt")]
        sites = zip(*(c.to_pylist() for c in columns), strict=True)
        for row, (contig, position, *alleles) in zip(maybe, sites, strict=True):
            build, number = table.places.get((contig, position), (None, -1))
            if build is None or frozenset(alleles) != table.alleles[number]:
                continue
            if _is_common(block.dosage[row]):
                self.found[build].add(number)

    def __or__(self, other: "KnownSites") -> "KnownSites":
        return KnownSites({build: self.found[build] | other.found[build] for build in GenomeBuild})

    def to_json(self) -> dict[str, list[int]]:
        """What __init__ takes."""
        return {str(build): sorted(numbers) for build, numbers in self.found.items()}

    def evidence(self, where: Where) -> BuildEvidence | None:
        """The build that they tell; None where there are too few of them.

        Raises GenomeBuildError where records are on both builds.
        """
        other, build = sorted(GenomeBuild, key=lambda build: len(self.found[build]))
        n_other, n_agreeing = len(self.found[other]), len(self.found[build])
        words = (
            f"{n_agreeing} well-known SNPs have their {build} positions, {n_other} their "
            f"{other} ones"
        )
        if n_agreeing < MIN_AGREEING:
            return None
        if n_other <= MAX_SHARE_OF_OTHER * n_agreeing:
            return BuildEvidence(build, BuildSource.POSITIONS, words)
        if n_other < MIN_AGREEING:
            return None
        raise GenomeBuildError(
            f"the records are on two genome builds: {words}.",
            where=where,
            fix="Lift over the records that are not on the build of the others.",
        )
