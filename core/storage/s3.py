"""Objects in one bucket of S3, or of a server that speaks as S3 does.

The sha256 of an object is in its metadata. Of a stream that goes in parts it is known only after
the last, so its metadata has a token, and `.sha256/KEY` the token and the sha256.
"""

import json
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.errors import InfrastructureError, NotFoundError, WrittenOnceError
from core.faultpoints import FaultPoint, reached
from core.storage.byte_ranges import S3Access, s3_client
from core.storage.multipart import (
    PART_BYTES,
    MultipartUpload,
    checksum,
    last_written,
    md5_of,
    open_uploads,
)
from core.storage.objects import (
    COPY_BYTES,
    ByteStream,
    CheckedStream,
    Digest,
    StoredEntry,
    checked_key,
    sha256_of_file,
    sha256_of_stream,
    written_once,
)
from core.storage.s3_errors import UploadGoneError, s3_errors, s3_write_errors

KEYS_PER_PAGE = 1000
SHA256 = "sha256"
_ASIDE = "aside-"
_IF_NEW = {"IfNoneMatch": "*"}


class S3Objects:
    """Objects in `bucket`; writers send parts as they fill and complete them at the end.

    `write_once` asks the server to refuse (`If-None-Match: *`) and looks before that, for servers
    that do not know the question; on those two writers at the same moment may both succeed.
    """

    def __init__(self, bucket: str, *, access: S3Access) -> None:
        self._bucket = bucket
        self._client = s3_client(access)

    @contextmanager
    def put_stream(self, key: str, *, write_once: bool = False) -> Generator["_S3Writer"]:
        writer = _S3Writer(self._client, self._target(key), f"{_ASIDE}{uuid4().hex}")
        try:
            yield writer
            self._publish(key, writer, write_once=write_once)
        except BaseException:
            writer.abandon()
            raise

    def put_file(self, key: str, path: Path, *, write_once: bool = False) -> None:
        """A large file goes on at the parts that an earlier, killed process had sent."""
        target, sha256 = self._target(key), sha256_of_file(path)
        begun = path.stat().st_size > PART_BYTES and MultipartUpload.go_on(self._client, target)
        if begun and self._goes_on(key, path, begun, sha256, write_once=write_once):
            return
        self._copy(key, path, _S3Writer(self._client, target, sha256), write_once=write_once)

    @contextmanager
    def open(self, key: str) -> Generator[ByteStream]:
        with s3_errors(key):
            response = self._client.get_object(**self._target(key))
        with response["Body"] as body:
            yield CheckedStream(_S3Body(body, key), key, self._sha256_of(key, response))

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
            self._head(key)
        except NotFoundError:
            return False
        return True

    def entries(self, prefix: str) -> Iterator[StoredEntry]:
        pages = self._client.get_paginator("list_objects_v2")
        found: list[StoredEntry] = []
        with s3_errors(prefix):
            for page in pages.paginate(
                Bucket=self._bucket,
                Prefix=f"{checked_key(prefix)}/",
                PaginationConfig={"PageSize": KEYS_PER_PAGE},
            ):
                found += [
                    StoredEntry(entry["Key"], entry["Size"], entry["LastModified"])
                    for entry in page.get("Contents", ())
                ]
        return iter(sorted(found, key=lambda entry: entry.key))

    def keys(self, prefix: str) -> Iterator[str]:
        entries = self.entries(prefix)
        return (entry.key for entry in entries)

    def delete(self, key: str) -> None:
        both = [{"Key": checked_key(key)}, {"Key": _aside(key)}]
        with s3_errors(key):
            answer = self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": both, "Quiet": True}
            )
        if any(error.get("Code") != "NoSuchKey" for error in answer.get("Errors", ())):
            raise InfrastructureError(
                f"The object store did not delete {key}.", fix="Check the rights on the bucket."
            )

    def unfinished(self, before: datetime) -> list[str]:
        begun = open_uploads(self._client, Bucket=self._bucket)
        old: list[str] = []
        for each in (each for each in begun if each["Initiated"] < before):
            try:
                if last_written(self._client, self._bucket, each) < before:
                    old.append(f"{each['Key']}@{each['UploadId']}")
            except UploadGoneError:
                continue
        return sorted(old)

    def discard_unfinished(self, name: str) -> None:
        key, _, upload_id = name.partition("@")
        MultipartUpload(self._client, self._target(key), upload_id, {}).abort()

    def uri_of(self, key: str) -> str:
        return f"s3://{self._bucket}/{checked_key(key)}"

    def _goes_on(
        self, key: str, path: Path, begun: MultipartUpload, sha256: str, *, write_once: bool
    ) -> bool:
        """False where what was begun is over, or was not of this file."""
        writer = _S3Writer(self._client, self._target(key), sha256, begun)
        try:
            self._copy(key, path, writer, write_once=write_once)
        except UploadGoneError:
            return False
        return self._sha256_of(key, self._head(key)) == sha256

    def _copy(self, key: str, path: Path, writer: "_S3Writer", *, write_once: bool) -> None:
        try:
            with path.open("rb") as source:
                while data := source.read(COPY_BYTES):
                    writer.write(data)
            self._publish(key, writer, write_once=write_once)
        except BaseException:
            writer.abandon()
            raise

    def _publish(self, key: str, writer: "_S3Writer", *, write_once: bool) -> None:
        if not write_once:
            self._complete(key, writer, {})
        elif (there := self._known_sha256(key)) is None:
            try:
                self._complete(key, writer, _IF_NEW)
            except WrittenOnceError:  # in this moment: by another, or by us with a lost answer
                if self._known_sha256(key) != writer.sha256:
                    raise
        elif there == writer.sha256:
            writer.abandon()
        else:
            raise written_once(key)

    def _complete(self, key: str, writer: "_S3Writer", conditions: dict[str, str]) -> None:
        try:
            writer.complete(conditions)
        except UploadGoneError:  # by us, where the answer was lost and boto asked again
            if not self._was_completed(key, writer):
                raise
        if writer.token is not None:
            about = {"token": writer.token, SHA256: writer.sha256}
            with s3_write_errors(key):
                self._client.put_object(
                    Bucket=self._bucket, Key=_aside(key), Body=json.dumps(about).encode()
                )

    def _was_completed(self, key: str, writer: "_S3Writer") -> bool:
        try:
            return _told(self._head(key)) == writer.told
        except NotFoundError:
            return False

    def _known_sha256(self, key: str) -> str | None:
        """That of the object, read where nobody kept it; None where there is no object."""
        try:
            known = self._sha256_of(key, self._head(key))
        except NotFoundError:
            return None
        return known if known is not None else self._hashed(key)

    def _hashed(self, key: str) -> str:
        with self.open(key) as source:
            return sha256_of_stream(source)

    def _sha256_of(self, key: str, response: dict[str, Any]) -> str | None:
        """What was kept about the object of this response; None where nothing was."""
        told = _told(response)
        if told is None or not told.startswith(_ASIDE):
            return told
        try:
            with s3_errors(key):
                kept = self._client.get_object(Bucket=self._bucket, Key=_aside(key))
                about = json.loads(kept["Body"].read())
        except NotFoundError:
            return None  # its writer was killed just before it could tell
        return about[SHA256] if about["token"] == told else None

    def _head(self, key: str) -> dict[str, Any]:
        with s3_errors(key):
            return self._client.head_object(**self._target(key))

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": checked_key(key)}


