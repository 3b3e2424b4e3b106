"""Where two files of a pair disagree: the first record that is of another read than its mate.

Whether they agree is known from their chains of names (titles.py); this second reading is only for
the error, which names the record.
"""

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import FastqFileError, Where
from core.fastq.count_kernels import NEED_TEXT
from core.fastq.files import FastqFile
from core.fastq.reader import open_window
from core.fastq.record_kernels import INCOMPLETE, OK
from core.fastq.titles import read_titles
from core.storage.byte_ranges import S3Access

Ints = npt.NDArray[np.int64]

_N_TITLES = 1 << 14


class _Titles(NamedTuple):
    """Of some records that follow each other; both (n,) int64."""

    hashes: Ints
    lines: Ints


def disagreement(
    reads: FastqFile, mates: FastqFile, *, s3: S3Access | None = None
) -> FastqFileError | None:
    """The error to raise for a pair; None where names and numbers of records agree."""
    n_before = 0
    none = _Titles(np.empty(0, np.int64), np.empty(0, np.int64))
    for first, second in zip_longest(_titles(reads, s3), _titles(mates, s3), fillvalue=none):
        n = min(len(first.hashes), len(second.hashes))
        others = np.flatnonzero(first.hashes[:n] != second.hashes[:n])
        if len(others):
            at = int(others[0])
            what = f"record {n_before + at + 1} is of another read than that of {reads.uri}"
            return _error(mates, int(second.lines[at]), what)
        if len(first.hashes) != len(second.hashes):
            is_longer = len(first.hashes) > n
            (longer, shorter) = (reads, mates) if is_longer else (mates, reads)
            what = f"record {n_before + n + 1} has no mate: {shorter.uri} ends before it"
            return _error(longer, int((first if is_longer else second).lines[n]), what)
        n_before += n
    return None


def _error(file: FastqFile, line: int, what: str) -> FastqFileError:
    return FastqFileError(
        f"{what}.",
        where=Where(file.uri, line + 1),
        fix="Give the two files of one run, with the same reads in the same order.",
    )


def _titles(file: FastqFile, s3: S3Access | None) -> Iterator[_Titles]:
    """All records', _N_TITLES at a time; the last may have less."""
    window = open_window(file.whole, s3)
    window.begin()
    goes_on = True
    while goes_on:
        titles, n = _Titles(np.empty(_N_TITLES, np.int64), np.empty(_N_TITLES, np.int64)), 0
        while goes_on:
            status, n = read_titles(window.text, window.states, *titles, n)
            if status == OK:
                break
            goes_on = window.goes_on(NEED_TEXT if status == INCOMPLETE else status)
        yield _Titles(titles.hashes[:n], titles.lines[:n])
