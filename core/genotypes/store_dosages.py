"""Imputed dosages as the store keeps them, row by row: kernels that encode and decode.

Files write dosages with a few decimals. Where every dosage of a row is the float32 nearest to
k / 10**decimals for an integer k, the row keeps the integers, and decoding gives the same float32,
bit for bit. Three encodings beside those of core.genotypes.store_calls:

    LISTED_DECIMALS  most samples have one value, `base`; the others are listed, with their values
    DECIMALS         uint16 values of all samples, little-endian
    FLOATS           float32, little-endian: for a row that has no such integers

A value is k, or MISSING_VALUE. A missing dosage is decoded as the one quiet NaN of numpy.
"""

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import inner_kernel, kernel
from core.genotypes.store_calls import Bytes, EncodedRows, Ints, Shorts

Dosages = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint32]
Table = npt.NDArray[np.uint16]

LISTED_DECIMALS, DECIMALS, FLOATS = 3, 4, 5

MISSING_VALUE = 65535

LISTED_AT_MOST = 2
"""A row is listed where one sample in so many differs from its base: 32 bits for each of them
then cost no more than 16 bits for everyone."""


MOST_DECIMALS = 4
"""With more, 2 copies would not fit in 16 bits."""


def encode_dosages(dosage: Dosages, start: int, stop: int) -> EncodedRows:
    """The tile of columns start to stop of C-contiguous `dosage` (rows, samples), NaN missing.

    A tile has 1 to 65,536 samples.
    """
    n_rows, n_columns = dosage.shape
    flat = dosage.reshape(-1)
    bits = flat.view(np.uint32)
    rows = EncodedRows.of(n_rows)
    values = np.empty((n_rows, stop - start), np.uint16)
    describe_dosages(flat, bits, n_columns, start, values, rows)
    rows = rows._replace(
        listed=np.empty(rows.listed_at[-1], np.uint16),
        values=np.empty(rows.listed_at[-1], np.uint16),
        payload=np.empty(rows.payload_at[-1], np.uint8),
    )
    write_dosages(bits, n_columns, start, values, rows)
    return rows


@inner_kernel
def _scale_of(decimals: int) -> float:
    scale = 1.0
    for _ in range(decimals):
        scale *= 10.0
    return scale


@inner_kernel
def _find_values(flat: Dosages, bits: Bits, at: int, scale: float, values: Shorts) -> bool:
    """The integers of flat[at : at + len(values)] at that scale; False where there are none."""
    for i in range(values.shape[0]):
        value, x = 0, flat[at + i]
        if np.isnan(x):
            value = MISSING_VALUE
        elif bits[at + i] != 0:
            scaled = np.float64(x) * scale + 0.5
            if not 0.5 < scaled < MISSING_VALUE:
                return False
            value = int(scaled)
            if np.float32(value / scale) != x:
                return False
        values[i] = value
    return True


@kernel
def _describe_values(values: Shorts, decimals: int, r: int, rows: EncodedRows) -> tuple[int, int]:
    """(samples listed, bytes of payload) of row r, which has `values`."""
    n = values.shape[0]
    two = 2 * int(_scale_of(decimals))
    n_zero, n_two, n_missing, total = 0, 0, 0, 0
    for i in range(n):
        n_zero += values[i] == 0
        n_two += values[i] == two
        n_missing += values[i] == MISSING_VALUE
        total += int(values[i])
    most, base = n_zero, 0
    if n_two > most:
        most, base = n_two, two
    if n_missing > most:
        most, base = n_missing, MISSING_VALUE
    rows.decimals[r], rows.base[r], rows.n_missing[r] = decimals, base, n_missing
    rows.allele_sum[r] = (total - MISSING_VALUE * n_missing) / _scale_of(decimals)
    if (n - most) * LISTED_AT_MOST <= n:
        rows.encoding[r] = LISTED_DECIMALS
        return n - most, 0
    rows.encoding[r], rows.base[r] = DECIMALS, 0
    return 0, 2 * n


@inner_kernel
def _describe_floats(flat: Dosages, at: int, n: int, r: int, rows: EncodedRows) -> None:
    n_missing, total = 0, 0.0
    for i in range(at, at + n):
        if np.isnan(flat[i]):
            n_missing += 1
        else:
            total += flat[i]
    rows.encoding[r], rows.n_missing[r], rows.allele_sum[r] = FLOATS, n_missing, total


