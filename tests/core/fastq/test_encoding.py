"""What qualities mean is told from the characters that occur, and contradictions are refused."""

import os
from pathlib import Path

import numpy as np
import pytest

from core.errors import FastqFileError
from core.fastq.counts import N_CODES
from core.fastq.encoding import QualityEncoding, find_encodings
from core.fastq.files import open_fastq
from core.fastq.reader import count_shard

PHRED33, PHRED64, SOLEXA64 = QualityEncoding


def codes(letters: str) -> np.ndarray:
    return np.bincount([ord(letter) for letter in letters], minlength=N_CODES)


@pytest.mark.parametrize(
    ("letters", "encoding", "is_certain"),
    [
        ("!I", PHRED33, True),
        ("!~", PHRED33, True),
        (":F", PHRED33, True),
        ("F", PHRED33, False),
        (";K", PHRED33, False),
        ("@h", PHRED64, False),
        ("Bh", PHRED64, False),
        (";h", SOLEXA64, False),
        ("", PHRED33, False),
    ],
)
def test_the_encoding_is_the_likeliest(
    letters: str, encoding: QualityEncoding, is_certain: bool
) -> None:
    (found,) = find_encodings({"a.fastq": codes(letters)}, stated=None)
    assert (found.encoding, found.is_certain) == (encoding, is_certain)


def test_a_stated_encoding_is_taken_unless_the_data_contradict_it() -> None:
    (found,) = find_encodings({"a.fastq": codes("h")}, stated=PHRED33)
    assert (found.encoding, found.is_certain) == (PHRED33, True)
    with pytest.raises(FastqFileError, match="';', which phred64"):
        find_encodings({"a.fastq": codes(";h")}, stated=PHRED64)


def test_files_of_a_pair_that_contradict_each_other_are_refused() -> None:
    pair = {"a.fastq": codes("#F"), "b.fastq": codes("Bh")}
    with pytest.raises(FastqFileError, match=r"a\.fastq phred33, b\.fastq phred64"):
        find_encodings(pair, stated=None)


def test_one_file_of_a_pair_tells_solexa_from_phred_for_both() -> None:
    pair = {"a.fastq": codes(";h"), "b.fastq": codes("Bh")}
    assert [found.encoding for found in find_encodings(pair, stated=None)] == [SOLEXA64] * 2


def test_scores_are_those_of_the_paper() -> None:
    """Cock et al. 2010, table 1, and the rounded conversion of Solexa scores that Biopython has."""
    assert [PHRED33.scores[ord(c)] for c in "!5?~"] == [0, 20, 30, 93]
    assert [PHRED64.scores[ord(c)] for c in "@T^~"] == [0, 20, 30, 62]
    solexa = [int(SOLEXA64.scores[64 + score]) for score in range(-5, 11)]
    assert solexa == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 10]
    assert SOLEXA64.scores[64 + 40] == 40


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("solexa_full_range_original_solexa", SOLEXA64),
        ("illumina_full_range_original_illumina", PHRED64),
        ("sanger_full_range_original_sanger", PHRED33),
        ("solexa_faked", SOLEXA64),
        ("illumina_faked", PHRED64),
        ("sanger_faked", PHRED33),
    ],
)
def test_the_encodings_of_cock_2010_are_recognised(name: str, encoding: QualityEncoding) -> None:
    data = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    if data is None:
        pytest.skip("CURAGENIE_ACCEPTANCE_DATA does not name the acceptance data")
    path = Path(data) / "conformance/fastq/cock2010" / f"{name}.fastq"
    qualities = count_shard(open_fastq(str(path)).whole).counts.qualities
    (found,) = find_encodings({name: qualities.sum(axis=0)}, stated=None)
    assert found.encoding is encoding
