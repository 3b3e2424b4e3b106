"""One pass over a shard of a FASTQ counts its reads; shards that meet are the file.

A record belongs to the shard in which it starts; one that starts at the very first byte of a shard
to the shard before, which reads on to its end. So a shard with others before it looks for the first
record behind its first line end. That is a guess, though a good one: where each shard began and
ended is kept, and only shards that meet without a gap or an overlap are the file (`are_whole`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.fastq import count_kernels
from core.fastq.count_kernels import count_records
from core.fastq.counts import (
    ReadCounts,
    counts_of,
    from_columns,
    new_tally,
    one_list,
    thin_out,
    to_columns,
)
from core.fastq.files import START, FastqFile, FastqShard, Place
from core.fastq.text import said_of_fastq
from core.fastq.titles import TitleChain
from core.fastq.window import RecordWindow
from core.genotypes.bgzf import find_block
from core.genotypes.text import Compression
from core.storage.byte_ranges import ByteRanges, S3Access, open_byte_ranges
from core.storage.read_ahead import read_ahead


@dataclass(frozen=True, slots=True)
class ShardSpan:
    """What part of the file a shard is. `begin`, `end`: of its first record, and of the next
    shard's; both None where no text starts in the shard, as in one that lies within a BGZF block.
    """

    begin: Place | None
    end: Place | None
    titles: TitleChain


@dataclass(frozen=True, slots=True, eq=False)
class ShardCounts:
    """What a shard holds."""

    span: ShardSpan
    counts: ReadCounts


def count_shard(shard: FastqShard, s3: S3Access | None = None) -> ShardCounts:
    """One pass over a shard.

    Raises FastqFileError for a record that is malformed, with its line; record and line are counted
    from the shard's first record.
    """
    window, tally = open_window(shard, s3), new_tally()
    begin = window.begin()
    if begin is None:
        return ShardCounts(ShardSpan(None, None, TitleChain()), counts_of(tally))
    while (status := count_records(window.text, window.states, tally)) != count_kernels.DONE:
        if status == count_kernels.NEED_ROOM:
            thin_out(tally)
        elif not window.goes_on(status):
            break
    counts = counts_of(tally)
    titles = TitleChain(counts.n_reads, int(tally.totals["titles"][0]))
    return ShardCounts(ShardSpan(begin, window.end(), titles), counts)


def open_window(shard: FastqShard, s3: S3Access | None) -> RecordWindow:
    with said_of_fastq():
        source = read_ahead(open_byte_ranges(shard.file.uri, s3=s3), shard.stop)
        return RecordWindow(shard, source, _first_piece(shard, source))


def _first_piece(shard: FastqShard, source: ByteRanges) -> int:
    if shard.file.compression is Compression.BGZIP and shard.start > 0:
        return find_block(source, shard.start)
    return shard.start


def are_whole(spans: Sequence[ShardSpan], file: FastqFile) -> bool:
    """Whether the records of a file's shards, in order, are all of the file's, each once."""
    seen = [span for span in spans if span.begin is not None]
    begins, ends = [span.begin for span in seen], [span.end for span in seen]
    return begins == [START, *ends[:-1]] and ends[-1] == Place(file.size_bytes, 0)


def to_table(shard: ShardCounts) -> pa.Table:
    """One row, which `from_table` reads."""
    span = shard.span
    places = [*(span.begin or _NOWHERE), *(span.end or _NOWHERE)]
    numbers = [*places, span.titles.n_titles, span.titles.digest]
    return pa.table({"span": one_list(np.array(numbers)), **to_columns(shard.counts)})


def from_table(table: pa.Table) -> ShardCounts:
    numbers: list[int] = table.column("span").chunk(0).values.to_numpy().tolist()
    begin, end = Place(*numbers[0:2]), Place(*numbers[2:4])
    is_empty = begin == _NOWHERE
    span = ShardSpan(
        begin=None if is_empty else begin,
        end=None if is_empty else end,
        titles=TitleChain(*numbers[4:6]),
    )
    return ShardCounts(span, from_columns(table))


_NOWHERE = Place(-1, -1)
