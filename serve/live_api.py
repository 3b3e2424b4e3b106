"""The application of live events, apart from the HTTP one: a WebSocket or an event stream holds a
place of its replica for as long as it lives, so they get replicas and limits of their own (mounted
at /ws)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import FastAPI, Header, Query, WebSocket, WebSocketException
from fastapi.responses import StreamingResponse
from starlette.middleware.cors import CORSMiddleware

from serve.errors import install_error_handlers
from serve.live import CloseCode, Hub, open_stream, serve_socket
from serve.request_context import RequestContext
from serve.schemas.genomic_data import UserId

After = Annotated[
    int | None,
    Query(ge=0, le=2**63 - 1, description="The last `sequence` that the client has."),
]


LastEventId = Annotated[int | None, Header(ge=0, le=2**63 - 1)]


def create_live_api(hub: Hub, *, cors_origins: Sequence[str] = ()) -> FastAPI:
    """`WS /{user_id}?after=SEQUENCE`, and `GET /{user_id}/stream`, the same as server-sent events;
    serve.live says what is sent and why it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with hub.running():
            yield

    api = FastAPI(
        title="CuraGenie events", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    install_error_handlers(api)
    api.add_middleware(RequestContext)
    api.add_middleware(
        CORSMiddleware,
        allow_origins=list(cors_origins),
        allow_methods=["GET"],
        allow_headers=["Last-Event-ID"],
    )

    @api.websocket("/{user_id}")
    async def events(socket: WebSocket, user_id: UserId, after: After = None) -> None:
        if not _origin_allowed(socket, cors_origins):
            raise WebSocketException(CloseCode.POLICY, "this page may not connect")
        await serve_socket(hub, socket, user_id, after)

    @api.get("/{user_id}/stream")
    async def stream(
        user_id: UserId, after: After = None, last_event_id: LastEventId = None
    ) -> StreamingResponse:
        """A browser that comes back says by `Last-Event-ID` what it has, whatever `after` says."""
        seen = last_event_id if last_event_id is not None else after
        return StreamingResponse(
            await open_stream(hub, user_id, seen),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return api


def _origin_allowed(socket: WebSocket, cors_origins: Sequence[str]) -> bool:
    """Browsers connect anywhere and say where the page is from; CORS does not cover sockets.

    What is no browser sends no Origin and is let in.
    """
    origin = socket.headers.get("origin")
    if origin is None or "*" in cors_origins or origin in cors_origins:
        return True
    return urlsplit(origin).netloc == socket.headers.get("host")
