"""Chunks of the genotype store: the Arrow files, and how rows of blocks get in and out of them.

A chunk is a run of whole position groups on one contig. It is one file of sites and, for each tile
of samples, one file of their dosages; both have a row for each *(record, one ALT)*, in file order,
in one record batch. Files are Arrow IPC (file format); sites are compressed with zstd.

    sites   the columns of core.genotypes.block.SITE_SCHEMA; `record` counts from 0 in the chunk,
            `contig` is a dictionary
    tile    encoding       uint8   0 carriers, 1 two-bit, 2 bytes (core.genotypes.store_calls),
                                   3 listed decimals, 4 decimals, 5 floats (…store_dosages)
            decimals       uint8   of encodings 3 and 4
            base           uint16  code or value of the samples that `listed` does not name
            n_one, n_two   uint32  samples with dosage 1 and 2 (hard calls)
            n_missing      uint32  samples without a call
            allele_sum     float64 dosages added up, without the missing
            allele_number  uint32  ploidies added up, without the missing:
                                   allele_sum / allele_number is the frequency of ALT in the tile
            listed         list<uint16>  samples, counted from the tile's first
            values         list<uint16>  their values (encoding 3), else empty
            payload        binary  encodings 1, 2, 4 and 5, else empty
            ploidy         dictionary<binary>  a byte for each sample; null: everyone is diploid

The metadata of both schemas names the format and its version.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import InfrastructureError, Where
from core.genotypes.block import MISSING_CALL, SITE_SCHEMA, Dosages, numbers, values_of
from core.genotypes.store_calls import (
    Bytes,
    Counts,
    EncodedRows,
    Ints,
    decode_calls,
    encode_calls,
    quads_of_byte,
)
from core.genotypes.store_dosages import LISTED_DECIMALS, decode_dosages, encode_dosages

FORMAT = "curagenie-genotype-store"
VERSION = 1

TILE_SAMPLES = 65_536
"""The most that uint16 can count."""

_METADATA = {"format": FORMAT, "version": str(VERSION)}

SITES_SCHEMA = pa.schema(
    [
        f.with_type(pa.dictionary(pa.int8(), pa.string())) if f.name == "contig" else f
        for f in SITE_SCHEMA
    ],
    metadata=_METADATA,
)

TILE_SCHEMA = pa.schema(
    [
        ("encoding", pa.uint8()),
        ("decimals", pa.uint8()),
        ("base", pa.uint16()),
        ("n_one", pa.uint32()),
        ("n_two", pa.uint32()),
        ("n_missing", pa.uint32()),
        ("allele_sum", pa.float64()),
        ("allele_number", pa.uint32()),
        ("listed", pa.list_(pa.uint16())),
        ("values", pa.list_(pa.uint16())),
        ("payload", pa.binary()),
        ("ploidy", pa.dictionary(pa.int32(), pa.binary())),
    ],
    metadata=_METADATA,
)

SAMPLES_SCHEMA = pa.schema([("sample", pa.string())], metadata=_METADATA)

_QUADS = quads_of_byte()


def damaged(name: str, what: str) -> InfrastructureError:
    return InfrastructureError(
        f"the stored file is damaged: {what}",
        where=Where(name),
        fix="Restore it from a copy, or store the genotypes again.",
    )


@dataclass(slots=True)
class TileRows:
    """Encoded rows of one tile of samples, first to stop of the cohort's, until they are a file."""

    start: int
    stop: int
    parts: list[EncodedRows] = field(default_factory=list[EncodedRows])
    allele_number: list[Counts] = field(default_factory=list[Counts])
    ploidy: list[Ints] = field(default_factory=list[Ints])
    ploidy_codes: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def add(self, dosage: Dosages, ploidy: Bytes | None) -> int:
        """Encode (rows, samples) arrays of the whole cohort; returns bytes that were added."""
        if dosage.dtype == np.uint8:
            rows = encode_calls(cast(Bytes, dosage), self.start, self.stop)
        else:
            imputed = cast(npt.NDArray[np.float32], dosage)
            rows = encode_dosages(imputed, self.start, self.stop)
        self.parts.append(rows)
        self._add_ploidy(dosage, ploidy, rows)
        return sum(array.nbytes for array in rows)

    def _add_ploidy(self, dosage: Dosages, ploidy: Bytes | None, rows: EncodedRows) -> None:
        n_samples = self.stop - self.start
        if ploidy is None:
            self.allele_number.append((2 * (n_samples - rows.n_missing)).astype(np.uint32))
            self.ploidy.append(np.full(len(dosage), -1))
            return
        ours = np.ascontiguousarray(ploidy[:, self.start : self.stop])
        called = ~_is_missing(dosage[:, self.start : self.stop])
        self.allele_number.append((ours * called).sum(axis=1, dtype=np.uint32))
        codes = np.full(len(dosage), -1)
        for row in np.flatnonzero((ours != 2).any(axis=1)):
            codes[row] = self.ploidy_codes.setdefault(ours[row].tobytes(), len(self.ploidy_codes))
        self.ploidy.append(codes)

    def to_batch(self) -> pa.RecordBatch:
        """One record batch of TILE_SCHEMA."""
        columns: dict[str, pa.Array] = {
            name: numbers(self._joined(name)) for name in _PLAIN_COLUMNS
        }
        columns["allele_number"] = numbers(np.concatenate(self.allele_number))
        listed_at = self._offsets("listed_at")
        values = self._joined("values")
        values_at = listed_at if len(values) else np.zeros_like(listed_at)
        columns["listed"] = _lists(listed_at, self._joined("listed"))
        columns["values"] = _lists(values_at, values)
        columns["payload"] = _binaries(self._offsets("payload_at"), self._joined("payload"))
        columns["ploidy"] = self._ploidy_column()
        return pa.RecordBatch.from_pydict(columns, schema=TILE_SCHEMA)

    def _joined(self, name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in self.parts])

    def _offsets(self, name: str) -> npt.NDArray[np.int32]:
        lengths = [np.diff(getattr(part, name)) for part in self.parts]
        return np.append(0, np.cumsum(np.concatenate(lengths))).astype(np.int32)

    def _ploidy_column(self) -> pa.Array:
        codes = np.concatenate(self.ploidy).astype(np.int32)
        is_set = np.packbits(codes >= 0, bitorder="little")
        buffers = [pa.py_buffer(is_set), pa.py_buffer(codes)]
        indices = pa.Array.from_buffers(pa.int32(), len(codes), buffers)
        distinct = [*self.ploidy_codes]
        ends = np.cumsum([0, *map(len, distinct)], dtype=np.int32)
        content = np.frombuffer(b"".join(distinct), np.uint8)
        return pa.DictionaryArray.from_arrays(indices, _binaries(ends, content))


