"""Inflate BGZF blocks inside compiled loops, with the libraries that two wheels carry.

zlib-ng (wheel `zlib-ng`) is the faster one on text of long matches, which GT alone is, libdeflate
(wheel `deflate`) on denser text. Their C functions are called by address, which is passed as data:
machine code on disk holds no address and loads anywhere.

The wheels promise their Python functions only. So each engine must inflate a known block at import;
one that lacks a symbol or fails is not offered, and without any the text is inflated by bgzf.py in
Python. The result is the same bytes or the same error, whoever inflates.
"""

import ctypes
import weakref
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from core.genotypes.simd import IS_INTERPRETED, inner_kernel, kernel

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

MAX_BLOCK_BYTES = 65536
"""Of a BGZF block, compressed and uncompressed."""

OK = 0
INCOMPLETE = 1
"""The input ends within the block."""
NO_ROOM = 2
"""The output has less room than the block states."""
NO_BLOCK = 3
TOO_LONG = 4
NOT_INFLATED = 5
WRONG_LENGTH = 6
WRONG_CRC = 7

_LIBDEFLATE = 0
_ZLIB_NG = 1

# An engine is (24,) int64 for the kernels: addresses, then memory that the C functions write.
_KIND = 0
_INFLATE = 1
_RESET = 2
_CRC = 3
_DECOMPRESSOR = 4
_BYTES_READ = 5
_BYTES_WRITTEN = 6
_STREAM = 8
_ENGINE_WORDS = 24

# Of zlib-ng's zng_stream, in words of 8 bytes; the counts of available bytes are 32 bits wide.
_NEXT_IN = _STREAM + 0
_AVAILABLE_IN = _STREAM + 1
_NEXT_OUT = _STREAM + 3
_AVAILABLE_OUT = _STREAM + 4
_FINISH = 4
_STREAM_END = 1
_RAW_DEFLATE = -15
_LOW_WORD = 0xFFFFFFFF

_FIXED_HEADER_BYTES = 12
_TRAILER_BYTES = 8

