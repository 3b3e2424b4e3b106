"""The directory of a BGZF VCF, made in the plainest way: all of the text at once, line by line."""

import bisect
import gzip
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from core.genome_build import canonical_contig
from core.genotypes.block_directory import BlockDirectory, join, unsorted_directory


@dataclass(frozen=True)
class Line:
    """`start`, `end`: offsets in the whole text."""

    start: int
    end: int
    written_contig: str
    position: int
    ref_length: int

    @property
    def contig(self) -> str:
        return canonical_contig(self.written_contig)

    @property
    def key(self) -> tuple[str, int]:
        return self.contig, self.position


@dataclass(frozen=True)
class PlainFile:
    """`blocks`: (offset in the file, offset in the text) of every BGZF block that begins at or
    behind the one with the first record."""

    blocks: list[tuple[int, int]]
    lines: list[Line]
    size_bytes: int

    @property
    def first_record(self) -> int:
        return self.blocks[0][0] if self.blocks else self.size_bytes

    def bounds(self, n_shards: int) -> list[int]:
        """Where the shards begin, and the end."""
        return np.linspace(self.first_record, self.size_bytes, n_shards + 1).astype(int).tolist()

    def first_line_behind(self, offset: int) -> int:
        """The index of L(first block at or after a byte of the file); of all lines for none."""
        at = bisect.bisect_left(self.blocks, (offset, -1))
        if at == len(self.blocks):
            return len(self.lines)
        starts = [line.start for line in self.lines]
        return 0 if at == 0 else bisect.bisect_right(starts, self.blocks[at][1])

    def group_starts(self) -> list[int]:
        """Indexes of the lines at which position groups start."""
        lines = self.lines
        return [i for i in range(len(lines)) if i == 0 or lines[i].key != lines[i - 1].key]


def plain_file(path: Path) -> PlainFile:
    data = path.read_bytes()
    blocks, text = [], b""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 16 : at + 18], "little") + 1
        blocks.append((at, len(text)))
        text += gzip.decompress(data[at : at + size])
        at += size
    header_bytes = text.index(b"\n", text.index(b"#CHROM")) + 1
    lines = []
    start = header_bytes
    for line in text[header_bytes:].splitlines(keepends=True):
        contig, position, _, ref, _ = line.split(b"\t", 4)
        end = start + len(line)
        lines.append(Line(start, end, contig.decode(), int(position), len(ref)))
        start = end
    ends = [*(text_at for _, text_at in blocks[1:]), len(text)]
    first = next((i for i, end in enumerate(ends) if header_bytes < end), len(blocks))
    return PlainFile(blocks[first:], lines, len(data))


def plain_directory(file: PlainFile, start: int, stop: int) -> BlockDirectory:
    """Of the blocks that start in a shard; the shard owns the groups that start in (L(start),
    L(stop)]."""
    first, behind = file.first_line_behind(start), file.first_line_behind(stop)
    group_starts = [*file.group_starts(), len(file.lines)]
    owned = [
        line.contig
        for group, next_group in zip(group_starts, group_starts[1:], strict=False)
        if (first < group or group == first == 0) and group <= behind
        for line in file.lines[group:next_group]
    ]
    records = Counter(owned)
    seen = file.lines[first : behind + 1] if first < behind else []
    contigs = [name for name, _ in groupby(line.contig for line in seen)]
    steps = zip(seen, seen[1:], strict=False)
    if len(set(contigs)) < len(contigs) or any(
        a.contig == b.contig and a.position > b.position for a, b in steps
    ):
        return unsorted_directory(records)
    entries: dict[int, int] = {}  # first line -> the last block that has it as its L
    for offset, _ in file.blocks:
        if start <= offset < stop:
            entries[file.first_line_behind(offset)] = offset
    entries = {line: offset for line, offset in entries.items() if line < behind}
    firsts = [*entries, behind]
    return BlockDirectory(
        offsets=np.array(list(entries.values()), np.int64),
        positions=np.array([file.lines[i].position for i in entries], np.int64),
        contig_indexes=np.array([contigs.index(file.lines[i].contig) for i in entries], np.int64),
        n_lines=np.diff(np.array(firsts, np.int64)),
        contigs=tuple(contigs),
        contig_records=records,
        is_sorted=True,
    )


def directory_of(path: Path) -> BlockDirectory:
    file = plain_file(path)
    return join([plain_directory(file, 0, file.size_bytes)])
