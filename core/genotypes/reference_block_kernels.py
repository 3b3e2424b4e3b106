"""The loop that reads a gVCF: lines in, the lines out that answer wanted positions.

A line with an ALT of its own answers its POS and goes out as it is. A *reference line* has none but
`<NON_REF>` or `<*>`, or "."; with INFO END it is a block, and answers every wanted position from
POS to END with a line of its own: ALT ".", and each sample's GT where the block is sure of it, else
a missing call. REF is known at POS alone; inside a block it is written "N".

Lines belong to shards as `vcf_scan` has it: whole groups of one (CHROM, POS).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import inner_kernel, kernel
from core.genotypes.vcf_kernels import (
    EIGHTH_TAB,
    FIFTH_TAB,
    FIRST_TAB,
    FOURTH_TAB,
    LINE_START,
    NINTH_TAB,
    SECOND_TAB,
    Bytes,
    Ints,
    Text,
    find_newline,
    index_columns,
    is_name,
    read_position,
)
from core.genotypes.vcf_progress import BAD_POSITION, DONE, NEED_CONTIG, TOO_FEW_COLUMNS
from core.genotypes.vcf_wanted import seek_position

NEED_TEXT = 100
NEED_ROOM = 101
BAD_END = -100
_GO_ON = 102

EXPANSION = np.dtype(
    [
        (name, np.int64)
        for name in (
            # text[:filled] is text, of which text[at:] is still to be looked at; `offset` is that
            # of text[0] in the range's text, `end` as in vcf_progress.
            *("filled", "at", "offset", "end", "skip", "skips_line", "is_at_end"),
            # The group of lines of one position, and the contig, by the number of its name.
            *("is_dropping", "has_passed_end", "has_group", "group_position", "group_contig"),
            *("contig", "name_bytes", "wanted_at", "n_contig_records"),
            # Lines before text[at:]; the next wanted index of an unfinished line, -1 for none.
            *("n_lines", "next_wanted"),
            # Bytes and lines that are out; bytes that are needed for the next.
            *("n_out", "n_out_lines", "needed"),
        )
    ]
)

_DOT, _ZERO, _NINE, _SLASH, _BAR, _COLON, _SEMICOLON = 46, 48, 57, 47, 124, 58, 59
_TAB, _NEWLINE, _RETURN, _N = 9, 10, 13, 78
_N_TABS = 9
_SEVENTH_TAB = EIGHTH_TAB - 1
_MARGIN = 64
"""Of an expanded line beyond its columns: a position, and the columns that say nothing."""

_GT, _GQ, _RGQ, _DP, _MIN_DP, _END, _NON_REF, _ANY = (
    np.frombuffer(name, np.uint8)
    for name in (b"GT", b"GQ", b"RGQ", b"DP", b"MIN_DP", b"END=", b"<NON_REF>", b"<*>")
)


@kernel
def expand_lines(
    text: Text,
    columns: Ints,
    name: Bytes,
    wanted: Ints,
    min_gq: float,
    out: Bytes,
    marks: Ints,
    state: npt.NDArray[np.void],
) -> int:
    """Look at lines until text, room or a contig's positions are needed, or the shard is done.

    text     (n,) with simd.PADDING + 1 bytes behind state.filled
    columns  (1, 11) of the line that is looked at, see vcf_kernels
    wanted   (w,) sorted positions on the contig that is written `name`
    min_gq   the least GQ of a reference call that counts as called
    out      (m,) lines that answer; marks (l, 2): where each starts and how many lines of the
             range's text are before the one that it was made of
    state    (1,) EXPANSION
    """
    s: Any = state[0]
    while True:
        if s.skip > 0:
            skipped = min(s.skip, s.filled - s.at)
            for i in range(s.at, s.at + skipped):
                s.n_lines += text[i] == _NEWLINE
            s.skip -= skipped
            s.at += skipped
        newline = find_newline(text, s.at, s.filled)
        if newline == s.filled:
            return DONE if s.is_at_end else NEED_TEXT
        end = newline
        if end > s.at and text[end - 1] == _RETURN:
            end -= 1
        if s.skips_line:
            s.skips_line = 0
        elif end > s.at:
            status = _take_line(text, end, columns, name, wanted, min_gq, out, marks, s)
            if status != _GO_ON:
                return status
        s.at = newline + 1
        s.n_lines += 1


@inner_kernel
def _take_line(
    text: Text,
    end: int,
    columns: Ints,
    name: Bytes,
    wanted: Ints,
    min_gq: float,
    out: Bytes,
    marks: Ints,
    s: Any,
) -> int:
    n_tabs = index_columns(text, s.at, end, columns, 0)
    line = columns[0]
    if not is_name(text, s.at, line[FIRST_TAB], name, s.name_bytes):
        return NEED_CONTIG
    if n_tabs < _N_TABS:
        return TOO_FEW_COLUMNS
    position = read_position(text, line[FIRST_TAB] + 1, line[SECOND_TAB])
    if position < 0:
        return BAD_POSITION
    if s.next_wanted < 0:
        if not _is_owned(position, s):
            return DONE
        if s.is_dropping:
            return _GO_ON
        s.n_contig_records += 1
    last = position
    is_reference = _is_reference(text, line[FOURTH_TAB] + 1, line[FIFTH_TAB])
    if is_reference:
        last = _block_end(text, line[_SEVENTH_TAB] + 1, line[EIGHTH_TAB], position)
        if last < 0:
            return BAD_END
    s.wanted_at = seek_position(wanted, s.wanted_at, position)
    if s.next_wanted < 0:
        s.next_wanted = s.wanted_at
    while s.next_wanted < wanted.shape[0] and wanted[s.next_wanted] <= last:
        length = 2 * (end - s.at) + _MARGIN  # a sample may have no text at all
        if s.n_out + length > out.shape[0] or s.n_out_lines == marks.shape[0]:
            s.needed = length
            return NEED_ROOM
        marks[s.n_out_lines, 0], marks[s.n_out_lines, 1] = s.n_out, s.n_lines
        s.n_out_lines += 1
        if is_reference:
            _write_call(text, line, end, position, wanted[s.next_wanted], min_gq, out, s)
        else:
            _copy(text, s.at, end, out, s)
        out[s.n_out] = _NEWLINE
        s.n_out += 1
        s.next_wanted += 1
    s.next_wanted = -1
    return _GO_ON


@inner_kernel
def _is_owned(position: int, s: Any) -> bool:
    """Whether the line is of a group that is the shard's, or is still to be dropped."""
    is_same = s.has_group and s.group_position == position and s.group_contig == s.contig
    if not is_same:
        if s.has_passed_end:
            return False
        if s.has_group:
            s.is_dropping = 0
        s.has_group, s.group_position, s.group_contig = 1, position, s.contig
    if s.offset + s.at > s.end:
        if s.is_dropping:
            return False
        s.has_passed_end = 1
    return True


