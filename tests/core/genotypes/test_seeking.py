import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes import seeking
from core.genotypes.seeking import (
    Part,
    WantedBlocks,
    WantedPieces,
    find_in_directory,
    find_in_index,
)
from core.genotypes.tabix import parse_index
from core.genotypes.vcf_wanted import Wanted
from tests.builders.block_directory import PlainFile, directory_of, plain_file
from tests.builders.tabix import write_index
from tests.builders.vcf import Record, vcf_text, write_vcf
from tests.core.genotypes.test_block_directory import sorted_records
from tests.core.genotypes.test_tabix import TREES, indexed_records


def groups_of(file: PlainFile, part: Part) -> list[int]:
    """The group starts that a part holds, by its definition."""
    first, behind = file.first_line_behind(part.start), file.first_line_behind(part.stop)
    starts = [at for at in file.group_starts() if first < at <= behind]
    owns_first = part.owns_first or part.start == file.first_record
    return ([first] if owns_first and first in file.group_starts() else []) + starts


GAPS = st.sampled_from([0, 0, 200])


@st.composite
def wishes(draw, file: PlainFile) -> Wanted:
    """Positions of some of the file's records and beside them, sometimes a whole contig."""
    chosen = draw(st.sets(st.integers(0, 60), max_size=4))
    steps = draw(st.sets(st.sampled_from([-1, 0, 0, 1, 2**32]), min_size=1))
    keys = {file.lines[at].key for at in chosen if at < len(file.lines)}
    positions = {
        contig: np.unique([p + step for c, p in keys if c == contig for step in steps])
        for contig, _ in keys
    }
    whole = draw(st.sets(st.sampled_from(["1", "2", "X", "9"]), max_size=1))
    return Wanted(positions=positions, whole_contigs=frozenset(whole))


def assert_parts_hold_what_is_wanted(
    file: PlainFile, pieces: WantedPieces, wanted: Wanted, n_shards: int
) -> None:
    bounds = file.bounds(n_shards)
    for start, stop in zip(bounds, bounds[1:], strict=False):
        read = [at for part in pieces.parts(start, stop) for at in groups_of(file, part)]
        assert read == sorted(set(read)), "a group is read twice"
        owned = groups_of(file, Part(start, stop, owns_first=False))
        assert set(read) <= set(owned)
        for at in owned:
            contig, position = file.lines[at].key
            is_wanted = position in wanted.positions.get(contig, [])
            assert at in read or not (is_wanted or contig in wanted.whole_contigs)
    counts = [
        pieces.n_records(start, stop) for start, stop in zip(bounds, bounds[1:], strict=False)
    ]
    assert sum(counts) == len(file.lines)


@contextmanager
def seeking_always() -> Iterator[None]:
    """However much is wanted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeking, "MAX_SHARE", 99)
        yield


@settings(max_examples=150, deadline=None)
@given(sorted_records(), st.integers(20, 500), st.integers(1, 7), GAPS, st.data())
def test_parts_by_a_directory_hold_what_a_shard_owns_of_the_wanted_groups_and_once(
    tmp_path_factory, records, block_bytes, n_shards, gap_bytes, data
):
    path = tmp_path_factory.mktemp("parts") / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    file = plain_file(path)
    wanted = data.draw(wishes(file))
    with seeking_always():
        found = find_in_directory(directory_of(path), wanted, file.size_bytes, gap_bytes=gap_bytes)
    assert (found is None) == (not file.lines)
    if found is not None:
        assert_parts_hold_what_is_wanted(file, found, wanted, n_shards)


@settings(max_examples=150, deadline=None)
@given(indexed_records(), st.integers(20, 500), st.integers(1, 7), GAPS, TREES, st.data())
def test_parts_by_an_index_hold_what_a_shard_owns_of_the_wanted_groups_and_once(
    tmp_path_factory, records, block_bytes, n_shards, gap_bytes, tree, data
):
    path = tmp_path_factory.mktemp("parts") / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    file = plain_file(path)
    kind, min_shift, depth = tree
    written = write_index(path, kind=kind, min_shift=min_shift, depth=depth)
    index = parse_index(gzip.decompress(written.read_bytes()))
    wanted = data.draw(wishes(file))
    with seeking_always():
        found = find_in_index(
            index, wanted, file.first_record, file.size_bytes, gap_bytes=gap_bytes
        )
    assert (found is None) == (not file.lines)
    if found is not None:
        assert_parts_hold_what_is_wanted(file, found, wanted, n_shards)


def directory_of_wide_lines(tmp_path):
    """Every line is longer than a block."""
    records = [Record("1", 10 * i, ["0/1", "1/1"], id="r" * 250) for i in range(1, 41)]
    path = tmp_path / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=100)
    return plain_file(path), directory_of(path)


def test_of_lines_longer_than_a_block_only_the_wanted_ones_are_read(tmp_path):
    file, directory = directory_of_wide_lines(tmp_path)
    wanted = Wanted(positions={"1": np.array([150, 155, 290])})
    found = find_in_directory(directory, wanted, file.size_bytes, gap_bytes=0)
    assert found is not None
    parts = found.parts(0, file.size_bytes)
    assert [part.start == part.stop for part in parts] == [True, True]
    assert [groups_of(file, part) for part in parts] == [[14], [28]]


def test_positions_that_the_file_does_not_have_are_not_read_for(tmp_path):
    file, directory = directory_of_wide_lines(tmp_path)
    found = find_in_directory(
        directory, Wanted(positions={"1": np.array([15, 155]), "2": np.array([1])}), 10**6
    )
    assert found is not None
    assert found.blocks.tolist() == []


def test_where_many_blocks_are_wanted_everything_is_read(tmp_path):
    _, directory = directory_of_wide_lines(tmp_path)
    positions = directory.positions
    assert find_in_directory(directory, Wanted(positions={"1": positions[::3]}), 10**6) is None
    assert isinstance(
        find_in_directory(directory, Wanted(positions={"1": positions[::9]}), 10**6), WantedBlocks
    )


def test_nothing_is_sought_by_id_or_in_a_file_that_is_not_sorted(tmp_path):
    _, directory = directory_of_wide_lines(tmp_path)
    assert find_in_directory(directory, Wanted(ids=frozenset({"rs1"})), 10**6) is None
    records = [Record("1", position, ["0/1", "1/1"]) for position in (5, 4)]
    write_vcf(tmp_path / "u.vcf.gz", vcf_text(records), block_bytes=50)
    unsorted = directory_of(tmp_path / "u.vcf.gz")
    assert find_in_directory(unsorted, Wanted(positions={"1": np.array([4])}), 10**6) is None