def _told(response: dict[str, Any]) -> str | None:
    """Servers change the case of metadata's names."""
    metadata = {name.lower(): value for name, value in response["Metadata"].items()}
    return metadata.get(SHA256)


def _aside(key: str) -> str:
    """Not one of our keys: no listing of ours shows it."""
    return f".sha256/{checked_key(key)}"


class _S3Writer(Digest):
    def __init__(
        self,
        client: Any,
        target: dict[str, str],
        told: str,
        upload: MultipartUpload | None = None,
    ) -> None:
        super().__init__()
        self._client = client
        self._target = target
        self._buffer = bytearray()
        self._told = told
        self._upload = upload

    @property
    def told(self) -> str:
        """The object's metadata, where it goes in parts: its sha256, or a token of its own."""
        return self._told

    @property
    def token(self) -> str | None:
        """What stands for the sha256 in the object's metadata; None where that itself does."""
        return self._told if self._upload is not None and self._told.startswith(_ASIDE) else None

    def write(self, data: bytes | memoryview) -> None:
        self.count(data)
        self._buffer += data
        while len(self._buffer) >= self._part_bytes:
            size = self._part_bytes
            part, self._buffer = self._buffer[:size], self._buffer[size:]
            self._send(part)

    def complete(self, conditions: dict[str, str]) -> None:
        if self._upload is not None:
            if self._buffer:
                self._send(self._buffer)
            reached(FaultPoint.PARTS_SENT)
            self._upload.complete(**conditions)
            return
        with s3_write_errors(self._target["Key"]):
            self._client.put_object(
                **self._target,
                Body=self._buffer,
                Metadata={SHA256: self.sha256},
                **checksum(md5_of(self._buffer)),
                **conditions,
            )

    def abandon(self) -> None:
        if self._upload is not None:
            self._upload.abort()

    @property
    def _part_bytes(self) -> int:
        return self._upload.next_bytes if self._upload is not None else PART_BYTES

    def _send(self, part: bytearray) -> None:
        if self._upload is None:
            self._upload = MultipartUpload.begin(self._client, self._target, {SHA256: self._told})
        self._upload.send(part)


class _S3Body:
    """A response body whose reads fail as ours do."""

    def __init__(self, body: Any, key: str) -> None:
        self._body = body
        self._key = key

    def read(self, size: int = -1, /) -> bytes:
        with s3_errors(self._key):
            return self._body.read(None if size < 0 else size)
