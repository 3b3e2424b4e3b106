"""The health of one replica, and of what it needs."""

from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    status: Literal["ok", "unavailable"]
    version: str
    database: Literal["ok", "unavailable"]


class Life(BaseModel):
    status: Literal["ok"]


class CheckAnswer(BaseModel):
    """`seconds` is how long the answer took. Without what is `required` nothing can be served."""

    name: str
    status: Literal["ok", "unavailable", "stopping"]
    required: bool
    seconds: float


class Readiness(BaseModel):
    """`checks` only where they were asked for."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: list[CheckAnswer] | None = None
