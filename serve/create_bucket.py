"""`python -m serve.create_bucket`: makes the bucket of the settings where there is none yet.

For S3 servers of one's own that start empty; a bucket of Amazon's is made with its own tools.
"""

import sys

from core.errors import CuraGenieError, InfrastructureError, SettingsError, Where
from core.settings import Settings, load_settings
from core.storage.byte_ranges import S3Access, s3_client


def create_bucket(settings: Settings) -> bool:
    """True if it was made, False if it was there.

    Raises SettingsError without S3_BUCKET_NAME, InfrastructureError where the server refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as byte_ranges

    name = settings.s3_bucket_name
    if name is None:
        raise SettingsError(
            "no bucket is named.",
            where=Where("environment or .env", field="S3_BUCKET_NAME"),
            fix="Set S3_BUCKET_NAME.",
        )
    client = s3_client(settings.s3_access or S3Access())
    try:
        if name in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
            return False
        client.create_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as error:
        raise InfrastructureError(f"the bucket {name} cannot be made: {error}") from error
    return True


def main() -> int:
    try:
        create_bucket(load_settings())
    except CuraGenieError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
