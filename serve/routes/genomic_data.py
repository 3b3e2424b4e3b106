"""Uploads and the records they become."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from core.errors import ConflictError
from core.file_kind import FileKind, kind_of_key
from core.genotypes.quality_summary import SAMPLES_KEY
from core.records.idempotency_keys import Answer
from core.records.records import QUALITY_HTML, QUALITY_JSON, GenomicData, RecordStatus
from core.records.repositories import UnitOfWork
from core.storage.objects import ObjectStore, ObjectWriter
from jobs.submit import pair_reads, submit_genomic_file
from serve.errors import problem_responses
from serve.idempotency import Once, OnceOf, is_replayed
from serve.result_tables import read_page
from serve.schemas.genomic_data import (
    GenomicDataOut,
    GenomicDataPage,
    MateIn,
    ReadQualityFormat,
    RecordId,
    RecordIdNumber,
    UserId,
    UserIdText,
)
from serve.schemas.page import PageSize, PageToken, link_next, page_start, page_token
from serve.schemas.quality import QualityOut, SampleQuality, SampleQualityPage
from serve.services import Services, ServicesOf
from serve.upload_form import ReceivedForm, content_length, receive_upload

router = APIRouter(prefix="/api/genomic-data", tags=["genomic data"])

Value = TypeVar("Value")

_USER_ID = TypeAdapter[str](UserIdText)
_RECORD_ID = TypeAdapter[int](RecordIdNumber)
_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}
_STEMS = {FileKind.VCF: "genotypes", FileKind.FASTQ: "reads"}
"""How storage keys of uploads end, up to the suffix."""

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["user_id", "file"],
                    "properties": {
                        "user_id": {"type": "string", "examples": ["alice"]},
                        "mate_of": {
                            "type": "integer",
                            "description": "Of the second FASTQ of a pair: the record of the "
                            "first, read or not yet.",
                        },
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "format": "binary",
                            "description": "A VCF or a FASTQ, plain or compressed with bgzip "
                            "or gzip.",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/upload",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=_FORM,
    response_model=GenomicDataOut,
    responses=problem_responses(400, 404, 409, 413, 415, 422),
)
async def upload_genomic_data(request: Request, services: ServicesOf, once: OnceOf) -> Response:
    """Store a file and start its processing. The answer comes before the processing ends.

    The body is a stream and is never spooled. `upload_complete` on the user's WebSocket, or the
    record itself, says how it ended. A VCF can be scored then; of a FASTQ the quality of the reads
    is told. With `mate_of` it is paired as by `PUT /api/genomic-data/{genomic_data_id}/mate`; where
    that is refused, the file is not kept.
    """
    upload = _Upload(services.objects)
    return await receive_upload(
        request.stream(),
        content_type=request.headers.get("content-type", ""),
        content_length=content_length(request),
        max_bytes=services.max_upload_bytes,
        open_upload=upload.open,
        keep=partial(_register, services, once, upload),
    )


class _Upload:
    """One object under a fresh key of ours; the client's file name is no part of it."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._folder = f"genomic_data/{uuid4().hex}"
        self.key = ""
        self.sha256 = ""
        self.size_bytes = 0

    @contextmanager
    def open(self, suffix: str) -> Iterator[ObjectWriter]:
        self.key = f"{self._folder}/{_STEMS[kind_of_key(suffix)]}{suffix}"
        with self._objects.put_stream(self.key) as writer:
            yield writer
            self.sha256, self.size_bytes = writer.sha256, writer.size_bytes

    def discard(self) -> None:
        self._objects.delete(self.key)


def _register(services: Services, once: Once, upload: _Upload, form: ReceivedForm) -> Response:
    """Record, job and first event in one transaction; without them the object goes too."""
    is_rolled_back = True
    try:
        user_id = _checked(_USER_ID, form, "user_id")
        content = json.dumps([upload.sha256, form.filename, form.fields])
        with services.database.transaction() as tx:
            answer = once.answer(tx, user_id, content, partial(_create, tx, upload, form))
            is_rolled_back = False  # a commit without an answer may have been one
    except BaseException:
        if is_rolled_back:
            upload.discard()
        raise
    if is_replayed(answer):
        upload.discard()
    services.announce(tx.recorded)
    return answer


def _create(tx: UnitOfWork, upload: _Upload, form: ReceivedForm) -> Answer:
    record = tx.genomic_data.create(
        user_id=_checked(_USER_ID, form, "user_id"),
        filename=form.filename,
        file_url=upload.key,
        sha256=upload.sha256,
        size_bytes=upload.size_bytes,
    )
    if "mate_of" in form.fields:
        pair_reads(tx, record, _checked(_RECORD_ID, form, "mate_of"))
    submit_genomic_file(tx, record)
    accepted = GenomicDataOut.of(tx.genomic_data.get(record.id, user_id=record.user_id))
    body = accepted.model_dump_json(by_alias=True)
    return Answer(HTTPStatus.ACCEPTED, f"/api/genomic-data/{record.id}", body)


def _checked(values: TypeAdapter[Value], form: ReceivedForm, field: str) -> Value:
    try:
        return values.validate_python(form.fields[field])
    except ValidationError as error:
        mistakes = [
            mistake | {"loc": ("body", field)}
            for mistake in error.errors(include_url=False, include_input=False)
        ]
        raise RequestValidationError(mistakes) from error


@router.get("/user/{user_id}", responses=problem_responses(422))
def list_genomic_data(
    user_id: UserId,
    request: Request,
    response: Response,
    services: ServicesOf,
    limit: PageSize = 50,
    page: PageToken = None,
) -> GenomicDataPage:
    """A user's files, newest first."""
    with services.database.reading() as tx:
        records = tx.genomic_data.of_user(user_id, limit=limit + 1, before=page_start(page))
    token = page_token(records[limit - 1].id) if len(records) > limit else None
    link_next(request, response, token)
    items = [GenomicDataOut.of(record) for record in records[:limit]]
    return GenomicDataPage(items=items, next_page_token=token)


