"""Fixtures of the HTTP tests: the whole API on SQLite and local disk, without Ray."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.diseases import read_diseases
from core.events import Event
from core.genome_build import GenomeBuild
from core.records.migrations import migrate
from core.records.session import Database, open_database
from core.scoring.catalog import PgsCatalog
from core.scoring.library import ScoringFileLibrary
from core.settings import CONFIGS
from core.storage.local_disk import LocalObjects
from serve.api import create_api
from serve.services import Services
from tests.builders.pgs_catalog import IMPATIENT, PgsCatalogServer, running_pgs_catalog


@pytest.fixture
def announced() -> list[Event]:
    """Every event that a route announced after its commit, in order."""
    return []


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/curagenie.db"
    migrate(url)
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def pgs_catalog_server() -> Iterator[PgsCatalogServer]:
    """A PGS Catalog of this test's own; nothing here leaves the machine."""
    with running_pgs_catalog() as server:
        yield server


@pytest.fixture
def reference_fastas() -> dict[GenomeBuild, Path]:
    """What the operator set up: nothing, until a test does."""
    return {}


@pytest.fixture
def services(
    tmp_path: Path,
    database: Database,
    announced: list[Event],
    pgs_catalog_server: PgsCatalogServer,
    reference_fastas: dict[GenomeBuild, Path],
) -> Services:
    return Services(
        database=database,
        objects=LocalObjects(tmp_path / "objects"),
        diseases=read_diseases(CONFIGS / "diseases.yaml"),
        scoring_files=ScoringFileLibrary(tmp_path / "scoring_files"),
        pgs_catalog=PgsCatalog(pgs_catalog_server.url, IMPATIENT),
        reference_fastas=reference_fastas,
        announce=announced.extend,
        max_upload_bytes=1_000_000,
    )


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    api = create_api(services, cors_origins=["https://app.example"])
    with TestClient(api, raise_server_exceptions=False) as client:
        yield client
