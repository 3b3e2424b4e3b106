"""The loop that reads a VCF: compressed bytes in, dosages out, without a step of Python.

Text is inflated into a window that stays in the processor's cache, lines are found and grouped by
position, groups that nobody wants are skipped right after POS, the others are decoded into the open
block. The loop comes back to Python only for what Python has to give (more input, a contig's
positions, a new block, a larger array) and for an error; it is then called again with the same
arguments and goes on where it stopped, which is what `Progress` records.

A position group, a maximal run of lines of one (CHROM, POS), belongs to one shard and never
straddles two blocks. With L(i) the first line that starts behind the first byte of shard i, shard i
owns the groups that start in (L(i), L(i+1)], and shard 0 the one at L(0) as well:

    shard i      |..rest of a line. L(i) same group |first group ..... |group with L(i+1)...|
    shard i+1                                       .        |..rest. L(i+1) same group ....|first..

so shard i drops lines until the key changes and reads on past its end until the key changes behind
L(i+1). Every byte range gives the same groups, however the file is cut.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes import inflate
from core.genotypes.inflate import inflate_block
from core.genotypes.simd import PADDING, inner_kernel, kernel
from core.genotypes.vcf_block_list import add_block, add_line
from core.genotypes.vcf_calls import OK, decode_gt
from core.genotypes.vcf_dosages import decode_dosages
from core.genotypes.vcf_kernels import (
    FIRST_TAB,
    LINE_END,
    LINE_START,
    NINTH_TAB,
    N_LINE_COLUMNS,
    SECOND_TAB,
    THIRD_TAB,
    Bytes,
    Floats,
    Ints,
    Text,
    find_newline,
    index_columns,
    is_name,
    read_position,
)
from core.genotypes.vcf_sites import SiteRows, append_site, measure_sites
from core.genotypes.vcf_wanted import has_wanted_id, seek_position

# Why the loop came back. What is below 0 is an error.
DONE = 0
NEED_INPUT = 1
NEED_CONTIG = 2
NEED_BLOCK = 3
NEED_WINDOW = 4
NEED_LINES = 5
NEED_SITE_BYTES = 6
NEED_BLOCK_LIST = 7
BAD_POSITION = -1
TOO_FEW_COLUMNS = -2
BAD_SITE = -3
BAD_CALL = -4
BAD_INPUT = -5
GROUP_TOO_LARGE = -6

_NEED_TEXT = 100
_GO_ON = 101

FIELD_GT = -1
"""Beside the fields of vcf_dosages."""

FAR = 2**62
"""An offset that no text reaches."""

MAX_STRING_BYTES = 2**31 - 1
"""Of a string column of a block; Arrow's offsets are int32."""

_NEWLINE = 10
_RETURN = 13
_N_TABS = 9

PROGRESS = np.dtype(
    [
        (name, np.int64)
        for name in (
            # The window: text[:filled] is text, of it text[at:] is still to be looked at and
            # text[at:scanned] holds no line end. `offset` is that of text[0] in the shard's text.
            "filled",
            "at",
            "scanned",
            "offset",
            # The input: bytes from `input_at` on are still to be taken. `input_offset` is the byte
            # of the object at which it starts; it reaches the object's end where `is_last`.
            "input_at",
            "input_offset",
            "is_text",
            "is_last",
            "is_at_end",
            # The shard: bytes of the object before `stop`, bytes of text before `end`, FAR until
            # that is seen. `skip` bytes and `skips_line`, a line's rest, come before its first line.
            "stop",
            "end",
            "skip",
            "skips_line",
            "is_dropping",
            "has_passed_end",
            # The contig: index of its name; every group of it is wanted where `takes_all`.
            "contig",
            "name_bytes",
            "takes_all",
            "wanted_at",
            "n_contig_records",
            # The open group, whose lines are rows n_ready to n_lines of `lines`; rows before
            # n_ready are lines of closed groups that are still to be decoded.
            "has_group",
            "group_contig",
            "group_position",
            "group_is_wanted",
            "n_ready",
            "n_lines",
            # The open block: rows that have sites, rows that have dosages.
            "n_rows",
            "n_decoded",
            "n_records",
            "string_bits",
            # The list of the shard's blocks (vcf_block_list), where `is_listing`: rows that have
            # their first line, the first that waits for it, rows; lines before L of the next shard;
            # index of the run of lines on one contig; whether some position is below the last.
            "is_listing",
            "n_listed",
            "first_waiting",
            "n_blocks",
            "n_shard_lines",
            "contig_run",
            "is_unsorted",
            # How calls become dosages: codes of vcf_calls, FIELD_GT or one of vcf_dosages.
            "half_call",
            "field",
            "row_bytes",
            "max_group_bytes",
            # What is needed (rows, bytes) or what is wrong (row of `lines`, sample, code).
            "needed",
            "problem_line",
            "problem",
            "problem_sample",
        )
    ]
)
"""Where the loop stands; one record."""


