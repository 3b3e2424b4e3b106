"""Block directories of files that were read before, in a folder that may be deleted at any time.

A directory is kept under the sha256 of its file's content: a file that changes is another file, and
a copy of it elsewhere is the same one. A directory that cannot be read or written is reported in
the log and done without; the file is then read from end to end.
"""

import hashlib
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.genotypes.block_directory import BlockDirectory

logger = logging.getLogger(__name__)

_MAGIC = b"CuraGenie blocks 1\n"
"""The number is the version of the format."""

_DIGEST_BYTES = hashlib.sha256().digest_size


def default_folder() -> Path:
    """Where the user's caches are (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "curagenie"


@dataclass(frozen=True, slots=True)
class DirectoryCache:
    """`folder` need not exist."""

    folder: Path

    def has(self, sha256: str) -> bool:
        """Whether there is a sound one for that content."""
        return self.load(sha256) is not None

    def load(self, sha256: str) -> BlockDirectory | None:
        """Of the file whose content has that hex digest; None where there is no sound one."""
        path = self._path(sha256)
        try:
            return _unpacked(path.read_bytes(), sha256)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("the block directory %s is not used: %s", path, error)
            return None

    def save(self, sha256: str, directory: BlockDirectory) -> None:
        """Replaces the file in one step."""
        path = self._path(sha256)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as unfinished:
                file = Path(unfinished, path.name)
                file.write_bytes(_packed(directory, sha256))
                file.replace(path)
        except OSError as error:
            logger.warning("the block directory %s is not kept: %s", path, error)

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.blocks"


def _packed(directory: BlockDirectory, sha256: str) -> bytes:
    content = bytes.fromhex(sha256) + directory.to_bytes()
    return _MAGIC + hashlib.sha256(content).digest() + content


def _unpacked(data: bytes, sha256: str) -> BlockDirectory:
    """Raises ValueError for anything that `_packed` did not write for this file."""
    if not data.startswith(_MAGIC):
        raise ValueError("it has another format")
    rest = data[len(_MAGIC) :]
    digest, content = rest[:_DIGEST_BYTES], rest[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("it is damaged")
    if content[:_DIGEST_BYTES] != bytes.fromhex(sha256):
        raise ValueError("it is that of another file")
    return BlockDirectory.from_bytes(content[_DIGEST_BYTES:])
