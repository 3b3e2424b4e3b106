"""How a run is cut."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.shard_plan import MIB, choose_shard_bytes, kept_subtree_size, shards_per_task


def test_shards_are_a_sixteenth_of_the_input_between_1_and_64_mib():
    assert choose_shard_bytes(100, 1, 1) == MIB
    assert choose_shard_bytes(160 * MIB, 1, 1) == 10 * MIB
    assert choose_shard_bytes(1 << 40, 1, 1) == 64 * MIB


def test_large_sums_make_large_shards():
    assert choose_shard_bytes(1 << 36, 1000, 500_000) == 500_000_000


@given(st.integers(1, 5000), st.integers(MIB, 512 * MIB))
def test_a_run_has_tasks_to_share_out_and_keeps_at_most_16_sums(n_shards, shard_bytes):
    kept, per_task = kept_subtree_size(n_shards), shards_per_task(n_shards, shard_bytes)
    assert -(-n_shards // kept) <= 16
    assert -(-n_shards // per_task) >= min(n_shards, 9)
    assert kept % per_task == 0
    assert per_task == 1 or per_task * shard_bytes <= 32 * MIB
