"""How a run is cut: bytes of a shard, shards of a task, and how much of the tree stays on disk.

Everything here depends on the input alone, never on cores or workers: the cut fixes the order in
which numbers are added, and so the bits of the results.
"""

from dataclasses import dataclass

from core.genotypes.source import Cohort, GenotypeShard, plan_shards

MIB = 1 << 20

_SHARDS = 16
_MIN_SHARD_BYTES = 1 * MIB
_MAX_SHARD_BYTES = 64 * MIB
_WRITTEN_PER_BYTE_READ = 16
_SUM_BYTES = 16
_TASK_BYTES = 32 * MIB


@dataclass(frozen=True, slots=True)
class Cut:
    """The shards of a run, how many a task on Ray takes, and of how many the sums stay on disk."""

    shards: tuple[GenotypeShard, ...]
    shard_bytes: int
    task_size: int
    kept_size: int


def plan_cut(cohort: Cohort[GenotypeShard], shard_bytes: int | None, *, n_scores: int) -> Cut:
    """The cut of a cohort into shards of `shard_bytes`, or of what `choose_shard_bytes` says."""
    size = shard_bytes or choose_shard_bytes(cohort.size_bytes, n_scores, len(cohort.samples))
    shards = plan_shards(cohort, size)
    n_shards = len(shards)
    return Cut(shards, size, shards_per_task(n_shards, size), kept_subtree_size(n_shards))


def choose_shard_bytes(total_bytes: int, n_scores: int, n_samples: int) -> int:
    """Compressed bytes of a shard: 16 shards, of 1 to 64 MiB each.

    More than 64 MiB only where the sums of all samples are large, 16 bytes per score and sample: a
    shard is to take longer to read than its sums to write, which is 16 times as fast.
    """
    wished = min(max(total_bytes // _SHARDS, _MIN_SHARD_BYTES), _MAX_SHARD_BYTES)
    partial_bytes = _SUM_BYTES * n_scores * n_samples
    return max(wished, partial_bytes // _WRITTEN_PER_BYTE_READ)


def kept_subtree_size(n_shards: int) -> int:
    """The smallest power of two that cuts the shards into at most 16 subtrees.

    Sums are kept on disk for subtrees of this size until the run ends: 16 times the result, for any
    number of shards. Rows that turn out to be contested cost the reading of their subtrees only.
    """
    return 1 << max((n_shards - 1) // _SHARDS, 0).bit_length()


def shards_per_task(n_shards: int, shard_bytes: int) -> int:
    """Shards of a task on Ray, a power of two: what 16 to 32 MiB hold, less where that would leave
    fewer than 9 tasks to share out.

    A task costs some 25 ms there, which this makes little of.
    """
    held = max(_TASK_BYTES // shard_bytes, 1)
    return min(1 << (held.bit_length() - 1), kept_subtree_size(n_shards))
