"""Polygenic scores as clients see them. Every result says what it may be used for."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from core.job import Priority
from core.records.records import PrsScore, RecordStatus
from core.scoring.policy import Absent

RESEARCH_USE_ONLY = "research use only, not a diagnosis"
MAX_ACCESSIONS = 1000

Accession = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class PrsCalculate(BaseModel):
    """Either a disease type or accessions, never both.

    `absent`: what sites without a record count as. `reference` is what a gVCF says, else it takes
    `assume_reference`, the statement that who made the file looked at every site that it leaves
    out, and a reference FASTA that the operator sets up. `missing`: everybody's missing call.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"genomic_data_id": 1, "disease_type": "demo"},
                {"genomic_data_id": 1, "accessions": ["PGS000018"]},
                {
                    "genomic_data_id": 1,
                    "accessions": ["PGS000018"],
                    "absent": "reference",
                    "assume_reference": True,
                },
            ]
        },
    )

    genomic_data_id: int = Field(ge=1, le=2**63 - 1)
    disease_type: str | None = Field(None, min_length=1, max_length=64)
    accessions: list[Accession] | None = Field(None, min_length=1, max_length=MAX_ACCESSIONS)
    absent: Absent = Absent.UNMATCHED
    assume_reference: StrictBool = False
    priority: Priority = Field(Priority.NORMAL, description="Among the user's own waiting jobs.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.disease_type is None) == (self.accessions is None):
            raise ValueError("give either disease_type or accessions")
        return self

    @model_validator(mode="after")
    def _states_what_it_asks_for(self) -> Self:
        if self.assume_reference and self.absent is not Absent.REFERENCE:
            raise ValueError("assume_reference changes nothing without absent=reference")
        return self


class PrsAcceptedLinks(BaseModel):
    job: str
    events: str
    scores: list[str]


class PrsAccepted(BaseModel):
    """The calculation is queued; each score announces itself with `prs_ready`."""

    job_id: int
    prs_ids: list[int]
    links: PrsAcceptedLinks


class PrsScoreLinks(BaseModel):
    self_: str = Field(serialization_alias="self")
    job: str
    samples: str
    matches: str
    download: str
    report: str
    report_json: str


class PrsScoreOut(BaseModel):
    """One accession on one genomic data record.

    `score` is the percentile (0-1), or null with `score_reason`. `raw_sum` is the score of a
    one-sample file; a cohort's scores are in `links.samples`.
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
    report: dict[str, Any] | None
    problem: dict[str, Any] | None
    job_id: int
    created_at: datetime
    updated_at: datetime
    notice: str = RESEARCH_USE_ONLY
    links: PrsScoreLinks

    @classmethod
    def of(cls, score: PrsScore) -> "PrsScoreOut":
        here = f"/api/prs/scores/{score.id}"
        return cls(
            **asdict(score),
            links=PrsScoreLinks(
                self_=here,
                job=f"/api/jobs/{score.job_id}",
                samples=f"{here}/samples",
                matches=f"{here}/matches",
                download=f"{here}/download?format=tsv",
                report=f"{here}/report",
                report_json=f"{here}/report.json",
            ),
        )


class PrsScorePage(BaseModel):
    items: list[PrsScoreOut]
    next_page_token: str | None


class SampleScore(BaseModel):
    """One row of scores.parquet."""

    model_config = ConfigDict(extra="allow")

    sample_id: str
    accession: str
    score_sum: float | None


class SampleScorePage(BaseModel):
    items: list[SampleScore]
    next_page_token: str | None
    notice: str = RESEARCH_USE_ONLY


class ScoringFileMatch(BaseModel):
    """One row of matches.parquet: what became of one row of the scoring file."""

    model_config = ConfigDict(extra="allow")

    accession: str
    row_number: int
    status: str
    reason: str | None


class ScoringFileMatchPage(BaseModel):
    items: list[ScoringFileMatch]
    next_page_token: str | None
    notice: str = RESEARCH_USE_ONLY