_PROBED_BLOCKS = 8
_PROBES = 2

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _call_at(typingctx: Any, address: Any, arguments: Any) -> Any:  # noqa: ARG001
    """The int32 that the C function at an address returns; its arguments are a tuple of int64."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ARG001
        kind = ir.FunctionType(_I32, [_I64] * len(arguments))
        function = builder.inttoptr(values[0], kind.as_pointer())
        result = builder.call(function, cgutils.unpack_tuple(builder, values[1]))
        return builder.sext(result, _I64)

    return types.int64(types.int64, types.UniTuple(types.int64, len(arguments))), generate


_call: Any = intrinsic(_call_at)


@inner_kernel
def _start_of(array: Bytes | Ints) -> int:
    """Its address, signed: an unsigned one and an int would add up to a float."""
    return int(np.int64(array.ctypes.data))


@inner_kernel
def _inflate_zlib_ng(engine: Ints, source: int, n_bytes: int, target: int, room: int) -> int:
    stream = _start_of(engine) + 8 * _STREAM
    _call(engine[_RESET], (stream,))
    engine[_NEXT_IN], engine[_AVAILABLE_IN] = source, n_bytes
    engine[_NEXT_OUT], engine[_AVAILABLE_OUT] = target, room
    status = _call(engine[_INFLATE], (stream, _FINISH))
    if status != _STREAM_END or engine[_AVAILABLE_IN] & _LOW_WORD != 0:
        return -1
    return room - (engine[_AVAILABLE_OUT] & _LOW_WORD)


@inner_kernel
def _inflate_libdeflate(engine: Ints, source: int, n_bytes: int, target: int, room: int) -> int:
    sizes = _start_of(engine) + 8 * _BYTES_READ
    arguments = (engine[_DECOMPRESSOR], source, n_bytes, target, room, sizes, sizes + 8)
    if _call(engine[_INFLATE], arguments) != 0 or engine[_BYTES_READ] != n_bytes:
        return -1
    return engine[_BYTES_WRITTEN]


@inner_kernel
def _inflate(engine: Ints, source: int, n_bytes: int, target: int, room: int) -> int:
    """Bytes written, at most `room`; -1 where the input is not one sound deflate stream.

    `source` and `target` are addresses of `n_bytes` and `room` bytes, both below 2**31.
    """
    if engine[_KIND] == _ZLIB_NG:
        return _inflate_zlib_ng(engine, source, n_bytes, target, room)
    return _inflate_libdeflate(engine, source, n_bytes, target, room)


@inner_kernel
def _little_endian(data: Bytes, at: int, n_bytes: int) -> int:
    value = 0
    for i in range(n_bytes):
        value |= int(data[at + i]) << (8 * i)
    return value


@inner_kernel
def _block_layout(data: Bytes, at: int) -> tuple[int, int, int]:
    """(status, size, header bytes) of the BGZF block whose header stands at `at`; see bgzf.py."""
    n = data.shape[0] - at
    for i in range(min(n, 4)):
        if data[at + i] != (0x1F, 0x8B, 0x08, 0x04)[i]:
            return NO_BLOCK, 0, 0
    if n < _FIXED_HEADER_BYTES:
        return INCOMPLETE, 0, 0
    extra = _FIXED_HEADER_BYTES
    header_bytes = extra + _little_endian(data, at + extra - 2, 2)
    while extra + 4 <= header_bytes:
        if n < extra + 4:
            return INCOMPLETE, 0, 0
        length = _little_endian(data, at + extra + 2, 2)
        if data[at + extra] == 66 and data[at + extra + 1] == 67 and length == 2:  # BC
            if n < extra + 6:
                return INCOMPLETE, 0, 0
            size = _little_endian(data, at + extra + 4, 2) + 1
            is_block = size > header_bytes + _TRAILER_BYTES
            return OK if is_block else NO_BLOCK, size, header_bytes
        extra += 4 + length
    return NO_BLOCK, 0, 0


@kernel
def inflate_block(
    engine: Ints, data: Bytes, at: int, text: Bytes, fill: int, stop: int
) -> tuple[int, int, int]:
    """Inflate the block at data[at] to text[fill]: (status, bytes of the block, bytes of text).

    data    (n,) uint8, read-only
    text    (m,) uint8; text[fill:stop], stop <= m, may be written to, more than is returned
    status  OK, or which of the codes above; CRC-32 and length are checked
    """
    status, size, header_bytes = _block_layout(data, at)
    if status != OK:
        return status, 0, 0
    if at + size > data.shape[0]:
        return INCOMPLETE, 0, 0
    trailer = at + size - _TRAILER_BYTES
    n_bytes = _little_endian(data, trailer + 4, 4)
    if n_bytes > MAX_BLOCK_BYTES:
        return TOO_LONG, size, 0
    if n_bytes > stop - fill:
        return NO_ROOM, size, n_bytes
    source = _start_of(data) + at + header_bytes
    target = _start_of(text) + fill
    # Room behind the block's end keeps the libraries in their fast loops to the end.
    room = min(stop - fill, 2 * MAX_BLOCK_BYTES)
    written = _inflate(engine, source, trailer - at - header_bytes, target, room)
    if written < 0:
        return NOT_INFLATED, size, 0
    if written != n_bytes:
        return WRONG_LENGTH, size, 0
    crc = _call(engine[_CRC], (0, target, n_bytes)) & _LOW_WORD
    return OK if crc == _little_endian(data, trailer, 4) else WRONG_CRC, size, n_bytes


@dataclass(frozen=True, slots=True)
class Inflater:
    """One thread's decompressor; `words` is the engine that `inflate_block` takes."""

    name: str
    words: Ints


def _inflater(name: str, memory: Ints, end: Callable[[Ints], None]) -> Inflater:
    """`end` frees what the library holds once nobody holds the words, which share `memory`."""
    words = memory[:]
    weakref.finalize(words, end, memory)
    return Inflater(name, words)


def _library(module: str) -> ctypes.CDLL:
    """The C library inside a wheel's extension module."""
    return ctypes.CDLL(import_module(module).__file__)


def _function(library: ctypes.CDLL, name: str, *arguments: Any, result: Any = ctypes.c_int) -> Any:
    function = getattr(library, name)
    function.argtypes, function.restype = arguments, result
    return function


def _address(library: ctypes.CDLL, name: str) -> int:
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


