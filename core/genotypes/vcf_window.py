"""The window of text that a scan looks at: what is done with leaves, what comes next is appended.

Kernels of vcf_scan; `p` is its record, PROGRESS.
"""

from typing import Any

from core.genotypes import inflate
from core.genotypes.inflate import inflate_block
from core.genotypes.simd import PADDING, inner_kernel, move_down
from core.genotypes.vcf_block_list import add_block
from core.genotypes.vcf_kernels import LINE_START, N_LINE_COLUMNS, Bytes, Ints, Text
from core.genotypes.vcf_progress import (
    BAD_INPUT,
    FAR,
    NEED_BLOCK_LIST,
    NEED_INPUT,
    NEED_WINDOW,
    OK,
    Input,
)

_NEWLINE = 10


@inner_kernel
def fill_window(source: Input, text: Text, lines: Ints, blocks: Ints, p: Any) -> int:
    """Move what is still needed to the window's beginning and append text, as much as fits.

    Behind the shard's end, where only the rest of a group is needed, one block at a time.
    """
    _roll(text, lines, p)
    before, stop = p.filled, text.shape[0] - PADDING - 1
    status = OK
    while status == OK and (p.filled == before or p.end == FAR):
        if p.is_text:
            status = _copy_text(source.data, text, stop, p)
        else:
            status = _inflate_next(source, text, stop, blocks, p)
    if p.is_at_end and p.filled > p.at and text[p.filled - 1] != _NEWLINE:
        text[p.filled] = _NEWLINE
        p.filled += 1
    return OK if p.filled > before or p.is_at_end else status  # an error comes again


@inner_kernel
def _roll(text: Text, lines: Ints, p: Any) -> None:
    """Drop the text before the open group's first line, or before the next line."""
    first = lines[0, LINE_START] if p.n_lines > 0 else p.at
    if first == 0:
        return
    move_down(text, first, p.filled - first)
    for i in range(p.n_lines):
        for column in range(N_LINE_COLUMNS):
            lines[i, column] -= first
    p.filled -= first
    p.at -= first
    p.scanned -= first
    p.offset += first


@inner_kernel
def _copy_text(data: Bytes, text: Text, stop: int, p: Any) -> int:
    n_bytes = min(data.shape[0] - p.input_at, stop - p.filled)
    if p.input_at == data.shape[0]:
        p.is_at_end = p.is_last
        return NEED_INPUT
    if n_bytes <= 0:
        p.needed = 1
        return NEED_WINDOW
    for i in range(n_bytes):
        text[p.filled + i] = data[p.input_at + i]
    p.filled += n_bytes
    p.input_at += n_bytes
    return OK


@inner_kernel
def _inflate_next(source: Input, text: Text, stop: int, blocks: Ints, p: Any) -> int:
    data = source.data
    if p.input_at == data.shape[0]:
        p.is_at_end = p.is_last
        return NEED_INPUT
    if p.n_blocks == blocks.shape[0]:
        return NEED_BLOCK_LIST
    status, size, n_bytes = inflate_block(source.engine, data, p.input_at, text, p.filled, stop)
    if status == inflate.INCOMPLETE and not p.is_last:
        return NEED_INPUT
    if status == inflate.NO_ROOM:
        p.needed = n_bytes
        return NEED_WINDOW
    if status != inflate.OK:
        p.problem = status
        return BAD_INPUT
    offset = p.input_offset + p.input_at
    if p.end == FAR and offset >= p.stop:
        p.end = p.offset + p.filled
    if p.end == FAR and p.is_listing:
        add_block(blocks, offset, p.offset + p.filled, p)
    p.filled += n_bytes
    p.input_at += size
    return OK
