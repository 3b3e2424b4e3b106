"""The site columns of a block while it is filled: one entry for each ALT of each decoded line.

Strings are kept as Arrow lays them out, offsets and bytes, so that a closed block costs three
copies. A record without ALT (".") has one row with alt ".".
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import inlined_kernel
from core.genotypes.vcf_kernels import (
    FIFTH_TAB,
    FOURTH_TAB,
    SECOND_TAB,
    THIRD_TAB,
    Bytes,
    Ints,
    Text,
    count_alts,
)

Ints32 = npt.NDArray[np.int32]

_COMMA = 44
_LESS = 60
_LEFT_BRACKET = 91
_RIGHT_BRACKET = 93
_LOWER_A = 97
_LOWER_Z = 122
_CASE = 32

OK = 0
EMPTY_ID = 1
EMPTY_REF = 2
EMPTY_ALT = 3


class SiteRows(NamedTuple):
    """Rows of an open block.

    record, contig, n_alts  (rows,) int32; contig is an index of contig names
    position, line          (rows,) int64; line is where the row's line starts in the shard's text
    *_offsets               (rows + 1,) int32, the first 0
    ids, refs, alts         (bytes,) uint8, of the same length
    """

    record: Ints32
    contig: Ints32
    n_alts: Ints32
    position: Ints
    line: Ints
    id_offsets: Ints32
    ref_offsets: Ints32
    alt_offsets: Ints32
    ids: Bytes
    refs: Bytes
    alts: Bytes


def new_site_rows(n_rows: int, n_bytes: int) -> SiteRows:
    """Zeros, so that the first offset is 0."""
    return SiteRows(
        record=np.zeros(n_rows, np.int32),
        contig=np.zeros(n_rows, np.int32),
        n_alts=np.zeros(n_rows, np.int32),
        position=np.zeros(n_rows, np.int64),
        line=np.zeros(n_rows, np.int64),
        id_offsets=np.zeros(n_rows + 1, np.int32),
        ref_offsets=np.zeros(n_rows + 1, np.int32),
        alt_offsets=np.zeros(n_rows + 1, np.int32),
        ids=np.zeros(n_bytes, np.uint8),
        refs=np.zeros(n_bytes, np.uint8),
        alts=np.zeros(n_bytes, np.uint8),
    )


@inlined_kernel
def measure_sites(text: Text, lines: Ints, first: int, stop: int, n_alts: Ints) -> tuple[int, int]:
    """(rows, bytes of the longest string column) that lines first..stop add; n_alts overwritten."""
    rows, ids, refs, alts = 0, 0, 0, 0
    for i in range(first, stop):
        start, end = lines[i, FOURTH_TAB] + 1, lines[i, FIFTH_TAB]
        n_alts[i] = count_alts(text, start, end)
        n_rows = max(n_alts[i], 1)
        rows += n_rows
        ids += n_rows * (lines[i, THIRD_TAB] - lines[i, SECOND_TAB] - 1)
        refs += n_rows * (lines[i, FOURTH_TAB] - lines[i, THIRD_TAB] - 1)
        alts += end - start
    return rows, max(ids, refs, alts)


@inlined_kernel
def append_site(
    text: Text,
    line: Ints,
    n_alts: int,
    record: int,
    contig: int,
    position: int,
    offset: int,
    sites: SiteRows,
    row: int,
) -> tuple[int, int]:
    """Write the rows of one line from `row` on: (status, bits that any byte of its strings has).

    line    (11,) of `lines`; `offset` of the line in the shard's text
    sites   with room for the rows, and for their strings, as `measure_sites` finds
    """
    id_start, id_end = line[SECOND_TAB] + 1, line[THIRD_TAB]
    ref_start, ref_end = id_end + 1, line[FOURTH_TAB]
    if id_start == id_end:
        return EMPTY_ID, 0
    if ref_start == ref_end:
        return EMPTY_REF, 0
    start, alt_end, bits = ref_end + 1, line[FIFTH_TAB], 0
    for r in range(row, row + max(n_alts, 1)):
        end = start
        while end < alt_end and text[end] != _COMMA:
            end += 1
        if end == start:
            return EMPTY_ALT, 0
        sites.record[r], sites.contig[r], sites.n_alts[r] = record, contig, max(n_alts, 1)
        sites.position[r], sites.line[r] = position, offset
        bits |= append_string(text, id_start, id_end, False, sites.id_offsets, sites.ids, r)
        bits |= append_string(text, ref_start, ref_end, True, sites.ref_offsets, sites.refs, r)
        bits |= append_string(text, start, end, True, sites.alt_offsets, sites.alts, r)
        start = end + 1
    return OK, bits


@inlined_kernel
def append_string(
    text: Text, start: int, end: int, folds: bool, offsets: Ints32, content: Bytes, row: int
) -> int:
    """Copy a span behind the strings before `row`; the bits that any of its bytes has.

    `folds` writes a to z as A to Z in a span without "<", "[" or "]": symbolic alleles and
    breakends name things, others are bases.
    """
    if folds:
        for i in range(start, end):
            byte = text[i]
            folds = folds and byte != _LESS and byte != _LEFT_BRACKET and byte != _RIGHT_BRACKET
    at, bits = offsets[row], 0
    for i in range(start, end):
        byte = int(text[i])
        bits |= byte
        if folds and _LOWER_A <= byte <= _LOWER_Z:
            byte -= _CASE
        content[at] = byte
        at += 1
    offsets[row + 1] = at
    return bits
