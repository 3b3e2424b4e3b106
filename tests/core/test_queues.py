from pathlib import Path

import pytest

from core.errors import SettingsError
from core.job import Queue
from core.queues import read_queue_limits
from core.settings import CONFIGS


def test_the_limits_that_come_with_curagenie_name_every_queue() -> None:
    assert set(read_queue_limits(CONFIGS / "queues.yaml")) == set(Queue)


@pytest.mark.parametrize(
    "text",
    [
        "genomic_processing: 1\n",
        "genomic_processing: 0\nprs_calculation: 1\nml_inference: 1\n",
        "genomic_processing: 1\nprs_calculation: 1\nml_inference: 1\nother: 1\n",
        "- 1\n",
        "{",
        "",
    ],
    ids=["missing queue", "zero", "unknown queue", "no table", "no yaml", "empty"],
)
def test_limits_that_cannot_be_used_are_a_settings_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"queues\.yaml"):
        read_queue_limits(path)


def test_a_missing_file_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        read_queue_limits(tmp_path / "queues.yaml")
