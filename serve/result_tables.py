"""Pages and downloads of a result's Parquet tables, a row group at a time.

scores.parquet and matches.parquet hold the rows of one accession together, so a row group whose
statistics exclude it is never read, and a page starts where the page before ended without a scan.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

_ROW = "_row"
_SLICE_ROWS = 65_536


class DownloadFormat(StrEnum):
    TSV = "tsv"
    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    DownloadFormat.TSV: "text/tab-separated-values; charset=utf-8",
    DownloadFormat.CSV: "text/csv; charset=utf-8",
    DownloadFormat.PARQUET: "application/vnd.apache.parquet",
    DownloadFormat.JSON: "application/json",
}


@dataclass(frozen=True, slots=True)
class ResultPage:
    """`next_start` is the file's row where the next page begins; None on the last page."""

    rows: list[dict[str, Any]]
    next_start: int | None


def read_page(path: Path, wanted: Mapping[str, str], *, start: int, size: int) -> ResultPage:
    """At most `size` rows whose columns equal `wanted`, from the file's row `start` on."""
    rows: list[dict[str, Any]] = []
    for table in _matching_rows(path, wanted, start=start):
        rows += _json_rows(table.slice(0, size + 1 - len(rows)))
        if len(rows) > size:
            break
    starts = [row.pop(_ROW) for row in rows]
    return ResultPage(rows[:size], starts[size] if len(rows) > size else None)


def download(
    path: Path, wanted: Mapping[str, str], kind: DownloadFormat, *, about: Mapping[str, Any]
) -> Iterator[bytes]:
    """All rows that equal `wanted`, as a file in pieces; `about` goes in where the format has a
    place for it (JSON, and the metadata of Parquet)."""
    tables = (table.drop_columns([_ROW]) for table in _matching_rows(path, wanted, start=0))
    schema = pq.read_schema(path)
    match kind:
        case DownloadFormat.TSV:
            return _delimited(schema, tables, "\t")
        case DownloadFormat.CSV:
            return _delimited(schema, tables, ",")
        case DownloadFormat.PARQUET:
            return _parquet(schema, tables, about)
        case DownloadFormat.JSON:
            return _json(tables, about)


def _matching_rows(path: Path, wanted: Mapping[str, str], *, start: int) -> Iterator[pa.Table]:
    """Tables of rows, with their row numbers in the file as the last column."""
    with pq.ParquetFile(path) as file:
        first = 0
        for group in range(file.metadata.num_row_groups):
            n_rows = file.metadata.row_group(group).num_rows
            if first + n_rows > start and _may_hold(file, group, wanted):
                table = _filtered(file.read_row_group(group), wanted, first, start)
                yield from (table.slice(i, _SLICE_ROWS) for i in range(0, len(table), _SLICE_ROWS))
            first += n_rows


def _may_hold(file: pq.ParquetFile, group: int, wanted: Mapping[str, str]) -> bool:
    for name, value in wanted.items():
        column = file.metadata.row_group(group).column(file.schema_arrow.get_field_index(name))
        statistics = column.statistics
        if statistics is None or not statistics.has_min_max:
            continue
        if not statistics.min <= value <= statistics.max:
            return False
    return True


def _filtered(table: pa.Table, wanted: Mapping[str, str], first: int, start: int) -> pa.Table:
    numbers = np.arange(first, first + len(table))
    keep = pa.array(numbers >= start)
    for name, value in wanted.items():
        keep = pc.and_(keep, pc.fill_null(pc.equal(table.column(name), value), False))
    return table.append_column(_ROW, pa.array(numbers)).filter(keep)


def _json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """JSON has no NaN: it leaves as null."""
    for index, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table.column(index)
            finite = pc.if_else(pc.is_finite(column), column, pa.scalar(None, field.type))
            table = table.set_column(index, field, finite)
    return table.to_pylist()


def _delimited(schema: pa.Schema, tables: Iterator[pa.Table], delimiter: str) -> Iterator[bytes]:
    yield delimiter.join(schema.names).encode() + b"\n"
    for table in tables:
        yield _lines(table, delimiter)


def _lines(table: pa.Table, delimiter: str) -> bytes:
    """Bare values where none needs quotes, which `cut` and `awk` understand too."""
    options = {"include_header": False, "delimiter": delimiter}
    try:
        return _written(table, pa_csv.WriteOptions(**options, quoting_style="none"))
    except pa.ArrowInvalid:
        return _written(table, pa_csv.WriteOptions(**options, quoting_style="needed"))


def _written(table: pa.Table, options: pa_csv.WriteOptions) -> bytes:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(table, sink, options)
    return sink.getvalue().to_pybytes()


def _parquet(
    schema: pa.Schema, tables: Iterator[pa.Table], about: Mapping[str, Any]
) -> Iterator[bytes]:
    metadata = (schema.metadata or {}) | {b"curagenie": json.dumps(about).encode()}
    schema = schema.with_metadata(metadata)
    pieces = _Pieces()
    with pq.ParquetWriter(pa.PythonFile(pieces, mode="w"), schema) as writer:
        for table in tables:
            writer.write_table(table.cast(schema))
            yield pieces.drain()
    yield pieces.drain()


class _Pieces(io.RawIOBase):
    """A file to write to whose content leaves as it comes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any, /) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def drain(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


def _json(tables: Iterator[pa.Table], about: Mapping[str, Any]) -> Iterator[bytes]:
    head = json.dumps(about)
    yield f'{head[:-1]}{", " if about else ""}"items": ['.encode()
    separator = ""
    for table in tables:
        rows = ",\n".join(json.dumps(row) for row in _json_rows(table))
        yield f"{separator}\n{rows}".encode()
        separator = ","
    yield b"\n]}\n"