@inner_kernel
def is_text(text: Text, start: int, end: int, name: Bytes) -> bool:
    """Whether a span holds exactly `name`."""
    if end - start != name.shape[0]:
        return False
    for i in range(name.shape[0]):  # noqa: SIM110 - compiled
        if text[start + i] != name[i]:
            return False
    return True


@inner_kernel
def _is_reference(text: Text, start: int, end: int) -> bool:
    """Whether an ALT names no allele."""
    if end - start == 1:
        return text[start] == _DOT
    return is_text(text, start, end, _NON_REF) or is_text(text, start, end, _ANY)


@inner_kernel
def _block_end(text: Text, start: int, end: int, position: int) -> int:
    """INFO END; `position` without one, -1 where it is no position from there on."""
    while start < end:
        stop = start
        while stop < end and text[stop] != _SEMICOLON:
            stop += 1
        if stop - start > 4 and is_text(text, start, start + 4, _END):
            last = read_position(text, start + 4, stop)
            return last if last >= position else -1
        start = stop + 1
    return position


@inner_kernel
def _write_call(
    text: Text, line: Ints, end: int, first: int, position: int, min_gq: float, out: Bytes, s: Any
) -> None:
    """The line of one position that a reference line answers."""
    _copy(text, line[LINE_START], line[FIRST_TAB] + 1, out, s)
    _write_number(position, out, s)
    _put(_TAB, out, s)
    if position == first:
        _copy(text, line[SECOND_TAB] + 1, line[FOURTH_TAB], out, s)
    else:
        _put(_DOT, out, s)
        _put(_TAB, out, s)
        _put(_N, out, s)
    for _ in range(4):  # ALT, QUAL, FILTER, INFO
        _put(_TAB, out, s)
        _put(_DOT, out, s)
    _put(_TAB, out, s)
    _put(_GT[0], out, s)
    _put(_GT[1], out, s)
    start, stop = line[EIGHTH_TAB] + 1, line[NINTH_TAB]
    gt, gq = _field_number(text, start, stop, _GT), _field_number(text, start, stop, _GQ)
    if gq < 0:
        gq = _field_number(text, start, stop, _RGQ)
    dp, min_dp = _field_number(text, start, stop, _DP), _field_number(text, start, stop, _MIN_DP)
    at = stop + 1
    while at <= end:
        tab = at
        while tab < end and text[tab] != _TAB:
            tab += 1
        is_sure = gq < 0 or _number(text, at, tab, gq) >= min_gq
        if dp >= 0 and _number(text, at, tab, dp) == 0.0:
            is_sure = False
        if min_dp >= 0 and _number(text, at, tab, min_dp) == 0.0:
            is_sure = False
        _put(_TAB, out, s)
        _write_genotype(text, at, tab, gt, is_sure, out, s)
        at = tab + 1


