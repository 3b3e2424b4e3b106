"""Finished subtrees on disk."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather

import core
from core.scoring.shard_tree import Subtree, add_in_tree, subtrees
from jobs.partials import (
    Partials,
    code_digest,
    content_key,
    partials_folder,
    remove_partials,
    sources_digest,
)
from jobs.shard_plan import kept_subtree_size


def text(value: str) -> pa.Table:
    return pa.table({"sum": [value], "n": [1]})


def join(left: pa.Table, right: pa.Table) -> pa.Table:
    """An addition that shows its order."""
    return text(f"({value(left)}+{value(right)})")


def value(table: pa.Table) -> str:
    return table.column("sum")[0].as_py()


def tree(start: int, stop: int) -> str:
    """What a task makes of its shards."""
    return add_in_tree((str(shard) for shard in range(start, stop)), "({}+{})".format)


def open_partials(folder, n_shards=4, kept_size=4) -> Partials:
    return Partials(folder, n_shards, kept_size, join)


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_was_saved_is_finished_and_loads_back(tmp_path):
    open_partials(tmp_path).save(Subtree(3, 1), text("3"))
    again = open_partials(tmp_path)
    assert again.finished() == [Subtree(3, 1)]
    assert again.load(Subtree(3, 1)).equals(text("3"))
    assert again.load(Subtree(3, 1), ["n"]).column_names == ["n"]


def test_siblings_are_replaced_by_their_sum(tmp_path):
    partials = open_partials(tmp_path)
    for shard in (2, 0, 1):
        partials.save(Subtree(shard, 1), text(str(shard)))
    assert names(tmp_path) == {"0-2.arrow", "2-1.arrow"}
    partials.save(Subtree(3, 1), text("3"))
    assert names(tmp_path) == {"0-4.arrow"}
    assert value(partials.load(Subtree(0, 4))) == "((0+1)+(2+3))"


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """A number of shards, and how often the run is started: task size and tasks before it dies."""
    n_shards = draw(st.integers(1, 90))
    sizes = [1 << power for power in range(kept_subtree_size(n_shards).bit_length())]
    attempts = st.tuples(st.sampled_from(sizes), st.integers(0, 20))
    return n_shards, draw(st.lists(attempts, max_size=4))


@given(runs(), st.randoms(use_true_random=False))
def test_any_grouping_order_and_resume_adds_along_the_same_tree(tmp_path_factory, run, random):
    n_shards, attempts = run
    folder, kept_size = tmp_path_factory.mktemp("run"), kept_subtree_size(n_shards)
    done: list[int] = []
    for task_size, n_tasks in [*attempts, (1, n_shards)]:
        partials = open_partials(folder, n_shards, kept_size)
        tasks = partials.missing(task_size)
        assert partials.n_finished() == n_shards - sum(map(partials.n_shards_in, tasks))
        random.shuffle(tasks)
        for task in tasks[:n_tasks]:
            stop = min(task.stop, n_shards)
            partials.save(task, text(tree(task.start, stop)))
            done.extend(range(task.start, stop))
    assert sorted(done) == list(range(n_shards))
    assert len(names(folder)) <= 16
    whole = open_partials(folder, n_shards, kept_size)
    parts = (value(whole.load(one)) for one in subtrees(n_shards, kept_size))
    assert add_in_tree(parts, "({}+{})".format) == tree(0, n_shards)


def test_a_kill_between_a_sum_and_its_parts_counts_nothing_twice(tmp_path):
    partials = open_partials(tmp_path)
    partials.save(Subtree(0, 1), text("0"))
    part = (tmp_path / "0-1.arrow").read_bytes()
    partials.save(Subtree(1, 1), text("1"))
    (tmp_path / "0-1.arrow").write_bytes(part)
    again = open_partials(tmp_path)
    assert again.finished() == [Subtree(0, 2)]
    assert again.missing(4) == [Subtree(2, 2)]
    assert names(tmp_path) == {"0-2.arrow"}


def test_another_key_or_no_reuse_begins_empty_and_removes_the_old(tmp_path):
    open_partials(partials_folder(tmp_path, "old", reuse=True)).save(Subtree(0, 1), text("0"))
    new = partials_folder(tmp_path, "new", reuse=True)
    assert names(tmp_path / ".partials") == {"new"}
    open_partials(new).save(Subtree(0, 1), text("0"))
    assert open_partials(partials_folder(tmp_path, "new", reuse=False)).finished() == []
    remove_partials(tmp_path)
    assert names(tmp_path) == set()


def test_a_half_written_subtree_is_not_finished(tmp_path):
    (tmp_path / "0-1.unfinished").write_bytes(b"half")
    assert open_partials(tmp_path).finished() == []


def test_the_key_changes_with_any_fact():
    facts = {"sha256": "a", "policy": {"missing": "drop"}}
    assert content_key(facts) == content_key(dict(reversed(facts.items())))
    assert content_key(facts) != content_key(facts | {"policy": {"missing": "zero"}})


def test_the_code_that_computes_is_a_fact_of_its_own(tmp_path):
    """A partial result of yesterday's code must not be taken up by today's."""
    for name, content in (("__init__.py", ""), ("sums.py", "TWO = 2")):
        (tmp_path / name).write_text(content)
    before = sources_digest(tmp_path)
    assert sources_digest(tmp_path) == before
    (tmp_path / "sums.py").write_text("TWO = 3")
    assert sources_digest(tmp_path) != before
    assert code_digest() == sources_digest(Path(core.__file__).parent)


def test_a_tree_without_leaves_has_no_sum():
    with pytest.raises(ValueError, match="no sum"):
        add_in_tree(iter(()), join)


def test_a_file_that_holds_the_partial_is_taken_and_a_sum_is_written(tmp_path):
    partials = open_partials(tmp_path / "partials")
    for start in range(2):
        file = tmp_path / "came.arrow"
        feather.write_feather(
            text(str(start)).append_column("more", pa.array([0])), str(file), "uncompressed"
        )
        partials.save(Subtree(start, 1), text(str(start)), file)
        assert file.exists() == (start == 1)
    assert value(partials.load(Subtree(0, 2))) == tree(0, 2)
    assert names(tmp_path / "partials") == {"0-2.arrow"}
