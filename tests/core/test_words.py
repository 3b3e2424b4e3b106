"""Columns of few words: a rule runs once per word, null stays null."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from core.words import WORDS, is_said, lacks, map_words, per_row, word_codes, words_of

SAID = ["a", None, " a", "b", "", "a"]


@pytest.fixture
def column() -> pa.DictionaryArray:
    return words_of(pa.array(SAID))


def test_words_that_a_rule_makes_equal_become_one(column):
    trimmed = map_words(column, pc.utf8_trim_whitespace)
    assert trimmed.to_pylist() == ["a", None, "a", "b", "", "a"]
    assert trimmed.dictionary.to_pylist() == ["a", "b", ""]


def test_a_word_without_a_result_leaves_null(column):
    no_b = map_words(
        column, lambda words: pa.array([w if w != "b" else None for w in words.to_pylist()])
    )
    assert no_b.to_pylist() == ["a", None, " a", None, "", "a"]
    assert lacks(no_b).tolist() == [False, True, False, True, False, False]


def test_chunks_with_their_own_dictionaries_are_one_column():
    chunks = [pa.array(part).dictionary_encode() for part in (["a", "b"], ["b", "c"])]
    joined = words_of(pa.chunked_array(chunks, WORDS))
    assert joined.to_pylist() == ["a", "b", "b", "c"]
    assert joined.dictionary.to_pylist() == ["a", "b", "c"]


def test_without_a_word_no_rule_holds(column):
    assert is_said(column, lambda words: pc.equal(words, "a")).tolist() == [1, 0, 0, 0, 0, 1]
    assert per_row(column, np.array([5, 6, 7, 8]), -1).tolist() == [5, -1, 6, 7, 8, 5]
    assert word_codes(column).tolist() == [0, -1, 1, 2, 3, 0]


def test_a_column_that_says_nothing_stays_so():
    nothing = pa.nulls(3, WORDS)
    assert map_words(nothing, pc.utf8_upper).to_pylist() == [None] * 3
    assert is_said(nothing, lambda words: pc.equal(words, "a")).tolist() == [False] * 3
    assert len(words_of(pa.chunked_array([], WORDS))) == 0
