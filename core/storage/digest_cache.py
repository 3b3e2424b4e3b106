"""sha256 of stored objects, remembered while they stay what they are.

Hashing 100 GB takes minutes, and over a network hours. What was hashed is remembered under the
object's `version`, which changes with its content: a digest is taken from memory only where nothing
can have been written since. The folder may be deleted at any time.
"""

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.storage.byte_ranges import S3Access, StoredObject, open_byte_ranges

logger = logging.getLogger(__name__)

_HASHED_AT_ONCE_BYTES = 8 << 20
_DIGEST_LETTERS = 2 * hashlib.sha256().digest_size


def sha256_of(uri: str, *, s3: S3Access | None = None, cache: "DigestCache | None" = None) -> str:
    """The hex digest of an object's bytes; raises as `open_byte_ranges` does."""
    source = open_byte_ranges(uri, s3=s3)
    known = cache.load(source) if cache is not None else None
    if known is not None:
        return known
    sha256 = _hashed(source)
    # What was written while it was read has another version now
    if cache is not None and open_byte_ranges(uri, s3=s3).version == source.version:
        cache.save(source, sha256)
    return sha256


def sha256_of_all(
    uris: Sequence[str], *, s3: S3Access | None = None, cache: "DigestCache | None" = None
) -> str:
    """The digest of what several objects hold together: that of their hex digests in order, one on
    each line; a single object's own."""
    digests = [sha256_of(uri, s3=s3, cache=cache) for uri in uris]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def _hashed(source: StoredObject) -> str:
    digest = hashlib.sha256()
    for start in range(0, source.size_bytes, _HASHED_AT_ONCE_BYTES):
        digest.update(source.read(start, start + _HASHED_AT_ONCE_BYTES))
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class DigestCache:
    """`folder` need not exist."""

    folder: Path

    def load(self, source: StoredObject) -> str | None:
        """The digest of what the object holds now; None where that is not known."""
        if source.version is None:
            return None
        try:
            known = self._path(source.version).read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("a remembered digest is not used: %s", error)
            return None
        sha256 = known[:_DIGEST_LETTERS]
        return sha256 if known == _entry(source.version, sha256) else None

    def save(self, source: StoredObject, sha256: str) -> None:
        """Does nothing for an object whose version cannot be told yet."""
        if source.version is None:
            return
        path = self._path(source.version)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as unfinished:
                file = Path(unfinished, path.name)
                file.write_text(_entry(source.version, sha256), encoding="ascii")
                file.replace(path)
        except OSError as error:
            logger.warning("a digest is not remembered: %s", error)

    def _path(self, version: str) -> Path:
        return self.folder / f"{hashlib.sha256(version.encode()).hexdigest()}.digest"


def _entry(version: str, sha256: str) -> str:
    """The digest, and what shows that the file was not damaged."""
    return sha256 + hashlib.sha256(f"{version}\n{sha256}".encode()).hexdigest()
