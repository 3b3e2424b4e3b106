"""One multipart upload of S3: parts go as they are full, each with its own checksum.

boto3 sends a part again, with growing and jittered pauses, where the server was slow or lost.
"""

import base64
import hashlib
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from core.errors import InfrastructureError
from core.storage.s3_errors import UploadGoneError, s3_errors, s3_write_errors

logger = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024
"""Of the first parts. S3 takes parts of 5 MiB to 5 GiB."""

_PARTS_PER_SIZE = 1000
"""After so many parts they are twice as large, so 10,000 hold 8 TB: more than S3 takes. Memory for
one part is what a writer needs: 64 MiB at the 60th GB."""


def part_bytes(number: int) -> int:
    """The size of part `number`, which counts from 1; the last one of an object is what is left."""
    return PART_BYTES << ((number - 1) // _PARTS_PER_SIZE)


def md5_of(data: bytes | bytearray) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def checksum(md5: bytes) -> dict[str, str]:
    """The header by which the server refuses what was damaged on its way."""
    return {"ContentMD5": base64.b64encode(md5).decode()}


class MultipartUpload:
    """`target` names the bucket and the key. Nothing of it is visible before `complete`."""

    def __init__(
        self, client: Any, target: Mapping[str, str], upload_id: str, sent: Mapping[int, str]
    ) -> None:
        self._client = client
        self._upload = {**target, "UploadId": upload_id}
        self._key = target["Key"]
        self.upload_id = upload_id
        self._sent = dict(sent)
        self._parts: list[dict[str, Any]] = []

    @classmethod
    def begin(
        cls, client: Any, target: Mapping[str, str], metadata: Mapping[str, str]
    ) -> "MultipartUpload":
        with s3_write_errors(target["Key"]):
            answer = client.create_multipart_upload(**target, Metadata=dict(metadata))
        return cls(client, target, answer["UploadId"], {})

    @classmethod
    def go_on(cls, client: Any, target: Mapping[str, str]) -> "MultipartUpload | None":
        """The newest upload of this key that was begun and never ended; its parts need not be sent
        again. Its metadata is what it was begun with, which the server does not tell."""
        begun = [each for each in open_uploads(client, **target) if each["Key"] == target["Key"]]
        if not begun:
            return None
        upload_id = max(begun, key=lambda each: each["Initiated"])["UploadId"]
        try:
            parts = sent_parts(client, {**target, "UploadId": upload_id})
        except UploadGoneError:
            return None
        return cls(client, target, upload_id, {part["PartNumber"]: part["ETag"] for part in parts})

    @property
    def next_bytes(self) -> int:
        """How large the next part is to be, unless it is the last."""
        return part_bytes(len(self._parts) + 1)

    def send(self, part: bytes | bytearray) -> None:
        """The next part, unless it is there already. Raises UploadGoneError, and gives the upload
        up, where other bytes are there: it was of something else."""
        number, md5 = len(self._parts) + 1, md5_of(part)
        etag = f'"{md5.hex()}"'
        if self._sent.get(number, etag) != etag:
            self.abort()
            raise UploadGoneError(f"The upload of {self._key} has other parts.", fix="Try again.")
        if number not in self._sent:
            with s3_write_errors(self._key):
                answer = self._client.upload_part(
                    **self._upload, PartNumber=number, Body=part, **checksum(md5)
                )
            etag = answer["ETag"]
        self._parts.append({"PartNumber": number, "ETag": etag})

    def complete(self, **conditions: str) -> None:
        with s3_write_errors(self._key):
            self._client.complete_multipart_upload(
                **self._upload, MultipartUpload={"Parts": self._parts}, **conditions
            )

    def complete_sent(self, parts: Iterable[Mapping[str, Any]]) -> None:
        """Of parts as the server lists them, sent by somebody else."""
        self._parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        self.complete()

    def abort(self) -> None:
        """Takes back the parts sent so far; the error that led here matters more than this one."""
        try:
            with s3_write_errors(self._key):
                self._client.abort_multipart_upload(**self._upload)
        except UploadGoneError:
            return
        except InfrastructureError:
            logger.exception("parts of %s stay in the bucket", self._key)


# Key is that of a target: uploads are listed by its beginning
def open_uploads(client: Any, *, Bucket: str, Key: str = "") -> list[dict[str, Any]]:  # noqa: N803
    """Uploads of keys that begin with `Key`, that are neither completed nor aborted."""
    found: list[dict[str, Any]] = []
    pages = client.get_paginator("list_multipart_uploads")
    try:
        with s3_errors(Key):
            for page in pages.paginate(Bucket=Bucket, Prefix=Key):
                found += page.get("Uploads", ())
    except UploadGoneError:  # rclone's word for a bucket that has had none yet
        return []
    return found


def sent_parts(client: Any, upload: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the server has of an upload. Raises UploadGoneError."""
    found: list[dict[str, Any]] = []
    with s3_errors(upload["Key"]):
        for page in client.get_paginator("list_parts").paginate(**upload):
            found += page.get("Parts", ())
    return found


def last_written(client: Any, bucket: str, begun: Mapping[str, Any]) -> datetime:
    """When the newest part of an upload came, or it began."""
    upload = {"Bucket": bucket, "Key": begun["Key"], "UploadId": begun["UploadId"]}
    times = [part["LastModified"] for part in sent_parts(client, upload)]
    return max([begun["Initiated"], *times]).astimezone(UTC)