class Input(NamedTuple):
    """data: (n,) uint8, read-only, BGZF blocks or text; engine: of `inflate`, unused for text."""

    data: Bytes
    engine: Ints


class LineTable(NamedTuple):
    """lines (m, 11), n_alts (m,) int64: of the groups that may be wanted."""

    lines: Ints
    n_alts: Ints


class Selection(NamedTuple):
    """name: the contig as written; positions: sorted, read-only; ids: of vcf_wanted.id_table."""

    name: Bytes
    positions: Ints
    ids: Ints


class BlockRows(NamedTuple):
    """The open block: calls or imputed (rows, samples), the other one (0, samples)."""

    calls: Bytes
    imputed: Floats
    ploidy: Bytes
    is_diploid: npt.NDArray[np.bool_]


@kernel
def scan(
    source: Input,
    text: Text,
    table: LineTable,
    selection: Selection,
    block: BlockRows,
    sites: SiteRows,
    blocks: Ints,
    progress: Any,
) -> int:
    """Go on until the shard is read or something is needed; which of the codes above.

    text      (n,) uint8; its last simd.PADDING + 1 bytes stay free
    blocks    (m, 5) int64, see vcf_block_list
    progress  (1,) PROGRESS
    """
    p = progress[0]
    while True:
        status = _take_lines(text, table, selection, block, sites, blocks, p)
        if status == _NEED_TEXT or status == NEED_BLOCK or status == DONE or status == NEED_LINES:
            had_ready = p.n_ready > 0
            problem = _decode_ready(text, table, block, p)
            if problem != OK:
                return problem
            if status == NEED_LINES and had_ready:
                continue
        if status != _NEED_TEXT:
            return status
        status = _fill(source, text, table.lines, blocks, p)
        if status != OK:
            return status


@inner_kernel
def _take_lines(
    text: Text,
    table: LineTable,
    selection: Selection,
    block: BlockRows,
    sites: SiteRows,
    blocks: Ints,
    p: Any,
) -> int:
    """Look at every complete line of the window."""
    while True:
        if p.skip > 0:
            skipped = min(p.skip, p.filled - p.at)
            p.skip -= skipped
            p.at += skipped
            p.scanned = p.at
        newline = find_newline(text, p.scanned, p.filled)
        p.scanned = newline
        if newline == p.filled:
            if p.skips_line:
                p.at = newline
                if p.offset + newline >= p.end:
                    return DONE  # one line spans the whole range
            if not p.is_at_end:
                return _NEED_TEXT
            status = _close_group(text, table, block, sites, p)
            return DONE if status == OK else status
        end = newline
        if end > p.at and text[end - 1] == _RETURN:
            end -= 1
        if p.skips_line:
            p.skips_line = 0
        elif end > p.at:
            status = _take_line(text, end, table, selection, block, sites, blocks, p)
            if status != _GO_ON:
                return status
        p.at = newline + 1
        p.scanned = p.at


@inner_kernel
def _take_line(
    text: Text,
    end: int,
    table: LineTable,
    selection: Selection,
    block: BlockRows,
    sites: SiteRows,
    blocks: Ints,
    p: Any,
) -> int:
    """Find the line's group and whether it is wanted; _GO_ON, or why not."""
    lines, row = table.lines, p.n_lines
    if row >= lines.shape[0]:
        return NEED_LINES
    n_tabs = index_columns(text, p.at, end, lines, row)
    p.problem_line = row
    if not is_name(text, p.at, lines[row, FIRST_TAB], selection.name, p.name_bytes):
        return NEED_CONTIG
    if n_tabs < _N_TABS:
        return TOO_FEW_COLUMNS
    position = read_position(text, lines[row, FIRST_TAB] + 1, lines[row, SECOND_TAB])
    if position < 0:
        return BAD_POSITION
    is_same = p.has_group and p.group_position == position and p.group_contig == p.contig
    if not is_same:
        status = _close_group(text, table, block, sites, p)
        if status != OK:
            return status
        if p.has_passed_end:
            return DONE
        if position < p.group_position and p.group_contig == p.contig:
            p.is_unsorted = 1
        _open_group(position, selection.positions, p)
        if p.n_lines < row:  # the closed group's lines are dropped
            _move_row(lines, row, p.n_lines)
    if p.offset + p.at > p.end:
        if p.is_dropping:
            return DONE
        p.has_passed_end = 1
    elif p.is_listing:
        add_line(blocks, p.offset + p.at, position, p)
    if not p.is_dropping:
        p.n_contig_records += 1
        _keep_line(text, lines, selection.ids, p)
    return _GO_ON


