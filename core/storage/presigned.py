"""Signed URLs to one bucket: bytes go between a client and the store, past the service.

Whoever has a URL may use it until it expires, so it lives minutes and is never logged. A folder on
local disk has no URLs: ask `isinstance(objects, PresigningStore)`.
"""

from typing import Protocol, runtime_checkable

from core.errors import DamagedObjectError
from core.storage.multipart import MultipartUpload, sent_parts
from core.storage.objects import COPY_BYTES, ObjectStore
from core.storage.s3 import SHA256, S3Objects

URL_SECONDS = 300


@runtime_checkable
class PresigningStore(ObjectStore, Protocol):
    """A store that clients can reach themselves."""

    def download_url(self, key: str, *, filename: str, seconds: int = URL_SECONDS) -> str:
        """Where the object is to be had for `seconds`, to be saved under `filename`."""
        ...

    def begin_parts(self, key: str, *, sha256: str) -> str:
        """Begins an object that a client will send in parts; the id of the upload. `sha256` is what
        the client says of the whole."""
        ...

    def part_url(self, key: str, upload_id: str, number: int, *, seconds: int = URL_SECONDS) -> str:
        """Where the client PUTs part `number` (from 1; all but the last of at least 5 MiB)."""
        ...

    def complete_parts(self, key: str, upload_id: str) -> None:
        """Publishes what was sent. Raises DamagedObjectError, and keeps nothing, where that is not
        what `begin_parts` was told; no record may name the key before this returns."""
        ...


class PresigningS3Objects(S3Objects):
    """S3 is reachable by clients as by the service: at the endpoint that the settings name."""

    def download_url(self, key: str, *, filename: str, seconds: int = URL_SECONDS) -> str:
        disposition = {"ResponseContentDisposition": f'attachment; filename="{filename}"'}
        return self._client.generate_presigned_url(
            "get_object", Params={**self._target(key), **disposition}, ExpiresIn=seconds
        )

    def begin_parts(self, key: str, *, sha256: str) -> str:
        upload = MultipartUpload.begin(self._client, self._target(key), {SHA256: sha256})
        return upload.upload_id

    def part_url(self, key: str, upload_id: str, number: int, *, seconds: int = URL_SECONDS) -> str:
        part = {"UploadId": upload_id, "PartNumber": number}
        return self._client.generate_presigned_url(
            "upload_part", Params={**self._target(key), **part}, ExpiresIn=seconds
        )

    def complete_parts(self, key: str, upload_id: str) -> None:
        target = self._target(key)
        sent = sent_parts(self._client, {**target, "UploadId": upload_id})
        MultipartUpload(self._client, target, upload_id, {}).complete_sent(sent)
        try:
            with self.open(key) as source:
                while source.read(COPY_BYTES):
                    pass
        except DamagedObjectError:
            self.delete(key)
            raise
