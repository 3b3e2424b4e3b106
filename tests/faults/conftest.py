"""Jobs whose attempts run in processes of their own, so that they can be killed and stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.job import RetryPolicy
from core.records.session import Database
from core.storage.objects import ObjectsLocation, ObjectStore, open_objects
from jobs.attempt import JobEnvironment
from jobs.run_shards import Executor
from tests.builders.records import migrated_database, sqlite_url


@pytest.fixture
def environment(tmp_path: Path) -> JobEnvironment:
    scoring_files_dir = tmp_path / "scoring_files"
    scoring_files_dir.mkdir()
    return JobEnvironment(
        database_url=sqlite_url(tmp_path),
        objects=ObjectsLocation(root=tmp_path / "objects"),
        scoring_files_dir=scoring_files_dir,
        shard_bytes=1 << 20,
        lease_seconds=1,
        heartbeat_seconds=0.05,
        retry=RetryPolicy(max_attempts=3, first_delay_seconds=0),
        executor=Executor.INLINE,
    )


@pytest.fixture
def database(environment: JobEnvironment) -> Iterator[Database]:
    database = migrated_database(environment.database_url)
    yield database
    database.close()


@pytest.fixture
def objects(environment: JobEnvironment) -> ObjectStore:
    return open_objects(environment.objects)
