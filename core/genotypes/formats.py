"""Which format a genotype file has, and a cohort of files in any of them.

name                    format         core.genotypes.
*.pgen                  PLINK 2        pgen
*.bed                   PLINK 1        bed
*.cgstore, or a folder  store          store
anything else           VCF            vcf
                        array text     array_text, by the first bytes of its text
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from core.errors import CohortError, Where
from core.file_kind import HEAD_BYTES, is_array_text
from core.genotypes import bgzf, vcf
from core.genotypes.array_text import open_array_text
from core.genotypes.bed import bed_fileset, open_bed
from core.genotypes.pgen import open_pgen, pgen_fileset
from core.genotypes.plink import PlinkFile
from core.genotypes.source import Cohort, GenotypeFile, GenotypeShard, cohort_of
from core.genotypes.store import SUFFIX, open_store
from core.genotypes.store_manifest import MANIFEST
from core.genotypes.text import detect_compression, read_text
from core.samples import UNKNOWN
from core.storage.byte_ranges import S3Access, open_byte_ranges

GENOTYPES = "genotype files of one cohort: VCF, .pgen, .bed, array text, or stores"
"""For the help of commands."""


class Format(NamedTuple):
    """`open` a file; `content_uris` of the objects that together have its content."""

    open: Callable[[str, S3Access | None], GenotypeFile[GenotypeShard]]
    content_uris: Callable[[str], Sequence[str]]


_PGEN = Format(lambda uri, _s3: open_pgen(uri), lambda uri: pgen_fileset(uri).uris)
_BED = Format(lambda uri, _s3: open_bed(uri), lambda uri: bed_fileset(uri).uris)
_STORE = Format(
    lambda uri, s3: open_store(uri, s3=s3),
    lambda uri: (f"{uri.rstrip('/')}/{MANIFEST}",),  # it has the sha256 of the store's files
)
_TEXT = Format(lambda uri, s3: _open_text(uri, s3), lambda uri: (uri,))
_BY_SUFFIX = {".pgen": _PGEN, ".bed": _BED}


def open_cohort(uris: Sequence[str], *, s3: S3Access | None = None) -> Cohort[GenotypeShard]:
    """Genotype files of one cohort.

    Raises GenotypeFileError for a file that is none, CohortError where the samples differ,
    GenomeBuildError where the files state different genome builds.
    """
    return cohort_of([format_of(uri).open(uri, s3) for uri in uris])


def format_of(uri: str) -> Format:
    """By its name, or a local folder by what is in it."""
    if is_store(uri):
        return _STORE
    return next((known for suffix, known in _BY_SUFFIX.items() if uri.endswith(suffix)), _TEXT)


def content_uris(uri: str) -> Sequence[str]:
    """The objects whose sha256 stand for the content of a genotype file."""
    return format_of(uri).content_uris(uri)


def is_store(uri: str) -> bool:
    """By its name, or a local folder by what is in it."""
    if uri.rstrip("/").endswith(SUFFIX):
        return True
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme not in ("", "file"):
        return False
    folder = Path(unquote(urlsplit(uri).path) if scheme else uri)
    return (folder / MANIFEST).is_file()


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


def _open_text(uri: str, s3: S3Access | None) -> GenotypeFile[GenotypeShard]:
    source = open_byte_ranges(uri, s3=s3)
    compression = detect_compression(source.read(0, bgzf.MAX_BLOCK_BYTES))
    pieces = read_text(source, compression, 0, 0)
    first_text = next((piece.text[:HEAD_BYTES] for piece in pieces), b"")
    is_array = is_array_text(first_text)
    return open_array_text(uri, s3=s3) if is_array else vcf.open_vcf(uri, s3=s3)
