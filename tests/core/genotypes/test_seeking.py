import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes import seeking
from core.genotypes.seeking import Part, WantedBlocks, find_wanted, parts_of
from core.genotypes.vcf import Wanted
from tests.builders.block_directory import PlainFile, directory_of, plain_file
from tests.builders.vcf import Record, vcf_text, write_vcf
from tests.core.genotypes.test_block_directory import sorted_records


def groups_of(file: PlainFile, part: Part) -> list[int]:
    """The group starts that a part holds, by its definition."""
    first, behind = file.first_line_behind(part.start), file.first_line_behind(part.stop)
    starts = [at for at in file.group_starts() if first < at <= behind]
    owns_first = part.owns_first or part.start == file.first_record
    return ([first] if owns_first and first in file.group_starts() else []) + starts


@settings(max_examples=300, deadline=None)
@given(
    records=sorted_records(),
    block_bytes=st.integers(20, 500),
    n_shards=st.integers(1, 7),
    chosen=st.sets(st.integers(0, 60), max_size=4),
    steps=st.sets(st.sampled_from([-1, 0, 0, 1]), min_size=1),
    whole=st.sets(st.sampled_from(["1", "2", "X", "9"]), max_size=1),
)
def test_the_parts_of_a_shard_hold_what_it_owns_of_the_wanted_groups_and_once(
    tmp_path_factory, records, block_bytes, n_shards, chosen, steps, whole
):
    path = tmp_path_factory.mktemp("parts") / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    file = plain_file(path)
    directory = directory_of(path)
    keys = {file.lines[at].key for at in chosen if at < len(file.lines)}
    positions = {
        contig: np.unique([p + step for c, p in keys if c == contig for step in steps])
        for contig, _ in keys
    }
    wanted = Wanted(positions=positions, whole_contigs=frozenset(whole))
    with_share(1.1)
    found = find_wanted(directory, wanted)
    with_share(0.25)
    if found is None:
        assert not file.lines
        return
    bounds = file.bounds(n_shards)
    for start, stop in zip(bounds, bounds[1:], strict=False):
        parts = parts_of(directory, found, start, stop, file.size_bytes)
        read = [at for part in parts for at in groups_of(file, part)]
        assert read == sorted(set(read))
        owned = groups_of(file, Part(start, stop, owns_first=False))
        assert set(read) <= set(owned)
        for at in owned:
            contig, position = file.lines[at].key
            is_wanted = contig in whole or position in positions.get(contig, [])
            assert at in read or not is_wanted


def with_share(share: float) -> None:
    seeking.MAX_SHARE = share


def directory_of_wide_lines(tmp_path):
    """Every line is longer than a block."""
    records = [Record("1", 10 * i, ["0/1", "1/1"], id="r" * 250) for i in range(1, 41)]
    path = tmp_path / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=100)
    return plain_file(path), directory_of(path)


def test_of_lines_longer_than_a_block_only_the_wanted_ones_are_read(tmp_path):
    file, directory = directory_of_wide_lines(tmp_path)
    found = find_wanted(directory, Wanted(positions={"1": np.array([150, 155, 290])}))
    assert found is not None
    parts = parts_of(directory, found, 0, file.size_bytes, file.size_bytes)
    assert [part.start == part.stop for part in parts] == [True, True]
    assert [groups_of(file, part) for part in parts] == [[14], [28]]


def test_positions_that_the_file_does_not_have_are_not_read_for(tmp_path):
    _, directory = directory_of_wide_lines(tmp_path)
    found = find_wanted(directory, Wanted(positions={"1": np.array([15, 155]), "2": np.array([1])}))
    assert found is not None
    assert found.blocks.tolist() == []


def test_where_many_blocks_are_wanted_everything_is_read(tmp_path):
    _, directory = directory_of_wide_lines(tmp_path)
    positions = directory.positions
    assert find_wanted(directory, Wanted(positions={"1": positions[::3]})) is None
    assert isinstance(find_wanted(directory, Wanted(positions={"1": positions[::9]})), WantedBlocks)


def test_nothing_is_sought_by_id_or_in_a_file_that_is_not_sorted(tmp_path):
    _, directory = directory_of_wide_lines(tmp_path)
    assert find_wanted(directory, Wanted(ids=frozenset({"rs1"}))) is None
    records = [Record("1", position, ["0/1", "1/1"]) for position in (5, 4)]
    write_vcf(tmp_path / "u.vcf.gz", vcf_text(records), block_bytes=50)
    unsorted = directory_of(tmp_path / "u.vcf.gz")
    assert find_wanted(unsorted, Wanted(positions={"1": np.array([4])})) is None
