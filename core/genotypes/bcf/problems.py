"""What is said about a record of a BCF that cannot be read: where, what is wrong, what to do."""

from dataclasses import dataclass

import numpy as np

from core.errors import GenotypeFileError, Where
from core.genotypes.bcf.records import (
    FLOAT,
    GT_LENGTH,
    GT_START,
    GT_TYPE,
    N_ALTS,
    VALUE_LENGTH,
    VALUE_START,
    VALUE_TYPE,
)
from core.genotypes.vcf_blocks import Decoding
from core.genotypes.vcf_kernels import Bytes, Ints
from core.genotypes.vcf_problems import Problem, call_problem, not_utf8

_DTYPES = {1: "<i1", 2: "<i2", 3: "<i4", FLOAT: "<f4"}
_SHOWN_VALUES = 8


@dataclass(frozen=True, slots=True)
class BadRecord:
    """`record`: its row of a table of bcf.records; `name`: its contig and position."""

    text: Bytes
    record: Ints
    name: str
    uri: str

    def string(self) -> GenotypeFileError:
        problem = Problem(
            "ID, REF, ALT",
            "an allele is empty, or a string has control characters or commas.",
            "Write the file again (bcftools view -Ob).",
        )
        return self._error(problem)

    def not_utf8(self, column: str) -> GenotypeFileError:
        return self._error(not_utf8(column))

    def call(self, status: int, sample: int, decoding: Decoding) -> GenotypeFileError:
        """For the codes of decode_calls and decode_values."""
        shown, keys = self._call(sample), "GT"
        if self.record[VALUE_TYPE] and self.record[VALUE_LENGTH]:
            shown, keys = f"{shown}:{self._values(sample)}", f"GT:{decoding.field}"
        alts = f"{self.record[N_ALTS]} of them"
        return self._error(call_problem(status, shown, alts, keys, decoding.samples[sample]))

    def _error(self, problem: Problem) -> GenotypeFileError:
        where = Where(self.uri, field=problem.field)
        return GenotypeFileError(f"at {self.name}, {problem.what}", where=where, fix=problem.fix)

    def _call(self, sample: int) -> str:
        """As VCF writes it, with "/"."""
        numbers = self._numbers(sample, GT_TYPE)
        if numbers is None or numbers.dtype.kind != "i":
            return "."
        lowest = np.iinfo(numbers.dtype).min
        named = [int(number) for number in numbers if number != lowest + 1]
        return "/".join("." if n in (0, 1, lowest) else f"{(n >> 1) - 1}" for n in named) or "."

    def _values(self, sample: int) -> str:
        numbers = self._numbers(sample, VALUE_TYPE)
        return "." if numbers is None else ",".join(f"{number:g}" for number in numbers)

    def _numbers(self, sample: int, column: int) -> np.ndarray | None:
        """The first values of a sample; None where they are no numbers."""
        length, start = {
            GT_TYPE: (GT_LENGTH, GT_START),
            VALUE_TYPE: (VALUE_LENGTH, VALUE_START),
        }[column]
        dtype = _DTYPES.get(int(self.record[column]))
        if dtype is None:
            return None
        n_values = int(self.record[length])
        at = int(self.record[start]) + sample * n_values * np.dtype(dtype).itemsize
        shown = min(n_values, _SHOWN_VALUES) * np.dtype(dtype).itemsize
        return np.frombuffer(self.text[at : at + shown].tobytes(), dtype)
