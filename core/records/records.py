"""What the repositories return: one frozen dataclass per record of the outside contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.errors import ConflictError
from core.file_kind import FileKind, kind_of_key
from core.genome_build import GenomeBuild


class RecordStatus(StrEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


NO_REFERENCE = "no_reference"
"""Why `PrsScore.score` is null: a percentile needs a reference distribution."""

QUALITY_JSON, QUALITY_HTML = "quality.json", "quality.html"
"""What is stored of the quality of reads: all numbers and curves, and the same as a page."""


@dataclass(frozen=True, slots=True)
class GenomicData:
    """One uploaded genomic file. `file_url` is its storage key, `filename` the user's word."""

    id: int
    user_id: str
    filename: str
    file_url: str
    status: RecordStatus
    metadata_json: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    sha256: str
    size_bytes: int
    job_id: int | None
    created_at: datetime
    updated_at: datetime

    @property
    def build(self) -> GenomeBuild | None:
        """What the file's header says; None too while it has not been read."""
        named: str | None = (self.metadata_json or {}).get("build")
        return GenomeBuild(named) if named is not None else None

    @property
    def is_gvcf(self) -> bool | None:
        """Whether the file has reference blocks; None while it has not been read, or where it was
        before anyone asked."""
        return (self.metadata_json or {}).get("is_gvcf")

    @property
    def folder(self) -> str:
        """The storage prefix of everything that belongs to the file."""
        return self.file_url.rpartition("/")[0]

    @property
    def store_url(self) -> str | None:
        """The storage prefix of the genotype store; None where the file has none (yet)."""
        return self._stored("store")

    @property
    def read_quality_url(self) -> str | None:
        """The storage prefix of QUALITY_JSON and QUALITY_HTML; None where there are none (yet)."""
        return self._stored("read_quality")

    @property
    def kind(self) -> FileKind:
        return kind_of_key(self.file_url)

    def require_genotypes(self) -> None:
        """Raises ConflictError where there are only reads."""
        if self.kind is FileKind.FASTQ:
            raise ConflictError(
                f"genomic data {self.id} holds reads (FASTQ), which cannot be scored.",
                fix="Reads need alignment and variant calling first; upload the resulting VCF.",
            )

    def _stored(self, name: str) -> str | None:
        stored: str | None = (self.metadata_json or {}).get(name)
        return f"{self.folder}/{stored}" if stored is not None else None

    @property
    def quality(self) -> Mapping[str, Any] | None:
        """The QualitySummary as JSON; None where none was counted (yet)."""
        return (self.metadata_json or {}).get("quality")


@dataclass(frozen=True, slots=True)
class PrsScore:
    """One accession on one genomic data record.

    `score` is the percentile (0-1) or null with `score_reason`; `raw_sum` is filled for one-sample
    files only. `result_url` is the storage prefix of scores.parquet, matches.parquet and
    summary.json; `report` is the accession's part of that summary.
    """

    id: int
    genomic_data_id: int
    user_id: str
    accession: str
    disease_type: str | None
    status: RecordStatus
    score: float | None
    score_reason: str | None
    raw_sum: float | None
    n_samples: int | None
    coverage: float | None
    weight_coverage: float | None
    result_url: str | None
    report: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    job_id: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What a finished calculation writes into a PrsScore."""

    accession: str
    raw_sum: float | None
    n_samples: int
    coverage: float | None
    weight_coverage: float | None
    result_url: str | None
    report: Mapping[str, Any]
    problem: Mapping[str, Any] | None = None
