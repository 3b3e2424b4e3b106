"""Kernels that find the records of a FASTQ in a window of its text.

A record is a title line of `@`, sequence, a line of `+` (alone or with the title again), and as
many qualities as bases (Cock et al. 2010, doi:10.1093/nar/gkp1137). Almost every file has four
lines to a record. Sequence and quality may be wrapped over several lines, as Sanger files are: a
`+` at the start of a line ends the sequence, the number of bases ends the quality, which may hold
`@` and `+` like any other letter. Lines may end in CR LF.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import equal_mask, inner_kernel, kernel, trailing_zeros

Bytes = npt.NDArray[np.uint8]
States = npt.NDArray[Any]

LANES = 64

OK = 0
INCOMPLETE = 1
"""The text ends within the record."""
OTHER_LINES = 2
"""Not a title, one line of sequence, `+` and as long a line of quality."""
NO_TITLE = -1
NO_SEPARATOR = -2
OTHER_TITLE = -3
OTHER_LENGTH = -4

FAR = 2**62
"""A position that no text reaches."""

_NEWLINE, _RETURN, _PLUS, _AT = 10, 13, 43, 64

STATE = np.dtype(
    [
        (name, np.int64)
        for name in (
            # The window: text[:filled] is text, whole lines of it where `is_at_end`; the next
            # record starts at `at`. Records that start behind `stop` are the next shard's.
            "filled",
            "at",
            "is_at_end",
            "stop",
            # The record at `at`: what is in it, where the next one starts, and how many lines it
            # has, of which those of quality begin with number `quality_line`, from 0.
            "title",
            "title_end",
            "sequence",
            "n_bases",
            "quality",
            "next",
            "n_record_lines",
            "quality_line",
            # The line of the record that is wrong, from 0.
            "wrong_line",
            # Before `at`, of the shard.
            "n_lines",
            "n_reads",
        )
    ]
)
"""Where the reading of a shard stands; one record."""


@inner_kernel
def line_end(text: Bytes, at: int, filled: int) -> int:
    """Where the line that holds `at` has its newline; -1 where the text has none."""
    while at < filled:
        mask = equal_mask(text, at, _NEWLINE)
        if mask != 0:
            end = at + trailing_zeros(mask)
            return end if end < filled else -1
        at += LANES
    return -1


@inner_kernel
def _without_return(text: Bytes, start: int, end: int) -> int:
    return end - 1 if end > start and text[end - 1] == _RETURN else end


@inner_kernel
def _find_four_lines(text: Bytes, at: int, s: Any) -> int:
    """The record at `at`, if it has four lines, to the fields of `s`."""
    if at >= s.filled:
        return INCOMPLETE
    if text[at] != _AT:
        s.wrong_line = 0
        return NO_TITLE
    title_end = line_end(text, at, s.filled)
    if title_end < 0:
        return INCOMPLETE
    sequence_end = line_end(text, title_end + 1, s.filled)
    if sequence_end < 0 or sequence_end + 1 >= s.filled:
        return INCOMPLETE
    s.title, s.title_end = at + 1, _without_return(text, at + 1, title_end)
    s.sequence = title_end + 1
    s.n_bases = _without_return(text, s.sequence, sequence_end) - s.sequence
    plus = sequence_end + 1
    if text[plus] != _PLUS:
        return OTHER_LINES
    plus_end = line_end(text, plus, s.filled)
    if plus_end < 0:
        return INCOMPLETE
    s.quality = plus_end + 1
    quality_end = line_end(text, s.quality, s.filled)
    if quality_end < 0:
        return INCOMPLETE
    if _without_return(text, s.quality, quality_end) - s.quality != s.n_bases:
        return OTHER_LINES
    s.next, s.n_record_lines, s.quality_line = quality_end + 1, 4, 3
    return _check_second_title(text, plus, _without_return(text, plus, plus_end), 2, s)


@inner_kernel
def _check_second_title(text: Bytes, plus: int, plus_end: int, line: int, s: Any) -> int:
    """Behind `+` is nothing, or the title again."""
    n = plus_end - plus - 1
    if n == 0:
        return OK
    s.wrong_line = line
    if n != s.title_end - s.title:
        return OTHER_TITLE
    for i in range(n):
        if text[plus + 1 + i] != text[s.title + i]:
            return OTHER_TITLE
    return OK


@inner_kernel
def _find_wrapped(text: Bytes, s: Any) -> int:
    """The record whose title is found, of any number of lines; its lines are put together in
    place, so that it may be found once only."""
    at, line = s.sequence, 1
    n_bases = 0
    while True:
        if at >= s.filled:
            return INCOMPLETE
        if text[at] == _PLUS:
            break
        if text[at] == _AT:  # of the next record: this one has no quality
            s.wrong_line = line
            return NO_SEPARATOR
        end = line_end(text, at, s.filled)
        if end < 0:
            return INCOMPLETE
        n_bases += _without_return(text, at, end) - at
        at = end + 1
        line += 1
    plus, plus_line = at, line
    plus_end = line_end(text, plus, s.filled)
    if plus_end < 0:
        return INCOMPLETE
    at, n_qualities = plus_end + 1, 0
    line += 1
    while n_qualities < n_bases or line == plus_line + 1:
        end = line_end(text, at, s.filled)
        if end < 0:
            return INCOMPLETE
        n_qualities += _without_return(text, at, end) - at
        at = end + 1
        line += 1
    if n_qualities != n_bases:
        s.wrong_line = plus_line + 1
        return OTHER_LENGTH
    status = _check_second_title(text, plus, _without_return(text, plus, plus_end), plus_line, s)
    if status != OK:
        return status
    s.n_bases, s.quality = n_bases, plus_end + 1
    s.next, s.n_record_lines, s.quality_line = at, line, plus_line + 1
    _join_lines(text, s.sequence, n_bases)
    _join_lines(text, s.quality, n_bases)
    return OK


@inner_kernel
def _join_lines(text: Bytes, start: int, n_bytes: int) -> None:
    """text[start : start + n_bytes] becomes the next `n_bytes` of some lines without their ends."""
    write, read = start, start
    while write < start + n_bytes:
        byte = text[read]
        is_end = byte == _NEWLINE or (byte == _RETURN and text[read + 1] == _NEWLINE)
        if not is_end:
            text[write] = byte
            write += 1
        read += 1


@inner_kernel
def find_record(text: Bytes, s: Any) -> int:
    """The record at `s.at`: OK, INCOMPLETE, or what is wrong with `s.wrong_line` of it."""
    status = _find_four_lines(text, s.at, s)
    return _find_wrapped(text, s) if status == OTHER_LINES else status


@kernel
def find_first_record(text: Bytes, states: States) -> int:
    """Where the first record that starts behind the first line end begins.

    -1 where more text is needed to tell, `filled` where the text is at its end and has none. Only
    records of four lines are found. A line of quality that starts with `@` is no title: two lines
    on is a sequence, which never starts with `+`.
    """
    s = states[0]
    at = line_end(text, 0, s.filled) + 1
    if at == 0:
        return s.filled if s.is_at_end else -1
    while at < s.filled:
        status = _find_four_lines(text, at, s)
        if status == OK:
            return at
        if status == INCOMPLETE and not s.is_at_end:
            return -1
        at = line_end(text, at, s.filled) + 1
        if at == 0:
            break
    return s.filled if s.is_at_end else -1
