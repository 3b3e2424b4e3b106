"""Blocks joined to larger ones: the many scores of a wide cohort have their sums side by side only
while a block is worked on, and moving them takes as long as a hundred variants.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from core.genotypes.block import DosageBlock

JOINED_ROWS = 256
JOINED_BYTES = 64 << 20


def joined_blocks(
    blocks: Iterable[DosageBlock], n_rows: int = JOINED_ROWS, n_bytes: int = JOINED_BYTES
) -> Iterator[DosageBlock]:
    """Runs of blocks of the same columns as one block, until it has `n_rows` or its dosages have
    `n_bytes`. What is joined depends on the blocks alone."""
    held: list[DosageBlock] = []
    for block in blocks:
        if held and block.batch.schema != held[0].batch.schema:
            yield _join(held)
            held = []
        held.append(block)
        rows = sum(one.n_rows for one in held)
        if rows >= n_rows or rows * block.n_samples * block.dosage.itemsize >= n_bytes:
            yield _join(held)
            held = []
    if held:
        yield _join(held)


def _join(blocks: Sequence[DosageBlock]) -> DosageBlock:
    if len(blocks) == 1:
        return blocks[0]
    n_records = [int(block.record[-1]) + 1 if block.n_rows else 0 for block in blocks]
    before = np.cumsum([0, *n_records])
    records = [block.record + n for block, n in zip(blocks, before, strict=False)]
    together = pa.Table.from_batches([block.batch for block in blocks]).combine_chunks()
    (batch,) = together.to_batches()
    at = batch.schema.get_field_index("record")
    record = pa.array(np.concatenate(records).astype(np.int32))
    return DosageBlock(batch.set_column(at, batch.schema.field(at), record))
