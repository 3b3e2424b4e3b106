"""DosageBlock: an Arrow batch and its views."""

import numpy as np
import pyarrow as pa

from core.genotypes.block import DosageBlock
from tests.builders.blocks import block_of

SITES = [("1", 10, "A", "G"), ("1", 20, "C", "T,G")]


def test_views_share_memory_with_the_batch():
    block = block_of(SITES, [[0, 1], [2, 255], [0, 0]])
    flat = block.batch.column("dosage").flatten().buffers()[1]
    assert block.dosage.__array_interface__["data"][0] == flat.address


def test_the_alt_rows_of_a_record_stand_together():
    block = block_of(SITES, [[0, 1], [2, 255], [0, 0]])
    assert block.record.tolist() == [0, 1, 1]
    assert block.column("n_alts").to_pylist() == [1, 2, 2]


def test_ploidy_is_absent_where_everyone_is_diploid():
    assert block_of(SITES, [[0, 1]] * 3).ploidy is None
    ploidy = block_of(SITES, [[0, 1]] * 3, ploidy=[[1, 2]] * 3).ploidy
    assert ploidy is not None
    assert ploidy.tolist() == [[1, 2]] * 3


def test_imputed_dosages_are_no_hard_calls():
    assert block_of(SITES, [[0.5, 1]] * 3, imputed=True).hard_calls is None
    assert block_of(SITES, [[0, 1]] * 3).hard_calls is not None


def test_a_block_survives_the_trip_through_arrow_ipc():
    block = block_of(SITES, [[0, 1], [2, 255], [0, 0]], ploidy=[[2, 1]] * 3)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, block.batch.schema) as writer:
        writer.write_batch(block.batch)
    back = DosageBlock(pa.ipc.open_stream(sink.getvalue()).read_next_batch())
    np.testing.assert_array_equal(back.dosage, block.dosage)
    np.testing.assert_array_equal(back.ploidy, block.ploidy)
