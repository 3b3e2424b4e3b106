"""core error -> problem+json (RFC 9457), in one table. Nothing else in serve/ decides a status.

core raises, serve translates once. An error outside the tree becomes a plain 500 whose detail says
nothing about the cause; the log has it, under the request id.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import (
    ConflictError,
    CuraGenieError,
    InfrastructureError,
    NotFoundError,
    PgsCatalogError,
    UnsupportedFormatError,
    UploadTooLargeError,
    UserError,
)
from serve.schemas.problem import PROBLEM_MEDIA_TYPE, InvalidField, Problem

logger = logging.getLogger(__name__)

STATUS_BY_ERROR: Mapping[type[CuraGenieError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    UploadTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedFormatError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    UserError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PgsCatalogError: HTTPStatus.BAD_GATEWAY,
    InfrastructureError: HTTPStatus.SERVICE_UNAVAILABLE,
    CuraGenieError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
RETRY_AFTER_SECONDS = "5"


def status_of(error: CuraGenieError) -> HTTPStatus:
    """The status of the nearest class of the tree that the table names."""
    return next(STATUS_BY_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_BY_ERROR)


def install_error_handlers(api: FastAPI) -> None:
    api.add_exception_handler(CuraGenieError, _core_error)
    api.add_exception_handler(RequestValidationError, _invalid_request)
    api.add_exception_handler(HTTPException, _http_error)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The `responses=` of a route that can answer with these problems."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def request_id_of(request: Request) -> str:
    return request.state.request_id


def _core_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CuraGenieError)
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s failed", request_id_of(request), exc_info=error)
    facts = error.as_dict()
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if error.retryable else None
    problem = _problem(
        request,
        status,
        detail=str(error),
        code=error.code,
        retryable=error.retryable,
    ).model_copy(update={name: facts.get(name) for name in ("fix", "file", "line", "field")})
    return _response(problem, headers)


def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = [
        InvalidField(pointer=_pointer(mistake), detail=mistake["msg"], code=mistake["type"])
        for mistake in error.errors()
    ]
    problem = _problem(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        detail="The request does not have the shape that this route takes; see `errors`.",
        code="invalid_request",
    )
    return _response(problem.model_copy(update={"errors": fields}))


def _pointer(mistake: Mapping[str, Any]) -> str:
    """The `loc` ("body", "accessions", 0) -> "/accessions/0"; escapes as RFC 6901 asks.

    What is no JSON has no places; FastAPI counts its characters there.
    """
    location = [] if mistake["type"] == "json_invalid" else mistake["loc"][1:]
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "".join(f"/{part}" for part in parts)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    problem = _problem(request, status, detail=str(error.detail), code=code)
    return _response(problem, error.headers)


def unforeseen(request: Request, error: Exception) -> JSONResponse:
    """The plain 500; `RequestContext` calls it, because Starlette's own would re-raise."""
    logger.error("request %s failed", request_id_of(request), exc_info=error)
    problem = _problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        detail="Something went wrong on our side. Quote the request id when you report it.",
        code="internal_error",
    )
    return _response(problem)


def _problem(
    request: Request, status: HTTPStatus, *, detail: str, code: str, retryable: bool = False
) -> Problem:
    return Problem(
        title=status.phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        code=code,
        request_id=request_id_of(request),
        retryable=retryable,
    )


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=problem.status,
        headers={**(headers or {}), "X-Request-Id": problem.request_id},
        media_type=PROBLEM_MEDIA_TYPE,
    )
