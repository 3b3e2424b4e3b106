"""One shard of a BCF: its records become DosageBlocks."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.genotypes import vcf_blocks
from core.genotypes.bcf.calls import decode_calls, decode_values
from core.genotypes.bcf.problems import BadRecord
from core.genotypes.bcf.records import (
    CONTIG,
    ID_END,
    ID_START,
    N_ALTS,
    POSITION,
    Layout,
    append_sites,
    measure_strings,
)
from core.genotypes.bcf.text import ShardRecords, ShardText
from core.genotypes.block import DosageBlock, numbers, texts
from core.genotypes.calls import GenotypeField
from core.genotypes.vcf_blocks import BlockMemory, Decoding, block_ranges, check_group
from core.genotypes.vcf_calls import OK
from core.genotypes.vcf_dosages import FIELD_DS, FIELD_GP, FIELD_HDS
from core.genotypes.vcf_kernels import Bytes, Ints
from core.genotypes.vcf_progress import BlockRows
from core.genotypes.vcf_shard import HALF_CALL_CODES
from core.genotypes.vcf_sites import new_site_rows
from core.genotypes.vcf_wanted import Wanted
from core.genotypes.wanted_sites import group_starts, wanted_rows

STRING_BYTES = 64 << 20
"""A block has no more of names and alleles, unless one position needs them: an allele is written
once for all ALTs of a record, and stands in the row of each."""

_FIELD_CODES = {
    GenotypeField.DS: FIELD_DS,
    GenotypeField.HDS: FIELD_HDS,
    GenotypeField.GP: FIELD_GP,
}


class BcfShardScan:
    """Iterate once over the blocks of a shard; then `contig_records` counts what it owns.

    contigs  canonical names by the file's numbers; skip as in ShardRecords
    wanted   None decodes every record
    """

    def __init__(
        self,
        text: ShardText,
        skip: int | None,
        layout: Layout,
        contigs: Sequence[str],
        decoding: Decoding,
        wanted: Wanted | None,
        uri: str,
        window_bytes: int,
    ) -> None:
        self.contig_records: dict[str, int] = {}
        self._contigs = contigs
        self._names = list(dict.fromkeys(contigs))
        numbers_of = {name: number for number, name in enumerate(self._names)}
        self._contig_of = np.array([numbers_of[name] for name in contigs], np.int32)
        self._records = ShardRecords(
            text, skip, layout, self._contig_of, self._name_of, uri, window_bytes
        )
        self._decoding = decoding
        self._wanted = wanted
        self._uri = uri
        self._memory = BlockMemory.of_thread(decoding)

    def __iter__(self) -> Iterator[DosageBlock]:
        for text, table in self._records:
            self._count(table)
            table = table[self._wanted_of(text, table)]
            if len(table):
                yield from self._blocks(text, table)

    def _name_of(self, record: Ints) -> str:
        return f"{self._contigs[record[CONTIG]]}:{record[POSITION]}"

    def _count(self, table: Ints) -> None:
        counts = np.bincount(self._contig_of[table[:, CONTIG]], minlength=len(self._names))
        for number in np.flatnonzero(counts):
            name = self._names[number]
            self.contig_records[name] = self.contig_records.get(name, 0) + int(counts[number])

    def _wanted_of(self, text: Bytes, table: Ints) -> Ints:
        """The records of the position groups that hold something wanted."""
        names = texts([name.encode() for name in self._names])
        contig = numbers(self._contig_of[table[:, CONTIG]])
        columns = {
            "contig": pa.DictionaryArray.from_arrays(contig, names),
            "position": numbers(table[:, POSITION].copy()),
        }
        if self._wanted is not None and self._wanted.ids:
            spans = table[:, [ID_START, ID_END]].tolist()
            ids = [bytes(text[start:end]) for start, end in spans]
            columns["id"] = pa.array(ids, pa.binary()).cast(pa.string(), safe=False)
        sites = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        return wanted_rows(sites, self._wanted)

    def _blocks(self, text: Bytes, table: Ints) -> Iterator[DosageBlock]:
        n_bytes = measure_strings(text, table)
        for first, stop in self._ranges(table, n_bytes.sum(axis=1)):
            part, part_bytes = table[first:stop], n_bytes[first:stop]
            n_rows = np.maximum(part[:, N_ALTS], 1)
            ends = np.cumsum(n_rows)
            for start, end in block_ranges(np.repeat(self._groups(part), n_rows), self._decoding):
                begin, behind = np.searchsorted(ends, (start, end - 1), "right") + (0, 1)
                records, strings = part[begin:behind], part_bytes[begin:behind].sum(axis=0)
                site, n_strings = self._name_of(records[0]), int(strings.sum())
                check_group(end - start, self._decoding, site, self._uri, string_bytes=n_strings)
                yield self._block(text, records, end - start, int(strings.max()))

    def _ranges(self, table: Ints, n_bytes: Ints) -> Iterator[tuple[int, int]]:
        """Ranges of records: whole position groups, as many as STRING_BYTES of names and alleles
        are, and one at least. n_bytes (n,) are those of the records."""
        stops = np.flatnonzero(np.diff(self._groups(table), append=-1)) + 1
        ends, first = np.cumsum(n_bytes), 0
        while first < len(table):
            before = ends[first] - n_bytes[first]
            fitting = int(np.searchsorted(ends[stops - 1], before + STRING_BYTES, "right")) - 1
            least = int(np.searchsorted(stops, first, "right"))
            stop = int(stops[max(fitting, least)])
            yield first, stop
            first = stop

    def _groups(self, table: Ints) -> Ints:
        """(n,) numbers of position groups, ascending."""
        starts = group_starts(table[:, POSITION], self._contig_of[table[:, CONTIG]])
        return np.cumsum(starts, dtype=np.int64)

    def _block(self, text: Bytes, table: Ints, n_rows: int, n_bytes: int) -> DosageBlock:
        """n_bytes: of the longest column of strings."""
        sites = new_site_rows(n_rows, n_bytes)
        bad, bits = append_sites(text, table, self._contig_of, sites)
        if bad >= 0:
            raise self._bad(text, table, bad).string()
        if bits > 127:  # not all ASCII
            not_text = vcf_blocks.bad_site(sites, n_rows)
            if not_text is not None:
                raise self._bad(text, table, not_text.line).not_utf8(not_text.column)
        rows = self._memory.rows(n_rows)
        status, record, sample = self._decode(text, table, rows, n_rows)
        if status != OK:
            raise self._bad(text, table, record).call(status, sample, self._decoding)
        return vcf_blocks.closed_block(rows, sites, n_rows, self._names)

    def _decode(
        self, text: Bytes, table: Ints, rows: BlockRows, n_rows: int
    ) -> tuple[int, int, int]:
        """(status, record, sample) as the kernels have it."""
        half_call = HALF_CALL_CODES[self._decoding.half_call]
        ploidy: Bytes = rows.ploidy[:n_rows]
        is_diploid: npt.NDArray[np.bool_] = rows.is_diploid[:n_rows]
        if self._decoding.field is GenotypeField.GT:
            calls = rows.calls[:n_rows]
            return decode_calls(text, table, half_call, calls, ploidy, is_diploid)
        field, imputed = _FIELD_CODES[self._decoding.field], rows.imputed[:n_rows]
        return decode_values(text, table, half_call, field, imputed, ploidy, is_diploid)

    def _bad(self, text: Bytes, table: Ints, record: int) -> BadRecord:
        return BadRecord(text, table[record], self._name_of(table[record]), self._uri)
