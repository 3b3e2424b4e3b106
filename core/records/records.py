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
    """One uploaded genomic file. `file_url` is its storage key, `filename` the user's word,
    `mate_id` the record of the other FASTQ of a pair, which names this one."""

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
    mate_id: int | None
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
    def pair(self) -> Mapping[str, Any] | None:
        """What is known of the file together with its mate, the same in both records, with its
        `status`; None where the file never had a mate."""
        told: Mapping[str, Any] | None = (self.metadata_json or {}).get("pair")
        if told is None and self.mate_id is not None:
            ids = sorted((self.id, self.mate_id))
            return {"genomic_data_ids": ids, "status": RecordStatus.PROCESSING}
        return told

    @property
    def pair_quality_url(self) -> str | None:
        """The storage prefix of the pair's QUALITY_HTML; None where there is none (yet)."""
        stored: str | None = (self.pair or {}).get("read_quality")
        return f"{self.folder}/{stored}" if stored is not None else None

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

    def require_free_for(self, mate: "GenomicData") -> None:
        """Raises ConflictError where this file cannot be one of a pair with `mate`."""
        if self.kind is not FileKind.FASTQ:
            raise ConflictError(
                f"genomic data {self.id} holds genotypes ({self.kind}), which come in no pairs.",
                fix="Pair the two FASTQ files of one run.",
            )
        if self.status is RecordStatus.FAILED:
            raise ConflictError(
                f"genomic data {self.id} could not be read, so it cannot be in a pair.",
                fix=f"See the problem of /api/genomic-data/{self.id}, and upload it again.",
            )
        if self.mate_id is not None:
            raise ConflictError(
                f"genomic data {self.id} is in a pair already, with {self.mate_id}.",
                fix="Upload the file again to pair it with another.",
            )
        if self.sha256 == mate.sha256:
            raise ConflictError(
                f"genomic data {self.id} and {mate.id} are the same bytes, not a pair.",
                fix="Give the other file of the run.",
            )

    def _stored(self, name: str) -> str | None:
        stored: str | None = (self.metadata_json or {}).get(name)
        return f"{self.folder}/{stored}" if stored is not None else None

    @property
    def quality(self) -> Mapping[str, Any] | None:
        """The QualitySummary as JSON; None where none was counted (yet)."""
        return (self.metadata_json or {}).get("quality")


@dataclass(frozen=True, slots=True)
class LogLine:
    """What an attempt said; `level` is a word of Python's logging, `time` by the attempt's
    machine."""

    attempt: int
    time: datetime
    level: str
    message: str


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