@inner_kernel
def _write_genotype(
    text: Text, start: int, end: int, gt: int, is_sure: bool, out: Bytes, s: Any
) -> None:
    """GT as written where every allele is 0 and the call is sure; else "." for each allele. What is
    no genotype stays, for the decoder to refuse."""
    at, stop = _field(text, start, end, gt)
    if at == stop:
        _put(_DOT, out, s)
        return
    is_genotype, is_reference = True, is_sure
    for i in range(at, stop):
        byte = text[i]
        is_allele = byte == _DOT or _ZERO <= byte <= _NINE
        is_genotype = is_genotype and (is_allele or byte in (_SLASH, _BAR))
        is_reference = is_reference and not (is_allele and byte != _ZERO)
    if is_reference or not is_genotype:
        _copy(text, at, stop, out, s)
        return
    for i in range(at, stop):
        byte = text[i]
        if byte in (_SLASH, _BAR):
            _put(byte, out, s)
        elif i == at or text[i - 1] == _SLASH or text[i - 1] == _BAR:
            _put(_DOT, out, s)


@inner_kernel
def _field_number(text: Text, start: int, end: int, key: Bytes) -> int:
    """Which of the keys of a FORMAT it is; -1 for none of them."""
    number = 0
    while start <= end:
        stop = start
        while stop < end and text[stop] != _COLON:
            stop += 1
        if is_text(text, start, stop, key):
            return number
        number += 1
        start = stop + 1
    return -1


@inner_kernel
def _field(text: Text, start: int, end: int, number: int) -> tuple[int, int]:
    """The span of a sample's field; an empty one where the sample has none, or number is -1."""
    if number < 0:
        return end, end
    for _ in range(number):
        while start < end and text[start] != _COLON:
            start += 1
        if start == end:
            return end, end
        start += 1
    stop = start
    while stop < end and text[stop] != _COLON:
        stop += 1
    return start, stop


@inner_kernel
def _number(text: Text, start: int, end: int, number: int) -> float:
    """The value of a sample's field; -1 where it is no number of digits and one dot."""
    at, stop = _field(text, start, end, number)
    value, scale, n_digits, has_dot = 0.0, 1.0, 0, False
    for i in range(at, stop):
        digit = float(text[i]) - _ZERO
        if 0.0 <= digit <= 9.0:
            n_digits += 1
            if has_dot:
                scale /= 10.0
            value = value + digit * scale if has_dot else value * 10.0 + digit
        elif text[i] == _DOT and not has_dot:
            has_dot = True
        else:
            return -1.0
    return value if n_digits > 0 else -1.0


@inner_kernel
def _write_number(number: int, out: Bytes, s: Any) -> None:
    n_digits, left = 1, number
    while left >= 10:
        left //= 10
        n_digits += 1
    left = number
    for i in range(n_digits):
        out[s.n_out + n_digits - 1 - i] = _ZERO + left % 10
        left //= 10
    s.n_out += n_digits


@inner_kernel
def _copy(text: Text, start: int, end: int, out: Bytes, s: Any) -> None:
    for i in range(start, end):
        out[s.n_out] = text[i]
        s.n_out += 1


@inner_kernel
def _put(byte: int, out: Bytes, s: Any) -> None:
    out[s.n_out] = byte
    s.n_out += 1
