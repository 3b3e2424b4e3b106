"""Installed scoring files, and scores of the PGS Catalog, as clients see them."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from core.genome_build import GenomeBuild
from core.scoring.catalog import CatalogScore
from core.scoring.installed_file import InstalledFile, OriginKind
from core.scoring.library import LibraryEntry
from serve.schemas.prs import Accession

AccessionPath = Annotated[Accession, Path(examples=["PGS000001"])]


class ScoringFileLinks(BaseModel):
    self_: str = Field(serialization_alias="self")


class ScoringFileOut(BaseModel):
    """One accession, in the words of its header. `licence` is null where nobody names one."""

    accession: str
    pgs_name: str | None
    trait_reported: str | None
    trait_mapped: list[str]
    trait_efo: list[str]
    weight_type: str | None
    variants_number: int | None = Field(description="Rows, as the header or the file says.")
    builds: list[GenomeBuild] = Field(description="Builds that a file of it has positions on.")
    licence: str | None
    citation: str | None
    links: ScoringFileLinks

    @classmethod
    def of(cls, entry: LibraryEntry) -> "ScoringFileOut":
        return cls.model_validate(_summary(entry))


class WeightSummaryOut(BaseModel):
    minimum: float
    maximum: float
    mean: float
    sum_absolute: float


class InstalledFileOut(BaseModel):
    """One file. What only the rows can tell is null where `problem` says why they are not read."""

    name: str
    size_bytes: int
    sha256: str | None
    build: GenomeBuild | None = Field(description="Of the positions; null where none are given.")
    n_rows: int | None
    n_with_coordinates: int | None
    effect_types: dict[str, int] | None
    problems: dict[str, int] | None = Field(description="Rows that cannot be scored, by reason.")
    weights: WeightSummaryOut | None
    problem: str | None
    origin: OriginKind
    origin_name: str | None = Field(description="The uploaded file's name, or the URL.")
    installed_at: datetime | None
    header: dict[str, str]

    @classmethod
    def of(cls, file: InstalledFile) -> "InstalledFileOut":
        contents = file.contents
        weights = contents.weights if contents is not None else None
        return cls(
            name=file.name,
            size_bytes=file.size_bytes,
            sha256=contents.sha256 if contents is not None else None,
            build=file.build,
            n_rows=contents.n_rows if contents is not None else None,
            n_with_coordinates=contents.n_with_coordinates if contents is not None else None,
            effect_types=dict(contents.effect_types) if contents is not None else None,
            problems=dict(contents.problems) if contents is not None else None,
            weights=WeightSummaryOut(**asdict(weights)) if weights is not None else None,
            problem=file.problem,
            origin=file.origin.kind,
            origin_name=file.origin.name,
            installed_at=file.origin.installed_at,
            header=dict(file.header),
        )


class ScoringFileDetail(ScoringFileOut):
    files: list[InstalledFileOut]

    @classmethod
    def of(cls, entry: LibraryEntry) -> "ScoringFileDetail":
        files = [InstalledFileOut.of(file) for file in entry.files]
        return cls.model_validate({**_summary(entry), "files": files})


class ScoringFileInstalled(ScoringFileDetail):
    installed_with: list[str] = Field(description="Accessions of the file's other scores.")

    @classmethod
    def first_of(cls, entry: LibraryEntry, others: list[str]) -> "ScoringFileInstalled":
        """Of a file whose first score is `entry`."""
        detail = ScoringFileDetail.of(entry).model_dump()
        return cls.model_validate({**detail, "installed_with": others})


class ScoringFilePage(BaseModel):
    items: list[ScoringFileOut]
    next_page_token: str | None


class CatalogTraitOut(BaseModel):
    id: str
    label: str


class CatalogScoreOut(BaseModel):
    """A score that the PGS Catalog has; `installed` says whether this service has a file of it."""

    accession: str
    name: str | None
    trait_reported: str | None
    traits: list[CatalogTraitOut]
    variants_number: int | None
    genome_build: str | None
    weight_type: str | None
    licence: str | None
    citation: str | None
    harmonised_builds: list[GenomeBuild]
    installed: bool

    @classmethod
    def of(cls, score: CatalogScore, installed: Collection[str]) -> "CatalogScoreOut":
        return cls(
            accession=score.accession,
            name=score.name,
            trait_reported=score.trait_reported,
            traits=[CatalogTraitOut(id=trait.id, label=trait.label) for trait in score.traits],
            variants_number=score.variants_number,
            genome_build=score.genome_build,
            weight_type=score.weight_type,
            licence=score.licence,
            citation=score.citation,
            harmonised_builds=list(score.harmonised),
            installed=score.accession in installed,
        )


class CatalogPageOut(BaseModel):
    items: list[CatalogScoreOut]
    n_found: int
    next_page_token: str | None


def _summary(entry: LibraryEntry) -> dict[str, object]:
    licences = (file.licence for file in entry.files)
    citations = (file.citation for file in entry.files)
    return {
        "accession": entry.accession,
        "pgs_name": entry.said("pgs_name"),
        "trait_reported": entry.said("trait_reported"),
        "trait_mapped": _words(entry.said("trait_mapped")),
        "trait_efo": _words(entry.said("trait_efo")),
        "weight_type": entry.said("weight_type"),
        "variants_number": _variants_number(entry),
        "builds": sorted({file.build for file in entry.files if file.build is not None}),
        "licence": next(filter(None, licences), None),
        "citation": next(filter(None, citations), None),
        "links": {"self_": f"/api/scoring-files/{entry.accession}"},
    }


def _words(joined: str | None) -> list[str]:
    """The header joins several by "|"."""
    return [word.strip() for word in (joined or "").split("|") if word.strip()]


def _variants_number(entry: LibraryEntry) -> int | None:
    said = entry.said("variants_number") or ""
    if said.isascii() and said.isdecimal() and len(said) < 10:
        return int(said)
    counted = (file.contents.n_rows for file in entry.files if file.contents is not None)
    return next(counted, None)
