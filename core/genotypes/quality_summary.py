"""Quality of a file in a few numbers and histograms, small enough for its record; and the names of
the tables that hold the rest, beside the file's store.

    quality/summary.json               of the file (jobs.summarise_cohort)
    quality/samples.parquet            a row for each sample (core.genotypes.sample_quality)
    quality/variants-SSSSS.parquet     a row for each variant of shard S (…variant_quality)
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.genotypes.histogram import Histogram
from core.genotypes.sample_quality import HIGH_HETEROZYGOSITY, LOW_HETEROZYGOSITY
from core.genotypes.variant_quality import CALL_RATE_EDGES, VariantHistograms

QUALITY_FOLDER = "quality"
SUMMARY_KEY = f"{QUALITY_FOLDER}/summary.json"
SAMPLES_KEY = f"{QUALITY_FOLDER}/samples.parquet"

_SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_RATIO_EDGES = tuple(round(0.2 * i, 1) for i in range(21))
_F_EDGES = (-1.0, -0.5, -0.3, -0.2, -0.1, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def variants_key(shard: int) -> str:
    return f"{QUALITY_FOLDER}/variants-{shard:05}.parquet"


@dataclass(frozen=True, slots=True)
class Quantiles:
    """`values[i]` is the quantile at `shares[i]`, interpolated; none where nobody has a value."""

    shares: tuple[float, ...]
    values: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """Of the samples; the histograms count those that have a value.

    inferred_sex              samples by male, female, unknown
    n_heterozygosity_outliers samples with a contamination_hint that is not "none"; None where it
                              can be said of nobody
    """

    n_samples: int
    inferred_sex: dict[str, int]
    n_heterozygosity_outliers: int | None
    call_rate_quantiles: Quantiles
    call_rate: Histogram
    het_hom_ratio: Histogram
    heterozygosity_f: Histogram


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """`person` is the one sample's row of the table, of a file of one sample."""

    samples: SampleSummary
    variants: VariantHistograms
    person: dict[str, Any] | None


def summarise_quality(table: pa.Table, variants: VariantHistograms) -> QualitySummary:
    """From the table of all samples and the variants' histograms."""
    person = table.slice(0, 1).to_pylist()[0] if len(table) == 1 else None
    return QualitySummary(_summarise_samples(table), variants, person)


def _summarise_samples(table: pa.Table) -> SampleSummary:
    sexes = Counter[str](male=0, female=0, unknown=0)
    sexes.update(table.column("inferred_sex").to_pylist())
    hints = table.column("contamination_hint")
    outliers = pc.sum(pc.is_in(hints, pa.array([HIGH_HETEROZYGOSITY, LOW_HETEROZYGOSITY]))).as_py()
    call_rates = _values(table, "call_rate")
    return SampleSummary(
        n_samples=len(table),
        inferred_sex=dict(sexes),
        n_heterozygosity_outliers=None if hints.null_count == len(table) else outliers,
        call_rate_quantiles=_quantiles(call_rates),
        call_rate=Histogram.of(CALL_RATE_EDGES, call_rates),
        het_hom_ratio=Histogram.of(_RATIO_EDGES, _values(table, "het_hom_ratio")),
        heterozygosity_f=Histogram.of(_F_EDGES, _values(table, "heterozygosity_f")),
    )


def _quantiles(values: npt.NDArray[np.float64]) -> Quantiles:
    known = values[~np.isnan(values)]
    found = tuple(np.quantile(known, _SHARES).tolist()) if len(known) else None
    return Quantiles(_SHARES, found)


def _values(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """NaN for null."""
    return table.column(name).combine_chunks().to_numpy(zero_copy_only=False).astype(np.float64)


def parquet_of(table: pa.Table) -> pa.Buffer:
    """In row groups that a page is read from."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=65_536)
    return sink.getvalue()
