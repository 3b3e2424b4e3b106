"""The lines that one shard of a VCF owns, a window of text at a time.

A position group, a maximal run of lines of one (CHROM, POS), belongs to one shard and never
straddles two windows. With L(i) the first line that starts behind the first byte of shard i, shard
i owns the groups that start in (L(i), L(i+1)], and shard 0 the one at L(0) as well:

    shard i      |..rest of a line. L(i) same group |first group ..... |group with L(i+1)...|
    shard i+1                                       .        |..rest. L(i+1) same group ....|first..

so shard i drops lines until the key changes and reads on past its end until the key changes behind
L(i+1). Every byte range gives the same groups, however the file is cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from core.errors import GenotypeFileError, Where
from core.genome_build import canonical_contig
from core.genotypes.simd import PADDING
from core.genotypes.text import Compression, Piece, first_piece_at, read_text
from core.genotypes.vcf_kernels import (
    BAD_POSITION,
    FIRST_TAB,
    LINE_END,
    LINE_START,
    MIN_LINE_BYTES,
    N_LINE_COLUMNS,
    NINTH_TAB,
    Ints,
    Text,
    count_newlines,
    end_of_lines,
    find_newline,
    index_lines,
)
from core.storage.byte_ranges import ByteRanges

WINDOW_BYTES = 8 << 20
"""Text of a window, unless one group is longer."""

MAX_GROUP_BYTES = 1 << 30
"""A line, or the lines of one position, may not be longer."""

_FIRST_TAIL_BYTES = 64 << 10
_PIECE_BYTES = 1 << 20
_SHOWN_BYTES = 40

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TextRange:
    """Where a shard's text is: bytes `start` to `stop` of the object, records behind `skip` bytes.

    `start` need be no piece's start. `skip` is the rest of the header in the first shard, whose
    first line is a record; None in the others, which begin somewhere within a line.
    """

    source: ByteRanges
    compression: Compression
    start: int
    stop: int
    skip: int | None


@dataclass(frozen=True, slots=True)
class LineWindow:
    """Whole position groups; valid until the next window is read, which reuses the memory.

    text            (n,) uint8; simd.PADDING bytes or more stand behind the last line
    lines           (m, 11) int64, as vcf_kernels.index_lines makes them
    positions       (m,) int64 POS
    contigs         (m,) int32, index into `contig_names`
    contig_names    canonical
    is_group_start  (m,) bool, True at 0
    offset          of text[0] in the shard's text
    """

    text: Text
    lines: Ints
    positions: Ints
    contigs: npt.NDArray[np.int32]
    contig_names: Sequence[str]
    is_group_start: Bools
    offset: int

    def __len__(self) -> int:
        return len(self.lines)

    def part(self, lines: slice | Bools) -> "LineWindow":
        """Some of the lines, whole groups."""
        return replace(
            self,
            lines=self.lines[lines],
            positions=self.positions[lines],
            contigs=self.contigs[lines],
            is_group_start=self.is_group_start[lines],
        )

    def groups_with(self, is_wanted: Bools) -> "LineWindow":
        """The groups that hold a wanted line."""
        group = np.cumsum(self.is_group_start) - 1
        is_wanted_group = np.zeros(len(self), np.bool_)
        is_wanted_group[group[is_wanted]] = True
        return self.part(is_wanted_group[group])

    def contig_runs(self) -> Iterator[tuple[str, slice]]:
        """Every run of lines on one contig."""
        changes = np.flatnonzero(self.contigs[1:] != self.contigs[:-1]) + 1
        bounds = [0, *changes.tolist(), len(self)]
        for start, stop in pairwise(bounds):
            yield self.contig_names[int(self.contigs[start])], slice(start, stop)

    def column(self, line: int, tab: int) -> str:
        """What stands behind a tab, for a message."""
        return self._shown(int(self.lines[line, tab]) + 1, int(self.lines[line, tab + 1]))

    def sample_column(self, line: int, sample: int) -> str:
        """A sample's column, for a message."""
        at, end = int(self.lines[line, NINTH_TAB]) + 1, int(self.lines[line, LINE_END])
        tabs = np.flatnonzero(self.text[at:end] == ord("\t")) + at
        starts = np.append(at, tabs + 1)
        return self._shown(int(starts[sample]), int(np.append(tabs, end)[sample]))

    def _shown(self, start: int, end: int) -> str:
        shown = bytes(self.text[start : min(end, start + _SHOWN_BYTES)]).decode("utf-8", "replace")
        return shown if end - start <= _SHOWN_BYTES else f"{shown}…"


