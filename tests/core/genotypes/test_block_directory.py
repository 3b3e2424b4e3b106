import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes.block_directory import BlockDirectory, join
from tests.builders.block_directory import directory_of, plain_directory, plain_file
from tests.builders.vcf import Record, vcf_text, write_vcf


@st.composite
def sorted_records(draw) -> list[Record]:
    """Records of up to three contigs, several at one position, lines of very different lengths."""
    records = []
    for contig in draw(st.sampled_from([["1"], ["chr2", "1"], ["22", "X", "weird"]])):
        steps = draw(st.lists(st.sampled_from([0, 0, 1, 2, 300]), max_size=12))
        position = draw(st.sampled_from([1, 7, 2**31 - 5000]))
        for step in steps:
            position += step
            name = "r" * draw(st.sampled_from([1, 1, 30, 400]))
            records.append(Record(contig, position, ["0/1", "1/1"], id=name))
    return records


def assert_same(one: BlockDirectory, other: BlockDirectory) -> None:
    assert one.offsets.tolist() == other.offsets.tolist()
    assert one.positions.tolist() == other.positions.tolist()
    assert one.n_lines.tolist() == other.n_lines.tolist()
    assert one.contig_indexes.tolist() == other.contig_indexes.tolist()
    assert one.contigs == other.contigs
    assert dict(one.contig_records) == dict(other.contig_records)
    assert one.is_sorted == other.is_sorted


@settings(deadline=None)
@given(sorted_records(), st.integers(20, 400))
def test_a_directory_survives_its_bytes(tmp_path_factory, records, block_bytes):
    path = tmp_path_factory.mktemp("directory") / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    directory = directory_of(path)
    assert_same(BlockDirectory.from_bytes(directory.to_bytes()), directory)
    assert directory.n_records == len(records)


@settings(deadline=None)
@given(sorted_records(), st.integers(20, 400), st.integers(1, 9), st.booleans())
def test_the_directories_of_the_shards_join_to_that_of_the_file(
    tmp_path_factory, records, block_bytes, n_shards, is_shuffled
):
    records = records[::-1] if is_shuffled else records
    path = tmp_path_factory.mktemp("join") / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    file = plain_file(path)
    bounds = file.bounds(n_shards)
    parts = [
        plain_directory(file, start, stop) for start, stop in zip(bounds, bounds[1:], strict=False)
    ]
    assert_same(join(parts), plain_directory(file, 0, file.size_bytes))


@pytest.mark.parametrize(
    "order",
    [[("1", 9), ("1", 8)], [("1", 1), ("2", 1), ("chr1", 2)], [("X", 5), ("PAR1", 4)]],
    ids=["a position falls", "a contig comes back", "another name of the contig, positions fall"],
)
@pytest.mark.parametrize("shard_bytes", [30, 10_000])
def test_records_in_no_order_are_only_counted(tmp_path, order, shard_bytes):
    path = tmp_path / "f.vcf.gz"
    records = [Record(contig, position, ["0/1", "."]) for contig, position in order]
    write_vcf(path, vcf_text(records), block_bytes=25)
    file = plain_file(path)
    starts = range(file.first_record, file.size_bytes, shard_bytes)
    directory = join([plain_directory(file, at, at + shard_bytes) for at in starts])
    assert not directory.is_sorted
    assert len(directory) == 0
    assert directory.n_records == len(order)


def test_a_block_takes_about_five_bytes():
    rng = np.random.default_rng(5)
    n = 20_000
    directory = BlockDirectory(
        offsets=np.cumsum(rng.integers(500, 9000, n)),
        positions=np.cumsum(rng.integers(50, 2000, n)),
        contig_indexes=np.zeros(n, np.int64),
        n_lines=rng.integers(1, 60, n),
        contigs=("22",),
        contig_records={"22": 700_000},
        is_sorted=True,
    )
    assert len(directory.to_bytes()) < 5.2 * n


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]\n", json.dumps({"n_blocks": 1}).encode()])
def test_other_bytes_are_refused(damage):
    with pytest.raises((ValueError, KeyError, TypeError)):
        BlockDirectory.from_bytes(damage)
