"""Unsigned LEB128: seven bits of a number in a byte, the lowest first, the top bit set but in the
last byte (DWARF 5, section 7.6). Small numbers take one byte."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_MAX_BYTES = 9
"""Of a number below 2**63."""


def encode_varints(numbers: Ints) -> bytes:
    """Of (n,) int64 from 0 on; raises ValueError for a number below 0."""
    if len(numbers) and int(numbers.min()) < 0:
        raise ValueError("a varint is not below 0")
    shifts = np.arange(_MAX_BYTES, dtype=np.int64) * 7
    digits = (numbers[:, None] >> shifts) & 0x7F
    n_bytes = np.maximum(1, _MAX_BYTES - np.argmax(digits[:, ::-1] != 0, axis=1))
    n_bytes[~digits.any(axis=1)] = 1
    column = np.arange(_MAX_BYTES)
    digits |= np.where(column < n_bytes[:, None] - 1, 0x80, 0)
    return digits[column < n_bytes[:, None]].astype(np.uint8).tobytes()


def decode_varints(data: bytes, n_numbers: int) -> Ints:
    """(n_numbers,) int64; raises ValueError where `data` is not exactly so many numbers."""
    content = np.frombuffer(data, np.uint8)
    is_last = content < 0x80
    ends = np.flatnonzero(is_last)
    if len(ends) != n_numbers or (len(content) and not is_last[-1]):
        raise ValueError(f"{len(content)} bytes are not {n_numbers} varints")
    starts = np.append(0, ends[:-1] + 1)[:n_numbers]
    lengths = ends - starts + 1
    if n_numbers and int(lengths.max()) > _MAX_BYTES:
        raise ValueError("a varint is longer than 63 bits")
    place = np.arange(len(content)) - np.repeat(starts, lengths)
    digits = (content & 0x7F).astype(np.int64) << (7 * place)
    return np.add.reduceat(digits, starts) if n_numbers else np.empty(0, np.int64)
