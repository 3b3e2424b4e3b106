"""Quality of a genotype file, counted in one pass over its blocks: of the file (QualityCounts), of
every sample (sample_quality), of every variant (variant_quality).

Counts add up, so shards may be counted anywhere and in any order.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

from core.genome_build import GenomeBuild
from core.genotypes.block import DosageBlock, values_of
from core.genotypes.genotype_counts import (
    Bytes,
    RowStatistics,
    Totals,
    count_calls,
    count_dosages,
)
from core.genotypes.sample_quality import SampleCounts
from core.genotypes.site_kinds import TRANSITION, TRANSVERSION, SiteKinds
from core.genotypes.variant_quality import VariantFile, VariantHistograms, VariantQuality


@dataclass(frozen=True, slots=True)
class QualityCounts:
    """n_records            variant records
    n_multiallelic       records with several ALTs
    alts_by_type         ALT alleles by snv, mnv, insertion, deletion, symbolic, reference_only
    n_transitions, n_transversions    ALT alleles of one base, A, C, G or T, as REF is
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


class QualityCounter:
    """Counts blocks of one file, one after the other, in one thread. `variant_file` gets a row for
    each of theirs, where it is given."""

    def __init__(
        self,
        n_samples: int,
        build: GenomeBuild | None,
        variant_file: VariantFile | None = None,
    ) -> None:
        self.counts = QualityCounts()
        self.histograms = VariantHistograms.none()
        self._build = build
        self._variant_file = variant_file
        self._totals = Totals.of(n_samples)
        self._genotypes = np.empty(n_samples, np.uint8)
        self._is_imputed = False

    def add(self, block: DosageBlock) -> None:
        kinds = SiteKinds.of(block, self._build)
        statistics = self._count(block, kinds)
        self.counts += _file_counts(block, kinds, statistics)
        variants = VariantQuality.of(block, statistics)
        self.histograms += VariantHistograms.of(variants, kinds.is_first)
        if self._variant_file is not None:
            self._variant_file.add(variants.to_table())

    def finish(self) -> SampleCounts:
        """What was counted of the samples; nothing is added afterwards."""
        return SampleCounts.of(self._totals, is_imputed=self._is_imputed)

    def _count(self, block: DosageBlock, kinds: SiteKinds) -> RowStatistics:
        statistics = RowStatistics.of(block.n_rows)
        calls, ploidy = block.hard_calls, block.ploidy
        ploidies = _NO_PLOIDY if ploidy is None else ploidy.reshape(-1)
        if calls is None:
            dosages = cast(npt.NDArray[np.float32], block.dosage)
            self._is_imputed = True
            count_dosages(dosages, ploidies, kinds.is_first, kinds.place, self._totals, statistics)
            return statistics
        count_calls(
            calls.reshape(-1),
            ploidies,
            kinds.is_first,
            kinds.alt,
            kinds.place,
            self._genotypes,
            self._totals,
            statistics,
        )
        return statistics


_NO_PLOIDY: Bytes = np.empty(0, np.uint8)
_NO_PLOIDY.flags.writeable = False  # as that of blocks, or kernels are compiled once more


def _file_counts(block: DosageBlock, kinds: SiteKinds, statistics: RowStatistics) -> QualityCounts:
    n_records = int(kinds.is_first.sum())
    return QualityCounts(
        n_records=n_records,
        n_multiallelic=int((values_of(block.column("n_alts"))[kinds.is_first] > 1).sum()),
        alts_by_type=dict(kinds.alts_by_type),
        n_transitions=int((kinds.alt == TRANSITION).sum()),
        n_transversions=int((kinds.alt == TRANSVERSION).sum()),
        n_calls=n_records * block.n_samples,
        n_missing=int(statistics.n_missing[kinds.is_first].sum()),
    )
