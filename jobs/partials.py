"""Finished subtrees on disk under their content key: added up there, and there to resume from."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from pyarrow import feather

import core
from core.scoring.shard_tree import Subtree, subtrees
from jobs.progress_bar import OnProgress


@cache
def code_digest() -> str:
    """A hex digest of the code that computes partial results: the sources of `core`, as they are
    when this process first asks, which has loaded them by then.

    The package's version does not change with every change of what a number means.
    """
    return sources_digest(Path(core.__file__).parent)


def sources_digest(folder: Path) -> str:
    """A hex digest of the Python files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def content_key(facts: Mapping[str, object]) -> str:
    """A hex digest of everything that a partial result depends on."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def partials_folder(output: Path, key: str, *, reuse: bool) -> Path:
    """`<output>/.partials/<key>/`, made where it lacks.

    Removes what other keys left behind, and with `reuse=False` this key's files too.
    """
    root = output / ".partials"
    folder = root / key
    for stale in root.glob("*"):
        if stale != folder or not reuse:
            shutil.rmtree(stale)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def remove_partials(output: Path) -> None:
    shutil.rmtree(output / ".partials")


class Checkpoint(Protocol):
    """Keeps the partials of a run where they outlive its machine."""

    def kept_while(self, on_progress: OnProgress, folder: Path) -> OnProgress:
        """Brings back into `folder` what earlier runs left under its name, and returns an
        `on_progress` that also keeps what is new there."""
        ...


Add = Callable[[pa.Table, pa.Table], pa.Table]


class Partials:
    """One Arrow file per finished subtree of a run's shards; one process writes.

    Two siblings are replaced by their sum as soon as both are there, up to subtrees of `kept_size`
    shards. So a run of n shards leaves n / kept_size files, and while tasks end in any order there
    are at most log2(kept_size) more for each task under way. Three partials are in memory at most.
    """

    def __init__(self, folder: Path, n_shards: int, kept_size: int, add: Add) -> None:
        self._folder = folder
        self._n_shards = n_shards
        self._kept_size = kept_size
        self._add = add
        folder.mkdir(parents=True, exist_ok=True)

    def finished(self) -> list[Subtree]:
        """The subtrees that need not run again; none holds another."""
        stored = sorted(map(_subtree_of, self._folder.glob("*.arrow")), key=lambda s: -s.size)
        finished: list[Subtree] = []
        for subtree in stored:
            if any(larger.holds(subtree) for larger in finished):
                self._path(subtree).unlink()  # a kill came between a sum and its parts
            else:
                finished.append(subtree)
        return sorted(finished)

    def n_finished(self) -> int:
        """How many shards need not run again."""
        return sum(self.n_shards_in(subtree) for subtree in self.finished())

    def n_shards_in(self, subtree: Subtree) -> int:
        return min(subtree.stop, self._n_shards) - subtree.start

    def missing(self, size: int) -> list[Subtree]:
        """Subtrees of at most `size` shards that hold every shard which is not finished."""
        finished = self.finished()
        return [
            missing
            for subtree in subtrees(self._n_shards, size)
            for missing in self._missing_in(subtree, finished)
        ]

    def _missing_in(self, subtree: Subtree, finished: Iterable[Subtree]) -> Iterator[Subtree]:
        inside = [one for one in finished if subtree.holds(one)]
        if subtree.start >= self._n_shards or any(one.holds(subtree) for one in finished):
            return
        if not inside:
            yield subtree
            return
        half = Subtree(subtree.start, subtree.size // 2)
        yield from self._missing_in(half, inside)
        yield from self._missing_in(half.sibling, inside)

    def save(self, subtree: Subtree, partial: pa.Table, file: Path | None = None) -> None:
        """Store a finished subtree, or the largest sum that it completes.

        `file`: an Arrow file that holds the partial, and may hold more columns. Moving it touches
        none of its pages, which would count as memory.
        """
        added: list[Subtree] = []
        while subtree.size < self._kept_size:
            sibling = subtree.sibling
            if sibling.start < self._n_shards:
                if not self._path(sibling).exists():
                    break
                stored = self.load(sibling)
                is_left = subtree < sibling
                partial = self._add(partial, stored) if is_left else self._add(stored, partial)
                added.append(sibling)
            subtree = subtree.parent
        self._write(subtree, partial, None if added else file)
        for part in added:
            self._path(part).unlink()

    def load(self, subtree: Subtree, columns: list[str] | None = None) -> pa.Table:
        return feather.read_table(str(self._path(subtree)), columns=columns, memory_map=True)

    def _write(self, subtree: Subtree, partial: pa.Table, file: Path | None) -> None:
        path = self._path(subtree)
        unfinished = path.with_suffix(".unfinished")
        if file is None:
            feather.write_feather(partial, str(unfinished), compression="uncompressed")
        else:
            shutil.move(file, unfinished)
        unfinished.replace(path)

    def _path(self, subtree: Subtree) -> Path:
        return self._folder / f"{subtree.start}-{subtree.size}.arrow"


def _subtree_of(path: Path) -> Subtree:
    start, _, size = path.stem.partition("-")
    return Subtree(int(start), int(size))
