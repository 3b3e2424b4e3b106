"""Which format a genotype file has, and a cohort of files in any of them.

first bytes of the content  name                    format       core.genotypes.
BCF                         any                     BCF          bcf
bgen, from byte 16 on       any, or *.bgen          BGEN         bgen
0x6c 0x1b 0x01              any, or *.bed           PLINK 1      bed
0x6c 0x1b                   any, or *.pgen          PLINK 2      pgen
                            *.cgstore, or a folder  store        store
text of an array's maker    any                     array text   array_text
anything else               any                     VCF          vcf

A name speaks where the bytes say nothing, so that a damaged .bed is not called a bad VCF.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from core.errors import CohortError, Where
from core.file_kind import HEAD_BYTES, is_array_text
from core.genotypes import bgzf, vcf
from core.genotypes.array_text import open_array_text
from core.genotypes.bcf.file import open_bcf
from core.genotypes.bed import bed_fileset, open_bed
from core.genotypes.bgen.file import bgen_files, open_bgen
from core.genotypes.bgen.header import MAGIC, MAGIC_AT
from core.genotypes.pgen import open_pgen, pgen_fileset
from core.genotypes.plink import PlinkFile
from core.genotypes.source import Cohort, GenotypeFile, GenotypeShard, cohort_of
from core.genotypes.store import SUFFIX, open_store
from core.genotypes.store_manifest import MANIFEST
from core.genotypes.text import detect_compression, read_text
from core.samples import UNKNOWN
from core.storage.byte_ranges import S3Access, open_byte_ranges

GENOTYPES = "genotype files of one cohort: VCF, BCF, BGEN, .pgen, .bed, array text, or stores"
"""For the help of commands."""


class Format(NamedTuple):
    """`open` a file; `content_uris` of the objects that together have its content."""

    open: Callable[[str, S3Access | None], GenotypeFile[GenotypeShard]]
    content_uris: Callable[[str], Sequence[str]]


_PGEN = Format(lambda uri, _s3: open_pgen(uri), lambda uri: pgen_fileset(uri).uris)
_BED = Format(lambda uri, _s3: open_bed(uri), lambda uri: bed_fileset(uri).uris)
_BGEN = Format(lambda uri, _s3: open_bgen(uri), bgen_files)
_STORE = Format(
    lambda uri, s3: open_store(uri, s3=s3),
    lambda uri: (f"{uri.rstrip('/')}/{MANIFEST}",),  # it has the sha256 of the store's files
)
_BCF = Format(lambda uri, s3: open_bcf(uri, s3=s3), lambda uri: (uri,))
_ARRAY_TEXT = Format(lambda uri, s3: open_array_text(uri, s3=s3), lambda uri: (uri,))
_VCF = Format(lambda uri, s3: vcf.open_vcf(uri, s3=s3), lambda uri: (uri,))

_BY_MAGIC = (
    (0, b"BCF", _BCF),
    (MAGIC_AT, MAGIC, _BGEN),
    (0, b"\x6c\x1b\x01", _BED),
    (0, b"\x6c\x1b", _PGEN),
)
"""Where the bytes stand, the bytes, the format; the first that fits counts."""

_BY_SUFFIX = {".bgen": _BGEN, ".pgen": _PGEN, ".bed": _BED}
"""Local ones all."""

_LOCAL = ("", "file")


def open_cohort(uris: Sequence[str], *, s3: S3Access | None = None) -> Cohort[GenotypeShard]:
    """Genotype files of one cohort.

    Raises GenotypeFileError for a file that is none, CohortError where the samples differ,
    GenomeBuildError where the files state different genome builds.
    """
    return cohort_of([format_of(uri, s3=s3).open(uri, s3) for uri in uris])


def format_of(uri: str, *, s3: S3Access | None = None) -> Format:
    """By the table above. Raises GenotypeFileError where there is no such file."""
    if is_store(uri):
        return _STORE
    named = next((known for suffix, known in _BY_SUFFIX.items() if uri.endswith(suffix)), None)
    if named is not None and _scheme(uri) not in _LOCAL:
        return named  # its reader refuses the object, which need not be asked for
    head = _head(uri, s3)
    for at, magic, known in _BY_MAGIC:
        if head[at : at + len(magic)] == magic:
            return known
    return named or (_ARRAY_TEXT if is_array_text(head) else _VCF)


def _head(uri: str, s3: S3Access | None) -> bytes:
    """The first bytes of the content."""
    source = open_byte_ranges(uri, s3=s3)
    compression = detect_compression(source.read(0, bgzf.MAX_BLOCK_BYTES))
    pieces = read_text(source, compression, 0, 0)
    return next((piece.text[:HEAD_BYTES] for piece in pieces), b"")


def has_reference_blocks(cohort: Cohort[GenotypeShard]) -> bool:
    """Whether some file is a gVCF."""
    return any(isinstance(file, vcf.VcfFile) and file.is_gvcf for file in cohort.files)


def content_uris(uri: str, *, s3: S3Access | None = None) -> Sequence[str]:
    """The objects whose sha256 stand for the content of a genotype file."""
    return format_of(uri, s3=s3).content_uris(uri)


def is_store(uri: str) -> bool:
    """By its name, or a local folder by what is in it."""
    if uri.rstrip("/").endswith(SUFFIX):
        return True
    scheme = _scheme(uri)
    if scheme not in _LOCAL:
        return False
    folder = Path(unquote(urlsplit(uri).path) if scheme else uri)
    return (folder / MANIFEST).is_file()


def _scheme(uri: str) -> str:
    return urlsplit(uri).scheme if "://" in uri else ""


def stated_sexes(cohort: Cohort[GenotypeShard]) -> Mapping[str, int] | None:
    """Sex codes by sample, where files state them (.psam, .fam); None where none knows any.

    Raises CohortError where two files contradict each other.
    """
    known: dict[str, int] = {}
    for file in cohort.files:
        if not isinstance(file, PlinkFile):
            continue
        for sample, sex in zip(file.samples, file.sexes, strict=True):
            if sex != UNKNOWN and known.setdefault(sample, sex) != sex:
                raise CohortError(
                    "the files of the cohort state different sexes of a sample.",
                    where=Where(file.uri, field="SEX"),
                    fix="Put the .psam or .fam right (plink2 --update-sex).",
                )
    return known or None
