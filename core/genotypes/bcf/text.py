"""The text of one shard of a BCF, and the whole records of it that the shard owns.

A shard is a range of bytes of the file, as of a VCF, and owns position groups by the same rule
(vcf_scan), with R(i), the first record that begins in the BGZF block (plain: at the byte) of the
shard's start or later, in place of L(i): shard i owns the groups that start in (R(i), R(i+1)], and
shard 0 the one at R(0) as well.

Nothing marks where a record begins, so R(i) is looked for: it is the first place where a record
fits to its last byte, and another one behind it or the end of the file. Bytes that were made to
look so inside of a record are found out: shard i - 1, which reads on past its own end, comes to the
true record there, and refuses the file where that is not R(i).
"""

from collections.abc import Callable, Iterator

import numpy as np

from core.errors import GenotypeFileError, Where
from core.genotypes.bcf import records
from core.genotypes.bcf.records import N_COLUMNS, POSITION, START, Layout
from core.genotypes.text import Piece
from core.genotypes.vcf_kernels import Bytes, Ints
from core.genotypes.wanted_sites import group_starts

WINDOW_BYTES = 8 << 20
"""Text that is looked at at a time, unless one position's records are longer."""

MAX_GROUP_BYTES = 1 << 30
"""The records of one position may not be longer."""

_RECORDS = 1 << 15  # in the table at first
_SEARCH_BYTES = 256 << 10
_END = 1 << 62
_FIX = "The file is damaged; copy it or write it (bcftools view -Ob) again."

_PROBLEMS = {
    records.INCOMPLETE: "is cut short",
    records.BAD_LENGTH: "states a length that no record has",
    records.BAD_CONTIG: "is on a contig that the header does not have",
    records.BAD_POSITION: "has a POS outside 0 to 2147483647",
    records.OTHER_SAMPLES: "has another number of samples than the header",
    records.BAD_SITE: "has an ID or alleles that do not fit into it",
    records.BAD_FORMAT: "has FORMAT fields that do not fit into it",
}


class ShardText:
    """Text that grows at its end and is dropped at its beginning.

    pieces  of the file from the shard's first block on; stop: byte of the object at which the next
            shard begins
    next_text  where the text begins that the next shard looks at, _END before it has come
    """

    def __init__(self, pieces: Iterator[Piece], stop: int) -> None:
        self.data: Bytes = np.empty(0, np.uint8)
        self.n_bytes = 0
        self.next_text = _END
        self.is_end = False
        self._pieces = pieces
        self._stop = stop

    def read(self, n_bytes: int) -> None:
        """So much more text, or all that is left."""
        end = self.n_bytes + n_bytes
        while self.n_bytes < end and not self.is_end:
            piece = next(self._pieces, None)
            if piece is None:
                self.is_end = True
                break
            if piece.offset >= self._stop and self.next_text == _END:
                self.next_text = self.n_bytes
                end = min(end, self.n_bytes + _SEARCH_BYTES)
            self._append(piece.text)

    def _append(self, content: bytes) -> None:
        n_bytes = self.n_bytes + len(content)
        if n_bytes > len(self.data):
            larger = np.empty(max(n_bytes, 2 * len(self.data)), np.uint8)
            larger[: self.n_bytes] = self.data[: self.n_bytes]
            self.data = larger
        self.data[self.n_bytes : n_bytes] = np.frombuffer(content, np.uint8)
        self.n_bytes = n_bytes

    def drop(self, n_bytes: int) -> None:
        self.data[: self.n_bytes - n_bytes] = self.data[n_bytes : self.n_bytes].copy()
        self.n_bytes -= n_bytes
        if self.next_text != _END:
            self.next_text -= n_bytes


