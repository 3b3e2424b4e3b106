"""A pid file that cannot lie: its owner holds a lock on it, and the kernel lets go when it ends."""

import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from core.errors import ConflictError


@contextmanager
def held_pid_file(path: Path) -> Generator[None]:
    """Ours until the end of the block, then removed.

    Raises ConflictError while another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _lock(file):
            raise ConflictError(
                f"CuraGenie is already running on {path.parent} (pid {_read(path)}).",
                fix="Use it, stop it with `curagenie down`, or choose another --data-dir.",
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running_pid(path: Path) -> int | None:
    """The process that holds the file; None where nobody does, whatever stands in it."""
    try:
        file = path.open("r+")
    except FileNotFoundError:
        return None
    with file:
        return None if _lock(file) else int(_read(path))


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _read(path: Path) -> str:
    return path.read_text().strip()
