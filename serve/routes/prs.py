"""Polygenic scores: start a calculation, read what came of it."""

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse

from core.errors import (
    ConflictError,
    NotFoundError,
    PolicyError,
    ReferenceFastaNotConfiguredError,
)
from core.records.idempotency_keys import Answer
from core.records.records import GenomicData, PrsScore, RecordStatus
from core.records.repositories import UnitOfWork
from core.scoring.matching import Reason, Status
from core.scoring.policy import Absent
from core.scoring.report.schema import CONTENT_POLICY
from core.scoring.results import MATCHES, REPORT_JSON, REPORT_PAGE, SCORES
from core.storage.objects import COPY_BYTES, ObjectStore
from core.storage.presigned import PresigningStore
from jobs.submit import submit_prs
from serve.errors import problem_responses
from serve.idempotency import OnceOf
from serve.result_tables import DownloadFormat, download, read_page
from serve.schemas.genomic_data import RecordId, UserId
from serve.schemas.page import PageSize, PageToken, link_next, page_start, page_token
from serve.schemas.prs import (
    RESEARCH_USE_ONLY,
    PrsAccepted,
    PrsAcceptedLinks,
    PrsCalculate,
    PrsScoreOut,
    PrsScorePage,
    SampleScore,
    SampleScorePage,
    ScoringFileMatch,
    ScoringFileMatchPage,
)
from serve.services import Services, ServicesOf

router = APIRouter(prefix="/api/prs", tags=["polygenic scores"])


@router.post(
    "/calculate",
    status_code=HTTPStatus.ACCEPTED,
    response_model=PrsAccepted,
    responses=problem_responses(400, 404, 409, 422),
)
def calculate_prs(wanted: PrsCalculate, services: ServicesOf, once: OnceOf) -> Response:
    """Score all samples of a processed file. Each score announces itself with `prs_ready`.

    409 `scoring_file_not_installed` names the route that installs the file that is missing; 409
    `reference_fasta_not_configured` the setting that `absent` = `reference` lacks.
    """
    with services.database.reading() as tx:
        genomic_data = tx.genomic_data.get(wanted.genomic_data_id, user_id=None)
    genomic_data.require_genotypes()
    _require_completed(genomic_data)
    accessions = _installed_accessions(services, wanted, genomic_data)
    if wanted.absent is Absent.REFERENCE:
        _require_reference_fasta(services, genomic_data)
        _require_evidence(wanted, genomic_data)
    with services.database.transaction() as tx:
        submit = partial(_submit, tx, wanted, genomic_data, accessions)
        answer = once.answer(tx, genomic_data.user_id, wanted.model_dump_json(), submit)
    services.announce(tx.recorded)
    return answer


def _submit(
    tx: UnitOfWork, wanted: PrsCalculate, genomic_data: GenomicData, accessions: Sequence[str]
) -> Answer:
    job, scores = submit_prs(
        tx,
        genomic_data,
        accessions,
        disease_type=wanted.disease_type,
        absent=wanted.absent,
        assume_reference=wanted.assume_reference,
        priority=wanted.priority,
    )
    accepted = PrsAccepted(
        job_id=job.id,
        prs_ids=[score.id for score in scores],
        links=PrsAcceptedLinks(
            job=f"/api/jobs/{job.id}",
            events=f"/ws/{genomic_data.user_id}",
            scores=[f"/api/prs/scores/{score.id}" for score in scores],
        ),
    )
    return Answer(HTTPStatus.ACCEPTED, accepted.links.job, accepted.model_dump_json(by_alias=True))


def _require_completed(genomic_data: GenomicData) -> None:
    if genomic_data.status is RecordStatus.PROCESSING:
        raise ConflictError(
            f"genomic data {genomic_data.id} is still being processed.",
            fix="Wait for its upload_complete event, then ask again.",
        )
    if genomic_data.status is RecordStatus.FAILED:
        raise ConflictError(
            f"genomic data {genomic_data.id} could not be read, so nothing can be scored on it.",
            fix=f"See the problem of /api/genomic-data/{genomic_data.id}, and upload it again.",
        )


def _installed_accessions(
    services: Services, wanted: PrsCalculate, genomic_data: GenomicData
) -> list[str]:
    """What was asked for, once each. Raises ScoringFileNotInstalledError for the first missing."""
    if wanted.disease_type is not None:
        accessions = services.diseases.accessions_of(wanted.disease_type)
    else:
        accessions = tuple(wanted.accessions or ())
    for accession in accessions:
        services.scoring_files.path_of(accession, build=genomic_data.build)
    return list(dict.fromkeys(accessions))


