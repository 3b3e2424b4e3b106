"""Vector compares for numba kernels: 64 bytes of an array at once, as LLVM vector code.

numba's own vectoriser gives up where a loop may end early, which is what a search does. These
intrinsics emit LLVM vectors, which LLVM lowers to what the processor has (AVX-512, AVX2, SSE2,
NEON), so nothing here depends on one kind of processor.

Contract of every function that takes (array, at): the array is C-contiguous uint8 and
0 <= at, at + 64 <= len(array). Nothing checks it in the vector form; callers keep PADDING bytes
behind what they search. Under NUMBA_BOUNDSCHECK=1 (or without the JIT) the plain form is chosen at
import instead: the same results byte by byte, with every index checked. The tests run both.

A mask is int64: bit i (2**i) speaks of byte at + i. Walk it from its lowest bit:

    while mask != 0:
        i = at + trailing_zeros(mask)
        mask &= mask - 1
"""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")

Bytes = npt.NDArray[np.uint8]

LANES = 64
PADDING = 64
"""Bytes behind a text that loads may touch and no result depends on."""

_settings = cast("Any", config)  # numba fills the module from the environment
_njit: Any = njit  # its types know no option that numba passes on to its target
IS_INTERPRETED = bool(_settings.DISABLE_JIT)
IS_PLAIN = bool(_settings.BOUNDSCHECK) or IS_INTERPRETED

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
_VECTOR = ir.VectorType(_I8, LANES)
_CAPITAL = 0xDF
"""The bits that a letter shares with its capital."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """numba's decorator, which has no types: the GIL released, compiled once per machine."""
    return _compiled(function)


def inner_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """As `kernel`, for what other kernels call for each sample: reference counts of its arrays are
    left alone, which cost more than its work. The caller holds the arrays; it allocates none."""
    return _compiled(function, _nrt=False)


def inlined_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """As `inner_kernel`, for a few operations: LLVM copies them to where they are called."""
    return _compiled(function, _nrt=False, forceinline=not IS_PLAIN)


def _compiled(function: Callable[P, R], **options: bool) -> Callable[P, R]:
    if IS_INTERPRETED:
        return function
    dispatcher: Any = _njit(nogil=True, **options)(function)
    dispatcher._cache = _Cache(function)
    return cast("Callable[P, R]", dispatcher)


class _Cache(FunctionCache):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        # Machine code holds that of the kernels it calls, but numba looks at the one file alone.
        index: Any = self._cache_file
        sources = _sources_of(Path(function.__code__.co_filename))
        index._source_stamp = (index._source_stamp, sources)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """As numba's own, without the tables of all types and functions that it has: they take a
        tenth of a second, and only compiling, which asks for them again, looks anything up."""
        rtsys.initialize(target_context)
        return self._load_overload(sig, target_context)


@cache
def _digest(folder: Path) -> str:
    # All of them: a kernel holds the constants that it imports, too
    return sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))).hexdigest()


def _sources_of(file: Path) -> tuple[str, str, bool]:
    """Changes with every source that a kernel of `file` may call, and with the form of loads."""
    return _digest(file.parent), _digest(Path(__file__).parent), IS_PLAIN


def _is_bytes(array: types.Type) -> bool:
    return isinstance(array, types.Array) and array.dtype == types.uint8 and array.ndim == 1


