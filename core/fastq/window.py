"""The window of a shard's text that kernels look at, and what is said of a record in it."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np

from core.errors import FastqFileError, Where
from core.fastq import count_kernels, record_kernels
from core.fastq.files import START, FastqShard, Place
from core.fastq.record_kernels import FAR, STATE, find_first_record
from core.fastq.text import fastq_text
from core.genotypes.simd import LANES
from core.genotypes.text import Compression, Piece
from core.storage.byte_ranges import ByteRanges

MAX_RECORD_BYTES = 64 << 20
"""The longest reads of nanopores have some 4 million bases."""

_WINDOW_BYTES = 1 << 20
_PADDING = 2 * LANES


class RecordWindow:
    """The text that kernels look at: what is done with leaves, what comes next is appended.

    `_marks`: where in the window pieces begin, increasing, maybe before it; `_offsets`: of these
    pieces in the object.
    """

    def __init__(self, shard: FastqShard, source: ByteRanges, first: int) -> None:
        self._shard = shard
        self._is_empty = first >= shard.stop
        self._pieces: Iterator[Piece] = iter(())
        if not self._is_empty:
            self._pieces = fastq_text(source, shard.file.compression, first, shard.stop)
        self._rest = memoryview(b"")
        self._marks: list[int] = []
        self._offsets: list[int] = []
        self.text = np.zeros(_WINDOW_BYTES + _PADDING, np.uint8)
        self.states = np.zeros(1, STATE)
        self.state: Any = self.states.view(np.recarray)[0]
        self.state.stop = FAR

    def begin(self) -> Place | None:
        """Goes to the shard's first record."""
        if self._is_empty:
            return None
        if self._shard.start == 0:
            return START
        while (at := find_first_record(self.text, self.states)) < 0:
            self.fill()
        self.state.at = at
        return self.place(at)

    def goes_on(self, status: int) -> bool:
        """After a kernel came back with NEED_TEXT or a problem: False where the text is read.

        Raises FastqFileError for the problem.
        """
        if status == count_kernels.NEED_TEXT:
            return self.fill()
        if self.is_blank_to_the_end():
            return False
        raise self.error(status)

    def end(self) -> Place:
        """Of the next shard's first record, once this shard's are read."""
        while self.state.at >= self.state.filled and self.fill():
            pass
        return self.place(int(self.state.at))

    def place(self, at: int) -> Place:
        """Of a record's start behind the first byte of the text: the byte before it is in a piece
        that every shard sees, the next piece may be none's."""
        if self.state.is_at_end and at >= self.state.filled:
            return Place(self._shard.file.size_bytes, 0)
        mark = bisect_left(self._marks, at) - 1
        offset, within = self._offsets[mark], at - self._marks[mark]
        if self._shard.file.compression is Compression.BGZIP:
            return Place(offset, within)
        return Place(offset + within, 0)

    def fill(self) -> bool:
        """Appends as much text as there is room for, at least a byte; whether there was any.

        Raises FastqFileError for a record that is cut off, or too long.
        """
        s = self.state
        if s.is_at_end:
            if s.at < s.filled:
                raise self._cut_off()
            return False
        self._drop(int(s.at))
        if s.filled + 1 >= len(self.text) - _PADDING:
            self._enlarge()
        before = s.filled
        while s.filled < (room := len(self.text) - _PADDING - 1) and self._take_piece():
            n_bytes = min(len(self._rest), room - s.filled)
            self.text[s.filled : s.filled + n_bytes] = np.frombuffer(self._rest[:n_bytes], np.uint8)
            self._rest = self._rest[n_bytes:]
            s.filled += n_bytes
        if s.is_at_end and s.filled > 0 and self.text[s.filled - 1] != ord("\n"):
            self.text[s.filled] = ord("\n")
            s.filled += 1
        return s.filled > before or s.at < s.filled

    def _take_piece(self) -> bool:
        """Has `_rest` hold something, unless the text is at its end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                self.state.is_at_end = 1
                return False
            self._rest = memoryview(piece.text)
            if len(piece.text):
                self._begin_piece(piece.offset)
        return True

    def _begin_piece(self, offset: int) -> None:
        filled = int(self.state.filled)
        self._marks.append(filled)
        self._offsets.append(offset)
        if self.state.stop == FAR and offset >= self._shard.stop:
            self.state.stop = filled

    def _drop(self, n_bytes: int) -> None:
        s = self.state
        if n_bytes == 0:
            return
        left = int(s.filled) - n_bytes
        self.text[:left] = self.text[n_bytes : n_bytes + left].copy()
        s.filled, s.at = left, 0
        if s.stop != FAR:
            s.stop -= n_bytes
        first = max(bisect_left(self._marks, n_bytes) - 1, 0)
        self._marks = [mark - n_bytes for mark in self._marks[first:]]
        self._offsets = self._offsets[first:]

    def _enlarge(self) -> None:
        if len(self.text) > MAX_RECORD_BYTES:
            raise self._error(f"is longer than {MAX_RECORD_BYTES >> 20} MiB", 0)
        larger = np.zeros(2 * len(self.text), np.uint8)
        larger[: self.state.filled] = self.text[: self.state.filled]
        self.text = larger

    def is_blank_to_the_end(self) -> bool:
        """Whether nothing but empty lines is left; what was looked at is gone then."""
        s = self.state
        while not bytes(self.text[s.at : s.filled]).strip(b"\r\n"):
            s.at = s.filled
            if s.is_at_end:
                return True
            self.fill()
        return False

    def error(self, status: int) -> FastqFileError:
        s = self.state
        if status == count_kernels.BAD_BASE:
            return self._error("has a character in its sequence that stands for no base", 1)
        return self._error(_PROBLEMS[status], int(s.wrong_line))

    def _cut_off(self) -> FastqFileError:
        return self._error("is cut off: the file ends within it", 0)

    def _error(self, what: str, line: int) -> FastqFileError:
        s = self.state
        return FastqFileError(
            f"record {int(s.n_reads) + 1} {what}.",
            where=Where(self._shard.file.uri, int(s.n_lines) + line + 1),
            fix="Every record is @title, sequence, +, and a quality character for each base; "
            "copy the file again, or leave the record out.",
        )


_PROBLEMS = {
    record_kernels.NO_TITLE: "does not start with @",
    record_kernels.NO_SEPARATOR: "has no line of + between sequence and quality",
    record_kernels.OTHER_TITLE: "has another title behind its + than behind its @",
    record_kernels.OTHER_LENGTH: "has not as many qualities as bases",
    count_kernels.BAD_QUALITY: "has a quality that is no printable character (! to ~)",
}
