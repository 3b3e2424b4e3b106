"""Alembic migrations, run by programs: `migrate(url)` at start-up, never by a request.

Revisions stand in `versions/`, oldest first by number. They name types and tables themselves and
import nothing of ours, so that an old revision keeps its meaning when the tables change.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from core.records.postgresql import MIGRATING
from core.records.session import open_database

_LOCK = 0x43757261  # any number that nobody else locks; this one reads "Cura"


def migrate(url: str, revision: str = "head") -> None:
    """Brings the database of `url` up to `revision` in one transaction; a no-op when it is.

    Services that start at once wait for one another, and the first one does it.
    """
    database = open_database(url, MIGRATING)
    try:
        with database.writing_connection() as connection:
            _wait_for_others(connection)
            command.upgrade(_config(connection), revision)
    finally:
        database.close()


def downgrade(url: str, revision: str) -> None:
    """Takes the database back to `revision` ("base" drops every table)."""
    database = open_database(url, MIGRATING)
    try:
        with database.writing_connection() as connection:
            _wait_for_others(connection)
            command.downgrade(_config(connection), revision)
    finally:
        database.close()


def _wait_for_others(connection: Connection) -> None:
    """SQLite's write lock does it by itself; PostgreSQL would make a table twice."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
