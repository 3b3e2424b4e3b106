"""One shard of a VCF: gives the scan (vcf_scan) what it comes back for, and makes its errors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.errors import GenotypeFileError
from core.genome_build import canonical_contig
from core.genotypes import vcf_blocks, vcf_progress
from core.genotypes.block import DosageBlock
from core.genotypes.block_directory import BlockDirectory
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.simd import PADDING
from core.genotypes.vcf_block_list import listed_directory, new_block_list
from core.genotypes.vcf_blocks import Decoding
from core.genotypes.vcf_calls import (
    HALF_CALL_ERROR,
    HALF_CALL_HAPLOID,
    HALF_CALL_MISSING,
    HALF_CALL_REFERENCE,
)
from core.genotypes.vcf_dosages import FIELD_DS, FIELD_GP, FIELD_HDS
from core.genotypes.vcf_input import TextRange, input_error
from core.genotypes.vcf_kernels import N_LINE_COLUMNS, Ints
from core.genotypes.vcf_problems import (
    Line,
    Problem,
    bad_call,
    bad_contig,
    bad_line,
    group_too_large,
    not_utf8,
    text_too_long,
)
from core.genotypes.vcf_progress import FIELD_GT, LineTable, Selection
from core.genotypes.vcf_scan import scan
from core.genotypes.vcf_sites import new_site_rows
from core.genotypes.vcf_wanted import NO_POSITIONS, Wanted, id_table

WINDOW_BYTES = 1 << 20
"""Text of a window, unless one group is longer."""

MAX_GROUP_BYTES = 1 << 30
"""A line, or the lines of one position, may not be longer."""

_FIRST_LINES = 256
_FIRST_BLOCKS = 256
_STRING_BYTES_OF_ROW = 16

HALF_CALL_CODES = {
    HalfCall.MISSING: HALF_CALL_MISSING,
    HalfCall.HAPLOID: HALF_CALL_HAPLOID,
    HalfCall.REFERENCE: HALF_CALL_REFERENCE,
    HalfCall.ERROR: HALF_CALL_ERROR,
}

_FIELD_CODES = {
    GenotypeField.GT: FIELD_GT,
    GenotypeField.DS: FIELD_DS,
    GenotypeField.HDS: FIELD_HDS,
    GenotypeField.GP: FIELD_GP,
}


_OF_RANGE = (
    *("filled", "at", "scanned", "input_at", "is_at_end"),
    *("has_passed_end", "has_group", "n_ready", "n_lines"),
)
"""What of the progress begins anew with every range, at 0."""


class _BegunRange(NamedTuple):
    """`offset`: where its text begins in that of all ranges, one after the other."""

    text_range: TextRange
    first_piece: int
    offset: int


class ShardScan:
    """Iterate once over the blocks of a shard; then `contig_records` counts what it owns.

    text_ranges  the whole shard, or one or more parts of it that hold what is wanted, in order
    wanted       None decodes every record
    contig_lengths    that the header states, by name as written
    """

    def __init__(
        self,
        text_ranges: Sequence[TextRange],
        decoding: Decoding,
        wanted: Wanted | None,
        *,
        contig_lengths: Mapping[str, int | None],
        window_bytes: int = WINDOW_BYTES,
        max_group_bytes: int = MAX_GROUP_BYTES,
    ) -> None:
        self.contig_records: dict[str, int] = {}
        self._ranges = text_ranges
        self._begun: list[_BegunRange] = []
        self._decoding = decoding
        self._wanted = wanted
        self._max_group_bytes = max_group_bytes
        self._contig_lengths = contig_lengths
        self._contigs: dict[str, int] = {}
        self._text = _new_text(window_bytes)
        self._table = _new_table(_FIRST_LINES)
        ids = id_table(wanted.ids if wanted else frozenset())
        self._selection = Selection(np.empty(0, np.uint8), read_only(NO_POSITIONS), ids)
        self._memory = vcf_blocks.BlockMemory.of_thread(decoding)
        self._rows = vcf_blocks.no_rows(decoding)
        self._input = text_ranges[0].open_input()
        self._sites = new_site_rows(0, 0)
        self._blocks = new_block_list(_FIRST_BLOCKS)
        self._contig_runs: list[str] = []
        self._state = np.zeros(1, vcf_progress.PROGRESS)
        self._progress: Any = self._state.view(np.recarray)[0]
        self._set_out()

    def _set_out(self) -> None:
        p = self._progress
        p.contig, p.name_bytes = -1, -1
        p.half_call = HALF_CALL_CODES[self._decoding.half_call]
        p.field = _FIELD_CODES[self._decoding.field]
        p.row_bytes = self._decoding.row_bytes
        p.max_group_bytes = vcf_blocks.MAX_GROUP_DOSAGE_BYTES

    def __iter__(self) -> Iterator[DosageBlock]:
        for text_range in self._ranges:
            first_piece = text_range.first_piece()
            if not text_range.is_empty(first_piece):
                self._begin(text_range, first_piece)
                yield from self._read()
        yield from self._close_block()
        self._count_contig()

    def directory(self) -> BlockDirectory | None:
        """Of the blocks of the shard, once it is read; None where it is no BGZF."""
        if self._begun and not self._progress.is_listing:
            return None
        return listed_directory(
            self._blocks, self._contig_runs, self.contig_records, self._progress
        )

    def _begin(self, text_range: TextRange, first_piece: int) -> None:
        """Another range's text follows on that of the last; the open block stays open."""
        p = self._progress
        p.offset += p.filled
        self._begun.append(_BegunRange(text_range, first_piece, int(p.offset)))
        for name in _OF_RANGE:
            p[name] = 0
        p.stop, p.end = text_range.stop, vcf_progress.FAR
        p.skip = text_range.skip or 0
        p.skips_line = text_range.skip is None
        p.is_dropping = text_range.skip is None and not text_range.owns_first
        self._input.begin(text_range, first_piece, int(p.offset))

    def _read(self) -> Iterator[DosageBlock]:
        """What the loop gives up to the end of the range."""
        source = self._input.next_input(self._progress)
        self._progress.is_text = not source.engine.any()
        self._progress.is_listing = not self._progress.is_text and not self._range.is_sought
        while True:
            status = self._scan(source)
            match status:
                case vcf_progress.NEED_INPUT:
                    source = self._input.next_input(self._progress)
                case vcf_progress.NEED_CONTIG:
                    self._enter_contig()
                case vcf_progress.NEED_WINDOW:
                    self._enlarge_window()
                case vcf_progress.NEED_LINES:
                    self._enlarge_table()
                case vcf_progress.NEED_SITE_BYTES:
                    self._enlarge_strings()
                case vcf_progress.NEED_BLOCK:
                    yield from self._close_block()
                    self._open_block()
                case vcf_progress.NEED_BLOCK_LIST:
                    self._enlarge_block_list()
                case vcf_progress.DONE:
                    return
                case _:
                    raise self._error(status)

    def _scan(self, source: vcf_progress.Input) -> int:
        return scan(
            source,
            self._text,
            self._table,
            self._selection,
            self._rows,
            self._sites,
            self._blocks,
            self._state,
        )

    def _enter_contig(self) -> None:
        """The next line's CHROM is another text, perhaps another name of the same contig."""
        self._count_contig()
        written = self._problem_line().contig()
        name = contig_name(written, self._contig_lengths)
        if name is None:
            raise self._line_error(bad_contig(self._problem_line()))
        p, wanted = self._progress, self._wanted
        p.contig = self._contigs.setdefault(name, len(self._contigs))
        p.name_bytes = len(written)
        if not p.has_passed_end and self._contig_runs[-1:] != [name]:
            self._contig_runs.append(name)
        p.contig_run = len(self._contig_runs) - 1
        p.wanted_at = 0
        p.takes_all = wanted is None or name in wanted.whole_contigs
        positions = wanted.positions.get(name, NO_POSITIONS) if wanted else NO_POSITIONS
        self._selection = Selection(
            np.frombuffer(bytearray(written), np.uint8),
            read_only(np.ascontiguousarray(positions, np.int64)),
            self._selection.ids,
        )

    def _count_contig(self) -> None:
        p = self._progress
        if p.n_contig_records:
            name = list(self._contigs)[p.contig]
            self.contig_records[name] = self.contig_records.get(name, 0) + int(p.n_contig_records)
            p.n_contig_records = 0

    def _enlarge_window(self) -> None:
        p = self._progress
        if p.filled >= self._max_group_bytes:
            number = self._line_number(int(p.offset))
            raise text_too_long(self._range, number, self._max_group_bytes)
        larger = _new_text(max(2 * len(self._text), int(p.filled + p.needed)))
        larger[: p.filled] = self._text[: p.filled]
        self._text = larger

    def _enlarge_table(self) -> None:
        old = self._table
        self._table = _new_table(2 * len(old.lines))
        self._table.lines[: len(old.lines)] = old.lines
        self._table.n_alts[: len(old.n_alts)] = old.n_alts

    def _enlarge_block_list(self) -> None:
        old = self._blocks
        self._blocks = new_block_list(2 * len(old))
        self._blocks[: len(old)] = old

    def _enlarge_strings(self) -> None:
        n_bytes = max(2 * len(self._sites.ids), int(self._progress.needed))
        self._sites = vcf_blocks.enlarged_sites(self._sites, len(self._sites.record), n_bytes)

    def _open_block(self) -> None:
        p = self._progress
        self._rows = vcf_blocks.no_rows(self._decoding)
        self._rows = self._memory.rows(int(p.needed))
        n_rows = len(self._rows.is_diploid)
        if n_rows > len(self._sites.record):
            n_bytes = max(len(self._sites.ids), n_rows * _STRING_BYTES_OF_ROW)
            self._sites = new_site_rows(n_rows, n_bytes)
        p.n_rows = p.n_decoded = p.n_records = p.string_bits = 0

    def _close_block(self) -> Iterator[DosageBlock]:
        p = self._progress
        n_rows = int(p.n_rows)
        if n_rows == 0:
            return
        if p.string_bits > 127:  # not all ASCII
            bad = vcf_blocks.bad_site(self._sites, n_rows)
            if bad is not None:
                number = self._line_number(bad.line)
                raise not_utf8(bad.column).at_line(self._range.source.uri, number)
        yield vcf_blocks.closed_block(self._rows, self._sites, n_rows, list(self._contigs))

    def _problem_line(self) -> Line:
        return Line(self._text, self._table.lines[self._progress.problem_line])

    def _error(self, status: int) -> GenotypeFileError:
        p, line = self._progress, self._problem_line()
        if status == vcf_progress.BAD_INPUT:
            return input_error(self._range, int(p.input_offset + p.input_at), int(p.problem))
        if status == vcf_progress.GROUP_TOO_LARGE:
            return self._line_error(group_too_large(int(p.problem), int(p.max_group_bytes)))
        if status == vcf_progress.BAD_CALL:
            samples = self._decoding.samples
            return self._line_error(bad_call(p.problem, line, int(p.problem_sample), samples))
        return self._line_error(bad_line(status, line, int(p.problem)))

    def _line_error(self, problem: Problem) -> GenotypeFileError:
        """Only now are the file's lines counted."""
        start = self._table.lines[self._progress.problem_line, 0]
        number = self._line_number(int(self._progress.offset + start))
        return problem.at_line(self._range.source.uri, number)

    @property
    def _range(self) -> TextRange:
        return self._begun[-1].text_range

    def _line_number(self, offset: int) -> int:
        """The absolute number, from 1, of the line at an offset of the shard's text."""
        begun = next(begun for begun in reversed(self._begun) if begun.offset <= offset)
        return begun.text_range.line_number(begun.first_piece, offset - begun.offset)


def _new_text(n_bytes: int) -> np.ndarray:
    """Room for `n_bytes`, a last line end, and what vector loads touch."""
    return np.zeros(n_bytes + 1 + PADDING, np.uint8)


def _new_table(n_lines: int) -> LineTable:
    return LineTable(np.zeros((n_lines, N_LINE_COLUMNS), np.int64), np.zeros(n_lines, np.int64))


def read_only(positions: Ints) -> Ints:
    view = positions.view()
    view.flags.writeable = False
    return view


def contig_name(written: bytes, lengths: Mapping[str, int | None]) -> str | None:
    """The canonical contig that a CHROM names, by the lengths that the header states; None for what
    cannot be one."""
    if not written or written.startswith(b"#"):
        return None
    try:
        name = written.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return canonical_contig(name, lengths.get(name))
