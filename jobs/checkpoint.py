"""Finished work of a job in the object store, from which an attempt on another machine goes on.

What an attempt has finished is in files of a folder of its own, and gone with its machine. A
checkpoint copies them below the job's prefix from time to time, so that a job that is killed loses
what it did since, and nothing else. Files are never changed: they come, and are let go once another
has what they had, so a copy that was made at any moment is good to go on from.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from core.errors import NotFoundError
from core.storage.objects import COPY_BYTES, ObjectStore
from jobs.progress_bar import OnProgress

_PAUSE_PER_COPYING = 10.0
"""Copying takes at most a tenth of a run."""


class _Pace:
    """When to copy: at most every `seconds`, the first time when so many have passed."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._not_before = clock() + seconds

    def run_if_due(self, copy: Callable[[], None]) -> None:
        started = self._clock()
        if started < self._not_before:
            return
        copy()
        ended = self._clock()
        self._not_before = ended + max(self._seconds, _PAUSE_PER_COPYING * (ended - started))


class StoredSnapshot:
    """All that one attempt has finished, as one Arrow table under `key`."""

    def __init__(
        self,
        objects: ObjectStore,
        key: str,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = objects
        self._key = key
        self._pace = _Pace(seconds, clock)

    def load(self) -> pa.Table | None:
        """What an earlier attempt kept last; None where none did."""
        try:
            with self._objects.open(self._key) as source:
                return pa.ipc.open_stream(source.read()).read_all()
        except NotFoundError:
            return None

    def keep(self, table: Callable[[], pa.Table]) -> None:
        """Stores what `table` makes, where it is time to; to be offered as often as there is
        news."""
        self._pace.run_if_due(lambda: self._store(table()))

    def _store(self, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        with self._objects.put_stream(self._key) as target:
            target.write(memoryview(sink.getvalue()))


class StoredCheckpoint:
    """A jobs.partials.Checkpoint of one attempt: all files that it has finished, below `prefix`."""

    def __init__(
        self,
        objects: ObjectStore,
        prefix: str,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = objects
        self._prefix = prefix
        self._pace = _Pace(seconds, clock)

    def kept_while(self, on_progress: OnProgress, folder: Path) -> OnProgress:
        """Brings back into `folder` what earlier attempts left under its name, and returns an
        `on_progress` that also copies what is new there."""
        self._restore(folder)

        def on_finished(done: int, total: int) -> None:
            on_progress(done, total)
            self._pace.run_if_due(lambda: self._keep(folder))

        return on_finished

    def _restore(self, folder: Path) -> None:
        root = f"{self._prefix}/{folder.name}"
        for key in self._objects.keys(root):
            path = folder / key.removeprefix(f"{root}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(key, path)

    def _fetch(self, key: str, path: Path) -> None:
        unfinished = path.with_suffix(".unfinished")
        try:
            with self._objects.open(key) as source, unfinished.open("wb") as target:
                while data := source.read(COPY_BYTES):
                    target.write(data)
        except NotFoundError:
            return  # the attempt before this one, not quite dead, has let it go for another
        unfinished.replace(path)

    def _keep(self, folder: Path) -> None:
        root = f"{self._prefix}/{folder.name}"
        stored = set(self._objects.keys(root))
        present = {
            f"{root}/{path.relative_to(folder).as_posix()}": path
            for path in sorted(folder.rglob("*.arrow"))
        }
        for key in present.keys() - stored:
            self._objects.put_file(key, present[key])
        for key in stored - present.keys():  # last: what they had is in another by now
            self._objects.delete(key)
