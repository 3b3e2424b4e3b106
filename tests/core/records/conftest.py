"""One suite for every database: SQLite, and a PostgreSQL that the tests start.

`CURAGENIE_TEST_DATABASE_URL` names another one, whose user may create databases. Every test gets a
database of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.records.session import Database
from tests.builders.postgresql_server import new_database
from tests.builders.records import migrated_database, sqlite_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    with new_database(request.getfixturevalue("postgresql_url")) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = migrated_database(database_url)
    yield database
    database.close()