class ShardRecords:
    """Iterate once over (text, table) of what the shard owns: records of whole position groups, in
    order, the columns of bcf.records; both are valid up to the next step.

    skip        bytes before the first record in the first shard, None in the others
    contig_of   (contigs,) int32: a number for each canonical contig
    name_of     a record, by its row of the table, for people
    """

    def __init__(
        self,
        text: ShardText,
        skip: int | None,
        layout: Layout,
        contig_of: np.ndarray,
        name_of: Callable[[Ints], str],
        uri: str,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._text = text
        self._skip = skip
        self._layout = layout
        self._contig_of = contig_of
        self._name_of = name_of
        self._uri = uri
        self._window_bytes = window_bytes
        self._next_record: int | None = None
        self._table = np.empty((_RECORDS, N_COLUMNS), np.int64)
        self._last = "at the beginning"

    def __iter__(self) -> Iterator[tuple[Bytes, Ints]]:
        text, drops_first, is_done = self._text, self._skip is None, False
        start = self._find(0) if self._skip is None else self._skip
        if self._skip is None and start >= text.next_text:
            return
        self._read(max(self._window_bytes, start + 1))
        while not is_done:
            table, is_whole = self._index(start)
            group = self._groups(table)
            n_owned, is_done = self._owned(table, group, is_whole=is_whole)
            first = 0
            if drops_first and n_owned > 0:
                first, drops_first = int(np.searchsorted(group, 1)), False
            if first < n_owned:
                yield text.data, table[first:n_owned]
            if n_owned > 0:
                self._last = f"behind {self._name_of(table[n_owned - 1])}"
                start = int(table[n_owned - 1, records.END])
            if not is_done:
                start = self._go_on(start, len(table) - n_owned, is_whole=is_whole)

    def _find(self, start: int) -> int:
        """R of the shard whose text begins at `start`; _END where no record begins there or
        later."""
        text, row = self._text, np.empty(N_COLUMNS, np.int64)
        while True:
            found = records.find_record(
                text.data, start, text.n_bytes, text.is_end, self._layout, row
            )
            if found != records.NEED_TEXT:
                return _END if found == records.NOT_FOUND else found
            if text.n_bytes - start > 2 * MAX_GROUP_BYTES:
                raise self._damaged("no record begins within 2 GiB")
            text.read(max(text.n_bytes - start, _SEARCH_BYTES))

    def _read(self, n_bytes: int) -> None:
        """More text; once that of the next shard has come, its first record, too."""
        self._text.read(n_bytes)
        if self._next_record is None and self._text.next_text != _END:
            self._next_record = self._find(self._text.next_text)

    def _index(self, start: int) -> tuple[Ints, bool]:
        """(the records from `start` on, whether they are all that the text holds whole)."""
        text = self._text
        status, n_records, end = records.index_records(
            text.data, start, text.n_bytes, self._layout, self._table
        )
        table, is_cut = self._table[:n_records], status == records.INCOMPLETE
        if status != records.OK and (text.is_end or not is_cut):
            place = f"behind {self._name_of(table[-1])}" if n_records else self._last
            raise self._damaged(f"the record {place} {_PROBLEMS[status]}")
        return table, is_cut or end == text.n_bytes

    def _groups(self, table: Ints) -> Ints:
        """(n,) numbers of position groups, from 0 on."""
        contig = self._contig_of[table[:, records.CONTIG]]
        return np.cumsum(group_starts(table[:, POSITION], contig)) - 1

    def _owned(self, table: Ints, group: Ints, *, is_whole: bool) -> tuple[int, bool]:
        """(how many records are whole groups of this shard, whether these are its last)."""
        n_before = int(np.searchsorted(table[:, START], self._text.next_text))
        if n_before < len(table):
            if table[n_before, START] != self._next_record:
                raise self._damaged(
                    f"what begins at {self._name_of(table[n_before])} looks like two records"
                )
            n_owned = int(np.searchsorted(group, group[n_before], "right"))
            if n_owned < len(table):
                return n_owned, True
        if self._text.is_end and is_whole:
            if n_before == len(table) and self._next_record not in (None, _END):
                raise self._damaged("what looks like a record stands inside of the last one")
            return len(table), True
        return (int(np.searchsorted(group, group[-1])) if len(table) else 0), False

    def _go_on(self, start: int, n_held: int, *, is_whole: bool) -> int:
        """Make room for more records, or read more text; where the next record then is."""
        if not is_whole:
            if n_held == len(self._table):
                self._table = np.empty((2 * n_held, N_COLUMNS), np.int64)
            return start
        self._text.drop(start)
        if self._next_record is not None:
            self._next_record -= start
        if self._text.n_bytes > MAX_GROUP_BYTES:
            raise self._damaged("the records of one position are longer than 1 GiB")
        n_left = MAX_GROUP_BYTES + 1 - self._text.n_bytes
        self._read(max(self._window_bytes, min(self._text.n_bytes, n_left)))
        return 0

    def _damaged(self, what: str) -> GenotypeFileError:
        return GenotypeFileError(f"{what}.", where=Where(self._uri), fix=_FIX)
