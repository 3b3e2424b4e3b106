"""Large tables on their way from a task to whoever asked for it: in parcels, over files.

An object store copies what is put into it, so a table of the sums of a wide cohort would be in
memory twice. Here it is written to a file of the worker, let go of, and sent piece by piece; the
pieces are put together in a file at the other end, which is mapped.
"""

from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import pyarrow as pa

PARCEL_BYTES = 16 << 20
PARCEL_SCHEMA = pa.schema(
    [
        ("task", pa.int32()),
        ("parcel", pa.int32()),
        ("n_parcels", pa.int32()),
        ("content", pa.large_binary()),
    ]
)
"""A piece of the Arrow file of the table of a task; all but the last have PARCEL_BYTES."""


def parcels_of(task: int, make: Callable[[], pa.Table]) -> Iterator[pa.Table]:
    """One row of PARCEL_SCHEMA at a time; nothing else holds the table that `make` makes."""
    with TemporaryFile() as file:
        n_bytes = _write(make(), file)
        file.seek(0)
        n_parcels = ceil(n_bytes / PARCEL_BYTES)
        for parcel in range(n_parcels):
            yield _row(task, parcel, n_parcels, file.read(PARCEL_BYTES))


def _write(table: pa.Table, file: BinaryIO) -> int:
    """Returns how many bytes that takes."""
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return file.tell()


def _row(task: int, parcel: int, n_parcels: int, content: bytes) -> pa.Table:
    ends = pa.array([0, len(content)], pa.int64()).buffers()[1]
    value = pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(content)])
    numbers = [pa.array([number], pa.int32()) for number in (task, parcel, n_parcels)]
    return pa.table([*numbers, value], schema=PARCEL_SCHEMA)


class Unpacking:
    """Tables of tasks whose parcels come in any order; their files are in `folder` until then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._missing: dict[int, set[int]] = {}

    def add(self, rows: pa.Table) -> list[int]:
        """Takes rows of PARCEL_SCHEMA; returns the tasks whose tables are complete now."""
        complete: list[int] = []
        for row in range(len(rows)):
            task, parcel, n_parcels = (rows.column(n)[row].as_py() for n in range(3))
            missing = self._missing.setdefault(task, set(range(n_parcels)))
            self._store(task, parcel, rows.column("content").slice(row, 1))
            missing.discard(parcel)
            if not missing:
                del self._missing[task]
                complete.append(task)
        return complete

    def _store(self, task: int, parcel: int, content: pa.ChunkedArray) -> None:
        path = self._path(task)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(parcel * PARCEL_BYTES)
            file.write(_bytes_of(content.chunk(0)))

    def table(self, task: int) -> tuple[pa.Table, Path]:
        """Of a complete task, and the file that it is mapped from, which it outlives."""
        path = self._path(task)
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all(), path

    def _path(self, task: int) -> Path:
        return self._folder / str(task)


def _bytes_of(value: pa.Array) -> memoryview:
    """The one value of a large_binary array, zero-copy, which a scalar of it would not be."""
    _, ends, data = value.buffers()
    start, end = memoryview(ends).cast("q")[value.offset : value.offset + 2]
    return memoryview(data)[start:end]
