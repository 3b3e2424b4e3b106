"""Kernels by which a scan lists the BGZF blocks of its shard, for a BlockDirectory.

A block waits from when it is inflated until a line comes that starts behind its first byte. Of
several blocks that wait for one line the last one gets it: no line starts in the others.
"""

from typing import Any

import numpy as np

from core.genotypes.block_directory import BlockDirectory, unsorted_directory
from core.genotypes.simd import inlined_kernel, inner_kernel
from core.genotypes.vcf_kernels import Ints

OFFSET = 0
TEXT_OFFSET = 1
POSITION = 2
CONTIG_RUN = 3
LINE = 4
N_BLOCK_COLUMNS = 5
"""A listed block: its byte of the object; of its L the position, the index of the run of lines on
one contig, and how many of the shard's lines come before. While it waits: where its text begins."""


@inner_kernel
def add_block(blocks: Ints, offset: int, text_offset: int, p: Any) -> None:
    """A block that starts in the shard; `blocks` (n, 5) has room for it."""
    blocks[p.n_blocks, OFFSET] = offset
    # The first record of a file starts nowhere but at the first byte of what is read.
    is_file_start = p.n_blocks == 0 and not p.skips_line
    blocks[p.n_blocks, TEXT_OFFSET] = -1 if is_file_start else text_offset
    p.n_blocks += 1


@inlined_kernel
def add_line(blocks: Ints, offset: int, position: int, p: Any) -> None:
    """A line of the shard that starts at `offset` of its text, once and in order."""
    last = -1
    while p.first_waiting < p.n_blocks and blocks[p.first_waiting, TEXT_OFFSET] < offset:
        last = p.first_waiting
        p.first_waiting += 1
    if last >= 0:
        blocks[p.n_listed, OFFSET] = blocks[last, OFFSET]
        blocks[p.n_listed, POSITION] = position
        blocks[p.n_listed, CONTIG_RUN] = p.contig_run
        blocks[p.n_listed, LINE] = p.n_shard_lines
        p.n_listed += 1
    p.n_shard_lines += 1


def new_block_list(n_blocks: int) -> Ints:
    return np.zeros((n_blocks, N_BLOCK_COLUMNS), np.int64)


def listed_directory(
    blocks: Ints, contigs: list[str], contig_records: dict[str, int], p: Any
) -> BlockDirectory:
    """Of a shard that is read; `contigs`: names of the runs of lines on one contig."""
    if p.is_unsorted or len(set(contigs)) < len(contigs):
        return unsorted_directory(contig_records)
    listed = blocks[: p.n_listed]
    return BlockDirectory(
        offsets=listed[:, OFFSET].copy(),
        positions=listed[:, POSITION].copy(),
        contig_indexes=listed[:, CONTIG_RUN].copy(),
        n_lines=np.diff(listed[:, LINE], append=p.n_shard_lines),
        contigs=tuple(contigs),
        contig_records=contig_records,
        is_sorted=True,
    )
