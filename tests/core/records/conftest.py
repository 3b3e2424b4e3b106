"""One suite for every database: SQLite always, PostgreSQL where a test server is named.

`CURAGENIE_TEST_DATABASE_URL` is a PostgreSQL URL whose user may create databases; every test gets
a database of its own there.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from core.records.session import Database
from tests.builders.records import migrated_database, sqlite_url

POSTGRESQL_URL = os.environ.get("CURAGENIE_TEST_DATABASE_URL")
SERVERS = ["sqlite"] if POSTGRESQL_URL is None else ["sqlite", "postgresql"]


@pytest.fixture(params=SERVERS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    assert POSTGRESQL_URL is not None
    server = make_url(POSTGRESQL_URL).set(drivername="postgresql+psycopg2")
    name = f"curagenie_test_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = migrated_database(database_url)
    yield database
    database.close()
