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

from typing import Any

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import inlined_kernel, inner_kernel, kernel
from core.genotypes.vcf_block_list import add_line
from core.genotypes.vcf_calls import decode_gt
from core.genotypes.vcf_dosages import decode_dosages
from core.genotypes.vcf_kernels import (
    FIRST_TAB,
    LINE_START,
    N_LINE_COLUMNS,
    SECOND_TAB,
    THIRD_TAB,
    Ints,
    Text,
    find_newline,
    index_columns,
    is_name,
    read_position,
)
from core.genotypes.vcf_progress import (
    BAD_CALL,
    BAD_POSITION,
    BAD_SITE,
    DONE,
    FIELD_GT,
    GROUP_TOO_LARGE,
    MAX_STRING_BYTES,
    NEED_BLOCK,
    NEED_CONTIG,
    NEED_LINES,
    NEED_SITE_BYTES,
    OK,
    TOO_FEW_COLUMNS,
    BlockRows,
    Input,
    LineTable,
    Selection,
)
from core.genotypes.vcf_sites import SiteRows, append_site, measure_sites
from core.genotypes.vcf_wanted import has_wanted_id, seek_position
from core.genotypes.vcf_window import fill_window

_NEED_TEXT = 100
_GO_ON = 101

_RETURN = 13
_N_TABS = 9


@kernel
def scan(
    source: Input,
    text: Text,
    table: LineTable,
    selection: Selection,
    block: BlockRows,
    sites: SiteRows,
    blocks: Ints,
    progress: npt.NDArray[np.void],
) -> int:
    """Go on until the shard is read or something is needed; which of the codes above.

    text      (n,) uint8; its last simd.PADDING + 1 bytes stay free
    blocks    (n, 5) int64, see vcf_block_list
    progress  (1,) PROGRESS
    """
    p: Any = progress[0]
    while True:
        status = _take_lines(text, table, selection, block, sites, blocks, p)
        if status in (_NEED_TEXT, NEED_BLOCK, NEED_LINES, DONE):
            had_ready = p.n_ready > 0
            problem = _decode_ready(text, table, block, p)
            if problem != OK:
                return problem
            if status == NEED_LINES and had_ready:
                continue
        if status != _NEED_TEXT:
            return status
        status = fill_window(source, text, table.lines, blocks, p)
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


@inlined_kernel
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


@inlined_kernel
def _open_group(position: int, wanted: Ints, p: Any) -> None:
    p.has_group = 1
    p.group_contig = p.contig
    p.group_position = position
    p.group_is_wanted = p.takes_all
    if wanted.shape[0] > 0:
        p.wanted_at = seek_position(wanted, p.wanted_at, position)
        if p.wanted_at < wanted.shape[0] and wanted[p.wanted_at] == position:
            p.group_is_wanted = 1


@inlined_kernel
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


@inlined_kernel
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


@inlined_kernel
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