def _require_reference_fasta(services: Services, genomic_data: GenomicData) -> None:
    """Raises ReferenceFastaNotConfiguredError where nothing says which allele is REF."""
    build = genomic_data.build
    if build is None:
        raise ReferenceFastaNotConfiguredError(
            f"genomic data {genomic_data.id} does not say its genome build, so no reference FASTA "
            "says which allele is REF at absent sites.",
            fix="Upload it with contig lengths or ##reference in its header.",
        )
    if build not in services.reference_fastas:
        setting = f"CURAGENIE_REFERENCE_FASTA_{build.removeprefix('GRCh')}"
        raise ReferenceFastaNotConfiguredError(
            f"no reference FASTA of {build} is set up, so nothing says which allele is REF at "
            "absent sites.",
            fix=f"Ask the operator to set {setting}, or leave out absent=reference.",
        )


def _require_evidence(wanted: PrsCalculate, genomic_data: GenomicData) -> None:
    """A gVCF says where it is reference; of another file somebody has to say it. The job asks the
    files that were read before anyone asked."""
    if genomic_data.is_gvcf and wanted.assume_reference:
        raise PolicyError(
            "a gVCF says itself where it is reference; what it leaves out was not called.",
            fix="Leave out assume_reference.",
        )
    if genomic_data.is_gvcf is False and not wanted.assume_reference:
        raise PolicyError(
            "nothing says that absent sites are reference and not just unseen.",
            fix="State it with assume_reference: true. Callable regions (BED) are for the command "
            "line.",
        )


@router.get("/scores/user/{user_id}", responses=problem_responses(422))
def list_prs_scores(
    user_id: UserId,
    request: Request,
    response: Response,
    services: ServicesOf,
    genomic_data_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: PageSize = 50,
    page: PageToken = None,
) -> PrsScorePage:
    """A user's scores, newest first."""
    with services.database.reading() as tx:
        scores = tx.prs_scores.of_user(
            user_id,
            genomic_data_id=genomic_data_id,
            limit=limit + 1,
            before=page_start(page),
        )
    token = page_token(scores[limit - 1].id) if len(scores) > limit else None
    link_next(request, response, token)
    items = [PrsScoreOut.of(score) for score in scores[:limit]]
    return PrsScorePage(items=items, next_page_token=token)


@router.get("/scores/{prs_id}", responses=problem_responses(404, 422))
def get_prs_score(prs_id: RecordId, services: ServicesOf) -> PrsScoreOut:
    """One score: its status, coverage, and the counts of its match report."""
    with services.database.reading() as tx:
        return PrsScoreOut.of(tx.prs_scores.get(prs_id, user_id=None))


@router.get("/scores/{prs_id}/samples", responses=problem_responses(404, 409, 422))
def list_sample_scores(
    prs_id: RecordId,
    request: Request,
    response: Response,
    services: ServicesOf,
    limit: PageSize = 100,
    page: PageToken = None,
) -> SampleScorePage:
    """The score of every sample, in the order of the file."""
    score = _completed_score(services, prs_id)
    with services.objects.local_path(f"{score.result_url}/{SCORES}") as path:
        found = read_page(
            path, {"accession": score.accession}, start=page_start(page) or 0, size=limit
        )
    token = page_token(found.next_start) if found.next_start is not None else None
    link_next(request, response, token)
    items = [SampleScore.model_validate(row) for row in found.rows]
    return SampleScorePage(items=items, next_page_token=token)


@router.get("/scores/{prs_id}/matches", responses=problem_responses(404, 409, 422))
def list_matches(
    prs_id: RecordId,
    request: Request,
    response: Response,
    services: ServicesOf,
    status: Status | None = None,
    reason: Reason | None = None,
    limit: PageSize = 100,
    page: PageToken = None,
) -> ScoringFileMatchPage:
    """What became of every row of the scoring file, and why."""
    score = _completed_score(services, prs_id)
    wanted = {"accession": score.accession}
    wanted |= {"status": str(status)} if status is not None else {}
    wanted |= {"reason": str(reason)} if reason is not None else {}
    with services.objects.local_path(f"{score.result_url}/{MATCHES}") as path:
        found = read_page(path, wanted, start=page_start(page) or 0, size=limit)
    token = page_token(found.next_start) if found.next_start is not None else None
    link_next(request, response, token)
    items = [ScoringFileMatch.model_validate(row) for row in found.rows]
    return ScoringFileMatchPage(items=items, next_page_token=token)