def _is_missing(dosage: Dosages) -> npt.NDArray[np.bool_]:
    return dosage == MISSING_CALL if dosage.dtype == np.uint8 else np.isnan(dosage)


def _lists(offsets: npt.NDArray[np.int32], values: np.ndarray) -> pa.Array:
    return pa.ListArray.from_arrays(numbers(offsets), numbers(values))


def _binaries(offsets: npt.NDArray[np.int32], content: Bytes) -> pa.Array:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def sites_batch(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """One record batch of SITES_SCHEMA from the site columns of blocks on one contig."""
    columns: dict[str, pa.Array] = {
        name: pa.concat_arrays([part.column(name) for part in parts])
        for name in ("position", "id", "ref", "alt", "n_alts")
    }
    n_records = 0
    records: list[npt.NDArray[np.int32]] = []
    for part in parts:
        ordinals = values_of(part.column("record"))
        records.append(ordinals + np.int32(n_records - ordinals[0]))
        n_records = int(records[-1][-1]) + 1
    columns["record"] = numbers(np.concatenate(records))
    codes = numbers(np.zeros(len(columns["record"]), np.int8))
    contig = parts[0].column("contig").slice(0, 1)
    columns["contig"] = pa.DictionaryArray.from_arrays(codes, contig)
    return pa.RecordBatch.from_pydict(columns, schema=SITES_SCHEMA)


def to_file(batch: pa.RecordBatch, compression: str | None) -> pa.Buffer:
    """The bytes of an Arrow IPC file that holds `batch` alone."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
    with pa.ipc.new_file(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def from_file(
    content: bytes, schema: pa.Schema, name: str, columns: Sequence[str] | None = None
) -> pa.RecordBatch:
    """The record batch of such a file, or some of its columns, checked against the schema.

    `name` is the file's, for messages. Raises InfrastructureError for what `to_file` never writes.
    """
    wanted = [schema.get_field_index(column) for column in columns] if columns else None
    options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=wanted)
    try:
        with pa.ipc.open_file(pa.py_buffer(content), options=options) as reader:
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        for batch in batches:
            batch.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise damaged(name, f"it is no Arrow file ({error}).") from error
    expected = [field for field in schema if columns is None or field.name in columns]
    if len(batches) != 1 or list(batches[0].schema) != expected:
        raise damaged(name, "its columns are not those of this version of the format.")
    if any(column.null_count for column in batches[0].columns if column.type != _PLOIDY_TYPE):
        raise damaged(name, "it has nulls.")
    return batches[0]


_PLOIDY_TYPE = TILE_SCHEMA.field("ploidy").type


@dataclass(frozen=True, slots=True)
class Tile:
    """The rows of a tile's file, ready to be decoded; columns as in TILE_SCHEMA.

    ploidy_code   (rows,) int32, row of `ploidies`; -1 where everyone is diploid
    ploidies      (distinct, samples of the tile) uint8
    """

    name: str
    n_samples: int
    rows: EncodedRows
    ploidy_code: npt.NDArray[np.int32]
    ploidies: Bytes

    @classmethod
    def of(cls, batch: pa.RecordBatch, n_samples: int, name: str) -> "Tile":
        """Raises InfrastructureError where something would not fit a tile of `n_samples`."""
        listed, values = batch.column("listed"), batch.column("values")
        payload, ploidy = batch.column("payload"), batch.column("ploidy")
        rows = EncodedRows(
            **{column: values_of(batch.column(column)) for column in _PLAIN_COLUMNS},
            listed_at=_offsets_of(listed),
            listed=values_of(listed.values),
            values=values_of(values.values),
            payload_at=_offsets_of(payload),
            payload=_content_of(payload),
        )
        _check_lists(rows, _offsets_of(values), n_samples, name)
        if set(pc.binary_length(ploidy.dictionary).to_pylist()) - {n_samples}:
            raise damaged(name, "a ploidy is not that of its samples.")
        return cls(
            name=name,
            n_samples=n_samples,
            rows=rows,
            ploidy_code=_codes_of(ploidy),
            ploidies=_content_of(ploidy.dictionary).reshape(-1, n_samples),
        )

    def decode(self, wanted: Ints, out: Dosages, first_row: int, column: int) -> None:
        """Rows `wanted` into out[first_row:, column : column + n_samples]."""
        rows, n_samples = self.rows, self.n_samples
        if out.dtype == np.uint8:
            hard = cast(Bytes, out)
            bad = decode_calls(rows, wanted, n_samples, _QUADS, hard, first_row, column)
        else:
            imputed = cast(npt.NDArray[np.float32], out)
            bad = decode_dosages(rows, wanted, n_samples, imputed, first_row, column)
        if bad >= 0:
            raise damaged(self.name, f"row {bad} contradicts itself.")

    def are_diploid(self, wanted: Ints) -> bool:
        return bool((self.ploidy_code[wanted] < 0).all())

    def decode_ploidy(self, wanted: Ints, out: Bytes, first_row: int, column: int) -> None:
        """The same for ploidies."""
        codes = self.ploidy_code[wanted]
        tile = out[first_row : first_row + len(wanted), column : column + self.n_samples]
        tile[codes < 0] = 2
        tile[codes >= 0] = self.ploidies[codes[codes >= 0]]


_PLAIN_COLUMNS = ("encoding", "decimals", "base", "n_one", "n_two", "n_missing", "allele_sum")


def _codes_of(ploidy: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    if ploidy.null_count == len(ploidy):
        return np.full(len(ploidy), -1, np.int32)
    return values_of(ploidy.indices.fill_null(-1))


def _offsets_of(lists: pa.Array) -> Ints:
    return np.frombuffer(lists.buffers()[1], np.int32, len(lists) + 1).astype(np.int64)


def _content_of(binaries: pa.Array) -> Bytes:
    return np.frombuffer(binaries.buffers()[2] or b"", np.uint8)


def _check_lists(rows: EncodedRows, values_at: Ints, n_samples: int, name: str) -> None:
    """What the kernels rely on; Arrow has checked that offsets ascend inside their arrays."""
    if len(rows.listed) and rows.listed.max() >= n_samples:
        raise damaged(name, "it lists samples that the tile does not have.")
    has_values = bool((rows.encoding == LISTED_DECIMALS).any())
    if has_values and not np.array_equal(values_at, rows.listed_at):
        raise damaged(name, "values are not those of the listed samples.")
