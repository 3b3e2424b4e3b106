"""Columns of few words said often (alleles, contigs, flags): what a rule says of a word, it says
once.

Such a column is an Arrow dictionary of distinct strings; an index is null where there is no value.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

WORDS = pa.dictionary(pa.int32(), pa.string())
"""The type of these columns."""


def words_of(strings: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Any column of strings or words as one array of WORDS."""
    if isinstance(strings, pa.ChunkedArray):
        strings = strings.unify_dictionaries() if strings.type == WORDS else strings
        strings = strings.combine_chunks()
    return strings if strings.type == WORDS else strings.dictionary_encode()


def map_words(words: pa.DictionaryArray, rule: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """WORDS → WORDS: each word as `rule` (strings → strings) writes it, which may be null."""
    if words.null_count == len(words):
        return words
    written = rule(words.dictionary).dictionary_encode()
    return pa.DictionaryArray.from_arrays(written.indices.take(words.indices), written.dictionary)


def is_said(
    words: pa.DictionaryArray, rule: Callable[[pa.Array], pa.Array]
) -> npt.NDArray[np.bool_]:
    """(rows,) whether `rule` (strings → booleans) holds for the row's word; false without one."""
    holds = rule(words.dictionary).fill_null(False)
    return per_row(words, holds.to_numpy(zero_copy_only=False), False)


def per_row(words: pa.DictionaryArray, values: np.ndarray, without: Any) -> np.ndarray:
    """(rows,) the value of each row's word, in the order of the dictionary; `without` a word,
    that one."""
    return np.append(values, np.array(without, values.dtype))[word_codes(words)]


def word_codes(words: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """(rows,) indices into the dictionary; -1 without a word."""
    codes: npt.NDArray[np.int32] = pc.fill_null(words.indices, -1).to_numpy()
    return codes


def lacks(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """(rows,) whether there is no value, in a column of any type."""
    if column.null_count == 0:
        return np.zeros(len(column), bool)
    missing: npt.NDArray[np.bool_] = np.asarray(pc.is_null(column))
    return missing
