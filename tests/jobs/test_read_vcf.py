"""The Ray Data datasource: DosageBlocks of a cohort, and shard work fused into the read."""

import inspect
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from ray.data._internal.execution import resource_manager, streaming_executor_state

from core.genotypes.block import DosageBlock
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.source import plan_shards
from core.genotypes.vcf import ShardReader, open_cohort
from jobs.read_vcf import read_vcf
from tests.builders.vcf import Record, vcf_text, write_vcf

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


@pytest.fixture
def genotypes(tmp_path):
    records = [Record("1", position, ["0/1", "1/1"]) for position in range(1, 400)]
    return write_vcf(tmp_path / "cohort.vcf", vcf_text(records))


def test_the_dataset_holds_the_blocks_that_the_reader_gives(genotypes):
    dataset = read_vcf([genotypes], shard_bytes=2000)
    ours = {}
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
        for piece in cast(pa.Table, batch).to_batches():
            block = DosageBlock(piece)
            ours |= dict(zip(block.position.tolist(), block.dosage.tolist(), strict=True))
    (shard,) = plan_shards(open_cohort([genotypes]), 1 << 20)
    reader = ShardReader(shard, field=GenotypeField.AUTO, half_call=HalfCall.MISSING, wanted=None)
    for block in reader:
        for position, dosage in zip(block.position.tolist(), block.dosage, strict=True):
            np.testing.assert_array_equal(ours.pop(position), dosage)
    assert ours == {}


def test_ray_data_still_has_what_makes_it_look_often():
    """Names of its own: another version may have others, and would run one task at a time for the
    first second, and leave each worker without work for a tenth of one after every task."""
    limits = resource_manager.ResourceManager
    assert isinstance(limits.GLOBAL_LIMITS_UPDATE_INTERVAL_S, float | int)
    assert "GLOBAL_LIMITS_UPDATE_INTERVAL_S" in inspect.getsource(limits.get_global_limits)
    waiting = inspect.getsource(streaming_executor_state.process_completed_tasks)
    assert "WAIT_FOR_TASK_COMPLETION_TIMEOUT_S" in waiting
