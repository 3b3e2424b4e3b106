"""Genome builds, contig names, and the pseudo-autosomal regions (PAR).

Contig lengths and PAR boundaries: Genome Reference Consortium, GRCh37.p13 and GRCh38.p14
(the lengths of the primary assembly do not change between patches). Lengths of builds that are
refused: UCSC's hg18, and T2T-CHM13v2.0 of the Telomere-to-Telomere Consortium.
"""

import re
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

        Raises GenomeBuildError for builds that no reader here can place: hg18 and older, T2T.
        """
        name = _PATCH.sub("", text.strip().lower())
        if name in _UNSUPPORTED:
            raise unsupported_build(f"genome build {text}")
        return _ALIASES.get(name)


def unsupported_build(what: str) -> GenomeBuildError:
    """`what` names the build, and what says so."""
    return GenomeBuildError(
        f"{what} is not supported.", fix="Lift the positions over to GRCh37 or GRCh38 first."
    )


_ALIASES = {
    "grch37": GenomeBuild.GRCH37,
    "hg19": GenomeBuild.GRCH37,
    "b37": GenomeBuild.GRCH37,
    "hs37": GenomeBuild.GRCH37,
    "hs37d5": GenomeBuild.GRCH37,
    "g1k_v37": GenomeBuild.GRCH37,
    "human_g1k_v37": GenomeBuild.GRCH37,
    "homo_sapiens_assembly19": GenomeBuild.GRCH37,
    "grch38": GenomeBuild.GRCH38,
    "hg38": GenomeBuild.GRCH38,
    "b38": GenomeBuild.GRCH38,
    "hs38": GenomeBuild.GRCH38,
    "homo_sapiens_assembly38": GenomeBuild.GRCH38,
    # GenBank and RefSeq: the releases of GRCh37, GRCh37.p1 to p13, GRCh38, GRCh38.p1 to p14
    **{f"gca_000001405.{release}": GenomeBuild.GRCH37 for release in range(1, 15)},
    **{f"gca_000001405.{release}": GenomeBuild.GRCH38 for release in range(15, 30)},
    **{f"gcf_000001405.{release}": GenomeBuild.GRCH37 for release in range(13, 26)},
    **{f"gcf_000001405.{release}": GenomeBuild.GRCH38 for release in range(26, 41)},
}
_UNSUPPORTED = frozenset(
    (
        *("hg18", "ncbi36", "grch36", "b36", "gcf_000001405.12", "hg17", "ncbi35", "b35"),
        *("t2t", "chm13", "t2t-chm13", "chm13v2", "t2t-chm13v2", "chm13v2.0", "t2t-chm13v2.0"),
        *("hs1", "gca_009914755.4", "gcf_009914755.1"),
    )
)
_PATCH = re.compile(r"(?<=^grch3[78])\.?p[0-9]+$")

# "hs1" is too short to mean a build wherever it stands in a path
_NAMES = sorted((*_ALIASES, *_UNSUPPORTED - {"hs1"}), key=len, reverse=True)
_NAME_IN_TEXT = re.compile(rf"(?<![a-z0-9])({'|'.join(map(re.escape, _NAMES))})(?![0-9])")


def build_named_in(text: str) -> GenomeBuild | None:
    """The one build that is named in a path, a URL or a sentence; None for none, or for two.

    >>> build_named_in("file:///data/human_g1k_v37.fasta")
    <GenomeBuild.GRCH37: 'GRCh37'>

    Raises GenomeBuildError where all that is named are builds that no reader here can place.
    """
    names = _NAME_IN_TEXT.findall(text.lower())
    builds = {_ALIASES[name] for name in names if name in _ALIASES}
    if names and not builds:
        raise unsupported_build(f"{text} names a genome build that")
    return builds.pop() if len(builds) == 1 else None


_LENGTHS: dict[str, tuple[int, int, int, int]] = {
    # contig: lengths in NCBI36, GRCh37, GRCh38, T2T-CHM13v2.0
    "1": (247249719, 249250621, 248956422, 248387328),
    "2": (242951149, 243199373, 242193529, 242696752),
    "3": (199501827, 198022430, 198295559, 201105948),
    "4": (191273063, 191154276, 190214555, 193574945),
    "5": (180857866, 180915260, 181538259, 182045439),
    "6": (170899992, 171115067, 170805979, 172126628),
    "7": (158821424, 159138663, 159345973, 160567428),
    "8": (146274826, 146364022, 145138636, 146259331),
    "9": (140273252, 141213431, 138394717, 150617247),
    "10": (135374737, 135534747, 133797422, 134758134),
    "11": (134452384, 135006516, 135086622, 135127769),
    "12": (132349534, 133851895, 133275309, 133324548),
    "13": (114142980, 115169878, 114364328, 113566686),
    "14": (106368585, 107349540, 107043718, 101161492),
    "15": (100338915, 102531392, 101991189, 99753195),
    "16": (88827254, 90354753, 90338345, 96330374),
    "17": (78774742, 81195210, 83257441, 84276897),
    "18": (76117153, 78077248, 80373285, 80542538),
    "19": (63811651, 59128983, 58617616, 61707364),
    "20": (62435964, 63025520, 64444167, 66210255),
    "21": (46944323, 48129895, 46709983, 45090682),
    "22": (49691432, 51304566, 50818468, 51324926),
    "X": (154913754, 155270560, 156040895, 154259566),
    "Y": (57772954, 59373566, 57227415, 62460029),
}
_BUILDS_OF_LENGTHS = ("NCBI36 (hg18)", GenomeBuild.GRCH37, GenomeBuild.GRCH38, "T2T-CHM13v2.0")

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


_FIRST_GENBANK = 663  # CM000663 is chromosome 1, CM000686 is Y; .1 is GRCh37, .2 is GRCh38

_BUILDS = (GenomeBuild.GRCH37, GenomeBuild.GRCH38)


def _accessions() -> dict[str, tuple[str, GenomeBuild]]:
    """Versioned RefSeq and GenBank accessions: (contig, build)."""
    accessions: dict[str, tuple[str, GenomeBuild]] = {}
    for number, (contig, versions) in enumerate(_REFSEQ_VERSIONS.items()):
        for at, build in enumerate(_BUILDS):
            accessions[f"NC_{number + 1:06}.{versions[at]}"] = contig, build
            accessions[f"CM{_FIRST_GENBANK + number:06}.{at + 1}"] = contig, build
    return accessions


_ACCESSIONS = _accessions()

# XY, PAR1, PAR2 and the codes 23, 24, 26 are PLINK's; 23 and 24 are also those of GWAS-SSF
_CONTIG_ALIASES: dict[str, str] = {
    **{contig: contig for contig in (*_LENGTHS, "MT")},
    **{"M": "MT", "NC_012920.1": "MT", "J01415.2": "MT"},
    **{"23": "X", "24": "Y", "26": "MT", "XY": "X", "PAR1": "X", "PAR2": "X"},
    **{accession: contig for accession, (contig, _) in _ACCESSIONS.items()},
}

CANONICAL_CONTIGS: tuple[str, ...] = (*_LENGTHS, "MT")

_MT_OF_UCSC, _MT_OF_UCSC_LENGTH = "NC_001807.4", 16571


def canonical_contig(name: str, length: int | None = None) -> str:
    """chr1, CHR1, 01, NC_000001.11, CM000663.2 → "1"; chrM → "MT"; an unknown contig keeps its
    own name.

    `length` is what a header states. chrM of UCSC's hg19 is not MT (rCRS, 16569 bases) but another
    sequence with other positions, which gets its own name, NC_001807.4.

    >>> canonical_contig("chrX")
    'X'
    """
    bare = name[3:] if name[:3].lower() == "chr" else name
    bare = bare.upper() if len(bare) <= 4 else bare
    bare = (bare.lstrip("0") or bare) if bare.isdigit() else bare
    contig = _CONTIG_ALIASES.get(bare, name)
    return _MT_OF_UCSC if contig == "MT" and length == _MT_OF_UCSC_LENGTH else contig


def plink_contig(name: str) -> str:
    """As canonical_contig, in a PLINK fileset or an array's raw data, whose 25 is the PAR of X
    (GWAS-SSF's is MT)."""
    return "X" if name.lower().removeprefix("chr") == "25" else canonical_contig(name)


def build_of_contig(name: str, length: int | None) -> GenomeBuild | None:
    """The build that has such a contig, by the length that a header states, else by the version of
    an accession. None where neither tells.

    Raises GenomeBuildError for a length in a build that no reader here can place, and where length
    and accession contradict each other.
    """
    lengths = _LENGTHS.get(canonical_contig(name), ())
    _, build = _ACCESSIONS.get(name, (None, None))
    if length not in lengths:
        return build
    by_length = _BUILDS_OF_LENGTHS[lengths.index(length)]
    if not isinstance(by_length, GenomeBuild):
        raise unsupported_build(f"contig {name} is {length} bases long as in {by_length}, which")
    if build not in (None, by_length):
        raise GenomeBuildError(
            f"contig {name} is named as in {build}, and {length} bases long as in {by_length}.",
            fix="State one build's contigs in the header.",
        )
    return by_length


def build_from_contig_lengths(lengths: Mapping[str, int | None]) -> GenomeBuild | None:
    """The build whose lengths the header's contigs have; None without evidence.

    `lengths` maps the file's contig names to the lengths that its header states. Raises
    GenomeBuildError where contigs of both builds stand side by side, and for builds that no reader
    here can place.
    """
    seen: dict[GenomeBuild, str] = {}
    for name, length in lengths.items():
        build = build_of_contig(name, length)
        if build is not None:
            seen.setdefault(build, name)
    if len(seen) > 1:
        raise GenomeBuildError(
            f"contig {seen[GenomeBuild.GRCH37]} has its GRCh37 length or accession, "
            f"contig {seen[GenomeBuild.GRCH38]} its GRCh38 one.",
            fix="State one build's contigs in the header.",
        )
    return next(iter(seen), None)


def par_intervals(build: GenomeBuild, contig: str = "X") -> tuple[tuple[int, int], ...]:
    """PAR1 and PAR2 on X or Y as 1-based inclusive (first, last)."""
    return _PAR[build, contig]
