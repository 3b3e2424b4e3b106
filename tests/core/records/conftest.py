"""One suite for every database: SQLite always, PostgreSQL where a test server is named."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from core.records.session import Database
from tests.builders.records import migrated_database, sqlite_url

POSTGRESQL = "CURAGENIE_TEST_DATABASE_URL"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    url = os.environ.get(POSTGRESQL)
    if url is None:
        pytest.skip(f"{POSTGRESQL} names no PostgreSQL server")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = migrated_database(database_url)
    yield database
    database.close()
