"""Scoring files: what is installed, uploads, and the PGS Catalog. All users share them."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from core.delimited import MAX_UNPACKED_BYTES
from core.genome_build import GenomeBuild
from core.scoring.catalog_download import download_scoring_file
from core.scoring.installed_file import Origin, OriginKind
from core.scoring.library import Installation, ScoringFileLibrary
from serve.errors import problem_responses
from serve.schemas.page import (
    PageSize,
    PageToken,
    link_next,
    name_before_page,
    page_start,
    page_token,
    page_token_after,
)
from serve.schemas.scoring_files import (
    AccessionPath,
    CatalogPageOut,
    CatalogScoreOut,
    ScoringFileDetail,
    ScoringFileInstalled,
    ScoringFileOut,
    ScoringFilePage,
)
from serve.services import Services, ServicesOf
from serve.upload_form import FormShape, ReceivedForm, content_length, receive_upload

router = APIRouter(prefix="/api/scoring-files", tags=["scoring files"])

_PRESENT: dict[int | str, dict[str, Any]] = {
    200: {"model": ScoringFileInstalled, "description": "It was installed already."}
}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "format": "binary",
                            "description": "One scoring file, plain or gzip.",
                        }
                    },
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    openapi_extra=_FORM,
    responses={**_PRESENT, **problem_responses(409, 413, 415, 422)},
)
async def upload_scoring_file(
    request: Request, response: Response, services: ServicesOf
) -> ScoringFileInstalled:
    """Install a scoring file under its accession (`pgs_id`, else its file name), for all users.

    It is read to its end first: a file that cannot be used is answered with its line and column.
    A file of several scores (`effect_weight_NAME` columns) is installed as one file per score, all
    of them or none; the answer is about the first and names the others in `installed_with`.
    The same bytes again are answered with 200, other content under the accession with 409.
    """
    library = services.scoring_files
    with library.incoming() as path:
        installations = await receive_upload(
            request.stream(),
            content_type=request.headers.get("content-type", ""),
            content_length=content_length(request),
            max_bytes=min(services.max_upload_bytes, MAX_UNPACKED_BYTES),
            open_upload=partial(_open, path),
            keep=partial(_install, library, path),
            shape=_SCORING_FILE,
        )
    return await run_sync(_answer, installations, response, services)


def _any_suffix(_head: bytes, _filename: str) -> str:
    """Any bytes: only the reader can tell what a table is."""
    return ""


_SCORING_FILE = FormShape(fields=(), suffix_of=_any_suffix)


def _open(path: Path, _suffix: str) -> AbstractContextManager[BinaryIO]:
    return path.open("wb")


def _install(
    library: ScoringFileLibrary, path: Path, form: ReceivedForm
) -> tuple[Installation, ...]:
    name = form.filename
    origin = Origin(OriginKind.UPLOAD, name, datetime.now(UTC))
    return library.install_scores(path, name=name, origin=origin)


@router.get("", responses=problem_responses(422))
def list_scoring_files(
    request: Request,
    response: Response,
    services: ServicesOf,
    search: Annotated[
        str, Query(max_length=100, description="A part of accession, name, trait or EFO ID.")
    ] = "",
    limit: PageSize = 50,
    page: PageToken = None,
) -> ScoringFilePage:
    """What is installed, by accession."""
    entries = services.scoring_files.entries(
        size=limit + 1, after=name_before_page(page), search=search
    )
    token = page_token_after(entries[limit - 1].accession) if len(entries) > limit else None
    link_next(request, response, token)
    items = [ScoringFileOut.of(entry) for entry in entries[:limit]]
    return ScoringFilePage(items=items, next_page_token=token)


@router.get("/catalog", responses=problem_responses(422, 502))
def search_pgs_catalog(
    request: Request,
    response: Response,
    services: ServicesOf,
    trait: Annotated[
        str,
        Query(min_length=2, max_length=100, examples=["breast cancer", "EFO_0000305"]),
    ],
    limit: Annotated[int, Query(ge=1, le=100, description="Items per page.")] = 25,
    page: PageToken = None,
) -> CatalogPageOut:
    """Scores of the PGS Catalog for a trait: a part of its name, or an ID such as EFO_0000305."""
    start = page_start(page) or 0
    found = services.pgs_catalog.search(trait, start=start, size=limit)
    token = page_token(found.next_start) if found.next_start is not None else None
    link_next(request, response, token)
    installed = frozenset(services.scoring_files.installed())
    items = [CatalogScoreOut.of(score, installed) for score in found.scores]
    return CatalogPageOut(items=items, n_found=found.n_found, next_page_token=token)


@router.get("/{accession}", responses=problem_responses(404, 422))
def get_scoring_file(accession: AccessionPath, services: ServicesOf) -> ScoringFileDetail:
    """One accession: metadata, licence, citation, and what each of its files holds."""
    return ScoringFileDetail.of(services.scoring_files.entry(accession))


@router.post(
    "/{accession}/download",
    status_code=HTTPStatus.CREATED,
    responses={**_PRESENT, **problem_responses(404, 409, 422, 502)},
)
def download_from_pgs_catalog(
    accession: AccessionPath,
    build: Annotated[GenomeBuild, Query(description="The build of your genotypes.")],
    response: Response,
    services: ServicesOf,
) -> ScoringFileInstalled:
    """Install the PGS Catalog's file of an accession, harmonised to a build, for all users.

    The answer comes when the file was fetched, checked and installed. One that is installed is
    answered with 200, and the Catalog is not asked.
    """
    installation = download_scoring_file(
        accession, build, catalog=services.pgs_catalog, library=services.scoring_files
    )
    return _answer((installation,), response, services)


def _answer(
    installations: Sequence[Installation], response: Response, services: Services
) -> ScoringFileInstalled:
    """About the first of them."""
    accession, *others = (installation.accession for installation in installations)
    response.headers["Location"] = f"/api/scoring-files/{accession}"
    if not any(installation.is_new for installation in installations):
        response.status_code = HTTPStatus.OK
    return ScoringFileInstalled.first_of(services.scoring_files.entry(accession), others)
