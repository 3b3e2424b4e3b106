"""ByteRanges: random access to one object, a local file or an object of an S3 bucket.

Reads are stateless, so one reader may serve several threads. S3 requests are signed with SigV4 and
retried by boto3; every range carries the ETag seen at opening, so that an object which is replaced
while a job reads it is an error and never a mixture.
"""

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from core.errors import GenotypeFileError, InfrastructureError, UnsupportedFormatError, Where


class ByteRanges(Protocol):
    """One object of known size.

    `read(start, stop)` gives the bytes of the half-open range; fewer only at the end of the object.
    """

    @property
    def uri(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    def read(self, start: int, stop: int) -> bytes: ...


class StoredObject(ByteRanges, Protocol):
    """`modified_at`: when it was last written, in seconds since 1970. `version`: another text for
    every other content; None for a file that was written so lately that its times may not tell."""

    @property
    def modified_at(self) -> float: ...

    @property
    def version(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class S3Access:
    """How to reach a bucket; what is None comes from boto3's own chain of sources."""

    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    region: str | None = None


def open_byte_ranges(uri: str, *, s3: S3Access | None = None) -> StoredObject:
    """`/path`, `file:///path` or `s3://bucket/key`.

    Raises GenotypeFileError where there is no such object, UnsupportedFormatError for another
    scheme, InfrastructureError where the object store does not answer.
    """
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme == "s3":
        return _open_s3(uri, s3 or S3Access())
    if scheme in ("", "file"):
        return _open_local(uri, Path(unquote(urlsplit(uri).path) if scheme else uri))
    raise UnsupportedFormatError(
        f"cannot read from {scheme}://.",
        where=Where(uri),
        fix="Give a local path, file:///path or s3://bucket/key.",
    )


@dataclass(frozen=True, slots=True)
class _LocalFile:
    uri: str
    size_bytes: int
    modified_at: float
    version: str | None
    path: Path

    def read(self, start: int, stop: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            file.seek(start)
            return _read_fully(file, min(stop, self.size_bytes) - start)


def _read_fully(file: Any, n_bytes: int) -> bytes:
    """One read() of a raw file gives at most 2 GiB and may give less."""
    pieces: list[bytes] = []
    while n_bytes > 0 and (piece := file.read(n_bytes)):
        pieces.append(piece)
        n_bytes -= len(piece)
    return b"".join(pieces) if len(pieces) != 1 else pieces[0]


def _open_local(uri: str, path: Path) -> _LocalFile:
    if path.is_dir():
        raise GenotypeFileError(
            "this is a folder.", where=Where(uri), fix="Name the files in it, one by one."
        )
    if not path.is_file():
        raise GenotypeFileError(
            "there is no such file.",
            where=Where(uri),
            fix="Check the path; relative paths start at the working directory.",
        )
    try:
        path.open("rb").close()
    except PermissionError as error:
        raise GenotypeFileError(
            "the file may not be read.", where=Where(uri), fix="Check its permissions."
        ) from error
    status = path.stat()
    return _LocalFile(uri, status.st_size, status.st_mtime, _local_version(status), path)


_TIME_STEP_SECONDS = 2.0
"""Of the coarsest file systems: what is written twice within one step has one time."""


def _local_version(status: os.stat_result) -> str | None:
    """Whoever writes to a file changes its ctime, which no user can set."""
    if time.time() - status.st_ctime < _TIME_STEP_SECONDS:
        return None
    times = f"{status.st_mtime_ns}:{status.st_ctime_ns}"
    return f"file:{status.st_dev}:{status.st_ino}:{status.st_size}:{times}"


@dataclass(frozen=True, slots=True)
class _S3Object:
    uri: str
    size_bytes: int
    modified_at: float
    bucket: str
    key: str
    etag: str
    access: S3Access

    @property
    def version(self) -> str:
        store = self.access.endpoint_url or "s3"
        return f"{store}:{self.bucket}/{self.key}:{self.etag}:{self.size_bytes}:{self.modified_at}"

    def read(self, start: int, stop: int) -> bytes:
        stop = min(stop, self.size_bytes)
        if stop <= start:
            return b""
        with _translated_errors(self.uri):
            response = s3_client(self.access).get_object(
                Bucket=self.bucket,
                Key=self.key,
                Range=f"bytes={start}-{stop - 1}",
                IfMatch=self.etag,
            )
            with response["Body"] as body:
                content: bytes = body.read()
        if response["ETag"] != self.etag:  # some stores ignore IfMatch
            raise _user_error(self.uri, 412)
        if len(content) != stop - start:
            raise InfrastructureError(
                f"asked for {stop - start} bytes at {start}, got {len(content)}.",
                where=Where(self.uri),
                fix="The object store must answer range requests.",
            )
        return content


def _open_s3(uri: str, access: S3Access) -> _S3Object:
    # not urlsplit: a key may hold "?" and "#"
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise UnsupportedFormatError(
            "the URI names no object.", where=Where(uri), fix="Write s3://bucket/key."
        )
    with _translated_errors(uri):
        head = s3_client(access).head_object(Bucket=bucket, Key=key)
    modified_at = head["LastModified"].timestamp()
    return _S3Object(uri, head["ContentLength"], modified_at, bucket, key, head["ETag"], access)


_client_lock = threading.Lock()


def s3_client(access: S3Access) -> Any:
    with _client_lock:  # making a client is not thread-safe in boto3; using one is
        return _make_client(access)


@lru_cache(maxsize=8)
def _make_client(access: S3Access) -> Any:
    import boto3  # noqa: PLC0415 - a third of a second that local jobs do not pay
    from botocore.config import Config  # noqa: PLC0415

    session: Any = boto3.session.Session(
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        region_name=access.region,
    )
    config = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
        # A range has no checksum of its own, and other stores send the whole object's.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if access.endpoint_url else None,
    )
    return session.client(
        "s3",
        endpoint_url=access.endpoint_url,
        region_name=session.region_name or "us-east-1",
        config=config,
    )


@contextmanager
def _translated_errors(uri: str) -> Generator[None]:
    """boto3's errors as ours: what the user can put right, and what a retry may."""
    from botocore.exceptions import (  # noqa: PLC0415 - see _make_client
        BotoCoreError,
        ClientError,
        NoCredentialsError,
    )

    try:
        yield
    except ClientError as error:
        raise _translate(uri, error.response) from error
    except NoCredentialsError as error:
        raise GenotypeFileError(
            "there are no S3 credentials.",
            where=Where(uri),
            fix="Set the access key id and the secret access key.",
        ) from error
    except BotoCoreError as error:
        raise InfrastructureError(
            f"the object store failed: {error}", where=Where(uri), fix="Try again."
        ) from error


_S3_USER_ERRORS = {
    401: ("the credentials are refused.", "Check the access key and its rights on the bucket."),
    403: ("access is denied.", "Check the access key and its rights on the bucket."),
    404: ("there is no such object.", "Check the bucket and the key."),
    412: ("the object was replaced while it was read.", "Start the job again."),
}


def _translate(uri: str, response: Any) -> GenotypeFileError | InfrastructureError:
    status: int = response["ResponseMetadata"]["HTTPStatusCode"]
    if status in _S3_USER_ERRORS:
        return _user_error(uri, status)
    code = response["Error"]["Code"]
    return InfrastructureError(
        f"the object store answered {status} {code}.", where=Where(uri), fix="Try again."
    )


def _user_error(uri: str, status: int) -> GenotypeFileError:
    what, fix = _S3_USER_ERRORS[status]
    return GenotypeFileError(what, where=Where(uri), fix=fix)