class _Buffer:
    """A piece of the shard's text that grows at its end and is dropped at its beginning."""

    def __init__(self, n_bytes: int) -> None:
        self._memory = np.empty(n_bytes + _PIECE_BYTES, np.uint8)
        self.n_bytes = 0
        self.offset = 0

    @property
    def text(self) -> Text:
        return self._memory[: self.n_bytes]

    @property
    def padded_text(self) -> Text:
        return self._memory[: self.n_bytes + PADDING]

    def append(self, piece: bytes) -> None:
        end = self.n_bytes + len(piece)
        if end + PADDING > len(self._memory):
            grown = np.empty(max(end + PADDING, 2 * len(self._memory)), np.uint8)
            grown[: self.n_bytes] = self.text
            self._memory = grown
        self._memory.data[self.n_bytes : end] = piece
        self.n_bytes = end

    def drop(self, n_bytes: int) -> None:
        rest = self.n_bytes - n_bytes
        self._memory[:rest] = self._memory[n_bytes : self.n_bytes]
        self.n_bytes = rest
        self.offset += n_bytes


class ShardLines:
    """Iterate once over the windows of a shard."""

    def __init__(
        self,
        text_range: TextRange,
        *,
        window_bytes: int = WINDOW_BYTES,
        max_group_bytes: int = MAX_GROUP_BYTES,
    ) -> None:
        self._range = text_range
        self._window_bytes = window_bytes
        self._max_group_bytes = max_group_bytes
        self._first_piece = first_piece_at(
            text_range.source, text_range.compression, text_range.start
        )
        self._buffer = _Buffer(window_bytes)
        self._end: int | None = None  # where the next shard's text begins, once it is seen
        self._is_at_end = False  # of the file
        self._contig_codes: dict[bytes, int] = {}
        self._canonical_codes: dict[str, int] = {}
        self._contig_names: list[str] = []
        self._dropped_key: tuple[int, int] | None = None
        self._is_dropping = text_range.skip is None

    def __iter__(self) -> Iterator[LineWindow]:
        if self._first_piece >= self._range.stop and self._range.skip is None:
            return  # one block spans the whole range
        self._pieces = self._read()
        target, tail = self._window_bytes, _FIRST_TAIL_BYTES
        if not self._skip_to_first_line():
            return
        while True:
            self._fill(target, tail)
            window, used, is_last = self._cut()
            if window is not None:
                yield window
            if is_last:
                return
            self._buffer.drop(used)
            target, tail = self._window_bytes, _FIRST_TAIL_BYTES if used else 2 * tail
            if used == 0:
                self._check_size()
                target = max(target, 2 * self._buffer.n_bytes)

    def error(
        self, window: LineWindow, line: int, field: str, what: str, fix: str
    ) -> GenotypeFileError:
        """An error at a line of the window; only now are the file's lines counted."""
        number = self._line_number(window.offset + int(window.lines[line, LINE_START]))
        where = Where(self._range.source.uri, number, field)
        return GenotypeFileError(what, where=where, fix=fix)

    def _read(self) -> Iterator[Piece]:
        return read_text(
            self._range.source, self._range.compression, self._first_piece, self._range.stop
        )

    def _append_piece(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            self._is_at_end = True
            return
        if self._end is None and piece.offset >= self._range.stop:
            self._end = self._buffer.offset + self._buffer.n_bytes
        self._buffer.append(piece.text)

    def _fill(self, target: int, tail: int) -> None:
        """Up to `target` bytes of text, of them `tail` behind the shard's end."""
        while not self._is_at_end and self._buffer.n_bytes < target:
            have = self._buffer.offset + self._buffer.n_bytes
            if self._end is not None and have >= max(self._end, self._buffer.offset) + tail:
                return
            self._append_piece()
        if self._is_at_end and self._buffer.n_bytes and self._buffer.text[-1] != ord("\n"):
            self._buffer.append(b"\n")

    def _skip_to_first_line(self) -> bool:
        """Drop the header's rest or the previous shard's; False where no line starts here."""
        n_bytes = self._range.skip
        while not self._is_at_end:
            if self._end is not None and n_bytes is None:
                return False  # one line spans the whole range
            self._append_piece()
            if n_bytes is not None:
                dropped = min(n_bytes, self._buffer.n_bytes)
                n_bytes -= dropped
                self._buffer.drop(dropped)
                if n_bytes == 0:
                    return True
                continue
            newline = find_newline(self._buffer.text, 0, self._buffer.n_bytes)
            if newline < self._buffer.n_bytes:
                self._buffer.drop(newline + 1)
                return True
            self._buffer.drop(newline)
        return False

    def _cut(self) -> tuple[LineWindow | None, int, bool]:
        """(the owned groups that are complete, bytes of the buffer that are done with, is last).

        No window where a group is still incomplete.
        """
        window = self._index()
        n, used = len(window), end_of_lines(self._buffer.text)
        first = self._first_owned(window)
        starts = window.offset + window.lines[:, LINE_START]
        next_line = n if self._end is None else int(np.searchsorted(starts, self._end, "right"))
        if next_line < first:
            return None, used, True
        is_last, stop = self._is_at_end, n
        later = np.flatnonzero(window.is_group_start[next_line + 1 :])
        if next_line < n and len(later):
            is_last, stop = True, next_line + 1 + int(later[0])
        elif not is_last and first < n:
            stop = int(np.flatnonzero(window.is_group_start)[-1])
        if stop < n:
            used = int(window.lines[stop, LINE_START])
        return window.part(slice(first, stop)) if first < stop else None, used, is_last

    def _index(self) -> LineWindow:
        text = self._buffer.text[: end_of_lines(self._buffer.text)]
        n = min(count_newlines(text), len(text) // MIN_LINE_BYTES + 1)
        lines = np.empty((n, N_LINE_COLUMNS), np.int64)
        positions, same_contig = np.empty(n, np.int64), np.empty(n, np.bool_)
        n = index_lines(text, lines, positions, same_contig)
        lines, positions, same_contig = lines[:n], positions[:n], same_contig[:n]
        contigs = self._contig_runs(text, lines, same_contig)
        is_group_start = np.ones(n, np.bool_)
        is_group_start[1:] = (contigs[1:] != contigs[:-1]) | (positions[1:] != positions[:-1])
        window = LineWindow(
            self._buffer.padded_text,
            lines,
            positions,
            contigs,
            self._contig_names,
            is_group_start,
            self._buffer.offset,
        )
        self._check_lines(window)
        return window

    def _contig_runs(self, text: Text, lines: Ints, same: Bools) -> npt.NDArray[np.int32]:
        """(n,) codes; a name is looked up where it changes."""
        runs = np.flatnonzero(~same)
        codes = np.empty(len(runs), np.int32)
        for i, line in enumerate(runs):
            codes[i] = self._contig_code(
                bytes(text[lines[line, LINE_START] : lines[line, FIRST_TAB]])
            )
        lengths = np.diff(np.append(runs, len(lines)))
        return np.repeat(codes, lengths)

    def _contig_code(self, name: bytes) -> int:
        """An index into the canonical names; -1 for a name that is none."""
        code = self._contig_codes.get(name)
        if code is None:
            canonical = _contig_name(name)
            if canonical is None:
                return -1
            code = self._canonical_codes.setdefault(canonical, len(self._contig_names))
            if code == len(self._contig_names):
                self._contig_names.append(canonical)
            self._contig_codes[name] = code
        return code

    def _check_lines(self, window: LineWindow) -> None:
        problems = np.flatnonzero((window.positions < 0) | (window.contigs < 0))
        if not len(problems):
            return
        line = int(problems[0])
        if window.contigs[line] < 0:
            raise self._bad_contig(window, line)
        if window.positions[line] != BAD_POSITION:
            raise self.error(
                window,
                line,
                "columns",
                "the line has fewer than ten columns, separated by tabs.",
                "The file is damaged or was cut; write it again.",
            )
        raise self.error(
            window,
            line,
            "POS",
            f"POS {window.column(line, FIRST_TAB)!r} is no integer of 0 to 2147483647.",
            "Write the 1-based position.",
        )

    def _bad_contig(self, window: LineWindow, line: int) -> GenotypeFileError:
        if window.text[window.lines[line, LINE_START]] == ord("#"):
            return self.error(
                window,
                line,
                "CHROM",
                "a header line stands among the records.",
                "Join VCFs with bcftools concat, which keeps one header.",
            )
        return self.error(
            window, line, "CHROM", "CHROM is empty or not UTF-8.", "Write the contig's name."
        )

    def _first_owned(self, window: LineWindow) -> int:
        """The first line behind the group that an earlier shard owns; the length if none is."""
        if not self._is_dropping or not len(window):
            return 0
        key = self._dropped_key or (int(window.contigs[0]), int(window.positions[0]))
        is_dropped = (window.contigs == key[0]) & (window.positions == key[1])
        self._dropped_key = key
        self._is_dropping = bool(is_dropped.all())
        return len(window) if self._is_dropping else int(np.argmin(is_dropped))

    def _check_size(self) -> None:
        if self._buffer.n_bytes >= self._max_group_bytes:
            number = self._line_number(self._buffer.offset)
            raise GenotypeFileError(
                f"the lines of one position are longer than {self._max_group_bytes >> 20} MiB.",
                where=Where(self._range.source.uri, number),
                fix="The file is damaged, or its samples need to be split into several files.",
            )

    def _line_number(self, offset: int) -> int:
        """The absolute number, from 1, of the line at an offset of the shard's text."""
        start, n_newlines = self._first_piece, 0
        if start > 0:
            before = _read_from_start(self._range, start)
            n_newlines += sum(piece.text.count(b"\n") for piece in before)
        for piece in self._read():
            if offset <= 0:
                break
            n_newlines += piece.text[:offset].count(b"\n")
            offset -= len(piece.text)
        return n_newlines + 1


def _read_from_start(text_range: TextRange, stop: int) -> Iterator[Piece]:
    for piece in read_text(text_range.source, text_range.compression, 0, stop):
        if piece.offset >= stop:
            return
        yield piece


def _contig_name(name: bytes) -> str | None:
    if not name or name.startswith(b"#"):
        return None
    try:
        return canonical_contig(name.decode("utf-8"))
    except UnicodeDecodeError:
        return None
