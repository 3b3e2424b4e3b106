"""Stored objects by key: one Protocol, local disk and S3 behind it.

Keys are ours (`genomic_data/<id>/genotypes.vcf.gz`), never a user's file name: lower-case words
separated by "/", so that no key can leave the store. An object becomes visible whole, in one
step, when its writer ends without an error; on any error nothing of it stays.
"""

import fcntl
import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from core.errors import InfrastructureError, NotFoundError
from core.storage.byte_ranges import S3Access, s3_client

logger = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024  # S3 takes 10,000 parts of at least 5 MiB: objects up to 83 GB
COPY_BYTES = 1024 * 1024

_SURELY_LOCKED_SECONDS = 60.0
"""A file this old has been locked by its writer, if that is alive."""

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*", flags=re.ASCII)


@dataclass(frozen=True, slots=True)
class ObjectsLocation:
    """Which store: the bucket where one is named, else the folder. Travels between processes."""

    root: Path
    bucket: str | None = None
    s3: S3Access | None = None


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

    A key that is not one of ours raises ValueError: that is a mistake of the program.
    """

    def put_stream(self, key: str) -> AbstractContextManager[ObjectWriter]:
        """Publishes on a clean exit, replacing what was there; leaves nothing on an error."""
        ...

    def open(self, key: str) -> AbstractContextManager[ByteStream]:
        """The object's bytes, to be read in order. Raises NotFoundError."""
        ...

    def local_path(self, key: str) -> AbstractContextManager[Path]:
        """The object as a local file that must not be changed; a download ends with the block."""
        ...

    def exists(self, key: str) -> bool: ...

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys below the folder `prefix`, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Removing what is not there is no error."""
        ...

    def uri_of(self, key: str) -> str:
        """`file:///…` or `s3://bucket/key`, as `open_byte_ranges` takes it."""
        ...


def open_objects(location: ObjectsLocation) -> ObjectStore:
    if location.bucket is not None:
        return S3Objects(location.bucket, access=location.s3 or S3Access())
    return LocalObjects(location.root)


def put_text(objects: ObjectStore, key: str, text: str) -> None:
    """Stores a text as UTF-8 under `key`."""
    with objects.put_stream(key) as writer:
        writer.write(text.encode())


def put_file(objects: ObjectStore, key: str, path: Path) -> None:
    """Stores a copy of a local file under `key`."""
    with path.open("rb") as source, objects.put_stream(key) as writer:
        while data := source.read(COPY_BYTES):
            writer.write(data)


def delete_folder(objects: ObjectStore, prefix: str) -> None:
    """Removes every object below `prefix`."""
    for key in list(objects.keys(prefix)):
        objects.delete(key)


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key) or ".." in key or len(key) > 512:
        raise ValueError(f"not a storage key: {key!r}")
    return key


class _Digest:
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


class LocalObjects:
    """Objects as files below `root`; `root/.incoming` holds what is being written.

    A writer holds a lock on its file there. The kernel lets go of it when the writer is killed, and
    the next writer removes what has no lock.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._incoming = self._root / ".incoming"

    @contextmanager
    def put_stream(self, key: str) -> Generator["_LocalWriter"]:
        target = self._path(key)
        with _disk_errors(key):
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            part = self._incoming / uuid4().hex
            file = part.open("xb")
        try:
            with file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield _LocalWriter(file, key)
                with _disk_errors(key):
                    file.flush()
                    os.fsync(file.fileno())
                    target.parent.mkdir(parents=True, exist_ok=True)
                    part.replace(target)
                    _sync_folder(target.parent)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def open(self, key: str) -> Generator[ByteStream]:
        try:
            file = self._path(key).open("rb")
        except FileNotFoundError as error:
            raise _no_object(key) from error
        with file:
            yield file

    @contextmanager
    def local_path(self, key: str) -> Generator[Path]:
        if not self.exists(key):
            raise _no_object(key)
        yield self._path(key)

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def keys(self, prefix: str) -> Iterator[str]:
        # Others delete while this lists: of a folder that goes meanwhile, os.walk takes what it saw.
        folders = os.walk(self._path(prefix))
        paths = sorted(Path(folder, name) for folder, _, names in folders for name in names)
        return (path.relative_to(self._root).as_posix() for path in paths)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _disk_errors(key):
            path.unlink(missing_ok=True)
        self._remove_empty_folders(path.parent)

    def uri_of(self, key: str) -> str:
        return self._path(key).as_uri()

    def _remove_abandoned(self) -> None:
        newest = time.time() - _SURELY_LOCKED_SECONDS
        for part in self._incoming.iterdir():
            with suppress(FileNotFoundError, BlockingIOError), part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_mtime < newest:
                    part.unlink()

    def _path(self, key: str) -> Path:
        return self._root / _checked(key)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone already: both are fine
                return
            folder = folder.parent