@inner_kernel
def _move_row(lines: Ints, source: int, target: int) -> None:
    for column in range(N_LINE_COLUMNS):
        lines[target, column] = lines[source, column]


@inner_kernel
def _open_group(position: int, wanted: Ints, p: Any) -> None:
    p.has_group = 1
    p.group_contig = p.contig
    p.group_position = position
    p.group_is_wanted = p.takes_all
    if wanted.shape[0] > 0:
        p.wanted_at = seek_position(wanted, p.wanted_at, position)
        if p.wanted_at < wanted.shape[0] and wanted[p.wanted_at] == position:
            p.group_is_wanted = 1


@inner_kernel
def _keep_line(text: Text, lines: Ints, ids: Ints, p: Any) -> None:
    """Keep the line where its group is wanted, or may still be by the ID of another line."""
    row = p.n_lines
    if ids.shape[0] > 0:
        if not p.group_is_wanted:
            start, end = lines[row, SECOND_TAB] + 1, lines[row, THIRD_TAB]
            p.group_is_wanted = has_wanted_id(text, start, end, ids)
        p.n_lines += 1
    elif p.group_is_wanted:
        p.n_lines += 1


@inner_kernel
def _close_group(text: Text, table: LineTable, block: BlockRows, sites: SiteRows, p: Any) -> int:
    """Give the group's lines rows of the block; does nothing without an open group.

    The group stays open where the block has no room for all of it.
    """
    if not p.has_group:
        return OK
    if p.group_is_wanted and not p.is_dropping:
        status = _append_group(text, table, block, sites, p)
        if status != OK:
            return status
    else:
        p.n_lines = p.n_ready
    p.has_group = 0
    p.is_dropping = 0
    return OK


@inner_kernel
def _append_group(text: Text, table: LineTable, block: BlockRows, sites: SiteRows, p: Any) -> int:
    lines, n_alts = table.lines, table.n_alts
    n_rows, n_bytes = measure_sites(text, lines, p.n_ready, p.n_lines, n_alts)
    if n_rows * p.row_bytes + n_bytes > p.max_group_bytes:
        p.problem, p.problem_line = n_rows, p.n_ready
        return GROUP_TOO_LARGE
    used = sites.id_offsets[p.n_rows] + np.int64(sites.ref_offsets[p.n_rows])
    used += sites.alt_offsets[p.n_rows]  # no less than each of them
    if p.n_rows + n_rows > block.is_diploid.shape[0] or used + n_bytes > MAX_STRING_BYTES:
        p.needed = n_rows
        return NEED_BLOCK
    if used + n_bytes > sites.ids.shape[0]:
        p.needed = used + n_bytes
        return NEED_SITE_BYTES
    row = p.n_rows
    for i in range(p.n_ready, p.n_lines):
        offset = p.offset + lines[i, LINE_START]
        record = p.n_records + i - p.n_ready
        status, bits = append_site(
            text,
            lines[i],
            n_alts[i],
            record,
            p.group_contig,
            p.group_position,
            offset,
            sites,
            row,
        )
        if status != OK:
            p.problem, p.problem_line = status, i
            return BAD_SITE
        p.string_bits |= bits
        row += max(n_alts[i], 1)
    p.n_records += p.n_lines - p.n_ready
    p.n_rows = row
    p.n_ready = p.n_lines
    return OK


@kernel
def _decode_ready(text: Text, table: LineTable, block: BlockRows, p: Any) -> int:
    """Decode the lines of closed groups; those of the open one move to the table's beginning."""
    if p.n_ready == 0:
        return OK
    lines, n_alts = table.lines[: p.n_ready], table.n_alts[: p.n_ready]
    ploidy, is_diploid = block.ploidy, block.is_diploid
    if p.field == FIELD_GT:
        status, line, sample = decode_gt(
            text, lines, n_alts, p.half_call, p.n_decoded, block.calls, ploidy, is_diploid
        )
    else:
        status, line, sample = decode_dosages(
            text,
            lines,
            n_alts,
            p.half_call,
            p.field,
            p.n_decoded,
            block.imputed,
            ploidy,
            is_diploid,
        )
    if status != OK:
        p.problem, p.problem_line, p.problem_sample = status, line, sample
        return BAD_CALL
    p.n_decoded = p.n_rows
    for i in range(p.n_ready, p.n_lines):
        _move_row(table.lines, i, i - p.n_ready)
    p.n_lines -= p.n_ready
    p.n_ready = 0
    return OK


@inner_kernel
def _fill(source: Input, text: Text, lines: Ints, blocks: Ints, p: Any) -> int:
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
    for i in range(p.filled - first):
        text[i] = text[first + i]
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
