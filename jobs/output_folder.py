"""The folder of a run's results: one run at a time writes into it."""

import errno
import fcntl
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ConflictError

logger = logging.getLogger(__name__)


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Make the folder and hold it; a run that ends in any way, killed too, lets it go.

    Two runs at once would take each other's partial results away and publish a mixture. Raises
    ConflictError where another run holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConflictError(
            f"another run is writing into {folder}.",
            fix="Wait until it is done, or give another output folder.",
        ) from error
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        # Some network file systems lock no folders; a run alone there is safe all the same
        logger.warning("%s cannot be locked: %s", folder, error.strerror)