def _new_zlib_ng() -> Inflater:
    library = _library("zlib_ng.zlib_ng")
    words = np.zeros(_ENGINE_WORDS, np.int64)
    words[_KIND] = _ZLIB_NG
    words[_INFLATE] = _address(library, "zng_inflate")
    words[_RESET] = _address(library, "zng_inflateReset")
    words[_CRC] = _address(library, "zng_crc32")
    begin = _function(library, "zng_inflateInit2", ctypes.c_void_p, ctypes.c_int)
    finish = _function(library, "zng_inflateEnd", ctypes.c_void_p)
    if begin(_stream_of(words), _RAW_DEFLATE) != 0:
        raise MemoryError("zlib-ng")
    return _inflater("zlib-ng", words, lambda memory: finish(_stream_of(memory)))


def _stream_of(words: Ints) -> int:
    return words.ctypes.data + 8 * _STREAM


def _new_libdeflate() -> Inflater:
    library = _library("deflate._deflate")
    words = np.zeros(_ENGINE_WORDS, np.int64)
    words[_KIND] = _LIBDEFLATE
    words[_INFLATE] = _address(library, "libdeflate_deflate_decompress_ex")
    words[_CRC] = _address(library, "libdeflate_crc32")
    allocate = _function(library, "libdeflate_alloc_decompressor", result=ctypes.c_void_p)
    free = _function(library, "libdeflate_free_decompressor", ctypes.c_void_p, result=None)
    words[_DECOMPRESSOR] = allocate() or 0
    if not words[_DECOMPRESSOR]:
        raise MemoryError("libdeflate")
    return _inflater("libdeflate", words, lambda memory: free(int(memory[_DECOMPRESSOR])))


ENGINES: dict[str, Callable[[], Inflater]] = {
    "zlib-ng": _new_zlib_ng,
    "libdeflate": _new_libdeflate,
}


@cache
def working_engines() -> tuple[str, ...]:
    """The engines that inflate a known block; none where kernels are not compiled."""
    if IS_INTERPRETED:
        return ()
    return tuple(name for name in ENGINES if _works(name))


def _works(name: str) -> bool:
    expected = b"##fileformat=VCFv4.2\n" * 50
    try:
        inflater = ENGINES[name]()
    except (ImportError, AttributeError, OSError, MemoryError):
        return False
    text = np.zeros(2 * len(expected), np.uint8)
    data = as_input(_block_of(expected))
    status, size, n_bytes = inflate_block(inflater.words, data, 0, text, 0, len(text))
    result = (status, size, n_bytes, bytes(text[:n_bytes]))
    return result == (OK, len(data), len(expected), expected)


def _block_of(text: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, _RAW_DEFLATE)
    body = deflater.compress(text) + deflater.flush()
    header = bytes.fromhex("1f8b08040000000000ff060042430200")
    sizes = (zlib.crc32(text).to_bytes(4, "little"), len(text).to_bytes(4, "little"))
    return b"".join((header, (len(body) + 25).to_bytes(2, "little"), body, *sizes))


def as_input(data: bytes | Bytes) -> Bytes:
    """The read-only view that the kernels take."""
    view = np.frombuffer(data, np.uint8)
    view.flags.writeable = False
    return view


def fastest_engine(data: Bytes) -> str:
    """The name of one for a file of which some blocks begin at data[0], where some work.

    A millisecond; what is chosen changes the speed alone.
    """
    names = working_engines()
    if len(names) == 1:
        return names[0]
    text = np.empty(3 * MAX_BLOCK_BYTES, np.uint8)
    return min(names, key=lambda name: _seconds(ENGINES[name](), data, text))


def _seconds(inflater: Inflater, data: Bytes, text: Bytes) -> float:
    times: list[float] = []
    for _ in range(_PROBES):
        begin = perf_counter()
        _inflate_some(inflater.words, data, text)
        times.append(perf_counter() - begin)
    return min(times)


@kernel
def _inflate_some(engine: Ints, data: Bytes, text: Bytes) -> None:
    at = 0
    for _ in range(_PROBED_BLOCKS):
        if at >= data.shape[0]:
            break
        status, size, _ = inflate_block(engine, data, at, text, 0, text.shape[0])
        if status != OK:
            break
        at += size
