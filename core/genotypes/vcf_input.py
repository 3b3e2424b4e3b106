"""What a shard's scan is fed: BGZF blocks as they are stored, or text.

Text that begins before the shard's end is read in large ranges; behind it, where only the rest of a
group is needed, in small ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from core.errors import GenotypeFileError
from core.genotypes import inflate
from core.genotypes.bgzf import damaged, find_block, truncated
from core.genotypes.inflate import as_input, fastest_engine
from core.genotypes.text import CHUNK_BYTES, TAIL_BYTES, Compression, Piece, read_text
from core.genotypes.vcf_kernels import Bytes
from core.genotypes.vcf_progress import FAR, Input
from core.storage.byte_ranges import ByteRanges

_SOUGHT_TAIL_BYTES = 16 << 10
NO_ENGINE = np.zeros(1, np.int64)
"""Beside an input that is text."""

_BLOCK_PROBLEMS = {
    inflate.NO_BLOCK: "no BGZF block starts here",
    inflate.TOO_LONG: "the block claims more than 64 KiB of text",
    inflate.NOT_INFLATED: "the block does not inflate (its deflate stream is broken)",
    inflate.WRONG_LENGTH: "the block's text is not as long as it says",
    inflate.WRONG_CRC: "the block does not inflate (its CRC-32 is another)",
}


@dataclass(frozen=True, slots=True)
class TextRange:
    """Where a shard's text is: bytes `start` to `stop` of the object, records behind `skip` bytes.

    skip        the rest of the header in the first shard, whose first line is a record; None in
                the others, which begin somewhere within a line
    is_sought   `start` is known to be a block's start, and little behind `stop` is needed
    owns_first  the group of the first line that starts in the range is its own, too (seeking.Part)
    """

    source: ByteRanges
    compression: Compression
    start: int
    stop: int
    skip: int | None
    is_sought: bool = False
    owns_first: bool = False

    @property
    def tail_bytes(self) -> int:
        return _SOUGHT_TAIL_BYTES if self.is_sought else TAIL_BYTES

    def first_piece(self) -> int:
        """Where the first BGZF block or range at or after `start` begins; no block: the size."""
        if self.compression is Compression.BGZIP and not self.is_sought:
            return find_block(self.source, self.start)
        return self.start

    def is_empty(self, first_piece: int) -> bool:
        """Whether one BGZF block spans the whole range, so that no line starts in it."""
        return first_piece >= self.stop and self.skip is None and not self.owns_first

    def pieces(self, start: int) -> Iterator[Piece]:
        """The text from a piece's start to the end of the object."""
        return read_text(self.source, self.compression, start, self.stop)

    def open_input(self) -> "ShardInput":
        """What gives the range's text to a scan, which goes on to other ranges of the file."""
        return open_input(self.compression)

    def line_number(self, first_piece: int, offset: int) -> int:
        """The absolute number, from 1, of the line at an offset of the text that begins with a
        piece."""
        n_newlines = self.n_lines_before(first_piece)
        for piece in self.pieces(first_piece):
            if offset <= 0:
                break
            n_newlines += piece.text[:offset].count(b"\n")
            offset -= len(piece.text)
        return n_newlines + 1

    def n_lines_before(self, piece: int) -> int:
        """Line ends before a piece."""
        return sum(before.text.count(b"\n") for before in self.pieces_before(piece))

    def pieces_before(self, stop: int) -> Iterator[Piece]:
        """The file's text before the piece that starts at `stop`."""
        if stop > 0:
            for piece in read_text(self.source, self.compression, 0, stop):
                if piece.offset >= stop:
                    return
                yield piece


class ShardInput(Protocol):
    """`next_input` gives what follows on the bytes that were taken, and says so in `progress`."""

    def begin(self, text_range: TextRange, first_piece: int, offset: int) -> None:
        """Goes to a range of the file, whose text begins at an offset of what the scan reads."""
        ...

    def next_input(self, progress: Any) -> Input: ...


def open_input(compression: Compression) -> ShardInput:
    """Compressed blocks where an engine can inflate them in the loop; otherwise text."""
    if compression is Compression.BGZIP and inflate.working_engines():
        return _BlockInput()
    return _TextInput()


class _BlockInput:
    _range: TextRange

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)
        self._inflater: inflate.Inflater | None = None

    def begin(self, text_range: TextRange, first_piece: int, offset: int) -> None:
        self._range = text_range
        self._offset = first_piece
        self._n_bytes = 0
        self._tail_bytes = text_range.tail_bytes

    def next_input(self, progress: Any) -> Input:
        taken = int(progress.input_at)
        self._offset += taken
        end = self._offset + self._n_bytes - taken
        more = self._read(end)
        if not more and end < self._range.source.size_bytes:
            raise truncated(self._range.source, self._offset)
        data = self._joined(taken, more)
        if self._inflater is None:
            self._inflater = inflate.ENGINES[_engine_for(self._range, data)]()
        progress.input_at = 0
        progress.input_offset = self._offset
        progress.is_last = self._offset + len(data) >= self._range.source.size_bytes
        return Input(data, self._inflater.words)

    def _joined(self, taken: int, more: bytes) -> Bytes:
        """What was not taken and what comes next, in memory that is used again."""
        kept = self._n_bytes - taken
        memory, self._n_bytes = self._memory, kept + len(more)
        if self._n_bytes > len(memory):
            self._memory = np.empty(self._n_bytes, np.uint8)
        self._memory[:kept] = memory[taken : taken + kept]
        self._memory[kept : self._n_bytes] = np.frombuffer(more, np.uint8)
        return as_input(self._memory[: self._n_bytes])

    def _read(self, start: int) -> bytes:
        ahead = min(CHUNK_BYTES, max(self._range.stop - start, 0))
        n_bytes = max(ahead, self._tail_bytes)
        if self._range.is_sought:  # all in one read, where a little behind the end is enough
            n_bytes = ahead + self._tail_bytes
            self._tail_bytes = min(2 * self._tail_bytes, TAIL_BYTES)
        return self._range.source.read(start, start + n_bytes)


_engine_of_file: dict[str, str] = {}
"""Of the files that this process reads, which engine was the fastest; a hint, so never stale."""

_MOST_FILES = 1024


def _engine_for(text_range: TextRange, data: Bytes) -> str:
    """Found out once per file; for parts of one that would take longer than to read them."""
    uri = text_range.source.uri
    if uri not in _engine_of_file:
        if text_range.is_sought:
            return inflate.working_engines()[0]
        if len(_engine_of_file) >= _MOST_FILES:
            _engine_of_file.clear()
        _engine_of_file[uri] = fastest_engine(data)
    return _engine_of_file[uri]


class _TextInput:
    def begin(self, text_range: TextRange, first_piece: int, offset: int) -> None:
        self._pieces = text_range.pieces(first_piece)
        self._stop = text_range.stop
        self._offset = offset

    def next_input(self, progress: Any) -> Input:
        piece = next(self._pieces, None)
        progress.input_at = 0
        progress.is_last = piece is None
        if piece is None:
            return Input(as_input(b""), NO_ENGINE)
        if progress.end == FAR and piece.offset >= self._stop:
            progress.end = self._offset
        self._offset += len(piece.text)
        return Input(as_input(piece.text), NO_ENGINE)


def input_error(text_range: TextRange, offset: int, problem: int) -> GenotypeFileError:
    """For a block at byte `offset` of which `inflate` gave the code `problem`."""
    if problem == inflate.INCOMPLETE:
        return truncated(text_range.source, offset)
    return damaged(text_range.source, offset, _BLOCK_PROBLEMS[problem])
