import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes.block_directory import BlockDirectory, join
from core.genotypes.source import plan_shards
from core.genotypes.vcf import ShardReader, Wanted, open_cohort
from tests.builders.block_directory import plain_directory, plain_file
from tests.builders.vcf import Record, vcf_text, write_vcf
from tests.core.genotypes.test_block_directory import assert_same, sorted_records


def directories(uri: str, shard_bytes: int, **options) -> list[BlockDirectory | None]:
    found = []
    for shard in plan_shards(open_cohort([uri]), shard_bytes):
        reader = ShardReader(shard, **options)
        for _ in reader:
            pass
        found.append(reader.directory)
    return found


@settings(max_examples=200, deadline=None)
@given(
    records=sorted_records(),
    block_bytes=st.integers(15, 400),
    shard_bytes=st.integers(20, 3000),
    window_bytes=st.integers(1, 500),
    order=st.sampled_from([1, 1, -1]),
    wanted=st.sampled_from([None, Wanted(), Wanted(whole_contigs=frozenset("1"))]),
)
def test_a_pass_over_a_shard_lists_its_blocks(
    tmp_path_factory, records, block_bytes, shard_bytes, window_bytes, order, wanted
):
    path = tmp_path_factory.mktemp("list") / "f.vcf.gz"
    uri = write_vcf(path, vcf_text(records[::order]), block_bytes=block_bytes)
    file = plain_file(path)
    shards = plan_shards(open_cohort([uri]), shard_bytes)
    options = {"window_bytes": window_bytes, "wanted": wanted}
    found = [one for one in directories(uri, shard_bytes, **options) if one is not None]
    for shard, directory in zip(shards, found, strict=True):
        if len(directory):  # where no line starts, the next shard's first may be seen or not
            assert_same(directory, plain_directory(file, shard.start, shard.stop))
    assert_same(join(found), plain_directory(file, 0, file.size_bytes))


def test_many_blocks_fit_in_the_list(tmp_path):
    records = [Record("1", position, ["0/1", "1/1"]) for position in range(1, 2000)]
    uri = write_vcf(tmp_path / "f.vcf.gz", vcf_text(records), block_bytes=50)
    (directory,) = directories(uri, 1 << 40)
    assert directory is not None
    assert len(directory) > 1000
    assert_same(directory, plain_directory(plain_file(tmp_path / "f.vcf.gz"), 0, 1 << 40))


@pytest.mark.parametrize("suffix", [".vcf", ".vcf.gzip"])
def test_files_without_blocks_have_no_directory(tmp_path, suffix):
    text = vcf_text([Record("1", 5, ["0/1", "1/1"])])
    assert directories(write_vcf(tmp_path / f"f{suffix}", text), 1 << 40) == [None]
