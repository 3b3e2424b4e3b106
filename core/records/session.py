"""The database: one engine per process, one unit of work per transaction.

    database = open_database("sqlite:////data/curagenie.db")
    with database.transaction() as tx:
        job = tx.jobs.submit(...)
    for event in tx.recorded: ...        # committed: now it may be told

SQLite runs in WAL mode, waits for locks, checks foreign keys, and takes the write lock at BEGIN
(so two leases never see the same row). PostgreSQL runs the same code with row locks. Either one
answers within a limit, or is an InfrastructureError: lost, slow and silent servers look the same.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from core.errors import InfrastructureError, SettingsError
from core.records.postgresql import Patience, create_postgresql_engine
from core.records.repositories import UnitOfWork

_BUSY_SECONDS = 30.0
_BEGIN = "curagenie_sqlite_begin"


class Database:
    """Open one per process (it holds sockets and file handles) and `close()` it at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @contextmanager
    def transaction(self) -> Generator[UnitOfWork]:
        """Commits on a clean exit, rolls everything back on any error.

        Raises InfrastructureError where the database does not answer or stays locked.
        """
        with _answering(), Session(self._writer) as session, session.begin():
            yield UnitOfWork(session)

    @contextmanager
    def reading(self) -> Generator[UnitOfWork]:
        """One consistent view, never waiting for a writer; changes are rolled back."""
        with _answering(), Session(self.engine) as session:
            yield UnitOfWork(session)

    @contextmanager
    def writing_connection(self) -> Generator[Connection]:
        """A bare connection in one write transaction, for migrations."""
        with _answering(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str, patience: Patience | None = None) -> Database:
    """Connects lazily; `core.records.migrations.migrate(url)` makes the tables at start-up."""
    return Database(create_database_engine(url, patience))


def create_database_engine(url: str, patience: Patience | None = None) -> Engine:
    parsed = _database_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_postgresql_engine(parsed, patience or Patience())
    if parsed.database not in (None, "", ":memory:"):
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _database_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(
            "DATABASE_URL is not a database URL.",
            fix="Give sqlite:///file or postgresql://user:password@host/name.",
        ) from error
    # Hosting platforms still write postgres://; psycopg2 is the driver that we install.
    if parsed.drivername in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg2")
    return parsed


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: BEGIN is ours (see _begin_sqlite).
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


@contextmanager
def _answering() -> Generator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        if not _is_of_the_server(error):
            raise
        # The driver's own words name hosts and users: they are the cause, not the message.
        raise InfrastructureError(
            "The database does not answer.",
            fix="Check that DATABASE_URL is right and the database is up.",
        ) from error


def _is_of_the_server(error: Exception) -> bool:
    """A lost connection shows in any class of errors; a wrong statement is a mistake of ours."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated
