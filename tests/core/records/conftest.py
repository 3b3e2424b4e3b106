"""One suite for every database: SQLite, and a PostgreSQL that the tests start.

`CURAGENIE_TEST_DATABASE_URL` names another one, whose user may create databases. Every test gets a
database of its own.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from core.records.session import Database
from tests.builders.records import migrated_database, sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    server = make_url(request.getfixturevalue("postgresql_url"))
    engine = create_engine(
        server.set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT"
    )
    name = f"curagenie_test_{uuid4().hex}"
    _execute(engine, f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    _execute(engine, f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


def _execute(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = migrated_database(database_url)
    yield database
    database.close()
