"""How many jobs of each queue run at once: `configs/queues.yaml`, checked against `Queue`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from core.errors import SettingsError, Where
from core.job import Queue

_LIMITS = TypeAdapter(dict[Queue, Annotated[int, Field(ge=1)]])


def read_queue_limits(path: Path) -> Mapping[Queue, int]:
    """Every queue has a limit of at least 1. Raises SettingsError."""
    try:
        limits = _LIMITS.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SettingsError(
            f"The queue limits cannot be used: {error}.",
            where=Where(file=str(path)),
            fix="Give each queue a whole number of jobs.",
        ) from error
    missing = [str(queue) for queue in Queue if queue not in limits]
    if missing:
        raise SettingsError(
            f"There is no limit for {', '.join(missing)}.",
            where=Where(file=str(path)),
            fix="Add a line per queue, for example 'ml_inference: 2'.",
        )
    return limits
