"""Which build's positions the records of a file have, told by well-known SNPs.

known_sites.tsv lists SNPs that most people carry, wherever their ancestors lived, each at another
position on GRCh37 than on GRCh38; none has complementary alleles, and none lies where the builds
differ in strand. A record agrees with a build where it has the alleles of such a SNP at the
position of that build; REF and ALT may be swapped, as PLINK files have them.

By chance alone, a list of every variant of a large population (one in 35 bases, a third of them
with the same two alleles) has about one in a hundred of these SNPs on the wrong build.
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
from core.genotypes.block import DosageBlock

MIN_AGREEING = 5
"""SNPs from which on a build is believed."""

MAX_SHARE_OF_OTHER = 0.05
"""What the other build may have of them, by chance."""

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
        for contig, position, *alleles in zip(*(c.to_pylist() for c in columns), strict=True):
            build, number = table.places.get((contig, position), (None, -1))
            if build is not None and frozenset(alleles) == table.alleles[number]:
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
