"""Stored objects by key: one Protocol, local disk and S3 behind it.

Keys are ours (`genomic_data/<id>/genotypes.vcf.gz`), never a user's file name: lower-case words
separated by "/", so that no key can leave the store. An object becomes visible whole, in one
step, when its writer ends without an error; on any error nothing of it stays. With each object its
sha256 is kept, and whoever reads all of it reads that or an error.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from core.errors import DamagedObjectError, NotFoundError, WrittenOnceError
from core.storage.byte_ranges import S3Access

COPY_BYTES = 1024 * 1024

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*", flags=re.ASCII)


@dataclass(frozen=True, slots=True)
class ObjectsLocation:
    """Which store: the bucket where one is named, else the folder. Travels between processes."""

    root: Path
    bucket: str | None = None
    s3: S3Access | None = None


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One object as listed; `modified_at` is UTC, by the store's clock."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectWriter(Protocol):
    """Takes the object's bytes in order; `sha256` and `size_bytes` are those written so far."""

    @property
    def sha256(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    def write(self, data: bytes | memoryview) -> None: ...


class ByteStream(Protocol):
    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, all that are left for -1, none at the end."""
        ...


class ObjectStore(Protocol):
    """Objects by key. Every method raises InfrastructureError where the store fails.

    A key that is not one of ours raises ValueError: that is a mistake of the program. Parts of an
    object are read by `open_byte_ranges(uri_of(key))`, without the check of its sha256.
    """

    def put_stream(
        self, key: str, *, write_once: bool = False
    ) -> AbstractContextManager[ObjectWriter]:
        """Publishes on a clean exit, replacing what was there; leaves nothing on an error.

        `write_once` replaces nothing: the same bytes again are no error, others raise
        WrittenOnceError.
        """
        ...

    def put_file(self, key: str, path: Path, *, write_once: bool = False) -> None:
        """Stores a copy of a local file, as `put_stream` does."""
        ...

    def open(self, key: str) -> AbstractContextManager[ByteStream]:
        """The object's bytes, to be read in order. Raises NotFoundError, and DamagedObjectError at
        the end of bytes that are not those that were written."""
        ...

    def local_path(self, key: str) -> AbstractContextManager[Path]:
        """The object as a local file that must not be changed; a download ends with the block.
        Raises as `open`."""
        ...

    def exists(self, key: str) -> bool: ...

    def entries(self, prefix: str) -> Iterator[StoredEntry]:
        """What is below the folder `prefix`, sorted by key."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys below the folder `prefix`, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Removing what is not there is no error."""
        ...

    def unfinished(self, before: datetime) -> list[str]:
        """Names of what was begun, and last written to before that time, and never published."""
        ...

    def discard_unfinished(self, name: str) -> None:
        """Removes what `unfinished` named, unless somebody writes to it."""
        ...

    def uri_of(self, key: str) -> str:
        """`file:///…` or `s3://bucket/key`, as `open_byte_ranges` takes it."""
        ...


def open_objects(location: ObjectsLocation) -> ObjectStore:
    # Both import this module; and S3's client takes a third of a second that local jobs do not pay
    if location.bucket is not None:
        from core.storage.presigned import PresigningS3Objects  # noqa: PLC0415

        return PresigningS3Objects(location.bucket, access=location.s3 or S3Access())
    from core.storage.local_disk import LocalObjects  # noqa: PLC0415

    return LocalObjects(location.root)


def put_text(objects: ObjectStore, key: str, text: str, *, write_once: bool = False) -> None:
    """Stores a text as UTF-8 under `key`."""
    with objects.put_stream(key, write_once=write_once) as writer:
        writer.write(text.encode())


def delete_folder(objects: ObjectStore, prefix: str) -> None:
    """Removes every object below `prefix`."""
    for key in list(objects.keys(prefix)):
        objects.delete(key)


def checked_key(key: str) -> str:
    """Raises ValueError for what is not one of our keys."""
    if not _KEY.fullmatch(key) or ".." in key or len(key) > 512:
        raise ValueError(f"not a storage key: {key!r}")
    return key


class Digest:
    """Counts and hashes what goes through it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def count(self, data: bytes | memoryview) -> None:
        self.size_bytes += len(data)
        self._hash.update(data)


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return sha256_of_stream(file)


def sha256_of_stream(source: ByteStream) -> str:
    """Of what is left in it."""
    digest = Digest()
    while data := source.read(COPY_BYTES):
        digest.count(data)
    return digest.sha256


class CheckedStream:
    """Passes an object's bytes on, and raises DamagedObjectError at their end where they are not
    those of `sha256`; without a known one it checks nothing."""

    def __init__(self, source: ByteStream, key: str, sha256: str | None) -> None:
        self._source = source
        self._key = key
        self._sha256 = sha256
        self._digest = Digest()

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._digest.count(data)
        at_end = size < 0 or (not data and size > 0)
        if at_end and self._sha256 is not None and self._digest.sha256 != self._sha256:
            raise damaged(self._key)
        return data


def damaged(key: str) -> DamagedObjectError:
    return DamagedObjectError(
        f"The stored object {key} is not what was written: its sha256 differs.",
        fix="Restore it from a backup, or upload or calculate it again.",
    )


def written_once(key: str) -> WrittenOnceError:
    return WrittenOnceError(
        f"There is another object {key} already.", fix="What is stored once is never replaced."
    )


def no_object(key: str) -> NotFoundError:
    return NotFoundError(f"There is no stored object {key}.")
