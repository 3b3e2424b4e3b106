"""GenomicData as clients see it."""

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.records.records import GenomicData, RecordStatus

UserIdText = Annotated[
    str, StringConstraints(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@:+-]*$")
]
UserId = Annotated[UserIdText, Path(examples=["alice"])]
RecordIdNumber = Annotated[int, Field(ge=1, le=2**63 - 1)]
RecordId = Annotated[RecordIdNumber, Path()]


class ReadQualityFormat(StrEnum):
    JSON = "json"
    HTML = "html"

    @property
    def media_type(self) -> str:
        return "application/json" if self is ReadQualityFormat.JSON else "text/html"


class MateIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"mate_id": 1}]})

    mate_id: RecordIdNumber = Field(description="The record of the other FASTQ, of the same user.")


class GenomicDataLinks(BaseModel):
    self_: str = Field(serialization_alias="self")
    job: str | None
    events: str


class GenomicDataOut(BaseModel):
    """One uploaded file. `metadata` is there once `status` is completed, `problem` once failed."""

    id: int
    user_id: str
    filename: str
    file_url: str = Field(description="The storage key.")
    status: RecordStatus
    metadata: dict[str, Any] | None
    metadata_json: dict[str, Any] | None = Field(description="The same, by the record's name.")
    problem: dict[str, Any] | None
    sha256: str
    size_bytes: int
    job_id: int | None
    mate_id: int | None = Field(description="The other FASTQ of a pair.")
    created_at: datetime
    updated_at: datetime
    links: GenomicDataLinks

    @classmethod
    def of(cls, record: GenomicData) -> "GenomicDataOut":
        facts = asdict(record)
        return cls(
            **facts,
            metadata=facts["metadata_json"],
            links=GenomicDataLinks(
                self_=f"/api/genomic-data/{record.id}",
                job=f"/api/jobs/{record.job_id}" if record.job_id is not None else None,
                events=f"/ws/{record.user_id}",
            ),
        )


class GenomicDataPage(BaseModel):
    items: list[GenomicDataOut]
    next_page_token: str | None
