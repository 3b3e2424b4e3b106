"""Quality of a genotype file, counted in one pass over its blocks.

Counts add up, so shards may be counted anywhere and in any order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.genotypes.block import MISSING_CALL, DosageBlock
from core.genotypes.simd import LANES, bit_count, equal_mask, kernel
from core.variants import is_acgt

_TRANSITIONS = frozenset({("A", "G"), ("G", "A"), ("C", "T"), ("T", "C")})


@dataclass(frozen=True, slots=True)
class QualityCounts:
    """n_records            variant records
    n_multiallelic       records with several ALTs
    alts_by_type         ALT alleles by snv, mnv, insertion, deletion, symbolic, reference_only
    n_transitions, n_transversions    single-base ALT alleles
    n_calls, n_missing   calls of all records and samples, and those that are missing
    """

    n_records: int = 0
    n_multiallelic: int = 0
    alts_by_type: Mapping[str, int] = field(default_factory=dict[str, int])
    n_transitions: int = 0
    n_transversions: int = 0
    n_calls: int = 0
    n_missing: int = 0

    def __add__(self, other: "QualityCounts") -> "QualityCounts":
        sums = {
            name: getattr(self, name) + getattr(other, name)
            for name in self.__slots__
            if name != "alts_by_type"
        }
        by_type = Counter(self.alts_by_type) + Counter(other.alts_by_type)
        return QualityCounts(**sums, alts_by_type=dict(by_type))

    @property
    def ti_tv(self) -> float | None:
        """Transitions over transversions; None without transversions."""
        return self.n_transitions / self.n_transversions if self.n_transversions else None

    @property
    def call_rate(self) -> float | None:
        """Calls that are not missing over all calls; None without calls."""
        return 1 - self.n_missing / self.n_calls if self.n_calls else None


def count_quality(blocks: Iterable[DosageBlock]) -> QualityCounts:
    """The counts of some blocks."""
    total = QualityCounts()
    for block in blocks:
        total += _count_block(block)
    return total


def _count_block(block: DosageBlock) -> QualityCounts:
    first = np.ones(block.n_rows, bool)
    first[1:] = block.record[1:] != block.record[:-1]
    pairs = _allele_pairs(block)
    substitutions = {pair: n for pair, n in pairs.items() if allele_type(*pair) == "snv"}
    transitions = sum(n for pair, n in substitutions.items() if pair in _TRANSITIONS)
    by_type: Counter[str] = Counter()
    for pair, n in pairs.items():
        by_type[allele_type(*pair)] += n
    return QualityCounts(
        n_records=int(first.sum()),
        n_multiallelic=int((block.column("n_alts").to_numpy()[first] > 1).sum()),
        alts_by_type=dict(by_type),
        n_transitions=transitions,
        n_transversions=sum(substitutions.values()) - transitions,
        n_calls=int(first.sum()) * block.n_samples,
        n_missing=_count_missing(block, first),
    )


def _allele_pairs(block: DosageBlock) -> dict[tuple[str, str], int]:
    """ALT rows of the block by (REF, ALT): pairs repeat, so what follows runs once for each."""
    table = pa.table({"ref": block.column("ref"), "alt": block.column("alt")})
    counted = table.group_by(["ref", "alt"]).aggregate([([], "count_all")])
    return {(row["ref"], row["alt"]): row["count_all"] for row in counted.to_pylist()}


def allele_type(ref: str, alt: str) -> str:
    """snv, mnv, insertion, deletion; `reference_only` for ALT ".", `symbolic` for any other ALT
    that is no sequence (<DEL>, *, breakends).

    >>> allele_type("A", "ATT")
    'insertion'
    """
    if alt == ".":
        return "reference_only"
    if not is_acgt(alt.replace("N", "A")):
        return "symbolic"
    if len(ref) == len(alt):
        return "snv" if len(ref) == 1 else "mnv"
    return "insertion" if len(alt) > len(ref) else "deletion"


def _count_missing(block: DosageBlock, rows: npt.NDArray[np.bool_]) -> int:
    calls = block.hard_calls
    if calls is not None:
        return count_missing_calls(calls.reshape(-1), block.n_samples, rows)
    imputed = cast(npt.NDArray[np.float32], block.dosage)
    return count_missing_dosages(imputed, rows)


@kernel
def count_missing_calls(
    calls: npt.NDArray[np.uint8], n_samples: int, rows: npt.NDArray[np.bool_]
) -> int:
    """Missing hard calls of the rows that are marked; calls (rows * samples,), marks (rows,)."""
    n_missing = 0
    for row in range(rows.shape[0]):
        if not rows[row]:
            continue
        i, stop = row * n_samples, (row + 1) * n_samples
        while i + LANES <= stop:
            n_missing += bit_count(equal_mask(calls, i, MISSING_CALL))
            i += LANES
        while i < stop:
            n_missing += calls[i] == MISSING_CALL
            i += 1
    return n_missing


@kernel
def count_missing_dosages(dosages: npt.NDArray[np.float32], rows: npt.NDArray[np.bool_]) -> int:
    """Missing imputed dosages of the rows that are marked; dosages (rows, samples)."""
    n_missing = 0
    for row in range(rows.shape[0]):
        if rows[row]:
            for sample in range(dosages.shape[1]):
                n_missing += np.isnan(dosages[row, sample])
    return n_missing
