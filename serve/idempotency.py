"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a POST that may be sent again.

    with services.database.transaction() as tx:
        answer = once.answer(tx, user_id, content, partial(_submit, tx, ...))

Key, job and first event commit together, so a client that does not know what became of its request
sends it again with the same key, and gets the answer that it missed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request, Response

from core.records.idempotency_keys import Answer
from core.records.repositories import UnitOfWork

_MAX_LENGTH = 255
_REPLAYED = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True)
class Once:
    """One request: its key, where it has one, and the route that it is for."""

    key: str | None
    route: str

    def answer(
        self, tx: UnitOfWork, user_id: str, content: str, make: Callable[[], Answer]
    ) -> Response:
        """What `make` answers, or has answered to this user's first request with the key.

        `content` is all that the request asked for. Raises IdempotencyKeyReusedError.
        """
        if self.key is None:
            return _response(make())
        fingerprint = sha256(f"{self.route}\n{content}".encode()).hexdigest()
        kept = tx.idempotency_keys.claim(user_id, self.key, fingerprint)
        if kept is not None:
            return _response(kept, {_REPLAYED: "true"})
        answer = make()
        tx.idempotency_keys.keep(user_id, self.key, answer)
        return _response(answer)


def is_replayed(response: Response) -> bool:
    return _REPLAYED in response.headers


def _response(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    return Response(
        answer.body,
        status_code=answer.status,
        headers={"Location": answer.location, **(headers or {})},
        media_type="application/json",
    )


def _once(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Any text of at most 255 characters, such as a UUID. The same request with "
            "the same key within 24 hours is done once and answered alike.",
        ),
    ] = None,
) -> Once:
    if key is not None and not (0 < len(key) <= _MAX_LENGTH and key.isprintable()):
        raise HTTPException(
            HTTPStatus.BAD_REQUEST,
            f"An Idempotency-Key has 1 to {_MAX_LENGTH} characters, none of them a control "
            "character. Send a UUID.",
        )
    return Once(key, f"{request.method} {request.url.path}")


OnceOf = Annotated[Once, Depends(_once)]
