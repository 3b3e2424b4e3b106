"""boto3's errors as ours: what the server says names hosts and accounts, so it is a cause."""

from collections.abc import Generator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from core.errors import InfrastructureError, NotFoundError
from core.storage.objects import no_object, written_once

_NO_UPLOAD = "NoSuchUpload"
_NOT_FOUND = 404
_NOT_AGAIN = (409, 412)
"""To `If-None-Match: *`: somebody else completes the key now, or has."""


class UploadGoneError(InfrastructureError):
    """The multipart upload was completed or aborted by somebody else."""

    code = "upload_gone"


@contextmanager
def s3_errors(key: str) -> Generator[None]:
    """Raises NotFoundError, WrittenOnceError, UploadGoneError or InfrastructureError."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if error.response.get("Error", {}).get("Code") == _NO_UPLOAD:
            raise UploadGoneError(f"The upload of {key} is over.", fix="Try again.") from error
        if status == _NOT_FOUND:
            raise no_object(key) from error
        if status in _NOT_AGAIN:
            raise written_once(key) from error
        raise _store_failed(key) from error
    except BotoCoreError as error:
        raise _store_failed(key) from error


@contextmanager
def s3_write_errors(key: str) -> Generator[None]:
    """As `s3_errors`, of what we write: nothing that a user named can be missing there, so a 404,
    such as of a bucket that is gone, is the store's failure."""
    try:
        with s3_errors(key):
            yield
    except NotFoundError as error:
        raise _store_failed(key) from error


def _store_failed(key: str) -> InfrastructureError:
    return InfrastructureError(
        f"The object store failed at {key}.", fix="Check AWS_ENDPOINT_URL, the keys and the bucket."
    )
