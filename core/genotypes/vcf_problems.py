"""What is said about a line that cannot be read: where it is, what is wrong, what to do."""

from dataclasses import dataclass

import numpy as np

from core.errors import GenotypeFileError, Where
from core.genotypes import vcf_progress
from core.genotypes.vcf_calls import (
    HALF_CALL,
    MALFORMED_GT,
    PLOIDY_TOO_HIGH,
    TOO_FEW_SAMPLES,
    TOO_MANY_SAMPLES,
    UNKNOWN_ALLELE,
)
from core.genotypes.vcf_dosages import (
    DS_OUT_OF_RANGE,
    GP_NOT_ONE,
    GP_OUT_OF_RANGE,
    HDS_OUT_OF_RANGE,
    MALFORMED_DS,
    MALFORMED_GP,
    MALFORMED_HDS,
    WRONG_DS_COUNT,
    WRONG_GP_COUNT,
    WRONG_HDS_COUNT,
)
from core.genotypes.vcf_input import TextRange
from core.genotypes.vcf_kernels import (
    EIGHTH_TAB,
    FIRST_TAB,
    FOURTH_TAB,
    LINE_END,
    LINE_START,
    NINTH_TAB,
    Ints,
    Text,
)
from core.genotypes.vcf_sites import EMPTY_ALT, EMPTY_ID, EMPTY_REF

_SHOWN_BYTES = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a window of text; `columns` (11,) is its row of the line table."""

    text: Text
    columns: Ints

    def contig(self) -> bytes:
        return bytes(self.text[self.columns[LINE_START] : self.columns[FIRST_TAB]])

    def column(self, tab: int) -> str:
        """What stands behind a tab."""
        return self._shown(int(self.columns[tab]) + 1, int(self.columns[tab + 1]))

    def sample(self, sample: int) -> str:
        """A sample's column."""
        at, end = int(self.columns[NINTH_TAB]) + 1, int(self.columns[LINE_END])
        tabs = np.flatnonzero(self.text[at:end] == ord("\t")) + at
        starts, ends = np.append(at, tabs + 1), np.append(tabs, end)
        return self._shown(int(starts[sample]), int(ends[sample]))

    def _shown(self, start: int, end: int) -> str:
        shown = bytes(self.text[start : min(end, start + _SHOWN_BYTES)]).decode("utf-8", "replace")
        return shown if end - start <= _SHOWN_BYTES else f"{shown}…"


@dataclass(frozen=True, slots=True)
class Problem:
    """A field of a line, what is wrong with it and how to put it right."""

    field: str
    what: str
    fix: str

    def at_line(self, uri: str, number: int) -> GenotypeFileError:
        return GenotypeFileError(self.what, where=Where(uri, number, self.field), fix=self.fix)


def bad_contig(line: Line) -> Problem:
    if line.contig().startswith(b"#"):
        return Problem(
            "CHROM",
            "a header line stands among the records.",
            "Join VCFs with bcftools concat, which keeps one header.",
        )
    return Problem("CHROM", "CHROM is empty or not UTF-8.", "Write the contig's name.")


def bad_line(status: int, line: Line, problem: int) -> Problem:
    """For the codes of a scan that speak of a line's columns; `problem` as in PROGRESS."""
    if status == vcf_progress.TOO_FEW_COLUMNS:
        return Problem(
            "columns",
            "the line has fewer than ten columns, separated by tabs.",
            "The file is damaged or was cut; write it again.",
        )
    if status == vcf_progress.BAD_POSITION:
        return Problem(
            "POS",
            f"POS {line.column(FIRST_TAB)!r} is no integer of 0 to 2147483647.",
            "Write the 1-based position.",
        )
    field = {EMPTY_ID: "ID", EMPTY_REF: "REF", EMPTY_ALT: "ALT"}[problem]
    return Problem(field, f"{field} is empty.", 'Write "." for none.')


def not_utf8(field: str) -> Problem:
    return Problem(field, f"{field} is not UTF-8.", "Write the file as UTF-8.")


def group_too_large(n_rows: int, max_bytes: int) -> Problem:
    return Problem(
        "ALT",
        f"{n_rows} alleles at one position need more than {max_bytes >> 20} MiB of dosages.",
        "Split the samples into several files.",
    )