def _load(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    """64 bytes at array[at], unaligned."""
    data = context.make_array(array_type)(context, builder, array).data
    address = builder.gep(data, [at])
    loaded = builder.load(builder.bitcast(address, _VECTOR.as_pointer()))
    loaded.align = 1
    return loaded


def _splat(builder: Any, byte: Any) -> Any:
    """64 copies of one byte."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, byte, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, lanes)


def _equal_mask_vector(typingctx: Any, array: Any, at: Any, byte: Any) -> Any:  # noqa: ARG001
    if not _is_bytes(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = _load(context, builder, signature.args[0], arguments[0], arguments[1])
        same = builder.icmp_unsigned("==", loaded, _splat(builder, arguments[2]))
        return builder.bitcast(same, _I64)

    return types.int64(array, types.int64, types.uint8), generate


def _differ_mask_vector(typingctx: Any, left: Any, at: Any, right: Any, other: Any) -> Any:  # noqa: ARG001
    if not _is_bytes(left) or not _is_bytes(right):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = _load(context, builder, signature.args[0], arguments[0], arguments[1])
        two = _load(context, builder, signature.args[2], arguments[2], arguments[3])
        return builder.bitcast(builder.icmp_unsigned("!=", one, two), _I64)

    return types.int64(left, types.int64, right, types.int64), generate


def _letter_mask_vector(typingctx: Any, array: Any, at: Any, letter: Any) -> Any:  # noqa: ARG001
    if not _is_bytes(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = _load(context, builder, signature.args[0], arguments[0], arguments[1])
        capital = builder.and_(loaded, ir.Constant(_VECTOR, [_CAPITAL] * LANES))
        same = builder.icmp_unsigned("==", capital, _splat(builder, arguments[2]))
        return builder.bitcast(same, _I64)

    return types.int64(array, types.int64, types.uint8), generate


def _add_mask_vector(typingctx: Any, counts: Any, at: Any, mask: Any) -> Any:  # noqa: ARG001
    if not _is_bytes(counts):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = _load(context, builder, signature.args[0], arguments[0], arguments[1])
        bits = builder.bitcast(arguments[2], ir.VectorType(_I1, LANES))
        added = builder.add(loaded, builder.zext(bits, _VECTOR))
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), _VECTOR.as_pointer())
        builder.store(added, address, align=1)
        return arguments[2]

    return types.int64(counts, types.int64, types.int64), generate


def _word_at_native(typingctx: Any, array: Any, at: Any) -> Any:  # noqa: ARG001
    if not _is_bytes(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), _I64.as_pointer())
        return builder.load(address, align=1)

    return types.int64(array, types.int64), generate


def _move_down_vector(typingctx: Any, array: Any, first: Any, n_bytes: Any) -> Any:  # noqa: ARG001
    if not _is_bytes(array):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, first, n_bytes = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        cgutils.raw_memmove(builder, data, builder.gep(data, [first]), n_bytes, 1)
        return n_bytes

    return types.int64(array, types.int64, types.int64), generate


_move_down_of: Any = intrinsic(_move_down_vector)
_equal_mask_of: Any = intrinsic(_equal_mask_vector)
_letter_mask_of: Any = intrinsic(_letter_mask_vector)
_add_mask_of: Any = intrinsic(_add_mask_vector)
_word_at_of: Any = intrinsic(_word_at_native)
_differ_mask_of: Any = intrinsic(_differ_mask_vector)


def _bit_intrinsic(name: str, extra: tuple[Any, ...]) -> Any:
    """A function of LLVM over the bits of an int64."""

    @intrinsic
    def of_bits(typingctx: Any, mask: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            kind = ir.FunctionType(_I64, [_I64, *(value.type for value in extra)])
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.i64")
            return builder.call(function, [arguments[0], *extra])

        return types.int64(types.int64), generate

    return of_bits


_trailing_zeros_bits = _bit_intrinsic("cttz", (ir.Constant(_I1, 0),))
_count_bits = _bit_intrinsic("ctpop", ())


@inner_kernel
def _equal_mask_plain(array: Bytes, at: int, byte: int) -> int:
    mask = 0
    for i in range(LANES):
        if array[at + i] == byte:
            mask |= 1 << i
    return mask


@inner_kernel
def _differ_mask_plain(left: Bytes, at: int, right: Bytes, other: int) -> int:
    mask = 0
    for i in range(LANES):
        if left[at + i] != right[other + i]:
            mask |= 1 << i
    return mask


@inner_kernel
def _letter_mask_plain(array: Bytes, at: int, letter: int) -> int:
    mask = 0
    for i in range(LANES):
        if array[at + i] & _CAPITAL == letter:
            mask |= 1 << i
    return mask


@inner_kernel
def _add_mask_plain(counts: Bytes, at: int, mask: int) -> int:
    for i in range(LANES):
        counts[at + i] += mask >> i & 1
    return mask


@inner_kernel
def _word_at_plain(array: Bytes, at: int) -> int:
    word = 0
    for i in range(8):
        word |= int(array[at + i]) << (8 * i)
    return word


@inner_kernel
def _move_down_plain(array: Bytes, first: int, n_bytes: int) -> int:
    for i in range(n_bytes):
        array[i] = array[first + i]
    return n_bytes


@inlined_kernel
def _move_down(array: Bytes, first: int, n_bytes: int) -> int:
    return _move_down_of(array, first, n_bytes)


@inlined_kernel
def _equal_mask(array: Bytes, at: int, byte: int) -> int:
    return _equal_mask_of(array, at, byte)


@inlined_kernel
def _differ_mask(left: Bytes, at: int, right: Bytes, other: int) -> int:
    return _differ_mask_of(left, at, right, other)


@inlined_kernel
def _letter_mask(array: Bytes, at: int, letter: int) -> int:
    return _letter_mask_of(array, at, letter)


@inlined_kernel
def _add_mask(counts: Bytes, at: int, mask: int) -> int:
    return _add_mask_of(counts, at, mask)


@inlined_kernel
def _word_at(array: Bytes, at: int) -> int:
    return _word_at_of(array, at)


@inner_kernel
def _trailing_zeros_plain(mask: int) -> int:
    n = 0
    while n < LANES and not mask >> n & 1:
        n += 1
    return n


@inner_kernel
def _bit_count_plain(mask: int) -> int:
    n = 0
    for i in range(LANES):
        n += mask >> i & 1
    return n


@inlined_kernel
def _trailing_zeros(mask: int) -> int:
    return _trailing_zeros_bits(mask)


@inlined_kernel
def _bit_count(mask: int) -> int:
    return _count_bits(mask)


trailing_zeros = _trailing_zeros_plain if IS_PLAIN else _trailing_zeros
"""mask -> how many bits below the lowest set bit; 64 for no bit."""

bit_count = _bit_count_plain if IS_PLAIN else _bit_count
"""mask -> how many bits are set."""

equal_mask = _equal_mask_plain if IS_PLAIN else _equal_mask
"""(array, at, byte) -> mask of array[at : at + 64] == byte."""

letter_mask = _letter_mask_plain if IS_PLAIN else _letter_mask
"""(array, at, letter) -> mask of array[at : at + 64] == letter, a capital, in either case."""

add_mask = _add_mask_plain if IS_PLAIN else _add_mask
"""(counts, at, mask) -> mask, and 1 is added to each of counts[at : at + 64] whose bit is set; the
caller sees to it that none passes 255."""

word_at = _word_at_plain if IS_PLAIN else _word_at
"""(array, at) -> array[at : at + 8] as a little-endian int64 (numba runs on no other machine)."""

move_down = _move_down_plain if IS_PLAIN else _move_down
"""(array, first, n_bytes) -> n_bytes, and array[:n_bytes] becomes array[first : first + n_bytes];
0 <= first, 0 <= n_bytes, first + n_bytes <= len(array)."""

differ_mask = _differ_mask_plain if IS_PLAIN else _differ_mask
"""(left, at, right, other) -> mask of left[at : at + 64] != right[other : other + 64]."""
