"""Inflating alone: the floor under whoever reads the file. One thread, one small buffer, no CRC.

The libraries are those of the wheels `deflate` (libdeflate) and `zlib-ng`, called through ctypes,
so that no Python object is made per block.
"""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import deflate
from zlib_ng import zlib_ng

_MOST_TEXT = 65_536
_HEADER_BYTES, _TRAILER_BYTES = 18, 8
_RAW = -15
_OK, _STREAM_END, _FINISH = 0, 1, 4


def inflate_call(vcf: str, library: str) -> Callable[[], None]:
    """A call that inflates every block of the BGZF file `vcf`.

    Raises OSError or AttributeError where the wheel does not export its functions.
    """
    inflate = {"libdeflate": _libdeflate, "zlib-ng": _zlib_ng}[library]()
    path = Path(vcf)

    def inflate_all() -> None:
        data = path.read_bytes()
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        for start, size in _payloads(data):
            inflate(address + start, size)

    return inflate_all


def _payloads(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each block's deflate stream starts, and its bytes. Blocks as bgzip writes them."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 16 : at + 18], "little") + 1
        yield at + _HEADER_BYTES, size - _HEADER_BYTES - _TRAILER_BYTES
        at += size


def _libdeflate() -> Callable[[int, int], None]:
    """libdeflate.h: libdeflate_deflate_decompress."""
    (shared_object,) = Path(deflate.__file__).parent.glob("*.so")
    library = ctypes.CDLL(str(shared_object))
    library.libdeflate_alloc_decompressor.restype = ctypes.c_void_p
    decompressor = ctypes.c_void_p(library.libdeflate_alloc_decompressor())
    inflate, text = library.libdeflate_deflate_decompress, ctypes.create_string_buffer(_MOST_TEXT)
    n_written = ctypes.c_size_t()
    pointer, room = ctypes.byref(n_written), ctypes.c_size_t(_MOST_TEXT)

    def inflate_one(start: int, size: int) -> None:
        source = ctypes.c_void_p(start)
        if inflate(decompressor, source, ctypes.c_size_t(size), text, room, pointer) != 0:
            raise ValueError("a block is no deflate stream")

    return inflate_one


class _Stream(ctypes.Structure):
    """zlib-ng.h: struct zng_stream."""

    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_uint32),
        ("total_in", ctypes.c_size_t),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint32),
        ("total_out", ctypes.c_size_t),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_uint32),
        ("reserved", ctypes.c_ulong),
    )


def _zlib_ng() -> Callable[[int, int], None]:
    """zlib-ng.h: zng_inflate, reset for every block."""
    library = ctypes.CDLL(zlib_ng.__file__)
    stream, text = _Stream(), ctypes.create_string_buffer(_MOST_TEXT)
    if library.zng_inflateInit2(ctypes.byref(stream), _RAW) != _OK:
        raise OSError("zlib-ng cannot be set up")
    pointer = ctypes.byref(stream)
    inflate, reset = library.zng_inflate, library.zng_inflateReset

    def inflate_one(start: int, size: int) -> None:
        reset(pointer)
        stream.next_in, stream.avail_in = start, size
        stream.next_out, stream.avail_out = ctypes.addressof(text), _MOST_TEXT
        if inflate(pointer, _FINISH) != _STREAM_END:
            raise ValueError("a block is no deflate stream")

    return inflate_one