def bad_call(status: int, line: Line, sample: int, samples: tuple[str, ...]) -> Problem:
    """For the codes of decode_gt and decode_dosages."""
    if status in (TOO_FEW_SAMPLES, TOO_MANY_SAMPLES):
        direction = "more" if status == TOO_MANY_SAMPLES else "fewer"
        return Problem(
            "samples",
            f"the line has {direction} samples than the header, which has {len(samples)}.",
            "The file is damaged or was cut; write it again.",
        )
    alts, keys = line.column(FOURTH_TAB), line.column(EIGHTH_TAB)
    return call_problem(status, line.sample(sample), alts, keys, samples[sample])


def call_problem(status: int, call: str, alts: str, keys: str, sample: str) -> Problem:
    """For the codes that speak of one sample's call; the texts are shown as they are. `alts`: ALT;
    `keys`: FORMAT."""
    key, what, fix = _CALL_PROBLEMS[status]
    what = what.format(call=call, alts=alts, format=keys)
    return Problem(f"{key} of sample {sample}", what, fix)


def text_too_long(text_range: TextRange, number: int, max_bytes: int) -> GenotypeFileError:
    return GenotypeFileError(
        f"the lines of one position are longer than {max_bytes >> 20} MiB.",
        where=Where(text_range.source.uri, number),
        fix="The file is damaged, or its samples need to be split into several files.",
    )


_CALL_PROBLEMS = {
    MALFORMED_GT: (
        "GT",
        "{call!r} is no genotype call.",
        "Write calls such as 0/1, 1|1, ./. or 1.",
    ),
    UNKNOWN_ALLELE: (
        "GT",
        "{call!r} names an allele that ALT ({alts}) does not have.",
        "Write every allele in ALT; 0 is REF, 1 the first ALT.",
    ),
    HALF_CALL: (
        "GT",
        "{call!r} is a half-call.",
        "Choose what half-calls mean: missing, haploid or reference.",
    ),
    PLOIDY_TOO_HIGH: ("GT", "the call has more than 254 alleles.", "Remove the record."),
    MALFORMED_DS: (
        "DS",
        "{call!r} ({format}) has a DS that is no number.",
        "Write numbers or '.'.",
    ),
    DS_OUT_OF_RANGE: (
        "DS",
        "{call!r} ({format}) has a DS that is no dosage: it is outside 0 to 2.",
        "Write expected copies of ALT, or read GT (genotype field GT).",
    ),
    WRONG_DS_COUNT: (
        "DS",
        "{call!r} ({format}) has not one DS for each allele of ALT ({alts}).",
        "Write one DS for each ALT (Number=A), split the record, or read GT.",
    ),
    MALFORMED_HDS: (
        "HDS",
        "{call!r} ({format}) has an HDS that is no number.",
        "Write numbers or '.'.",
    ),
    HDS_OUT_OF_RANGE: (
        "HDS",
        "{call!r} ({format}) has an HDS that is no haplotype's dosage: it is outside 0 to 1.",
        "Write expected copies of ALT on each haplotype, or read GT (genotype field GT).",
    ),
    WRONG_HDS_COUNT: (
        "HDS",
        "{call!r} ({format}) has not one HDS for each allele of its GT.",
        "Write one HDS for each haplotype, or read GT.",
    ),
    MALFORMED_GP: (
        "GP",
        "{call!r} ({format}) has a GP that is no number.",
        "Write numbers or '.'.",
    ),
    GP_OUT_OF_RANGE: (
        "GP",
        "{call!r} ({format}) has a GP that is no probability: it is outside 0 to 1.",
        "Write probabilities (VCF 4.3 and later), not Phred scores, or read GT.",
    ),
    WRONG_GP_COUNT: (
        "GP",
        "{call!r} ({format}) has not one GP for each genotype of ALT ({alts}).",
        "Write one GP for each haploid or diploid genotype (Number=G), or read GT.",
    ),
    GP_NOT_ONE: (
        "GP",
        "{call!r} ({format}) has GPs that do not add up to 1.",
        "Write the probability of every genotype, '.' where there are none, or read GT.",
    ),
}
