"""Quality of every variant: a table with a row for each *(record, one ALT)*, as blocks have them.

    contig, position, id, ref, alt
    n_missing, call_rate        of the record
    n_het, n_hom_alt            of the record (core.genotypes.sample_quality); null where dosages
                                were imputed
    allele_count                copies of ALT, or its dosages added up
    allele_number               alleles of the called: 2 of a diploid, 1 of a haploid call
    allele_frequency            count / number; null without calls, and where ALT is "."
    hwe_p                       exact test of Hardy-Weinberg equilibrium (hardy_weinberg.py) of
                                records with one ALT on autosomes, all calls diploid; else null
    r2                          of imputed dosages, as MaCH and minimac estimate it (their own, from
                                haplotype dosages, differs); else null

It is kept as Parquet, a file for each shard, in the order of the input.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.genotypes.block import DosageBlock, known_numbers, numbers, numbers_or_null
from core.genotypes.genotype_counts import Marks, RowStatistics
from core.genotypes.histogram import Histogram

Floats = npt.NDArray[np.float64]

VARIANT_SCHEMA = pa.schema(
    [
        ("contig", pa.string()),
        ("position", pa.int64()),
        ("id", pa.string()),
        ("ref", pa.string()),
        ("alt", pa.string()),
        ("n_missing", pa.int32()),
        ("call_rate", pa.float64()),
        ("n_het", pa.int32()),
        ("n_hom_alt", pa.int32()),
        ("allele_count", pa.float64()),
        ("allele_number", pa.int32()),
        ("allele_frequency", pa.float64()),
        ("hwe_p", pa.float64()),
        ("r2", pa.float64()),
    ]
)

_SITE_COLUMNS = ("contig", "position", "id", "ref", "alt")
_GROUP_ROWS = 65_536

_UNREPEATED = ("position", "id", "r2")
"""A dictionary of these is only built to be thrown away."""

CALL_RATE_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
_FREQUENCY_EDGES = (
    *(0.0, 1e-4, 1e-3, 0.005, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4),
    *(0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0),
)
_P_EDGES = (0.0, 1e-50, 1e-20, 1e-10, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
_R2_EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class VariantHistograms:
    """call_rate and hwe_p count records, allele_frequency and r2 count ALTs."""

    call_rate: Histogram
    allele_frequency: Histogram
    hwe_p: Histogram
    r2: Histogram

    @classmethod
    def of(cls, variants: "VariantQuality", is_first: Marks) -> "VariantHistograms":
        """`is_first` (rows,) marks the first rows of records."""
        statistics = variants.statistics
        return cls(
            Histogram.of(CALL_RATE_EDGES, variants.call_rate[is_first]),
            Histogram.of(_FREQUENCY_EDGES, variants.allele_frequency),
            Histogram.of(_P_EDGES, statistics.hwe_p[is_first]),
            Histogram.of(_R2_EDGES, statistics.r2),
        )

    @classmethod
    def none(cls) -> "VariantHistograms":
        edges = (CALL_RATE_EDGES, _FREQUENCY_EDGES, _P_EDGES, _R2_EDGES)
        return cls(*(Histogram.of(one, np.empty(0)) for one in edges))

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "VariantHistograms":
        """The inverse of dataclasses.asdict, from JSON."""
        return cls(**{name: Histogram.from_dict(one) for name, one in facts.items()})

    def __add__(self, other: "VariantHistograms") -> "VariantHistograms":
        return VariantHistograms(
            self.call_rate + other.call_rate,
            self.allele_frequency + other.allele_frequency,
            self.hwe_p + other.hwe_p,
            self.r2 + other.r2,
        )


@dataclass(frozen=True, slots=True)
class VariantQuality:
    """Of the rows of a block; the rates are (rows,), NaN where there is none."""

    block: DosageBlock
    statistics: RowStatistics
    call_rate: Floats
    allele_frequency: Floats

    @classmethod
    def of(cls, block: DosageBlock, statistics: RowStatistics) -> "VariantQuality":
        number = np.where(statistics.allele_number > 0, statistics.allele_number, np.nan)
        frequency = statistics.allele_count / number
        is_absent = pc.equal(block.column("alt"), ".").to_numpy(zero_copy_only=False)
        frequency[is_absent] = np.nan
        return cls(block, statistics, 1 - statistics.n_missing / block.n_samples, frequency)

    def to_table(self) -> pa.Table:
        """Rows of VARIANT_SCHEMA."""
        block, statistics = self.block, self.statistics
        is_imputed = np.full(block.n_rows, block.hard_calls is None)
        columns = {name: block.column(name) for name in _SITE_COLUMNS}
        columns |= {
            "n_missing": numbers(statistics.n_missing),
            "call_rate": numbers(self.call_rate),
            "n_het": numbers_or_null(statistics.n_het, is_imputed),
            "n_hom_alt": numbers_or_null(statistics.n_hom_alt, is_imputed),
            "allele_count": numbers(statistics.allele_count),
            "allele_number": numbers(statistics.allele_number),
            "allele_frequency": known_numbers(self.allele_frequency),
            "hwe_p": known_numbers(statistics.hwe_p),
            "r2": known_numbers(statistics.r2),
        }
        return pa.table(columns, schema=VARIANT_SCHEMA)


class VariantFile:
    """Parquet of rows of VARIANT_SCHEMA, in memory, where it takes a fraction of theirs."""

    def __init__(self) -> None:
        self._sink = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(
            self._sink,
            VARIANT_SCHEMA,
            compression="zstd",
            use_dictionary=[name for name in VARIANT_SCHEMA.names if name not in _UNREPEATED],
            write_statistics=["contig", "position"],
            column_encoding={"position": "DELTA_BINARY_PACKED"},
        )
        self._waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= _GROUP_ROWS:
            self._write()

    def finish(self) -> pa.Buffer:
        self._write()
        self._writer.close()
        return self._sink.getvalue()

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=_GROUP_ROWS)
            self._waiting.clear()
