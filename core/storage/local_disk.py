"""Objects as files of one folder; their sha256 stands in an extended attribute of each file."""

import fcntl
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from core.errors import InfrastructureError
from core.storage.objects import (
    COPY_BYTES,
    ByteStream,
    CheckedStream,
    Digest,
    StoredEntry,
    checked_key,
    no_object,
    sha256_of_file,
    written_once,
)

_SURELY_LOCKED_SECONDS = 60.0
"""A file this old has been locked by its writer, if that is alive."""

_SHA256 = "user.curagenie.sha256"


class LocalObjects:
    """Objects as files below `root`; `root/.incoming` holds what is being written.

    A writer holds a lock on its file there. The kernel lets go of it when the writer is killed, and
    the next writer removes what has no lock. File systems without extended attributes keep no
    sha256, so what they hold is not checked.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._incoming = self._root / ".incoming"

    @contextmanager
    def put_stream(self, key: str, *, write_once: bool = False) -> Generator["_LocalWriter"]:
        target = self._path(key)
        with _disk_errors(key):
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            part = self._incoming / uuid4().hex
            file = part.open("xb")
        try:
            with file:
                fcntl.flock(file, fcntl.LOCK_EX)
                writer = _LocalWriter(file, key)
                yield writer
                with _disk_errors(key):
                    _keep_sha256(file, writer.sha256)
                    file.flush()
                    os.fsync(file.fileno())
                    target.parent.mkdir(parents=True, exist_ok=True)
                    publish = _publish_once if write_once else _publish
                    publish(part, target, key)
                    _sync_folder(target.parent)
        finally:
            part.unlink(missing_ok=True)

    def put_file(self, key: str, path: Path, *, write_once: bool = False) -> None:
        with path.open("rb") as source, self.put_stream(key, write_once=write_once) as writer:
            while data := source.read(COPY_BYTES):
                writer.write(data)

    @contextmanager
    def open(self, key: str) -> Generator[ByteStream]:
        try:
            file = self._path(key).open("rb")
        except FileNotFoundError as error:
            raise no_object(key) from error
        with file:
            yield CheckedStream(file, key, _kept_sha256(file))

    @contextmanager
    def local_path(self, key: str) -> Generator[Path]:
        with self.open(key) as source:
            while source.read(COPY_BYTES):
                pass
        yield self._path(key)

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def entries(self, prefix: str) -> Iterator[StoredEntry]:
        for key in self.keys(prefix):
            with suppress(FileNotFoundError):
                status = self._path(key).stat()
                modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                yield StoredEntry(key, status.st_size, modified_at)

    def keys(self, prefix: str) -> Iterator[str]:
        # Others delete while this lists: os.walk takes what it saw of a folder that goes.
        folders = os.walk(self._path(prefix))
        paths = (Path(folder, name) for folder, _, names in folders for name in names)
        return iter(sorted(path.relative_to(self._root).as_posix() for path in paths))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _disk_errors(key):
            path.unlink(missing_ok=True)
        self._remove_empty_folders(path.parent)

    def unfinished(self, before: datetime) -> list[str]:
        if not self._incoming.is_dir():
            return []
        old: list[str] = []
        for part in self._incoming.iterdir():
            with suppress(FileNotFoundError):
                if part.stat().st_mtime < before.timestamp():
                    old.append(part.name)
        return sorted(old)

    def discard_unfinished(self, name: str) -> None:
        _remove_unlocked(self._incoming / checked_key(name))

    def uri_of(self, key: str) -> str:
        return self._path(key).as_uri()

    def _remove_abandoned(self) -> None:
        newest = time.time() - _SURELY_LOCKED_SECONDS
        for name in self.unfinished(datetime.fromtimestamp(newest, UTC)):
            self.discard_unfinished(name)

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone already: both are fine
                return
            folder = folder.parent


class _LocalWriter(Digest):
    def __init__(self, file: BinaryIO, key: str) -> None:
        super().__init__()
        self._file = file
        self._key = key

    def write(self, data: bytes | memoryview) -> None:
        self.count(data)
        with _disk_errors(self._key):
            self._file.write(data)


def _publish(part: Path, target: Path, _key: str) -> None:
    part.replace(target)


def _publish_once(part: Path, target: Path, key: str) -> None:
    """A link, unlike a rename, replaces nothing."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        if sha256_of_file(part) != sha256_of_file(target):
            raise written_once(key) from error


def _remove_unlocked(part: Path) -> None:
    with suppress(FileNotFoundError, BlockingIOError), part.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink()


def _keep_sha256(file: BinaryIO, sha256: str) -> None:
    with suppress(OSError, AttributeError):  # neither every file system nor macOS has them
        os.setxattr(file.fileno(), _SHA256, sha256.encode())


def _kept_sha256(file: BinaryIO) -> str | None:
    try:
        return os.getxattr(file.fileno(), _SHA256).decode()
    except (OSError, AttributeError):
        return None


@contextmanager
def _disk_errors(key: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"{key} cannot be stored: {error.strerror}.",
            fix="Check the free space and the permissions of the data directory.",
        ) from error


def _sync_folder(folder: Path) -> None:
    """A rename is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
