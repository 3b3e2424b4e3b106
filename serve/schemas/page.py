"""Cursor pages: `items` and a token for the next page, which is opaque to clients.

The token says where the next page starts: an id for lists that grow at the front, a row number for
files that never change. RFC 8288 `Link: <...>; rel="next"` says the same.
"""

import base64
import re
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.exceptions import RequestValidationError

MAX_PAGE_ITEMS = 1000

_START = re.compile(r"v1:([0-9]{1,18})")  # 18 digits fit the database's integers

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
    except ValueError as error:
        raise _not_ours() from error
    start = _START.fullmatch(text)
    if start is None:
        raise _not_ours()
    return int(start[1])


def _not_ours() -> RequestValidationError:
    mistake = {
        "type": "page_token",
        "loc": ("query", "page_token"),
        "msg": "This is not a token that a page of this list gave.",
        "input": None,
    }
    return RequestValidationError([mistake])


def link_next(request: Request, response: Response, token: str | None) -> None:
    """Adds the Link header of RFC 8288 where there is a next page."""
    if token is not None:
        url = request.url.include_query_params(page_token=token)
        target = url.path + (f"?{url.query}" if url.query else "")
        response.headers["Link"] = f'<{target}>; rel="next"'
