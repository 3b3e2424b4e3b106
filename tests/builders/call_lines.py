"""Lines of a VCF for the kernels that decode them, without a file around."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.genotypes import vcf_calls
from core.genotypes import vcf_kernels as kernels
from core.genotypes.simd import PADDING


@dataclass(frozen=True)
class Decoded:
    """`status`, `line` and `sample` as the kernel returns them; what it wrote where all is well.

    ploidy is 2 where the kernel leaves it alone.
    """

    status: int
    line: int
    sample: int
    dosage: np.ndarray
    ploidy: np.ndarray


def decode(
    kernel: Callable[..., tuple[int, int, int]],
    content: bytes,
    n_samples: int,
    dosage_type: type[np.uint8] | type[np.float32],
    *numbers: int,
    padding: bytes = bytes(PADDING),
) -> Decoded:
    """Of complete lines; `numbers` go to the kernel behind n_alts, `padding` behind the text."""
    text = np.frombuffer(bytearray(content + padding), np.uint8)
    lines = _index(text, content)
    alts = [(line[kernels.FOURTH_TAB] + 1, line[kernels.FIFTH_TAB]) for line in lines]
    n_alts = np.array([kernels.count_alts(text, *span) for span in alts], np.int64)
    n_rows = int(np.maximum(n_alts, 1).sum())
    dosage = np.full((n_rows + 2, n_samples), 77, dosage_type)
    ploidy = np.full((n_rows + 2, n_samples), 77, np.uint8)
    is_diploid = np.zeros(n_rows + 2, np.bool_)
    result = kernel(text, lines, n_alts, *numbers, 1, dosage, ploidy, is_diploid)
    assert (dosage[[0, -1]] == 77).all(), "rows of other lines were written to"
    assert (ploidy[[0, -1]] == 77).all(), "rows of other lines were written to"
    ploidy[is_diploid] = 2
    return Decoded(*result, dosage[1:-1], ploidy[1:-1])


def _index(text: np.ndarray, content: bytes) -> np.ndarray:
    """Of the lines that have ten columns and a POS."""
    lines = np.empty((content.count(b"\n"), kernels.N_LINE_COLUMNS), np.int64)
    n, start = 0, 0
    while start < len(content):
        newline = content.index(b"\n", start)
        end = newline - content[start:newline].endswith(b"\r")
        n_tabs = kernels.index_columns(text, start, end, lines, n)
        position = lines[n, kernels.FIRST_TAB] + 1, lines[n, kernels.SECOND_TAB]
        n += n_tabs == 9 and kernels.read_position(text, *position) >= 0
        start = newline + 1
    return lines[:n].copy()


def expected_call(call: str, n_alts: int, half_call: int) -> tuple[list[int], int] | int:
    """(copies of each ALT, ploidy) of a GT, copies 255 where it is missing; or the problem."""
    if not re.fullmatch(r"[|/]?(\d+|\.)([|/](\d+|\.))*", call):
        readable = re.match(r"[|/]?((\d+|\.)[|/])*\d*", call)
        before = re.findall(r"\d+", readable.group() if readable else "")
        is_unknown = any(int(allele) > n_alts for allele in before)  # the first problem counts
        return vcf_calls.UNKNOWN_ALLELE if is_unknown else vcf_calls.MALFORMED_GT
    alleles = re.split(r"[|/]", call.removeprefix("|").removeprefix("/"))
    seen = [int(allele) for allele in alleles if allele != "."]
    if any(allele > n_alts for allele in seen):
        return vcf_calls.UNKNOWN_ALLELE
    copies, ploidy = [seen.count(i + 1) for i in range(max(1, n_alts))], len(alleles)
    missing = [255] * len(copies)
    if not seen:
        return missing, ploidy
    if len(seen) == ploidy or half_call == vcf_calls.HALF_CALL_REFERENCE:
        return copies, ploidy
    if half_call == vcf_calls.HALF_CALL_ERROR:
        return vcf_calls.HALF_CALL
    if half_call == vcf_calls.HALF_CALL_MISSING or len(set(seen)) > 1:
        return missing, ploidy
    return [ploidy * (seen[0] == i + 1) for i in range(len(copies))], ploidy


def damage(content: bytearray, rng: random.Random) -> None:
    """One byte or a few become others, are lost or come twice; the last line stays complete."""
    at = rng.randrange(len(content))
    match rng.randrange(4):
        case 0:
            content[at] = rng.randrange(256)
        case 1:
            content[at] = rng.choice(b"\t\n\r,.:/|0e-")
        case 2:
            del content[at : at + rng.randrange(20)]
        case 3:
            content[at:at] = bytes(content[at : at + rng.randrange(20)])
    content += b"\n"