@kernel
def describe_dosages(
    flat: Dosages, bits: Bits, n_columns: int, start: int, values: Table, rows: EncodedRows
) -> None:
    """Everything of `rows` but listed, values and payload, whose lengths it fixes.

    flat (R x n_columns,), and bits the same memory; values (R, samples of the tile), overwritten;
    start + samples <= n_columns; rows EncodedRows.of(R), overwritten.
    """
    n = values.shape[1]
    for r in range(rows.encoding.shape[0]):
        at = r * n_columns + start
        decimals = MOST_DECIMALS - 1  # what imputation servers write
        found = _find_values(flat, bits, at, _scale_of(decimals), values[r])
        if not found:
            decimals = MOST_DECIMALS
            found = _find_values(flat, bits, at, _scale_of(decimals), values[r])
        if found:
            n_listed, n_bytes = _describe_values(values[r], decimals, r, rows)
        else:
            _describe_floats(flat, at, n, r, rows)
            n_listed, n_bytes = 0, 4 * n
        rows.listed_at[r + 1] = rows.listed_at[r] + n_listed
        rows.payload_at[r + 1] = rows.payload_at[r] + n_bytes


@kernel
def write_dosages(bits: Bits, n_columns: int, start: int, values: Table, rows: EncodedRows) -> None:
    """listed, values and payload of the rows that describe_dosages has described."""
    n = values.shape[1]
    listed, listed_values, payload = rows.listed, rows.values, rows.payload
    for r in range(rows.encoding.shape[0]):
        at, to = r * n_columns + start, rows.payload_at[r]
        if rows.encoding[r] == FLOATS:
            for i in range(n):
                for byte in range(4):
                    payload[to + 4 * i + byte] = bits[at + i] >> (8 * byte) & 255
        elif rows.encoding[r] == DECIMALS:
            for i in range(n):
                payload[to + 2 * i] = values[r, i] & 255
                payload[to + 2 * i + 1] = values[r, i] >> 8
        else:
            k = rows.listed_at[r]
            for i in range(n):
                if values[r, i] != rows.base[r]:
                    listed[k], listed_values[k] = i, values[r, i]
                    k += 1


@kernel
def decode_dosages(
    rows: EncodedRows, wanted: Ints, n: int, out: Dosages, first_row: int, column: int
) -> int:
    """Rows `wanted` of a tile of n samples into out[first_row:, column : column + n].

    The contract of store_calls.decode_calls; `values` is as long as `listed`.
    """
    width = out.shape[1]
    flat, bits = out.reshape(-1), out.reshape(-1).view(np.uint32)
    listed, values, payload = rows.listed, rows.values, rows.payload
    for w in range(wanted.shape[0]):
        r = int(wanted[w])
        to = (first_row + w) * width + column
        begin, n_bytes = int(rows.payload_at[r]), rows.payload_at[r + 1] - rows.payload_at[r]
        if rows.decimals[r] > MOST_DECIMALS:
            return r
        scale = _scale_of(int(rows.decimals[r]))
        if rows.encoding[r] == LISTED_DECIMALS:
            flat[to : to + n] = _dosage_of(int(rows.base[r]), scale)
            for k in range(rows.listed_at[r], rows.listed_at[r + 1]):
                flat[to + int(listed[k])] = _dosage_of(int(values[k]), scale)
        elif rows.encoding[r] == DECIMALS and n_bytes == 2 * n:
            for i in range(n):
                low, high = int(payload[begin + 2 * i]), int(payload[begin + 2 * i + 1])
                flat[to + i] = _dosage_of(low | high << 8, scale)
        elif rows.encoding[r] == FLOATS and n_bytes == 4 * n:
            _copy_floats(payload, begin, n, bits, to)
        else:
            return r
    return -1


@inner_kernel
def _dosage_of(value: int, scale: float) -> np.float32:
    return np.float32(np.nan) if value == MISSING_VALUE else np.float32(value / scale)


@inner_kernel
def _copy_floats(payload: Bytes, begin: int, n: int, bits: Bits, to: int) -> None:
    for i in range(n):
        word = 0
        for byte in range(4):
            word |= int(payload[begin + 4 * i + byte]) << (8 * byte)
        bits[to + i] = word
