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
from core.genotypes.bgzf import MAX_BLOCK_BYTES, damaged, find_block, truncated
from core.genotypes.inflate import as_input, fastest_inflater
from core.genotypes.text import CHUNK_BYTES, TAIL_BYTES, Compression, Piece, read_text
from core.genotypes.vcf_progress import FAR, Input
from core.storage.byte_ranges import ByteRanges

_NO_ENGINE = np.zeros(1, np.int64)

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

    `start` need be no piece's start. `skip` is the rest of the header in the first shard, whose
    first line is a record; None in the others, which begin somewhere within a line.
    """

    source: ByteRanges
    compression: Compression
    start: int
    stop: int
    skip: int | None

    def first_piece(self) -> int:
        """Where the first BGZF block or range at or after `start` begins; no block: the size."""
        if self.compression is Compression.BGZIP:
            return find_block(self.source, self.start)
        return self.start

    def pieces(self, start: int) -> Iterator[Piece]:
        """The text from a piece's start to the end of the object."""
        return read_text(self.source, self.compression, start, self.stop)

    def pieces_before(self, stop: int) -> Iterator[Piece]:
        """The file's text before the piece that starts at `stop`."""
        if stop > 0:
            for piece in read_text(self.source, self.compression, 0, stop):
                if piece.offset >= stop:
                    return
                yield piece


class ShardInput(Protocol):
    """`next_input` gives what follows on the bytes that were taken, and says so in `progress`."""

    def next_input(self, progress: Any) -> Input: ...


def open_input(text_range: TextRange, first_piece: int) -> ShardInput:
    """Compressed blocks where an engine can inflate them in the loop; otherwise text."""
    if text_range.compression is Compression.BGZIP and inflate.working_engines():
        return _BlockInput(text_range, first_piece)
    return _TextInput(text_range.pieces(first_piece), text_range.stop)


class _BlockInput:
    def __init__(self, text_range: TextRange, first_piece: int) -> None:
        self._range = text_range
        self._offset = first_piece
        self._data = b""
        self._inflater: inflate.Inflater | None = None

    def next_input(self, progress: Any) -> Input:
        taken = int(progress.input_at)
        self._offset += taken
        rest = self._data[taken:]
        end = self._offset + len(rest)
        more = self._read(end)
        if not more and end < self._range.source.size_bytes:
            raise truncated(self._range.source, self._offset)
        self._data = rest + more
        data = as_input(self._data)
        if self._inflater is None:
            self._inflater = fastest_inflater(data)
        assert self._inflater is not None  # open_input has seen an engine
        progress.input_at = 0
        progress.input_offset = self._offset
        progress.is_last = self._offset + len(data) >= self._range.source.size_bytes
        return Input(data, self._inflater.words)

    def _read(self, start: int) -> bytes:
        ahead = min(CHUNK_BYTES, self._range.stop - start) if start < self._range.stop else 0
        return self._range.source.read(start, start + max(ahead, TAIL_BYTES, MAX_BLOCK_BYTES))


class _TextInput:
    def __init__(self, pieces: Iterator[Piece], stop: int) -> None:
        self._pieces = pieces
        self._stop = stop
        self._n_bytes = 0

    def next_input(self, progress: Any) -> Input:
        piece = next(self._pieces, None)
        progress.input_at = 0
        progress.is_last = piece is None
        if piece is None:
            return Input(as_input(b""), _NO_ENGINE)
        if progress.end == FAR and piece.offset >= self._stop:
            progress.end = self._n_bytes
        self._n_bytes += len(piece.text)
        return Input(as_input(piece.text), _NO_ENGINE)


def input_error(text_range: TextRange, offset: int, problem: int) -> GenotypeFileError:
    """For a block at byte `offset` of which `inflate` gave the code `problem`."""
    if problem == inflate.INCOMPLETE:
        return truncated(text_range.source, offset)
    return damaged(text_range.source, offset, _BLOCK_PROBLEMS[problem])
