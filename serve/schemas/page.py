"""Cursor pages: `items` and a token for the next page, which is opaque to clients.

The token says where the next page starts: an id for lists that grow at the front, a row number for
files that never change. RFC 8288 `Link: <...>; rel="next"` says the same.
"""

import base64
import binascii
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.exceptions import RequestValidationError

MAX_PAGE_ITEMS = 1000

PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE_ITEMS, description="Items per page.")]
PageToken = Annotated[
    str | None,
    Query(alias="page_token", max_length=64, description="`next_page_token` of the page before."),
]


def page_token(start: int) -> str:
    return base64.urlsafe_b64encode(f"v1:{start}".encode()).decode().rstrip("=")


def page_start(token: str | None) -> int | None:
    """Raises RequestValidationError for a token that this server did not make."""
    if token is None:
        return None
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
        version, _, start = text.partition(":")
        if version != "v1":
            raise ValueError(version)
        return int(start)
    except (ValueError, binascii.Error) as error:
        mistake = {
            "type": "page_token",
            "loc": ("query", "page_token"),
            "msg": "This is not a token that a page of this list gave.",
            "input": None,
        }
        raise RequestValidationError([mistake]) from error


def link_next(request: Request, response: Response, token: str | None) -> None:
    """Adds the Link header of RFC 8288 where there is a next page."""
    if token is not None:
        url = request.url.include_query_params(page_token=token)
        target = url.path + (f"?{url.query}" if url.query else "")
        response.headers["Link"] = f'<{target}>; rel="next"'
