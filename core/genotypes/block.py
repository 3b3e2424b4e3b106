"""DosageBlock: the one thing that flows from every reader to scoring, quality and the store.

A block is an Arrow record batch. A row is *(variant record, one ALT allele)*:

    record    int32    ordinal of the record inside the block; the ALT rows of a record are adjacent
    contig    string   canonical name: 1..22, X, Y, MT, or the file's own name for other contigs
    position  int64    1-based POS
    id        string   the file's ID, "." where it has none
    ref, alt  string   upper case; alt may be "*" or symbolic ("<DEL>")
    n_alts    int32    number of ALT alleles of the record
    dosage    fixed-size list over samples: copies of `alt`.
              uint8 hard calls 0..ploidy, 255 missing; or float32 imputed dosages, NaN missing
    ploidy    fixed-size list<uint8> over samples, 0..; only where some call is not diploid.
              A missing call keeps the ploidy it was written with ("." is 1, "./." is 2).

The rows of one (contig, position) never straddle two blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MISSING_CALL = 255
"""The uint8 dosage of a hard call that is missing."""

Dosages = npt.NDArray[np.uint8] | npt.NDArray[np.float32]

SITE_SCHEMA = pa.schema(
    [
        ("record", pa.int32()),
        ("contig", pa.string()),
        ("position", pa.int64()),
        ("id", pa.string()),
        ("ref", pa.string()),
        ("alt", pa.string()),
        ("n_alts", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class DosageBlock:
    """A typed view of one such record batch; numpy views are zero-copy."""

    batch: pa.RecordBatch

    @classmethod
    def build(
        cls,
        sites: Mapping[str, pa.Array],
        dosage: Dosages,
        ploidy: npt.NDArray[np.uint8] | None = None,
    ) -> "DosageBlock":
        """From the columns of SITE_SCHEMA and C-contiguous (rows, samples) arrays.

        `ploidy` is None where every call of the block is diploid.
        """
        columns = [_cast(sites[field.name], field.type) for field in SITE_SCHEMA]
        names = [*SITE_SCHEMA.names, "dosage"]
        columns.append(_sample_lists(dosage))
        if ploidy is not None:
            columns.append(_sample_lists(ploidy))
            names.append("ploidy")
        return cls(pa.RecordBatch.from_arrays(columns, names=names))

    @property
    def n_rows(self) -> int:
        return self.batch.num_rows

    @property
    def n_samples(self) -> int:
        return self.batch.schema.field("dosage").type.list_size

    @property
    def dosage(self) -> Dosages:
        """(rows, samples) uint8 or float32, zero-copy."""
        return _sample_matrix(self.batch.column("dosage"))

    @property
    def hard_calls(self) -> npt.NDArray[np.uint8] | None:
        """`dosage` where it holds hard calls, None where it holds imputed dosages."""
        dosage = self.dosage
        return cast(npt.NDArray[np.uint8], dosage) if dosage.dtype == np.uint8 else None

    @property
    def ploidy(self) -> npt.NDArray[np.uint8] | None:
        """(rows, samples) uint8, or None where every call is diploid."""
        if "ploidy" not in self.batch.schema.names:
            return None
        return _sample_matrix(self.batch.column("ploidy"))

    @property
    def record(self) -> npt.NDArray[np.int32]:
        """(rows,) int32, increasing by 0 or 1 from 0."""
        return values_of(self.batch.column("record"))

    @property
    def position(self) -> npt.NDArray[np.int64]:
        """(rows,) int64, 1-based."""
        return values_of(self.batch.column("position"))

    def column(self, name: str) -> pa.Array:
        return self.batch.column(name)


# pyarrow's own conversions from and to numpy import pandas, a third of a second of every process.


def numbers(values: np.ndarray) -> pa.Array:
    """A C-contiguous array of numbers, any shape, as one Arrow column that shares its memory."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, values.size, [None, pa.py_buffer(values)])


def numbers_or_null(values: np.ndarray, is_null: npt.NDArray[np.bool_]) -> pa.Array:
    """As `numbers`, null where it is marked."""
    is_set = pa.py_buffer(np.packbits(~is_null, bitorder="little"))
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, values.size, [is_set, pa.py_buffer(values)])


def known_numbers(values: npt.NDArray[np.float64]) -> pa.Array:
    """As `numbers`, null for NaN."""
    return numbers_or_null(values, np.isnan(values))


def strings(offsets: npt.NDArray[np.int32], content: npt.NDArray[np.uint8]) -> pa.Array:
    """(n + 1,) offsets from 0 into UTF-8 bytes as an Arrow column of n strings that shares them."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def texts(values: Sequence[bytes]) -> pa.Array:
    """UTF-8 texts as an Arrow column of strings."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return strings(ends, np.frombuffer(b"".join(values), np.uint8))


def values_of(column: pa.Array) -> np.ndarray:
    """A column of numbers without nulls, read-only, zero-copy."""
    values = np.frombuffer(column.buffers()[1], column.type.to_pandas_dtype())
    values = values[column.offset : column.offset + len(column)]
    values.flags.writeable = False
    return values


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column if column.type == kind else column.cast(kind)


def _sample_lists(matrix: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(numbers(np.ascontiguousarray(matrix)), matrix.shape[1])


def _sample_matrix(lists: pa.FixedSizeListArray) -> np.ndarray:
    return values_of(lists.flatten()).reshape(len(lists), lists.type.list_size)
