"""PostgreSQL over a network: nothing waits for ever.

The server is told when to give up (a statement, a lock, a transaction in which nobody speaks), TCP
notices a peer that is gone, and this end gives up on a server that stays silent: without that, a
connection whose packets are lost would hold its thread for hours.
"""

import select
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg2
from psycopg2 import extensions
from sqlalchemy import URL, Engine, create_engine, event


@dataclass(frozen=True, slots=True)
class Patience:
    """How long PostgreSQL may take, in seconds, before it is an infrastructure error."""

    connect: float = 5.0
    statement: float = 30.0
    lock: float = 15.0
    idle_in_transaction: float = 60.0
    pool: float = 10.0
    """Until one of this process's connections is free."""

    @property
    def silence(self) -> float:
        """A server that is there has ended the statement by then."""
        return self.statement + 5.0


MIGRATING = Patience(statement=600.0, lock=600.0)
"""A migration may rewrite a table, and waits for that of another service."""

_POOL = {"pool_size": 5, "max_overflow": 5, "pool_pre_ping": True, "pool_use_lifo": True}
_TCP = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds that sent bytes may stay without an answer
}


def create_postgresql_engine(url: URL, patience: Patience) -> Engine:
    """An engine of at most ten connections, each as patient as `patience` says."""
    extensions.set_wait_callback(_wait)

    class PatientConnection(_Connection):
        wait_seconds = patience

    engine = create_engine(
        url,
        pool_timeout=patience.pool,
        connect_args={"connection_factory": PatientConnection, **_TCP},
        **_POOL,
    )

    def set_timeouts(connection: extensions.connection, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_timeouts(patience))
        connection.commit()

    event.listen(engine, "connect", set_timeouts)
    return engine


class _Connection(extensions.connection):
    wait_seconds = Patience()


def _timeouts(patience: Patience) -> str:
    limits = {
        "statement_timeout": patience.statement,
        "lock_timeout": patience.lock,
        "idle_in_transaction_session_timeout": patience.idle_in_transaction,
    }
    return ";".join(f"SET {name} = {int(1000 * limit)}" for name, limit in limits.items())


def _wait(connection: Any) -> None:
    """psycopg2 asks this for every answer; it closes the connection where this raises."""
    patience = getattr(connection, "wait_seconds", _Connection.wait_seconds)
    connecting = connection.status not in {extensions.STATUS_READY, extensions.STATUS_BEGIN}
    deadline = monotonic() + (patience.connect if connecting else patience.silence)
    while (state := connection.poll()) != extensions.POLL_OK:
        if not _ready(connection.fileno(), state, deadline - monotonic()):
            raise psycopg2.OperationalError("the server is silent")


def _ready(descriptor: int, state: int, seconds: float) -> bool:
    awaited = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
    poll = select.poll()  # select() itself knows no descriptor above 1023
    poll.register(descriptor, awaited)
    return bool(poll.poll(max(0.0, 1000 * seconds)))
