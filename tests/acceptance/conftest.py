"""Acceptance tests compare with real data and peers' answers, which stand outside the project."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def acceptance_data() -> Path:
    folder = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    if folder is None:
        pytest.skip("CURAGENIE_ACCEPTANCE_DATA does not name the folder of real data")
    return Path(folder)
