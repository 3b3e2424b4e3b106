"""What every request gets: an id in state, answer and log, and a plain 500 when all else fails.

Pure ASGI, so bodies stream through untouched.
"""

import re
import secrets

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import unforeseen

_CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADER = b"x-request-id"


class RequestContext:
    """ASGI middleware; a client's own `X-Request-Id` is kept where it is short and plain."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = [pair for pair in message["headers"] if pair[0] != _HEADER]
                message["headers"] = [*headers, (_HEADER, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            if started:
                raise
            await unforeseen(Request(scope), error)(scope, receive, send_with_id)


def _request_id(scope: Scope) -> str:
    sent = next((value for name, value in scope["headers"] if name == _HEADER), b"")
    text = sent.decode("latin-1")
    return text if _CLIENT_REQUEST_ID.fullmatch(text) else secrets.token_hex(8)
