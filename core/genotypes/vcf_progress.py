"""Where the loop that reads a VCF (vcf_scan) stands, and what it is given.

The loop comes back to Python with one of the codes below, and goes on where it stopped when it is
called again: everything that it knows is in one record, PROGRESS.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.vcf_kernels import Bytes, Floats, Ints

# Why the loop came back. What is below 0 is an error.
NEED_INPUT = 1
NEED_CONTIG = 2
NEED_BLOCK = 3
NEED_WINDOW = 4
NEED_LINES = 5
NEED_SITE_BYTES = 6
NEED_BLOCK_LIST = 7
DONE = 8
BAD_POSITION = -1
TOO_FEW_COLUMNS = -2
BAD_SITE = -3
BAD_CALL = -4
BAD_INPUT = -5
GROUP_TOO_LARGE = -6

OK = 0
"""Of a step of the loop: nothing stops it."""

FIELD_GT = -1
"""Beside the fields of vcf_dosages."""

FAR = 2**62
"""An offset that no text reaches."""

MAX_STRING_BYTES = 2**31 - 1
"""Of a string column of a block; Arrow's offsets are int32."""


PROGRESS = np.dtype(
    [
        (name, np.int64)
        for name in (
            # The window: text[:filled] is text, of it text[at:] is still to be looked at and
            # text[at:scanned] holds no line end. `offset` is that of text[0] in the shard's text.
            "filled",
            "at",
            "scanned",
            "offset",
            # The input: bytes from `input_at` on are still to be taken. `input_offset` is the byte
            # of the object at which it starts; it reaches the object's end where `is_last`.
            "input_at",
            "input_offset",
            "is_text",
            "is_last",
            "is_at_end",
            # The shard: bytes of the object before `stop`, bytes of text before `end`, FAR until
            # that is seen. Before its first line come `skip` bytes and, if `skips_line`, the rest
            # of a line.
            "stop",
            "end",
            "skip",
            "skips_line",
            "is_dropping",
            "has_passed_end",
            # The contig: index of its name; every group of it is wanted where `takes_all`.
            "contig",
            "name_bytes",
            "takes_all",
            "wanted_at",
            "n_contig_records",
            # The open group, whose lines are rows n_ready to n_lines of `lines`; rows before
            # n_ready are lines of closed groups that are still to be decoded.
            "has_group",
            "group_contig",
            "group_position",
            "group_is_wanted",
            "n_ready",
            "n_lines",
            # The open block: rows that have sites, rows that have dosages.
            "n_rows",
            "n_decoded",
            "n_records",
            "string_bits",
            # The list of the shard's blocks (vcf_block_list), where `is_listing`: rows that have
            # their first line, the first that waits for it, rows; lines before L of the next shard;
            # index of the run of lines on one contig; whether some position is below the last.
            "is_listing",
            "n_listed",
            "first_waiting",
            "n_blocks",
            "n_shard_lines",
            "contig_run",
            "is_unsorted",
            # How calls become dosages: codes of vcf_calls, FIELD_GT or one of vcf_dosages.
            "half_call",
            "field",
            "row_bytes",
            "max_group_bytes",
            # What is needed (rows, bytes) or what is wrong (row of `lines`, sample, code).
            "needed",
            "problem_line",
            "problem",
            "problem_sample",
        )
    ]
)
"""Where the loop stands; one record."""


class Input(NamedTuple):
    """data: (n,) uint8, read-only, BGZF blocks or text; engine: of `inflate`, unused for text."""

    data: Bytes
    engine: Ints


class LineTable(NamedTuple):
    """lines (m, 11), n_alts (m,) int64: of the groups that may be wanted."""

    lines: Ints
    n_alts: Ints


class Selection(NamedTuple):
    """name: the contig as written; positions: sorted, read-only; ids: of vcf_wanted.id_table."""

    name: Bytes
    positions: Ints
    ids: Ints


class BlockRows(NamedTuple):
    """The open block: calls or imputed (rows, samples), the other one (0, samples)."""

    calls: Bytes
    imputed: Floats
    ploidy: Bytes
    is_diploid: npt.NDArray[np.bool_]
