"""Where the records of a BCF have their parts: bytes in, a table out.

A record (BCF2 specification, VCF 4.5 section 6.3) begins with the lengths of its two sections:

    shared      CHROM POS rlen QUAL n_info n_allele n_sample n_fmt | ID | alleles | FILTER | INFO
    individual  for each FORMAT key: its number, a type, the values of every sample

Strings and vectors begin with a descriptor, a byte of type and length. Files are hostile: nothing
is read outside the text that is there, and a record is taken only where all of this fits together.
FILTER and INFO are not looked at: no dosage depends on them.

Kernels with the conventions of vcf_kernels, but every index is checked here, so that `text` needs
no padding.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import inlined_kernel, inner_kernel, kernel
from core.genotypes.vcf_kernels import MAX_POSITION, Bytes, Ints
from core.genotypes.vcf_sites import SiteRows, append_string

(
    START,
    END,
    CONTIG,
    POSITION,
    N_ALTS,
    ID_START,
    ID_END,
    ALLELES,
    GT_TYPE,
    GT_LENGTH,
    GT_START,
    VALUE_TYPE,
    VALUE_LENGTH,
    VALUE_START,
) = range(14)
"""Columns of a table of records. ALLELES: where REF's descriptor stands. *_TYPE, *_LENGTH, *_START:
type of the values of GT and of the field that is read beside it, how many a sample has, and where
they begin; type 0 for a record without them. Bytes of the text all."""

N_COLUMNS = 14

VOID, INT8, INT16, INT32, FLOAT, TEXT = 0, 1, 2, 3, 5, 7
"""Types of values."""

MAX_RECORD_BYTES = 1 << 30

OK = 0
INCOMPLETE = 1
BAD_LENGTH = 2
BAD_CONTIG = 3
BAD_POSITION = 4
OTHER_SAMPLES = 5
BAD_SITE = 6
BAD_FORMAT = 7

NOT_FOUND = -1
NEED_TEXT = -2

_LENGTHS_BYTES = 8
_FIXED_BYTES = 24
_KEY_BYTES = 16  # of a number and a descriptor, at most
_COMMA = 44
_DOT = 46
_SPACE = 32


class Layout(NamedTuple):
    """What the header says of records. is_contig: whether a number is one's, (contigs,) bool; gt,
    value: numbers of FORMAT keys, -1 for none."""

    n_samples: int
    is_contig: npt.NDArray[np.bool_]
    gt: int
    value: int


@inlined_kernel
def _number(text: Bytes, at: int, n_bytes: int) -> int:
    """Little-endian, unsigned."""
    value = 0
    for i in range(n_bytes):
        value |= np.int64(text[at + i]) << (8 * i)
    return int(value)


@inlined_kernel
def _int32(text: Bytes, at: int) -> int:
    value = _number(text, at, 4)
    return value - (1 << 32) if value >= 1 << 31 else value


@inlined_kernel
def size_of(kind: int) -> int:
    """Bytes of one value; -1 for a type that does not exist."""
    if kind in (INT8, TEXT):
        return 1
    if kind in (INT32, FLOAT):
        return 4
    if kind == INT16:
        return 2
    return 0 if kind == VOID else -1


@inlined_kernel
def _scalar(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """(a single integer that is no less than 0, where it ends); (-1, end) where there is none."""
    if at >= end or text[at] >> 4 != 1 or not INT8 <= text[at] & 15 <= INT32:
        return -1, end
    n_bytes = size_of(int(np.int64(text[at]) & 15))
    if at + 1 + n_bytes > end or text[at + n_bytes] >= 128:
        return -1, end
    return _number(text, at + 1, n_bytes), at + 1 + n_bytes


@inlined_kernel
def _descriptor(text: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """(type, length, where the values begin); type -1 where the bytes are no descriptor."""
    if at >= end:
        return -1, 0, end
    kind, length = int(np.int64(text[at]) & 15), int(np.int64(text[at]) >> 4)
    at += 1
    if length == 15:
        length, at = _scalar(text, at, end)
    if length < 0 or size_of(kind) < 0:
        return -1, 0, end
    return kind, length, at


@inlined_kernel
def _string(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """The span of a string whose descriptor stands at `at`; (-1, -1) where it does not fit."""
    kind, length, start = _descriptor(text, at, end)
    is_string = kind == TEXT or (kind >= 0 and length == 0)
    if not is_string or start + length > end:
        return -1, -1
    return start, start + length


@inner_kernel
def read_record(text: Bytes, at: int, stop: int, layout: Layout, row: Ints) -> int:
    """The status of the record at `at` of text[:stop]; `row` (N_COLUMNS,) is that record if OK.

    INCOMPLETE: it may be one, but goes on behind `stop`.
    """
    if stop - at < _LENGTHS_BYTES + _FIXED_BYTES:
        return INCOMPLETE
    n_shared, n_individual = _number(text, at, 4), _number(text, at + 4, 4)
    shared = at + _LENGTHS_BYTES
    individual = shared + n_shared
    end = individual + n_individual
    if n_shared < _FIXED_BYTES or end - at > MAX_RECORD_BYTES:
        return BAD_LENGTH
    row[START], row[END] = at, end
    status = _read_site(text, shared, individual, stop, layout, row)
    if status != OK:
        return status
    n_formats = _number(text, shared + _FIXED_BYTES - 1, 1)
    return _read_formats(text, individual, end, stop, n_formats, layout, row)


@inner_kernel
def _read_site(text: Bytes, shared: int, end: int, stop: int, layout: Layout, row: Ints) -> int:
    row[CONTIG], row[POSITION] = _int32(text, shared), _int32(text, shared + 4) + 1
    if not 0 <= row[CONTIG] < layout.is_contig.shape[0] or not layout.is_contig[row[CONTIG]]:
        return BAD_CONTIG
    if not 0 <= row[POSITION] <= MAX_POSITION:
        return BAD_POSITION
    if _number(text, shared + 20, 3) != layout.n_samples:
        return OTHER_SAMPLES
    if end > stop:
        return INCOMPLETE
    row[ID_START], row[ID_END] = _string(text, shared + _FIXED_BYTES, end)
    if row[ID_START] < 0:
        return BAD_SITE
    n_alleles = _number(text, shared + 18, 2)
    row[ALLELES] = at = row[ID_END]
    start = at
    for allele in range(n_alleles):
        start, at = _string(text, at, end)
        if start < 0 or (start == at and allele == 0):
            return BAD_SITE
    is_dot = n_alleles == 2 and at - start == 1 and text[start] == _DOT
    row[N_ALTS] = 0 if is_dot else n_alleles - 1
    return OK if n_alleles > 0 else BAD_SITE


@inner_kernel
def _read_formats(
    text: Bytes, at: int, end: int, stop: int, n_formats: int, layout: Layout, row: Ints
) -> int:
    row[GT_TYPE] = row[GT_LENGTH] = row[VALUE_TYPE] = row[VALUE_LENGTH] = 0
    row[GT_START] = row[VALUE_START] = at
    has_gt = has_value = False
    for _ in range(n_formats):
        if end > stop and stop - at < _KEY_BYTES:
            return INCOMPLETE
        key, at = _scalar(text, at, min(end, stop))
        kind, length, at = _descriptor(text, at, min(end, stop))
        n_bytes = length * size_of(kind) * layout.n_samples
        if key < 0 or kind < 0 or n_bytes > end - at:
            return BAD_FORMAT
        if (key == layout.gt and has_gt) or (key == layout.value and has_value):
            return BAD_FORMAT
        if key == layout.gt:
            has_gt = True
            row[GT_TYPE], row[GT_LENGTH], row[GT_START] = kind, length, at
        elif key == layout.value:
            has_value = True
            row[VALUE_TYPE], row[VALUE_LENGTH], row[VALUE_START] = kind, length, at
        at += n_bytes
    if at != end:
        return BAD_FORMAT
    return OK if end <= stop else INCOMPLETE


@kernel
def index_records(
    text: Bytes, at: int, stop: int, layout: Layout, table: Ints
) -> tuple[int, int, int]:
    """(status, records, where the next one begins) of those that lie in text[at:stop].

    table (n, N_COLUMNS), overwritten. The status is OK where the text ends with a record or the
    table is full, else that of the next record.
    """
    n_records = 0
    while n_records < table.shape[0] and at < stop:
        status = read_record(text, at, stop, layout, table[n_records])
        if status != OK:
            return status, n_records, at
        at = table[n_records, END]
        n_records += 1
    return OK, n_records, at


@kernel
def find_record(text: Bytes, at: int, stop: int, is_end: bool, layout: Layout, row: Ints) -> int:
    """Where the first record at or behind `at` begins: one that another record or the end of the
    file follows.

    is_end  no text comes behind text[:stop]. row (N_COLUMNS,) is overwritten.
    NEED_TEXT where that cannot be told yet, NOT_FOUND where there is none up to the end.
    """
    for start in range(at, stop):
        status = read_record(text, start, stop, layout, row)
        if status == OK:
            end = row[END]
            if end == stop and is_end:
                return start
            status = read_record(text, end, stop, layout, row)
            if status == OK:
                return start
        if status == INCOMPLETE and not is_end:
            return NEED_TEXT
    return NOT_FOUND if is_end else NEED_TEXT


@kernel
def measure_strings(text: Bytes, table: Ints) -> Ints:
    """(n, 3) bytes of the IDs, REFs and ALTs of the rows of each record."""
    n_bytes = np.zeros((table.shape[0], 3), np.int64)
    for i in range(table.shape[0]):
        n_alts = max(table[i, N_ALTS], 1)
        start, end = _string(text, table[i, ALLELES], table[i, END])
        n_bytes[i, 0] = n_alts * max(table[i, ID_END] - table[i, ID_START], 1)
        n_bytes[i, 1] = n_alts * (end - start)
        n_bytes[i, 2] = 1
        for _ in range(table[i, N_ALTS]):
            start, end = _string(text, end, table[i, END])
            n_bytes[i, 2] += end - start
    return n_bytes


_NO_STRING = np.array([_DOT], np.uint8)


@kernel
def append_sites(
    text: Bytes, table: Ints, contig_of: npt.NDArray[np.int32], sites: SiteRows
) -> tuple[int, int]:
    """(the first record with an empty ALT or bytes that no string has, else -1; bits that any byte
    of the strings has).

    contig_of  what sites.contig has for each number of a contig
    sites      with room, as `measure_strings` says; sites.line is the record
    """
    row, bits = 0, 0
    for i in range(table.shape[0]):
        id_start, id_end = table[i, ID_START], table[i, ID_END]
        ref_start, ref_end = _string(text, table[i, ALLELES], table[i, END])
        is_bad = _has_other(text, id_start, id_end, 0)
        is_bad |= _has_other(text, ref_start, ref_end, _COMMA)
        start, end = ref_start, ref_end
        for _ in range(max(table[i, N_ALTS], 1)):
            sites.record[row], sites.line[row] = i, i
            sites.contig[row] = contig_of[table[i, CONTIG]]
            sites.position[row] = table[i, POSITION]
            sites.n_alts[row] = max(table[i, N_ALTS], 1)
            if id_start == id_end:
                append_string(_NO_STRING, 0, 1, False, sites.id_offsets, sites.ids, row)
            else:
                bits |= append_string(
                    text, id_start, id_end, False, sites.id_offsets, sites.ids, row
                )
            bits |= append_string(
                text, ref_start, ref_end, True, sites.ref_offsets, sites.refs, row
            )
            if table[i, N_ALTS] == 0:
                append_string(_NO_STRING, 0, 1, False, sites.alt_offsets, sites.alts, row)
            else:
                start, end = _string(text, end, table[i, END])
                is_bad |= start == end or _has_other(text, start, end, _COMMA)
                bits |= append_string(text, start, end, True, sites.alt_offsets, sites.alts, row)
            row += 1
        if is_bad:
            return i, bits
    return -1, bits


@inlined_kernel
def _has_other(text: Bytes, start: int, end: int, other: int) -> bool:
    """Whether a span has control characters, or the byte `other` of those that a string may not
    have."""
    found = False
    for i in range(start, end):
        found |= text[i] < _SPACE or text[i] == other
    return found