class _LocalWriter(_Digest):
    def __init__(self, file: BinaryIO, key: str) -> None:
        super().__init__()
        self._file = file
        self._key = key

    def write(self, data: bytes | memoryview) -> None:
        self.count(data)
        with _disk_errors(self._key):
            self._file.write(data)


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


class S3Objects:
    """Objects in one bucket; writers send parts as they fill and complete them at the end."""

    def __init__(self, bucket: str, *, access: S3Access) -> None:
        self._bucket = bucket
        self._client = s3_client(access)

    @contextmanager
    def put_stream(self, key: str) -> Generator["_S3Writer"]:
        writer = _S3Writer(self._client, self._bucket, _checked(key))
        try:
            yield writer
            writer.complete()
        except BaseException:
            writer.abandon()
            raise

    @contextmanager
    def open(self, key: str) -> Generator[ByteStream]:
        with _s3_errors(key):
            response = self._client.get_object(Bucket=self._bucket, Key=_checked(key))
        with response["Body"] as body:
            yield _S3Body(body, key)

    @contextmanager
    def local_path(self, key: str) -> Generator[Path]:
        with tempfile.TemporaryDirectory(prefix="curagenie-") as folder:
            path = Path(folder) / key.rpartition("/")[2]
            with self.open(key) as source, path.open("xb") as target:
                while data := source.read(COPY_BYTES):
                    target.write(data)
            yield path

    def exists(self, key: str) -> bool:
        try:
            with _s3_errors(key):
                self._client.head_object(Bucket=self._bucket, Key=_checked(key))
        except NotFoundError:
            return False
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        found: list[str] = []
        with _s3_errors(prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{_checked(prefix)}/"):
                found += [entry["Key"] for entry in page.get("Contents", ())]
        return iter(sorted(found))

    def delete(self, key: str) -> None:
        try:
            with _s3_errors(key):
                self._client.delete_object(Bucket=self._bucket, Key=_checked(key))
        except NotFoundError:
            return

    def uri_of(self, key: str) -> str:
        return f"s3://{self._bucket}/{_checked(key)}"


class _S3Writer(_Digest):
    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        self._client = client
        self._target = {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []

    def write(self, data: bytes | memoryview) -> None:
        self.count(data)
        self._buffer += data
        while len(self._buffer) >= PART_BYTES:
            part, self._buffer = self._buffer[:PART_BYTES], self._buffer[PART_BYTES:]
            self._send_part(part)

    def complete(self) -> None:
        with _s3_errors(self._target["Key"]):
            if self._upload is None:
                self._client.put_object(**self._target, Body=self._buffer)
                return
            if self._buffer:
                self._send_part(self._buffer)
            self._client.complete_multipart_upload(
                **self._target, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
            )

    def abandon(self) -> None:
        """Takes back the parts sent so far; the error that led here matters more than this one."""
        if self._upload is None:
            return
        try:
            self._client.abort_multipart_upload(**self._target, UploadId=self._upload)
        except (ClientError, BotoCoreError):
            logger.exception("parts of %s stay in the bucket", self._target["Key"])

    def _send_part(self, part: bytearray) -> None:
        number = len(self._parts) + 1
        with _s3_errors(self._target["Key"]):
            if self._upload is None:
                self._upload = self._client.create_multipart_upload(**self._target)["UploadId"]
            answer = self._client.upload_part(
                **self._target, UploadId=self._upload, PartNumber=number, Body=part
            )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


class _S3Body:
    """A response body whose reads fail as ours do."""

    def __init__(self, body: Any, key: str) -> None:
        self._body = body
        self._key = key

    def read(self, size: int = -1, /) -> bytes:
        with _s3_errors(self._key):
            return self._body.read(None if size < 0 else size)


@contextmanager
def _s3_errors(key: str) -> Generator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            raise _no_object(key) from error
        raise _store_failed(key) from error
    except BotoCoreError as error:
        raise _store_failed(key) from error


def _store_failed(key: str) -> InfrastructureError:
    # What the server says names hosts and accounts: it is the cause, not the message.
    return InfrastructureError(
        f"The object store failed at {key}.", fix="Check AWS_ENDPOINT_URL, the keys and the bucket."
    )


def _no_object(key: str) -> NotFoundError:
    return NotFoundError(f"There is no stored object {key}.")
