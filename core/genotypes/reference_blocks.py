"""gVCF: what a shard's scan is fed where reference blocks answer for the positions inside them.

GATK, DeepVariant, bcftools and Illumina's callers write one line for a run of positions that look
like REF: no ALT but `<NON_REF>`, `<*>` or ".", the last position in INFO END. The lines that answer
wanted positions are written out by `reference_block_kernels` and read by `vcf_scan` like any other.

A call of such a line counts where every allele is 0, neither DP nor MIN_DP is 0, and GQ (else RGQ,
where FORMAT has one of them) is at least `Wanted.min_reference_gq`; it is a missing call otherwise.
Nothing is sought by an index: a block may begin long before the position that it answers.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import GenotypeFileError
from core.genotypes.inflate import as_input
from core.genotypes.reference_block_kernels import (
    BAD_END,
    EXPANSION,
    NEED_ROOM,
    NEED_TEXT,
    expand_lines,
)
from core.genotypes.simd import PADDING
from core.genotypes.vcf_input import NO_ENGINE, ShardInput, TextRange
from core.genotypes.vcf_kernels import N_LINE_COLUMNS, Ints
from core.genotypes.vcf_problems import Line, Problem, bad_contig, bad_line, text_too_long
from core.genotypes.vcf_progress import DONE, FAR, NEED_CONTIG, Input
from core.genotypes.vcf_shard import contig_name, read_only
from core.genotypes.vcf_wanted import NO_POSITIONS, Wanted

MAX_LINE_BYTES = 1 << 30
_PIECES_BYTES = 1 << 20
_OUT_BYTES = 1 << 20
_LEAST_LINE_BYTES = 16


def answers_from_blocks(wanted: Wanted) -> bool:
    """Whether a reader of a gVCF has to look into its blocks."""
    return wanted.min_reference_gq is not None and bool(wanted.positions)


def is_block(columns: Sequence[bytes]) -> bool:
    """Whether the first eight columns of a line are those of a reference line that only a gVCF
    has."""
    if len(columns) < 8:
        return False
    alt, info = columns[4], columns[7]
    return alt in (b"<NON_REF>", b"<*>") or (alt == b"." and b"END=" in info)


@dataclass(frozen=True, slots=True)
class ReferenceBlockRange(TextRange):
    """The lines that answer wanted positions, as text whose first line is a record.

    own              the range of the file's text
    contig_lengths   that the header states, by name as written
    contig_records   canonical name -> records that the range owns, complete once it is read
    """

    own: TextRange = field(kw_only=True)
    wanted: Wanted = field(kw_only=True)
    contig_lengths: Mapping[str, int | None] = field(kw_only=True)
    contig_records: dict[str, int] = field(kw_only=True, default_factory=dict[str, int])
    _marks: list[Ints] = field(kw_only=True, default_factory=list[Ints])

    @classmethod
    def of(
        cls, own: TextRange, wanted: Wanted, contig_lengths: Mapping[str, int | None]
    ) -> "ReferenceBlockRange":
        return cls(
            *(own.source, own.compression, own.start, own.stop),
            skip=0,
            own=own,
            wanted=wanted,
            contig_lengths=contig_lengths,
        )

    def first_piece(self) -> int:
        return self.own.first_piece()

    def is_empty(self, first_piece: int) -> bool:
        return self.own.is_empty(first_piece)

    def open_input(self) -> ShardInput:
        return _AnsweringLines(self._marks, self.contig_records)

    def line_number(self, first_piece: int, offset: int) -> int:
        """Of the line that the line at `offset` of the text was made of."""
        marks = np.concatenate([*self._marks, np.zeros((0, 2), np.int64)])
        before = marks[bisect_right(marks[:, 0].tolist(), offset) - 1, 1] if len(marks) else 0
        return self.own.n_lines_before(first_piece) + int(before) + 1


class _AnsweringLines:
    """A ShardInput. `marks` and `contig_records` are those of its range."""

    _range: ReferenceBlockRange

    def __init__(self, marks: list[Ints], contig_records: dict[str, int]) -> None:
        self._marks = marks
        self._contig_records = contig_records
        self._numbers: dict[str, int] = {}
        self._text = np.zeros(_PIECES_BYTES + PADDING + 1, np.uint8)
        self._columns = np.zeros((1, N_LINE_COLUMNS), np.int64)
        self._enlarge_out(_OUT_BYTES)

    def begin(self, text_range: TextRange, first_piece: int, offset: int) -> None:
        assert isinstance(text_range, ReferenceBlockRange)  # which opens this input
        self._range, self._first_piece = text_range, first_piece
        self._pieces = text_range.own.pieces(first_piece)
        self._n_out_before = 0
        self._state = np.zeros(1, EXPANSION)
        self._s: Any = self._state.view(np.recarray)[0]
        self._s.end, self._s.next_wanted, self._s.name_bytes = FAR, -1, -1
        self._s.skip = text_range.own.skip or 0
        self._s.skips_line = text_range.own.skip is None
        self._s.is_dropping = text_range.own.skip is None
        self._name, self._positions = np.empty(0, np.uint8), read_only(NO_POSITIONS)
        self._is_done = False

    def next_input(self, progress: Any) -> Input:
        """The next lines that answer; none are left where the last is empty."""
        progress.input_at = 0
        while not self._is_done and self._s.n_out < _OUT_BYTES // 2:
            if not self._expand():
                break
        lines = self._out[: self._s.n_out].copy()
        self._keep_marks()
        self._s.n_out = self._s.n_out_lines = 0
        progress.is_last = self._is_done and not len(lines)
        return Input(as_input(lines), NO_ENGINE)

    def _expand(self) -> bool:
        """Whether the loop can go on before what is out was taken."""
        s = self._s
        status = expand_lines(
            self._text,
            self._columns,
            self._name,
            self._positions,
            float(self._range.wanted.min_reference_gq or 0.0),
            self._out,
            self._out_marks,
            self._state,
        )
        if status == NEED_TEXT:
            self._read_on()
        elif status == NEED_CONTIG:
            self._enter_contig()
        elif status == NEED_ROOM:
            if s.n_out > 0:
                return False
            self._enlarge_out(int(s.needed))
        elif status == DONE:
            self._count_contig()
            self._is_done = True
        else:
            raise self._error(_bad_line(status, self._line()))
        return True

    def _keep_marks(self) -> None:
        """Of each line that is out, by its offset in what has come out."""
        marks = self._out_marks[: self._s.n_out_lines].copy()
        marks[:, 0] += self._n_out_before
        self._n_out_before += int(self._s.n_out)
        self._marks.append(marks)

    def _read_on(self) -> None:
        """Drop what was looked at; append text."""
        s = self._s
        kept = self._text[s.at : s.filled].copy()
        s.offset += s.at
        pieces = list(self._more_text(len(kept)))
        if not pieces:
            s.is_at_end = 1
            pieces = [b"\n"]  # the last line may have no end
        n_bytes = len(kept) + sum(map(len, pieces))
        if n_bytes > MAX_LINE_BYTES:
            raise text_too_long(self._range, self._number(), MAX_LINE_BYTES)
        if n_bytes + PADDING + 1 > len(self._text):
            self._text = np.zeros(2 * n_bytes + PADDING + 1, np.uint8)
        self._text[:n_bytes] = np.frombuffer(b"".join([kept.tobytes(), *pieces]), np.uint8)
        s.at, s.filled = 0, n_bytes

    def _more_text(self, n_kept: int) -> Iterator[bytes]:
        """Pieces of about a window, one at a time behind the range's end."""
        n_bytes = 0
        while n_bytes < _PIECES_BYTES and (piece := next(self._pieces, None)) is not None:
            if self._s.end == FAR and piece.offset >= self._range.own.stop:
                self._s.end = self._s.offset + n_kept + n_bytes
            n_bytes += len(piece.text)
            yield piece.text
            if self._s.end != FAR:
                return

    def _enter_contig(self) -> None:
        self._count_contig()
        line, s = self._line(), self._s
        written = line.contig()
        name = contig_name(written, self._range.contig_lengths)
        if name is None:
            raise self._error(bad_contig(line))
        s.contig = self._numbers.setdefault(name, len(self._numbers))
        s.name_bytes, s.wanted_at = len(written), 0
        self._name = np.frombuffer(bytearray(written), np.uint8)
        positions = self._range.wanted.positions.get(name, NO_POSITIONS)
        self._positions = read_only(np.ascontiguousarray(positions, np.int64))

    def _count_contig(self) -> None:
        if self._s.n_contig_records:
            name = list(self._numbers)[self._s.contig]
            before = self._contig_records.get(name, 0)
            self._contig_records[name] = before + int(self._s.n_contig_records)
            self._s.n_contig_records = 0

    def _enlarge_out(self, n_bytes: int) -> None:
        self._out = np.empty(n_bytes, np.uint8)
        self._out_marks = np.empty((n_bytes // _LEAST_LINE_BYTES + 1, 2), np.int64)

    def _line(self) -> Line:
        return Line(self._text, self._columns[0])

    def _number(self) -> int:
        before = self._range.own.n_lines_before(self._first_piece)
        return before + int(self._s.n_lines) + 1

    def _error(self, problem: Problem) -> GenotypeFileError:
        return problem.at_line(self._range.source.uri, self._number())


def _bad_line(status: int, line: Line) -> Problem:
    if status == BAD_END:
        return Problem(
            "INFO END",
            "INFO END is no position at or behind POS.",
            "Write the last position of the reference block.",
        )
    return bad_line(status, line, 0)