@router.get("/{genomic_data_id}", responses=problem_responses(404, 422))
def get_genomic_data(genomic_data_id: RecordId, services: ServicesOf) -> GenomicDataOut:
    """One file: its status, and its metadata or the problem that ended it."""
    with services.database.reading() as tx:
        return GenomicDataOut.of(tx.genomic_data.get(genomic_data_id, user_id=None))


@router.put(
    "/{genomic_data_id}/mate",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(404, 409, 422),
)
def put_mate(genomic_data_id: RecordId, mate: MateIn, services: ServicesOf) -> GenomicDataOut:
    """Pair two FASTQs of one user, in any order, read or not yet; asking again changes nothing.

    Once both are read, they are read together. `upload_complete` of both then tells
    `metadata.pair`: that they are of the same reads and what is in them together, or the problem.
    After a problem both are free for another pair.
    """
    with services.database.transaction() as tx:
        record = tx.genomic_data.get(genomic_data_id, user_id=None)
        pair_reads(tx, record, mate.mate_id)
        record = tx.genomic_data.get(genomic_data_id, user_id=None)
    services.announce(tx.recorded)
    return GenomicDataOut.of(record)


@router.get("/{genomic_data_id}/quality", responses=problem_responses(404, 409, 422))
def get_quality(genomic_data_id: RecordId, services: ServicesOf) -> QualityOut:
    """Histograms over samples and variants; of a file of one sample, that sample's own numbers."""
    return QualityOut.model_validate(_counted_data(services, genomic_data_id).quality)


@router.get("/{genomic_data_id}/quality/samples", responses=problem_responses(404, 409, 422))
def list_sample_quality(
    genomic_data_id: RecordId,
    request: Request,
    response: Response,
    services: ServicesOf,
    limit: PageSize = 100,
    page: PageToken = None,
) -> SampleQualityPage:
    """The quality of every sample, in the order of the file."""
    data = _counted_data(services, genomic_data_id)
    with services.objects.local_path(f"{data.store_url}/{SAMPLES_KEY}") as path:
        found = read_page(path, {}, start=page_start(page) or 0, size=limit)
    token = page_token(found.next_start) if found.next_start is not None else None
    link_next(request, response, token)
    items = [SampleQuality.model_validate(row) for row in found.rows]
    return SampleQualityPage(items=items, next_page_token=token)


def _counted_data(services: Services, genomic_data_id: int) -> GenomicData:
    """Raises ConflictError where no quality was counted (yet)."""
    with services.database.reading() as tx:
        data = tx.genomic_data.get(genomic_data_id, user_id=None)
    if data.status is RecordStatus.PROCESSING:
        raise ConflictError(
            f"genomic data {genomic_data_id} is still being processed.",
            fix="Wait for its upload_complete event, then ask again.",
        )
    if data.status is RecordStatus.FAILED:
        raise ConflictError(
            f"genomic data {genomic_data_id} could not be read, so it has no quality.",
            fix=f"See the problem of /api/genomic-data/{genomic_data_id}, and upload it again.",
        )
    if data.kind is FileKind.FASTQ:
        raise ConflictError(
            f"genomic data {genomic_data_id} holds reads (FASTQ) and no genotypes.",
            fix=f"See /api/genomic-data/{genomic_data_id}/read-quality.",
        )
    if data.quality is None:
        raise ConflictError(
            f"genomic data {genomic_data_id} was processed without its quality being counted.",
            fix="Upload the file again.",
        )
    return data


@router.get(
    "/{genomic_data_id}/read-quality",
    response_class=Response,
    responses={
        200: {"content": {kind.media_type: {} for kind in ReadQualityFormat}},
        **problem_responses(404, 409, 422),
    },
)
def get_read_quality(
    genomic_data_id: RecordId,
    services: ServicesOf,
    kind: Annotated[ReadQualityFormat, Query(alias="format")] = ReadQualityFormat.JSON,
) -> Response:
    """The quality of a FASTQ's reads with its curves over cycles, as JSON or as one HTML page.

    Of a FASTQ with a mate, the JSON has the `pair` of its metadata, too, and the page is about both
    files once they have been found to be a pair.
    """
    with services.database.reading() as tx:
        record = tx.genomic_data.get(genomic_data_id, user_id=None)
    if record.read_quality_url is None:
        raise ConflictError(
            f"genomic data {genomic_data_id} has no quality of reads: it is {record.status} and "
            f"a {record.kind}.",
            fix="Ask for a FASTQ whose status is completed.",
        )
    content = _READ_QUALITY[kind](services.objects, record)
    return Response(content, media_type=kind.media_type, headers=_PAGE_HEADERS)


def _read_quality_json(objects: ObjectStore, record: GenomicData) -> bytes | str:
    with objects.open(f"{record.read_quality_url}/{QUALITY_JSON}") as stream:
        alone = stream.read()
    if record.pair is None:
        return alone
    return json.dumps({**json.loads(alone), "pair": record.pair})


def _read_quality_page(objects: ObjectStore, record: GenomicData) -> bytes:
    folder = record.pair_quality_url or record.read_quality_url
    with objects.open(f"{folder}/{QUALITY_HTML}") as stream:
        return stream.read()


_READ_QUALITY: Mapping[ReadQualityFormat, Callable[[ObjectStore, GenomicData], bytes | str]] = {
    ReadQualityFormat.JSON: _read_quality_json,
    ReadQualityFormat.HTML: _read_quality_page,
}
