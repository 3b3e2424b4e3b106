"""Hard calls as the store keeps them, row by row: kernels that encode and decode.

A row is one ALT of one record over the samples of a tile, uint8 copies of ALT, 255 missing. Its
*code* is 0, 1, 2, or 3 for missing. Three encodings:

    CARRIERS  nearly everyone has one code, `base`; the other samples are listed as uint16, first
              those of code 0, then 1, 2, 3, each ascending; base's own are not listed
    TWO_BIT   four codes to a byte, the first sample lowest
    BYTES     the row as it is: for calls of more than two copies

All kernels take the dosages flat and the place of a row in them, so that a tile of a wider block
is encoded where it stands. Nothing is read behind the array.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.block import MISSING_CALL
from core.genotypes.simd import (
    LANES,
    bit_count,
    equal_mask,
    inner_kernel,
    kernel,
    trailing_zeros,
)

Bytes = npt.NDArray[np.uint8]
Shorts = npt.NDArray[np.uint16]
Counts = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CARRIERS, TWO_BIT, BYTES = 0, 1, 2

MISSING_CODE = 3

CARRIERS_AT_MOST = 8
"""A row is listed where one sample in so many differs from its base: 16 bits for each of them
then cost no more than 2 bits for everyone."""


class EncodedRows(NamedTuple):
    """R rows of one tile; R-long arrays unless said.

    encoding          CARRIERS to BYTES, or those of core.genotypes.store_dosages
    decimals          of imputed dosages in decimal form, else 0
    base              code (hard calls) or value (decimals) of the samples that are not listed
    n_one, n_two      samples with dosage 1 and 2; of hard calls only
    n_missing         samples without a call
    allele_sum        dosages added up, without the missing
    listed_at         (R + 1,) row r's samples are listed[listed_at[r] : listed_at[r + 1]]
    listed, values    samples of the tile, and their values where dosages are decimals
    payload_at        (R + 1,) row r's bytes are payload[payload_at[r] : payload_at[r + 1]]
    payload           bytes of the rows that are not listed
    """

    encoding: Bytes
    decimals: Bytes
    base: Shorts
    n_one: Counts
    n_two: Counts
    n_missing: Counts
    allele_sum: Floats
    listed_at: Ints
    listed: Shorts
    values: Shorts
    payload_at: Ints
    payload: Bytes

    @classmethod
    def of(cls, n_rows: int) -> "EncodedRows":
        """Nothing described yet."""
        return cls(
            encoding=np.zeros(n_rows, np.uint8),
            decimals=np.zeros(n_rows, np.uint8),
            base=np.zeros(n_rows, np.uint16),
            n_one=np.zeros(n_rows, np.uint32),
            n_two=np.zeros(n_rows, np.uint32),
            n_missing=np.zeros(n_rows, np.uint32),
            allele_sum=np.zeros(n_rows, np.float64),
            listed_at=np.zeros(n_rows + 1, np.int64),
            listed=np.empty(0, np.uint16),
            values=np.empty(0, np.uint16),
            payload_at=np.zeros(n_rows + 1, np.int64),
            payload=np.empty(0, np.uint8),
        )


def encode_calls(calls: Bytes, start: int, stop: int) -> EncodedRows:
    """The tile of columns start to stop of C-contiguous `calls` (rows, samples).

    A tile has 1 to 65,536 samples.
    """
    n_rows, n_columns = calls.shape
    flat = calls.reshape(-1)
    rows = EncodedRows.of(n_rows)
    describe_calls(flat, n_columns, start, stop, rows)
    rows = rows._replace(
        listed=np.empty(rows.listed_at[-1], np.uint16),
        payload=np.empty(rows.payload_at[-1], np.uint8),
    )
    write_calls(flat, n_columns, start, stop, rows)
    return rows


@inner_kernel
def count_codes(calls: Bytes, at: int, n: int) -> tuple[int, int, int, int]:
    """How many of calls[at : at + n] are 0, 1, 2, missing."""
    n_zero = n_one = n_two = n_missing = 0
    i, stop = at, at + n
    while i + LANES <= stop:
        zeros = bit_count(equal_mask(calls, i, 0))
        n_zero += zeros
        if zeros < LANES:
            n_one += bit_count(equal_mask(calls, i, 1))
            n_two += bit_count(equal_mask(calls, i, 2))
            n_missing += bit_count(equal_mask(calls, i, MISSING_CALL))
        i += LANES
    while i < stop:
        n_zero += calls[i] == 0
        n_one += calls[i] == 1
        n_two += calls[i] == 2
        n_missing += calls[i] == MISSING_CALL
        i += 1
    return n_zero, n_one, n_two, n_missing


@inner_kernel
def _sum_of(calls: Bytes, at: int, n: int) -> int:
    total = 0
    for i in range(at, at + n):
        if calls[i] != MISSING_CALL:
            total += int(calls[i])
    return total


@kernel
def describe_calls(calls: Bytes, n_columns: int, start: int, stop: int, rows: EncodedRows) -> None:
    """Everything of `rows` but listed, values and payload, whose lengths it fixes.

    calls (R x n_columns,); 0 <= start < stop <= n_columns; rows EncodedRows.of(R), overwritten.
    """
    n = stop - start
    for r in range(rows.encoding.shape[0]):
        at = r * n_columns + start
        n_zero, n_one, n_two, n_missing = count_codes(calls, at, n)
        rows.n_one[r], rows.n_two[r], rows.n_missing[r] = n_one, n_two, n_missing
        rows.allele_sum[r] = n_one + 2 * n_two
        most, base = n_zero, 0
        if n_one > most:
            most, base = n_one, 1
        if n_two > most:
            most, base = n_two, 2
        if n_missing > most:
            most, base = n_missing, MISSING_CODE
        n_listed, n_bytes = 0, 0
        if n_zero + n_one + n_two + n_missing < n:
            rows.encoding[r], n_bytes = BYTES, n
            rows.allele_sum[r] = _sum_of(calls, at, n)
        elif (n - most) * CARRIERS_AT_MOST <= n:
            rows.encoding[r], n_listed, rows.base[r] = CARRIERS, n - most, base
        else:
            rows.encoding[r], n_bytes = TWO_BIT, (n + 3) // 4
        rows.listed_at[r + 1] = rows.listed_at[r] + n_listed
        rows.payload_at[r + 1] = rows.payload_at[r] + n_bytes


@kernel
def write_calls(calls: Bytes, n_columns: int, start: int, stop: int, rows: EncodedRows) -> None:
    """listed and payload of the rows that describe_calls has described."""
    n = stop - start
    # The arrays by name: a call that is handed the whole tuple costs more than most rows
    listed, payload, payload_at = rows.listed, rows.payload, rows.payload_at
    place = np.zeros(4, np.int64)
    for r in range(rows.encoding.shape[0]):
        at = r * n_columns + start
        if rows.encoding[r] == CARRIERS:
            n_one, n_two = int(rows.n_one[r]), int(rows.n_two[r])
            n_missing, base = int(rows.n_missing[r]), int(rows.base[r])
            place[0] = rows.listed_at[r]
            place[1] = place[0] + (0 if base == 0 else n - n_one - n_two - n_missing)
            place[2] = place[1] + (0 if base == 1 else n_one)
            place[3] = place[2] + (0 if base == 2 else n_two)
            _list_carriers(calls, at, n, base, place, listed)
        elif rows.encoding[r] == TWO_BIT:
            _pack(calls, at, n, payload, int(payload_at[r]))
        else:
            for i in range(n):
                payload[payload_at[r] + i] = calls[at + i]


@inner_kernel
def _list_carriers(calls: Bytes, at: int, n: int, base: int, place: Ints, listed: Shorts) -> None:
    """`place` says where in `listed` the samples of each code begin; it moves."""
    base_call = MISSING_CALL if base == MISSING_CODE else base
    i = 0
    while i + LANES <= n:
        mask = ~equal_mask(calls, at + i, base_call)
        while mask != 0:
            sample = i + trailing_zeros(mask)
            mask &= mask - 1
            code = min(int(calls[at + sample]), MISSING_CODE)
            listed[place[code]] = sample
            place[code] += 1
        i += LANES
    while i < n:
        code = min(int(calls[at + i]), MISSING_CODE)
        if code != base:
            listed[place[code]] = i
            place[code] += 1
        i += 1


@inner_kernel
def _pack(calls: Bytes, at: int, n: int, payload: Bytes, to: int) -> None:
    for b in range(n // 4):
        i = at + 4 * b
        low = min(int(calls[i]), 3) | (min(int(calls[i + 1]), 3) << 2)
        high = min(int(calls[i + 2]), 3) | (min(int(calls[i + 3]), 3) << 2)
        payload[to + b] = low | (high << 4)
    if n % 4:
        last = 0
        for i in range(n // 4 * 4, n):
            last |= min(int(calls[at + i]), 3) << (2 * (i % 4))
        payload[to + n // 4] = last


@kernel
def decode_calls(
    rows: EncodedRows, wanted: Ints, n: int, quads: Bytes, out: Bytes, first_row: int, column: int
) -> int:
    """Rows `wanted` of a tile of n samples into out[first_row:, column : column + n].

    wanted (W,) in range of the rows; quads as `quads_of_byte` gives them; out (>= first_row + W,
    >= column + n), C-contiguous. What `rows` say may be anything, but listed_at and payload_at
    ascend inside their arrays and no sample of `listed` is n or more. Returns the first row that
    contradicts itself, or -1.
    """
    width = out.shape[1]
    flat = out.reshape(-1)
    listed, payload = rows.listed, rows.payload
    for w in range(wanted.shape[0]):
        r = int(wanted[w])
        to = (first_row + w) * width + column
        begin, n_bytes = int(rows.payload_at[r]), rows.payload_at[r + 1] - rows.payload_at[r]
        if rows.encoding[r] == CARRIERS:
            n_one, n_two = int(rows.n_one[r]), int(rows.n_two[r])
            n_missing, base = int(rows.n_missing[r]), int(rows.base[r])
            n_zero = n - n_one - n_two - n_missing
            n_zero, n_one = 0 if base == 0 else n_zero, 0 if base == 1 else n_one
            n_two, n_missing = 0 if base == 2 else n_two, 0 if base == 3 else n_missing
            k, stop = int(rows.listed_at[r]), int(rows.listed_at[r + 1])
            if base > MISSING_CODE or n_zero < 0 or n_zero + n_one + n_two + n_missing != stop - k:
                return r
            flat[to : to + n] = np.uint8(MISSING_CALL if base == MISSING_CODE else base)
            k = _set(flat, to, listed, k, k + n_zero, 0)
            k = _set(flat, to, listed, k, k + n_one, 1)
            k = _set(flat, to, listed, k, k + n_two, 2)
            _set(flat, to, listed, k, stop, MISSING_CALL)
        elif rows.encoding[r] == TWO_BIT and n_bytes == (n + 3) // 4:
            _unpack(payload, begin, n, quads, flat, to)
        elif rows.encoding[r] == BYTES and n_bytes == n:
            flat[to : to + n] = payload[begin : begin + n]
        else:
            return r
    return -1


@inner_kernel
def _set(flat: Bytes, to: int, listed: Shorts, start: int, stop: int, call: int) -> int:
    byte = np.uint8(call)
    for k in range(start, stop):
        flat[to + int(listed[k])] = byte
    return stop


@inner_kernel
def _unpack(payload: Bytes, begin: int, n: int, quads: Bytes, flat: Bytes, to: int) -> None:
    quartets = flat[to : to + n // 4 * 4].reshape(-1, 4)
    packed = payload[begin : begin + n // 4]
    for b in range(packed.shape[0]):
        for j in range(4):
            quartets[b, j] = quads[packed[b], j]
    for i in range(n // 4 * 4, n):
        flat[to + i] = quads[payload[begin + n // 4], i % 4]


def quads_of_byte() -> Bytes:
    """(256, 4) the four calls of every byte of a TWO_BIT row."""
    codes = np.arange(256)[:, np.newaxis] >> np.array([0, 2, 4, 6]) & 3
    return np.array([0, 1, 2, MISSING_CALL], np.uint8)[codes]
