"""What says on which genome build the positions of a file are.

Contigs' lengths and accessions, names in a header, positions of well-known SNPs, a person: each
piece of evidence names a build and says in words what it is. Pieces that contradict each other are
an error that repeats both, never a choice between them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.errors import GenomeBuildError, Where
from core.genome_build import (
    GenomeBuild,
    build_from_contig_lengths,
    build_named_in,
    build_of_contig,
)

MAX_QUOTED = 200


class BuildSource(StrEnum):
    """Who names the build; `unknown` where nobody does."""

    OPTION = "--build"
    HEADER = "genotype header"
    POSITIONS = "known positions"
    SCORING_FILES = "scoring files"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BuildEvidence:
    """`words` follow on "because": "contig chr1 is 249250621 bases long"."""

    build: GenomeBuild
    source: BuildSource
    words: str

    def __str__(self) -> str:
        return f"{self.build} ({self.source}: {self.words})"


def build_facts(evidence: BuildEvidence | None) -> dict[str, str | None]:
    """As records and summaries state them, ready for JSON."""
    return {
        "build": evidence.build if evidence is not None else None,
        "build_source": evidence.source if evidence is not None else BuildSource.UNKNOWN,
        "build_evidence": evidence.words if evidence is not None else None,
    }


def evidence_of_contigs(contigs: Mapping[str, int | None]) -> BuildEvidence | None:
    """By the lengths and accessions of a header's contigs.

    Raises GenomeBuildError for contigs of two builds, or of one that no reader here can place.
    """
    build = build_from_contig_lengths(contigs)
    if build is None:
        return None
    name, length = next(
        (name, length) for name, length in contigs.items() if build_of_contig(name, length) is build
    )
    known_by = "is named so" if length is None else f"is {length} bases long"
    return BuildEvidence(build, BuildSource.HEADER, f"contig {name} {known_by}")


def evidence_of_text(text: str) -> BuildEvidence | None:
    """By a build's name in a line of a header.

    Raises GenomeBuildError for the name of a build that no reader here can place.
    """
    build = build_named_in(text)
    return None if build is None else BuildEvidence(build, BuildSource.HEADER, quoted(text))


def quoted(text: str) -> str:
    """As much of a line as an error or a record repeats."""
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"


def agreed(evidence: Iterable[BuildEvidence | None], where: Where) -> BuildEvidence | None:
    """The first piece, where all name one build; None where there is none.

    Raises GenomeBuildError that repeats two pieces that contradict each other.
    """
    first, *others = [piece for piece in evidence if piece is not None] or [None]
    for other in others:
        if first is not None and other is not None and other.build is not first.build:
            raise GenomeBuildError(
                f"the genotypes are on {first}, but they are on {other}.",
                where=where,
                fix="Find out on which build the positions are, and correct the header.",
            )
    return first
