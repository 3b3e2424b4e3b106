"""DosageBlocks from the lines of a VCF: which lines are decoded, and into which rows.

A record gives one row for each ALT allele. A record without ALT (".") gives one row with alt "."
and dosage 0, so that REF's dosage can be counted there as well; its `n_alts` is 1, too.
Blocks are filled across windows up to a number of bytes and cut between position groups.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.errors import GenotypeFileError
from core.genotypes.block import SITE_SCHEMA, DosageBlock, Dosages
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.vcf_calls import (
    HALF_CALL,
    HALF_CALL_ERROR,
    HALF_CALL_HAPLOID,
    HALF_CALL_MISSING,
    HALF_CALL_REFERENCE,
    MALFORMED_GT,
    OK,
    PLOIDY_TOO_HIGH,
    TOO_FEW_SAMPLES,
    TOO_MANY_SAMPLES,
    UNKNOWN_ALLELE,
    decode_gt,
)
from core.genotypes.vcf_dosages import (
    DS_OUT_OF_RANGE,
    FIELD_DS,
    FIELD_GP,
    FIELD_HDS,
    GP_NOT_ONE,
    GP_OUT_OF_RANGE,
    HDS_OUT_OF_RANGE,
    MALFORMED_DS,
    MALFORMED_GP,
    MALFORMED_HDS,
    WRONG_DS_COUNT,
    WRONG_GP_COUNT,
    WRONG_HDS_COUNT,
    decode_dosages,
)
from core.genotypes.vcf_kernels import (
    EIGHTH_TAB,
    FOURTH_TAB,
    SECOND_TAB,
    THIRD_TAB,
    Ints,
    Text,
    alt_spans,
    count_alts,
    gather,
)
from core.genotypes.vcf_lines import LineWindow, ShardLines

SITE_BYTES = 64
"""Of a row beside its dosages; keeps blocks of few samples small, too."""

MAX_GROUP_DOSAGE_BYTES = 1 << 30
"""The rows of one position may not need more."""

_HALF_CALL_CODES = {
    HalfCall.MISSING: HALF_CALL_MISSING,
    HalfCall.HAPLOID: HALF_CALL_HAPLOID,
    HalfCall.REFERENCE: HALF_CALL_REFERENCE,
    HalfCall.ERROR: HALF_CALL_ERROR,
}

_FIELD_CODES = {
    GenotypeField.DS: FIELD_DS,
    GenotypeField.HDS: FIELD_HDS,
    GenotypeField.GP: FIELD_GP,
}


@dataclass(frozen=True, slots=True)
class Decoding:
    """How calls become dosages. `field` is GT, DS, HDS or GP."""

    samples: tuple[str, ...]
    field: GenotypeField
    half_call: HalfCall
    block_bytes: int

    @property
    def dosage_type(self) -> type[np.uint8] | type[np.float32]:
        return np.uint8 if self.field is GenotypeField.GT else np.float32

    @property
    def row_bytes(self) -> int:
        return len(self.samples) * np.dtype(self.dosage_type).itemsize


@dataclass(slots=True)
class _OpenBlock:
    """A block that is being filled; rows up to `n_rows` are."""

    dosage: Dosages
    ploidy: npt.NDArray[np.uint8]
    is_diploid: npt.NDArray[np.bool_]
    sites: dict[str, list[pa.Array]] = field(
        default_factory=lambda: {name: [] for name in SITE_SCHEMA.names}
    )
    n_rows: int = 0
    n_records: int = 0

    @classmethod
    def of(cls, n_rows: int, decoding: Decoding) -> "_OpenBlock":
        shape = (n_rows, len(decoding.samples))
        is_imputed = decoding.dosage_type is np.float32
        dosage = np.empty(shape, np.float32) if is_imputed else np.empty(shape, np.uint8)
        # Memory that is never written costs nothing: most blocks need no ploidy.
        return cls(dosage, np.empty(shape, np.uint8), np.empty(n_rows, np.bool_))

    @property
    def n_free_rows(self) -> int:
        return len(self.dosage) - self.n_rows

    def close(self) -> DosageBlock:
        is_diploid = self.is_diploid[: self.n_rows]
        ploidy = None
        if not is_diploid.all():
            ploidy = self.ploidy[: self.n_rows]
            ploidy[is_diploid] = 2
        sites = {name: pa.concat_arrays(parts) for name, parts in self.sites.items()}
        return DosageBlock.build(sites, self.dosage[: self.n_rows], ploidy)


class BlockBuilder:
    """Feed it windows; it yields full blocks, and `finish` the last one."""

    def __init__(self, decoding: Decoding, shard_lines: ShardLines) -> None:
        self._decoding = decoding
        self._shard_lines = shard_lines
        self._block: _OpenBlock | None = None
        half_call = _HALF_CALL_CODES[decoding.half_call]
        self._decode: Callable[..., tuple[int, int, int]] = decode_gt
        self._codes: tuple[int, ...] = (half_call,)
        if decoding.field is not GenotypeField.GT:
            self._decode = decode_dosages
            self._codes = (half_call, _FIELD_CODES[decoding.field])

    def add(self, window: LineWindow) -> Iterator[DosageBlock]:
        """Decode every line of the window, whose groups are whole.

        Raises GenotypeFileError, with line and field, for a line that cannot be read.
        """
        n_alts = np.empty(len(window), np.int64)
        count_alts(window.text, window.lines, n_alts)
        n_rows = np.maximum(n_alts, 1)
        stop = 0
        while stop < len(window):
            start = stop
            stop, rows = self._fitting(window, n_rows, start)
            if stop == start:
                yield from self.finish()
                continue
            self._append(window.part(slice(start, stop)), n_alts[start:stop], rows)

    def finish(self) -> Iterator[DosageBlock]:
        if self._block is not None:
            yield self._block.close()
            self._block = None

    def _fitting(self, window: LineWindow, n_rows: Ints, start: int) -> tuple[int, int]:
        """(stop, rows) of the groups from `start` that fit in the open block, or in a new one."""
        group_stops = np.append(
            np.flatnonzero(window.is_group_start[start + 1 :]) + 1, len(window) - start
        )
        rows = np.cumsum(n_rows[start:])[group_stops - 1]
        if self._block is None:
            self._block = self._new_block(window, start, int(rows[0]))
        n_groups = int(np.searchsorted(rows, self._block.n_free_rows, "right"))
        if n_groups == 0:
            return start, 0
        return start + int(group_stops[n_groups - 1]), int(rows[n_groups - 1])

    def _new_block(self, window: LineWindow, line: int, least_rows: int) -> _OpenBlock:
        row_bytes = self._decoding.row_bytes
        if least_rows * row_bytes > MAX_GROUP_DOSAGE_BYTES:
            raise self._shard_lines.error(
                window,
                line,
                "ALT",
                f"{least_rows} alleles at one position need more than "
                f"{MAX_GROUP_DOSAGE_BYTES >> 20} MiB of dosages.",
                "Split the samples into several files.",
            )
        rows = self._decoding.block_bytes // (row_bytes + SITE_BYTES)
        return _OpenBlock.of(max(rows, least_rows), self._decoding)

    def _append(self, window: LineWindow, n_alts: Ints, rows: int) -> None:
        block = self._block
        assert block is not None  # _fitting has opened it
        self._append_sites(block, window, n_alts, rows)
        status, line, sample = self._decode(
            window.text,
            window.lines,
            n_alts,
            *self._codes,
            block.n_rows,
            block.dosage,
            block.ploidy,
            block.is_diploid,
        )
        if status != OK:
            raise self._call_error(window, status, line, sample)
        block.n_rows += rows
        block.n_records += len(window)

    def _append_sites(self, block: _OpenBlock, window: LineWindow, n_alts: Ints, rows: int) -> None:
        rows_of_line = np.maximum(n_alts, 1)
        line_of_row = np.repeat(np.arange(len(window)), rows_of_line)
        take = pa.array(line_of_row)
        starts, ends = np.empty(rows, np.int64), np.empty(rows, np.int64)
        alt_spans(window.text, window.lines, starts, ends)
        columns = {
            "record": pa.array((block.n_records + line_of_row).astype(np.int32)),
            "contig": pa.array(window.contig_names, pa.string()).take(
                pa.array(window.contigs[line_of_row])
            ),
            "position": pa.array(window.positions[line_of_row]),
            "id": self._column(window, "ID", SECOND_TAB, THIRD_TAB).take(take),
            "ref": self._column(window, "REF", THIRD_TAB, FOURTH_TAB).take(take),
            "alt": self._strings(window, "ALT", starts, ends, line_of_row, folds=True),
            "n_alts": pa.array(rows_of_line[line_of_row].astype(np.int32)),
        }
        for name, column in columns.items():
            block.sites[name].append(column)

    def _column(self, window: LineWindow, name: str, tab: int, next_tab: int) -> pa.Array:
        starts = np.ascontiguousarray(window.lines[:, tab] + 1)
        ends = np.ascontiguousarray(window.lines[:, next_tab])
        every = np.arange(len(window))
        return self._strings(window, name, starts, ends, every, folds=name == "REF")

    def _strings(
        self,
        window: LineWindow,
        name: str,
        starts: Ints,
        ends: Ints,
        line_of_span: Ints,
        *,
        folds: bool,
    ) -> pa.Array:
        """(spans,) Arrow strings; none may be empty, all must be UTF-8."""
        lengths = ends - starts
        empty = np.flatnonzero(lengths == 0)
        if len(empty):
            raise self._shard_lines.error(
                window,
                int(line_of_span[empty[0]]),
                name,
                f"{name} is empty.",
                'Write "." for none.',
            )
        strings, is_ascii = string_column(window.text, starts, ends, folds=folds)
        if not is_ascii:
            self._check_utf8(window, name, starts, ends, line_of_span)
        return strings

    def _check_utf8(
        self, window: LineWindow, name: str, starts: Ints, ends: Ints, line_of_span: Ints
    ) -> None:
        for start, end, line in zip(starts, ends, line_of_span, strict=True):
            try:
                bytes(window.text[start:end]).decode("utf-8")
            except UnicodeDecodeError as error:
                raise self._shard_lines.error(
                    window, int(line), name, f"{name} is not UTF-8.", "Write the file as UTF-8."
                ) from error

    def _call_error(
        self, window: LineWindow, status: int, line: int, sample: int
    ) -> GenotypeFileError:
        samples = self._decoding.samples
        if status in (TOO_FEW_SAMPLES, TOO_MANY_SAMPLES):
            direction = "more" if status == TOO_MANY_SAMPLES else "fewer"
            return self._shard_lines.error(
                window,
                line,
                "samples",
                f"the line has {direction} samples than the header, which has {len(samples)}.",
                "The file is damaged or was cut; write it again.",
            )
        key, what, fix = _CALL_PROBLEMS[status]
        return self._shard_lines.error(
            window,
            line,
            f"{key} of sample {samples[sample]}",
            what.format(
                call=window.sample_column(line, sample),
                alts=window.column(line, FOURTH_TAB),
                format=window.column(line, EIGHTH_TAB),
            ),
            fix,
        )


_CALL_PROBLEMS = {
    MALFORMED_GT: (
        "GT",
        "{call!r} is no genotype call.",
        "Write calls such as 0/1, 1|1, ./. or 1.",
    ),
    UNKNOWN_ALLELE: (
        "GT",
        "{call!r} names an allele that ALT ({alts}) does not have.",
        "Write every allele in ALT; 0 is REF, 1 the first ALT.",
    ),
    HALF_CALL: (
        "GT",
        "{call!r} is a half-call.",
        "Choose what half-calls mean: missing, haploid or reference.",
    ),
    PLOIDY_TOO_HIGH: ("GT", "the call has more than 254 alleles.", "Remove the record."),
    MALFORMED_DS: (
        "DS",
        "{call!r} ({format}) has a DS that is no number.",
        "Write numbers or '.'.",
    ),
    DS_OUT_OF_RANGE: (
        "DS",
        "{call!r} ({format}) has a DS that is no dosage: it is outside 0 to 2.",
        "Write expected copies of ALT, or read GT (genotype field GT).",
    ),
    WRONG_DS_COUNT: (
        "DS",
        "{call!r} ({format}) has not one DS for each allele of ALT ({alts}).",
        "Write one DS for each ALT (Number=A), split the record, or read GT.",
    ),
    MALFORMED_HDS: (
        "HDS",
        "{call!r} ({format}) has an HDS that is no number.",
        "Write numbers or '.'.",
    ),
    HDS_OUT_OF_RANGE: (
        "HDS",
        "{call!r} ({format}) has an HDS that is no haplotype's dosage: it is outside 0 to 1.",
        "Write expected copies of ALT on each haplotype, or read GT (genotype field GT).",
    ),
    WRONG_HDS_COUNT: (
        "HDS",
        "{call!r} ({format}) has not one HDS for each allele of its GT.",
        "Write one HDS for each haplotype, or read GT.",
    ),
    MALFORMED_GP: (
        "GP",
        "{call!r} ({format}) has a GP that is no number.",
        "Write numbers or '.'.",
    ),
    GP_OUT_OF_RANGE: (
        "GP",
        "{call!r} ({format}) has a GP that is no probability: it is outside 0 to 1.",
        "Write probabilities (VCF 4.3 and later), not Phred scores, or read GT.",
    ),
    WRONG_GP_COUNT: (
        "GP",
        "{call!r} ({format}) has not one GP for each genotype of ALT ({alts}).",
        "Write one GP for each haploid or diploid genotype (Number=G), or read GT.",
    ),
    GP_NOT_ONE: (
        "GP",
        "{call!r} ({format}) has GPs that do not add up to 1.",
        "Write the probability of every genotype, '.' where there are none, or read GT.",
    ),
}


def string_column(text: Text, starts: Ints, ends: Ints, *, folds: bool) -> tuple[pa.Array, bool]:
    """(spans of the text as Arrow strings, whether all are ASCII); alleles are folded."""
    offsets = np.empty(len(starts) + 1, np.int32)
    content = np.empty(int((ends - starts).sum()), np.uint8)
    is_ascii = gather(text, starts, ends, folds, offsets, content)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string(), len(starts), buffers), is_ascii
