"""Moments at which a test has a process killed, stopped or failing, always at the same place.

`CURAGENIE_FAULTPOINT=results_stored:kill` does so in whichever process comes there. It is read from
the environment and is no setting: nobody who runs a service sets it, and without it a point costs
one look into a dictionary.
"""

import os
import signal
from enum import StrEnum

from core.errors import InfrastructureError

VARIABLE = "CURAGENIE_FAULTPOINT"


class FaultPoint(StrEnum):
    ACCEPTED = "accepted"
    """A job is in the table, and nobody has been told of it."""
    HEARTBEAT = "heartbeat"
    """A lease is about to be renewed."""
    PARTS_SENT = "parts_sent"
    """All parts of an object are in S3, and it is not completed."""
    RESULTS_STORED = "results_stored"
    """An attempt's objects are stored, and no row names them."""
    COMPLETED = "completed"
    """A job is COMPLETE, and nothing has been told or cleaned up."""


def reached(point: FaultPoint) -> None:
    """Does what the environment asks for at `point`, as a rule nothing.

    Raises InfrastructureError for `raise`, ValueError for a deed that does not exist.
    """
    name, _, deed = os.environ.get(VARIABLE, "").partition(":")
    if name != point:
        return
    if deed == "raise":
        raise InfrastructureError(f"The fault point {point} was reached.", fix="Unset it.")
    if deed not in _SIGNALS:
        raise ValueError(f"{VARIABLE} names no deed: {deed!r}; kill, stop and raise are known")
    os.kill(os.getpid(), _SIGNALS[deed])


_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
