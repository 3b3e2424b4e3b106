"""What the routes work with: one frozen set of opened things per replica."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from core.diseases import DiseaseCatalogue
from core.events import Event
from core.genome_build import GenomeBuild
from core.records.session import Database
from core.scoring.catalog import PgsCatalog
from core.scoring.library import ScoringFileLibrary
from core.storage.objects import ObjectStore
from serve.readiness import Check


@dataclass(frozen=True, slots=True)
class Services:
    """`announce` is called with the events of each commit: it tells clients and the dispatcher.
    `reference_fastas` are those that jobs have. `checks` are what `/readyz` asks beside the
    database and the store."""

    database: Database
    objects: ObjectStore
    diseases: DiseaseCatalogue
    scoring_files: ScoringFileLibrary
    pgs_catalog: PgsCatalog
    reference_fastas: Mapping[GenomeBuild, Path]
    announce: Callable[[list[Event]], None]
    max_upload_bytes: int
    presigned_downloads: bool = False
    checks: Sequence[Check] = field(default_factory=tuple)


def _services(request: Request) -> Services:
    return request.app.state.services


ServicesOf = Annotated[Services, Depends(_services)]
