"""Which format a genotype file has, and a cohort of files in any of them."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.genotypes import vcf
from core.genotypes.source import Cohort, GenotypeFile, GenotypeShard, cohort_of
from core.genotypes.store import SUFFIX, open_store
from core.genotypes.store_manifest import MANIFEST
from core.storage.byte_ranges import S3Access


def open_cohort(uris: Sequence[str], *, s3: S3Access | None = None) -> Cohort[GenotypeShard]:
    """VCFs and stores of one cohort.

    Raises GenotypeFileError for a file that is neither, CohortError where the samples differ,
    GenomeBuildError where the files state different genome builds.
    """
    return cohort_of([_open(uri, s3) for uri in uris])


def content_uri(uri: str) -> str:
    """The object whose sha256 stands for the content: a store's manifest has those of its files."""
    return f"{uri.rstrip('/')}/{MANIFEST}" if is_store(uri) else uri


def is_store(uri: str) -> bool:
    """By its name, or a local folder by what is in it."""
    if uri.rstrip("/").endswith(SUFFIX):
        return True
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme not in ("", "file"):
        return False
    folder = Path(unquote(urlsplit(uri).path) if scheme else uri)
    return (folder / MANIFEST).is_file()


def _open(uri: str, s3: S3Access | None) -> GenotypeFile[GenotypeShard]:
    return open_store(uri, s3=s3) if is_store(uri) else vcf.open_vcf(uri, s3=s3)
