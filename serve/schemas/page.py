"""Cursor pages: `items` and a token for the next page, which is opaque to clients.

The token says where the next page starts: an id for lists that grow at the front, a row number for
files that never change, the last name for lists in the order of names. RFC 8288
`Link: <...>; rel="next"` says the same.
"""

import base64
import re
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.exceptions import RequestValidationError

MAX_PAGE_ITEMS = 1000

_NAME = re.compile(r"v1:after:([A-Za-z0-9_-]{1,64})", flags=re.ASCII)
_START = re.compile(r"v1:([0-9]{1,18})")  # 18 digits fit the database's integers

PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE_ITEMS, description="Items per page.")]
PageToken = Annotated[
    str | None,
    Query(alias="page_token", max_length=128, description="`next_page_token` of the page before."),
]


def page_token(start: int) -> str:
    return _encoded(f"v1:{start}")


def page_token_after(name: str) -> str:
    """For a list in the order of names; `name` is the last one of this page."""
    return _encoded(f"v1:after:{name}")


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_start(token: str | None) -> int | None:
    """Raises RequestValidationError for a token that this server did not make."""
    if token is None:
        return None
    start = _START.fullmatch(_decoded(token))
    if start is None:
        raise _not_ours()
    return int(start[1])


def name_before_page(token: str | None) -> str:
    """The name that the page comes after, empty for the first page; raises as `page_start`."""
    if token is None:
        return ""
    name = _NAME.fullmatch(_decoded(token))
    if name is None:
        raise _not_ours()
    return name[1]


def _decoded(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except ValueError as error:
        raise _not_ours() from error


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
