"""Finished shards on disk."""

import pyarrow as pa

import core
from jobs.partials import Partials, code_digest, content_key


def test_what_was_saved_is_finished_and_loads_back(tmp_path):
    partials = Partials(tmp_path, "key", reuse=True)
    table = pa.table({"a": [1], "b": [b"x"]})
    partials.save(3, table)
    again = Partials(tmp_path, "key", reuse=True)
    assert again.finished() == {3}
    assert again.load(3).equals(table)
    assert again.load(3, ["b"]).column_names == ["b"]


def test_another_key_or_no_reuse_begins_empty_and_removes_the_old(tmp_path):
    Partials(tmp_path, "old", reuse=True).save(0, pa.table({"a": [1]}))
    assert Partials(tmp_path, "new", reuse=True).finished() == set()
    assert [path.name for path in (tmp_path / ".partials").iterdir()] == ["new"]
    Partials(tmp_path, "new", reuse=True).save(0, pa.table({"a": [1]}))
    assert Partials(tmp_path, "new", reuse=False).finished() == set()


def test_a_half_written_shard_is_not_finished(tmp_path):
    partials = Partials(tmp_path, "key", reuse=True)
    (tmp_path / ".partials/key/7.unfinished").write_bytes(b"half")
    assert partials.finished() == set()


def test_the_key_changes_with_any_fact():
    facts = {"sha256": "a", "policy": {"missing": "drop"}}
    assert content_key(facts) == content_key(dict(reversed(facts.items())))
    assert content_key(facts) != content_key(facts | {"policy": {"missing": "zero"}})


def test_the_code_that_computes_is_a_fact_of_its_own(monkeypatch, tmp_path):
    """A partial result of yesterday's code must not be taken up by today's."""
    for name, text in (("__init__.py", ""), ("sums.py", "TWO = 2")):
        (tmp_path / name).write_text(text)
    assert code_digest() == code_digest()
    monkeypatch.setattr(core, "__file__", str(tmp_path / "__init__.py"))
    before = code_digest()
    (tmp_path / "sums.py").write_text("TWO = 3")
    assert code_digest() != before