@router.get(
    "/scores/{prs_id}/download",
    response_class=StreamingResponse,
    responses={
        200: {"content": {kind.media_type: {} for kind in DownloadFormat}},
        307: {"description": "The table is in the object store, behind a link that expires."},
        **problem_responses(404, 409, 422),
    },
)
def download_prs_score(
    prs_id: RecordId,
    services: ServicesOf,
    kind: Annotated[DownloadFormat, Query(alias="format")] = DownloadFormat.TSV,
) -> Response:
    """All samples as a file. The file name carries "research use only" where the format cannot."""
    score = _completed_score(services, prs_id)
    name = f"{score.accession}_scores_research_use_only.{kind}"
    if services.presigned_downloads and (url := _stored_as(kind, score, name, services)):
        return RedirectResponse(url, headers={"Cache-Control": "no-store"})
    return StreamingResponse(
        _file_of(services.objects, score, kind),
        media_type=kind.media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _stored_as(kind: DownloadFormat, score: PrsScore, name: str, services: Services) -> str | None:
    """A link to the stored table, where that is what was asked for: it may hold other scores."""
    if kind is not DownloadFormat.PARQUET or not isinstance(services.objects, PresigningStore):
        return None
    with services.database.reading() as tx:
        accessions = tx.jobs.get(score.job_id, user_id=None).params["accessions"]
    if list(accessions) != [score.accession]:
        return None
    return services.objects.download_url(f"{score.result_url}/{SCORES}", filename=name)


@router.get(
    "/scores/{prs_id}/report",
    response_class=HTMLResponse,
    responses=problem_responses(404, 409, 422),
)
def show_report(prs_id: RecordId, services: ServicesOf) -> StreamingResponse:
    """The report of the calculation, all its scores: one page that loads nothing and runs no
    script."""
    return _report(services, prs_id, REPORT_PAGE, "text/html; charset=utf-8")


@router.get(
    "/scores/{prs_id}/report.json",
    response_class=JSONResponse,
    responses=problem_responses(404, 409, 422),
)
def get_report(prs_id: RecordId, services: ServicesOf) -> StreamingResponse:
    """The facts that the report is made from."""
    return _report(services, prs_id, REPORT_JSON, "application/json")


def _report(services: Services, prs_id: int, name: str, media_type: str) -> StreamingResponse:
    """The stored file; 404 where the score was calculated before there were reports."""
    key = f"{_completed_score(services, prs_id).result_url}/{name}"
    if not services.objects.exists(key):
        raise NotFoundError(
            f"score {prs_id} has no report.",
            fix="Calculate it again: reports come with the results.",
        )
    return StreamingResponse(
        _content_of(services.objects, key), media_type=media_type, headers=_REPORT_HEADERS
    )


def _content_of(objects: ObjectStore, key: str) -> Iterator[bytes]:
    with objects.open(key) as source:
        while piece := source.read(COPY_BYTES):
            yield piece


_REPORT_HEADERS = {
    "Content-Security-Policy": f"{CONTENT_POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def _file_of(objects: ObjectStore, score: PrsScore, kind: DownloadFormat) -> Iterator[bytes]:
    about = {
        "prs_id": score.id,
        "genomic_data_id": score.genomic_data_id,
        "accession": score.accession,
        "notice": RESEARCH_USE_ONLY,
    }
    with objects.local_path(f"{score.result_url}/{SCORES}") as path:
        yield from download(path, {"accession": score.accession}, kind, about=about)


def _completed_score(services: Services, prs_id: int) -> PrsScore:
    with services.database.reading() as tx:
        score = tx.prs_scores.get(prs_id, user_id=None)
    if score.status is RecordStatus.PROCESSING:
        raise ConflictError(
            f"score {prs_id} is still being calculated.",
            fix="Wait for its prs_ready event, then ask again.",
        )
    if score.status is RecordStatus.FAILED:
        raise ConflictError(
            f"score {prs_id} could not be calculated, so there is no table.",
            fix=f"See the problem of /api/prs/scores/{prs_id}.",
        )
    return score
