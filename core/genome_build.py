"""Genome builds, contig names, and the pseudo-autosomal regions (PAR).

Contig lengths and PAR boundaries: Genome Reference Consortium, GRCh37.p13 and GRCh38.p14
(the lengths of the primary assembly do not change between patches).
"""

from collections.abc import Mapping
from enum import StrEnum

from core.errors import GenomeBuildError


class GenomeBuild(StrEnum):
    GRCH37 = "GRCh37"
    GRCH38 = "GRCh38"

    @classmethod
    def parse(cls, text: str) -> "GenomeBuild | None":
        """The build that `text` names; None for NR, empty or unknown names.

        >>> GenomeBuild.parse("hg19")
        <GenomeBuild.GRCH37: 'GRCh37'>

        Raises GenomeBuildError for hg18 and older, which no reader here can place.
        """
        name = text.strip().lower()
        if name in _RETIRED:
            raise GenomeBuildError(
                f"genome build {text} is not supported.",
                fix="Lift the positions over to GRCh37 or GRCh38 first.",
            )
        return _ALIASES.get(name)


_ALIASES = {
    "grch37": GenomeBuild.GRCH37,
    "hg19": GenomeBuild.GRCH37,
    "b37": GenomeBuild.GRCH37,
    "hs37d5": GenomeBuild.GRCH37,
    "grch38": GenomeBuild.GRCH38,
    "hg38": GenomeBuild.GRCH38,
    "b38": GenomeBuild.GRCH38,
}
_RETIRED = {"hg18", "ncbi36", "grch36", "hg17", "ncbi35"}

# contig: (GRCh37 length, GRCh38 length)
_LENGTHS: dict[str, tuple[int, int]] = {
    "1": (249250621, 248956422),
    "2": (243199373, 242193529),
    "3": (198022430, 198295559),
    "4": (191154276, 190214555),
    "5": (180915260, 181538259),
    "6": (171115067, 170805979),
    "7": (159138663, 159345973),
    "8": (146364022, 145138636),
    "9": (141213431, 138394717),
    "10": (135534747, 133797422),
    "11": (135006516, 135086622),
    "12": (133851895, 133275309),
    "13": (115169878, 114364328),
    "14": (107349540, 107043718),
    "15": (102531392, 101991189),
    "16": (90354753, 90338345),
    "17": (81195210, 83257441),
    "18": (78077248, 80373285),
    "19": (59128983, 58617616),
    "20": (63025520, 64444167),
    "21": (48129895, 46709983),
    "22": (51304566, 50818468),
    "X": (155270560, 156040895),
    "Y": (59373566, 57227415),
}

# (first, last) 1-based inclusive positions
_PAR: dict[tuple[GenomeBuild, str], tuple[tuple[int, int], ...]] = {
    (GenomeBuild.GRCH37, "X"): ((60001, 2699520), (154931044, 155260560)),
    (GenomeBuild.GRCH37, "Y"): ((10001, 2649520), (59034050, 59363566)),
    (GenomeBuild.GRCH38, "X"): ((10001, 2781479), (155701383, 156030895)),
    (GenomeBuild.GRCH38, "Y"): ((10001, 2781479), (56887903, 57217415)),
}

# RefSeq versions: (GRCh37, GRCh38)
_REFSEQ_VERSIONS: dict[str, tuple[int, int]] = {
    "1": (10, 11),
    "2": (11, 12),
    "3": (11, 12),
    "4": (11, 12),
    "5": (9, 10),
    "6": (11, 12),
    "7": (13, 14),
    "8": (10, 11),
    "9": (11, 12),
    "10": (10, 11),
    "11": (9, 10),
    "12": (11, 12),
    "13": (10, 11),
    "14": (8, 9),
    "15": (9, 10),
    "16": (9, 10),
    "17": (10, 11),
    "18": (9, 10),
    "19": (9, 10),
    "20": (10, 11),
    "21": (8, 9),
    "22": (10, 11),
    "X": (10, 11),
    "Y": (9, 10),
}


def _refseq_aliases() -> dict[str, str]:
    aliases = {"NC_012920.1": "MT"}
    for number, (contig, versions) in enumerate(_REFSEQ_VERSIONS.items(), start=1):
        aliases |= {f"NC_{number:06d}.{version}": contig for version in versions}
    return aliases


# XY, PAR1, PAR2 and the codes 23..26 are PLINK's
_CONTIG_ALIASES: dict[str, str] = {
    **{contig: contig for contig in (*_LENGTHS, "MT")},
    **{"M": "MT", "23": "X", "24": "Y", "25": "X", "26": "MT"},
    **{"XY": "X", "PAR1": "X", "PAR2": "X"},
    **_refseq_aliases(),
}

CANONICAL_CONTIGS: tuple[str, ...] = (*_LENGTHS, "MT")


def canonical_contig(name: str) -> str:
    """chr1, CHR1, 01, NC_000001.11 → "1"; chrM → "MT"; an unknown contig keeps its own name.

    >>> canonical_contig("chrX")
    'X'
    """
    bare = name[3:] if name[:3].lower() == "chr" else name
    bare = bare.upper() if len(bare) <= 4 else bare
    return _CONTIG_ALIASES.get(bare.lstrip("0") or bare, name)


def build_from_contig_lengths(lengths: Mapping[str, int]) -> GenomeBuild | None:
    """The build whose lengths the header's contigs have; None without evidence.

    `lengths` maps the file's contig names to the lengths that its header states.
    Raises GenomeBuildError where contigs of both builds stand side by side.
    """
    seen: dict[GenomeBuild, str] = {}
    for name, length in lengths.items():
        expected = _LENGTHS.get(canonical_contig(name))
        if expected is not None and length in expected:
            build = (GenomeBuild.GRCH37, GenomeBuild.GRCH38)[expected.index(length)]
            seen.setdefault(build, name)
    if len(seen) > 1:
        raise GenomeBuildError(
            f"contig {seen[GenomeBuild.GRCH37]} has its GRCh37 length, "
            f"contig {seen[GenomeBuild.GRCH38]} its GRCh38 length.",
            fix="State one build's contigs in the header.",
        )
    return next(iter(seen), None)


def par_intervals(build: GenomeBuild, contig: str = "X") -> tuple[tuple[int, int], ...]:
    """PAR1 and PAR2 on X or Y as 1-based inclusive (first, last)."""
    return _PAR[build, contig]
