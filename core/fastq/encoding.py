"""What the characters of a quality mean: three encodings, told apart by the characters that occur.

    encoding   offset  scores      characters  written by
    phred33    33      0 to 93     ! to ~      Sanger, Illumina 1.8 and later, everyone today
    phred64    64      0 to 62     @ to ~      Illumina 1.3 to 1.7
    solexa64   64      -5 to 62    ; to ~      Solexa, Illumina before 1.3

(Cock et al. 2010, doi:10.1093/nar/gkp1137.) The ranges overlap, so only a character below `;` is
proof, of phred33. Without one, a highest character of at most K is Phred 42 or less by today's
encoding and 11 or less by the old ones, which no whole file has: phred33. Anything else is taken
for an old encoding, and is_certain says no.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from core.errors import FastqFileError, Where
from core.fastq.counts import N_CODES

Ints = npt.NDArray[np.int64]

_FIRST_CODE = {"phred33": ord("!"), "phred64": ord("@"), "solexa64": ord(";")}
_LAST_OF_TODAY = ord("K")


class QualityEncoding(StrEnum):
    PHRED33 = "phred33"
    PHRED64 = "phred64"
    SOLEXA64 = "solexa64"

    @property
    def first_code(self) -> int:
        """The lowest character that it has."""
        return _FIRST_CODE[self]

    @property
    def scores(self) -> Ints:
        """(N_CODES,) int64: the Phred score of each ASCII code, 0 for what is below the lowest.

        A Solexa score is 10 log10 of odds and becomes the nearest Phred score.
        """
        codes = np.arange(N_CODES)
        if self is not QualityEncoding.SOLEXA64:
            return np.maximum(codes - self.first_code, 0)
        odds = 10 ** (np.maximum(codes - 64, -5) / 10)
        return np.rint(10 * np.log10(odds + 1)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class FoundEncoding:
    """`lowest`, `highest`: characters that occur, None in a file without bases."""

    encoding: QualityEncoding
    is_certain: bool
    lowest: str | None
    highest: str | None

    def facts(self) -> Mapping[str, object]:
        return {
            "name": str(self.encoding),
            "is_certain": self.is_certain,
            "lowest": self.lowest,
            "highest": self.highest,
        }


def find_encodings(
    files: Mapping[str, Ints], *, stated: QualityEncoding | None
) -> tuple[FoundEncoding, ...]:
    """Of the files of one run, by name, each with `codes` (N_CODES,): its qualities by ASCII code.

    Raises FastqFileError where `stated` is contradicted by a character that it does not have, or
    one file by another.
    """
    found = [_find_encoding(codes, stated, file) for file, codes in files.items()]
    encodings = {one.encoding for one in found}
    if len(encodings) == 1:
        return tuple(found)
    if QualityEncoding.PHRED33 in encodings:
        named = ", ".join(f"{file} {one.encoding}" for file, one in zip(files, found, strict=True))
        raise FastqFileError(
            f"the files of the pair seem to have different quality encodings: {named}.",
            fix="Give files of one run, or state the encoding of both.",
        )
    return tuple(replace(one, encoding=QualityEncoding.SOLEXA64) for one in found)


def _find_encoding(codes: Ints, stated: QualityEncoding | None, file: str) -> FoundEncoding:
    occurring = np.flatnonzero(codes)
    if not len(occurring):
        return FoundEncoding(stated or QualityEncoding.PHRED33, stated is not None, None, None)
    low, high = int(occurring[0]), int(occurring[-1])
    encoding = stated or _likeliest(low, high)
    if low < encoding.first_code:
        raise FastqFileError(
            f"a quality is {chr(low)!r}, which {encoding} does not have.",
            where=Where(file, field="quality"),
            fix="Leave the encoding to be found from the data, or state another.",
        )
    is_certain = stated is not None or low < QualityEncoding.SOLEXA64.first_code
    return FoundEncoding(encoding, is_certain, chr(low), chr(high))


def _likeliest(low: int, high: int) -> QualityEncoding:
    if low < QualityEncoding.SOLEXA64.first_code or high <= _LAST_OF_TODAY:
        return QualityEncoding.PHRED33
    if low < QualityEncoding.PHRED64.first_code:
        return QualityEncoding.SOLEXA64
    return QualityEncoding.PHRED64
