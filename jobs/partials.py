"""Finished shards on disk under their content key: merged from there, and there to resume from."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from pyarrow import feather

import core


def code_digest() -> str:
    """A hex digest of the code that computes partial results: the sources of `core`.

    The package's version does not change with every change of what a number means.
    """
    folder = Path(core.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def content_key(facts: Mapping[str, object]) -> str:
    """A hex digest of everything that a partial result depends on."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Partials:
    """One Arrow file per finished shard in `<output>/.partials/<key>/`.

    Opening removes what other keys left behind, and with `reuse=False` this key's files too.
    """

    def __init__(self, output: Path, key: str, *, reuse: bool) -> None:
        self._root = output / ".partials"
        self._folder = self._root / key
        for stale in self._root.glob("*"):
            if stale != self._folder or not reuse:
                shutil.rmtree(stale)
        self._folder.mkdir(parents=True, exist_ok=True)

    def finished(self) -> set[int]:
        """Indices of the shards that need not run again."""
        return {int(path.stem) for path in self._folder.glob("*.arrow")}

    def save(self, index: int, table: pa.Table) -> None:
        unfinished = self._folder / f"{index}.unfinished"
        feather.write_feather(table, str(unfinished), compression="uncompressed")
        unfinished.replace(self._folder / f"{index}.arrow")

    def load(self, index: int, columns: list[str] | None = None) -> pa.Table:
        return feather.read_table(str(self._folder / f"{index}.arrow"), columns=columns)

    def remove(self) -> None:
        shutil.rmtree(self._root)
