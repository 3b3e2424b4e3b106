"""Requests that a client may send again: the key of each, and what was answered to it.

The key is claimed in the transaction that does the work. One that fails frees its key by itself,
and a second request with the key waits for the first one's end.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.errors import IdempotencyKeyReusedError
from core.records.dialects import INSERT, now
from core.records.tables import IdempotencyKeyTable

_KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered: HTTP status, `Location`, and the JSON body as it was sent."""

    status: int
    location: str
    body: str


class IdempotencyKeyRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def claim(self, user_id: str, key: str, fingerprint: str) -> Answer | None:
        """None where the key is new: from here to the commit it is this request's, who is to `keep`
        its answer. Otherwise the answer that the first request with it got.

        Raises IdempotencyKeyReusedError where that was another request.
        """
        moment = now(self._session)
        self._forget(user_id, moment)
        insert = INSERT[self._session.get_bind().dialect.name]
        claimed = self._session.execute(
            insert(IdempotencyKeyTable)
            .values(
                user_id=user_id,
                key=key,
                fingerprint=fingerprint,
                created_at=moment,
                expires_at=moment + _KEPT,
            )
            .on_conflict_do_nothing()
            .returning(IdempotencyKeyTable.key)
        )
        return None if claimed.first() is not None else self._answer(user_id, key, fingerprint)

    def keep(self, user_id: str, key: str, answer: Answer) -> None:
        self._session.execute(
            update(IdempotencyKeyTable)
            .where(IdempotencyKeyTable.user_id == user_id, IdempotencyKeyTable.key == key)
            .values(status=answer.status, location=answer.location, body=answer.body)
        )

    def _forget(self, user_id: str, moment: object) -> None:
        self._session.execute(
            delete(IdempotencyKeyTable).where(
                IdempotencyKeyTable.user_id == user_id, IdempotencyKeyTable.expires_at <= moment
            )
        )

    def _answer(self, user_id: str, key: str, fingerprint: str) -> Answer:
        row = self._session.scalars(
            select(IdempotencyKeyTable).where(
                IdempotencyKeyTable.user_id == user_id, IdempotencyKeyTable.key == key
            )
        ).one()
        if row.fingerprint != fingerprint:
            raise IdempotencyKeyReusedError(
                "this Idempotency-Key came with another request before.",
                fix="Send each new request with a key of its own, such as a UUID.",
            )
        assert row.status is not None
        assert row.location is not None
        assert row.body is not None
        return Answer(row.status, row.location, row.body)
