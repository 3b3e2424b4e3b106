"""The share of duplicates, exact for small files and sampled alike however a file is cut."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fastq import count_kernels, counts, duplication
from core.fastq.duplication import CAPACITY, SequenceSample, sample_of
from core.fastq.files import open_fastq
from core.fastq.reader import count_shard
from tests.builders.fastq import Read, count, fastq_text, random_reads


def random_sample(n: int, seed: int) -> SequenceSample:
    rng = np.random.default_rng(seed)
    keys = rng.integers(-(2**63), 2**63 - 1, n)
    return sample_of(0, np.concatenate([keys, keys[: n // 4]]), np.ones(n + n // 4, np.int64))


def as_pairs(sample: SequenceSample) -> tuple[int, dict[int, int]]:
    return sample.level, dict(zip(sample.keys.tolist(), sample.times.tolist(), strict=True))


def test_the_rate_of_a_small_file_is_exact(tmp_path: Path) -> None:
    sequences = ["ACGT", "ACGT", "ACGT", "acgt", "ACG", "ACGTA", "", ""]
    reads = [Read(f"r{i}", bases, "I" * len(bases)) for i, bases in enumerate(sequences)]
    sample = count(tmp_path / "reads.fastq", fastq_text(reads)).sequences
    assert sample.duplication_rate == 1 - 5 / 8
    assert sample.levels == {1: 3 / 8, 2: 2 / 8, 3: 3 / 8}
    assert (sample.level, sample.n_reads) == (0, 8)


def test_the_bytes_behind_a_sequence_do_not_count(tmp_path: Path) -> None:
    reads = [Read("r", "A" * n, "!~"[n % 2] * n) for n in range(30) for _ in range(3)]
    sample = count(tmp_path / "reads.fastq", fastq_text(reads)).sequences
    assert sample.times.tolist() == [3] * 30


def test_no_read_has_no_rate() -> None:
    assert counts.no_reads().sequences.duplication_rate is None


@given(seeds=st.permutations(range(4)))
def test_samples_of_many_sequences_add_up_in_any_order(seeds: list[int]) -> None:
    samples = [random_sample(CAPACITY // 2 + 1000 * seed, seed) for seed in seeds]
    one, two, three, four = samples
    expected = as_pairs(sum(sorted(samples, key=lambda s: len(s.keys)), random_sample(0, 9)))
    assert as_pairs(((one + two) + three) + four) == expected
    assert as_pairs((one + two) + (three + four)) == expected
    assert expected[0] > 0
    assert len(expected[1]) <= CAPACITY


def test_a_full_table_gives_the_sample_that_any_cut_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thinning out is driven by hand: capacities of compiled kernels are constants."""
    reads = random_reads(3_000, 40, copies=0.5)
    whole = count(tmp_path / "reads.fastq", fastq_text(reads)).sequences
    monkeypatch.setattr(duplication, "CAPACITY", 100)
    parts = [
        count_shard(shard).counts.sequences
        for shard in open_fastq(str(tmp_path / "reads.fastq")).shards(30_000)
    ]
    assert len(parts) > 3
    thin = sum(parts, sample_of(0, np.empty(0, np.int64), np.empty(0, np.int64)))
    assert as_pairs(thin) == as_pairs(sample_of(0, whole.keys, whole.times))
    assert thin.level > 0
    assert thin.duplication_rate == pytest.approx(whole.duplication_rate, abs=0.2)


def test_more_sequences_than_a_table_takes_are_thinned_out_on_the_way(tmp_path: Path) -> None:
    n = CAPACITY * 2 + 5
    content = b"".join(b"@\n%s\n+\nIIIIIIIIIIIIIIIIIIII\n" % _sequence(i) for i in range(n))
    sample = count(tmp_path / "reads.fastq", content * 2).sequences
    assert sample.level >= 1
    assert CAPACITY // 4 < len(sample.keys) <= CAPACITY
    assert set(sample.times.tolist()) == {2}
    assert sample.duplication_rate == 0.5
    assert count_kernels.CAPACITY == CAPACITY


def _sequence(number: int) -> bytes:
    """20 bases that spell a number."""
    return bytes(b"ACGT"[number >> 2 * i & 3] for i in range(20))
