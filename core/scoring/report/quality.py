"""Quality of the genotypes that were scored: what was counted where they were stored or uploaded,
or why there is none.

A score needs few records and reads no others, so quality is never counted for a report.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import GenotypeFileError
from core.genotypes.formats import is_store
from core.genotypes.quality_summary import SAMPLES_KEY, SUMMARY_KEY
from core.genotypes.sample_quality import HIGH_HETEROZYGOSITY, LOW_HETEROZYGOSITY
from core.scoring.report.schema import GENOTYPE_FACTS, QualitySample, QualitySamples
from core.storage.byte_ranges import S3Access, open_byte_ranges

MAX_LISTED = 100

OF_A_FILE = (
    "The genotypes were scored from files. Quality is counted where they are stored "
    "(python -m jobs.store_cohort), or uploaded: score that store."
)
OF_SEVERAL_STORES = (
    "The genotypes were scored from several stores; each has the quality of its own."
)
NOT_KEPT = (
    "The store keeps no quality: samples were added since it was counted, or an older version "
    "wrote it. Store the genotypes again."
)
NOT_COUNTED = "The file was processed before quality was counted. Upload it again."
NO_SAMPLES = "The quality of single samples is not kept with the genotypes, or cannot be read."

_OUTLIERS = pa.array([HIGH_HETEROZYGOSITY, LOW_HETEROZYGOSITY])


@dataclass(frozen=True, slots=True)
class GenotypeQuality:
    """`facts` are GENOTYPE_FACTS of a file; `missing` says why they, the quality among them or
    `samples` are not there."""

    facts: Mapping[str, Any] | None
    samples: QualitySamples | None
    missing: str | None


def quality_of_genotypes(uris: Sequence[str], s3: S3Access | None = None) -> GenotypeQuality:
    """Of what a command line scored. Raises InfrastructureError where an object store fails."""
    if not all(map(is_store, uris)):
        return GenotypeQuality(None, None, OF_A_FILE)
    if len(uris) > 1:
        return GenotypeQuality(None, None, OF_SEVERAL_STORES)
    content = _content(f"{uris[0].rstrip('/')}/{SUMMARY_KEY}", s3)
    try:
        facts = json.loads(content) if content is not None else None
    except ValueError:
        facts = None
    if not isinstance(facts, Mapping):
        return GenotypeQuality(None, None, NOT_KEPT)
    return _with_samples(facts, uris[0], s3)


def quality_of_upload(
    metadata: Mapping[str, Any] | None, store_uri: str | None, s3: S3Access | None
) -> GenotypeQuality:
    """Of an upload with its `metadata`, and its store where it has one. Raises InfrastructureError
    where an object store fails."""
    facts = metadata or {}
    if "quality" not in facts:
        return GenotypeQuality(_chosen(facts), None, NOT_COUNTED)
    return _with_samples(facts, store_uri, s3)


def _with_samples(
    facts: Mapping[str, Any], store_uri: str | None, s3: S3Access | None
) -> GenotypeQuality:
    if facts.get("n_samples") == 1:
        return GenotypeQuality(_chosen(facts), None, None)  # the person is among the facts
    key = f"{store_uri.rstrip('/')}/{SAMPLES_KEY}" if store_uri is not None else None
    content = _content(key, s3) if key is not None else None
    try:
        samples = _listed(content) if content is not None else None
    except pa.ArrowException:
        samples = None
    return GenotypeQuality(_chosen(facts), samples, NO_SAMPLES if samples is None else None)


def _chosen(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    return {name: facts[name] for name in GENOTYPE_FACTS if name in facts} or None


def _content(uri: str, s3: S3Access | None) -> bytes | None:
    """None where there is no such file."""
    try:
        source = open_byte_ranges(uri, s3=s3)
        return source.read(0, source.size_bytes)
    except GenotypeFileError:
        return None


def _listed(samples: bytes) -> QualitySamples:
    """Everybody of a small cohort, the outliers of another; both in the file's order."""
    table = pq.read_table(io.BytesIO(samples), columns=list(QualitySample.__annotations__))
    is_small = len(table) <= MAX_LISTED
    if not is_small:
        table = table.filter(pc.is_in(table.column("contamination_hint"), _OUTLIERS))
    return {
        "which": "all" if is_small else "heterozygosity_outliers",
        "n_samples": len(table),
        "samples": table.slice(0, MAX_LISTED).to_pylist(),
    }
