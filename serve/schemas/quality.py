"""Quality of a file as clients see it: its summary, and its samples' page by page."""

from typing import Literal

from pydantic import BaseModel, Field


class HistogramOut(BaseModel):
    """`counts[i]` values v have edges[i] <= v < edges[i + 1]; the last bin has its upper edge,
    too."""

    edges: list[float]
    counts: list[int]
    n_undefined: int = Field(description="Values that there were none of.")


class QuantilesOut(BaseModel):
    shares: list[float]
    values: list[float] | None


class InferredSexes(BaseModel):
    male: int
    female: int
    unknown: int


class SampleQualitySummary(BaseModel):
    n_samples: int
    inferred_sex: InferredSexes
    n_heterozygosity_outliers: int | None = Field(
        description="Samples with a contamination hint; null where it can be said of nobody."
    )
    call_rate_quantiles: QuantilesOut
    call_rate: HistogramOut
    het_hom_ratio: HistogramOut
    heterozygosity_f: HistogramOut


class VariantQualitySummary(BaseModel):
    """call_rate and hwe_p count records, allele_frequency and r2 count ALTs."""

    call_rate: HistogramOut
    allele_frequency: HistogramOut
    hwe_p: HistogramOut
    r2: HistogramOut


class SampleQuality(BaseModel):
    """One sample. Genotype counts are null where dosages were imputed, ratios where nothing is to
    be divided by. A contamination hint is a hint and never a verdict."""

    sample_id: str
    n_records: int
    n_missing: int
    call_rate: float | None
    n_hom_ref: int | None
    n_het: int | None
    n_hom_alt: int | None
    n_hap_ref: int | None
    n_hap_alt: int | None
    n_snv_het: int | None
    n_snv_hom_alt: int | None
    n_transitions: int | None
    n_transversions: int | None
    n_indels: int | None
    n_singletons: int | None
    het_hom_ratio: float | None
    ti_tv: float | None
    heterozygosity_f: float | None
    inferred_sex: Literal["male", "female", "unknown"]
    sex_reason: str
    n_x_haploid: int | None
    n_x_diploid: int | None
    n_x_het: int | None
    x_f: float | None
    y_call_rate: float | None
    contamination_hint: Literal["none", "high_heterozygosity", "low_heterozygosity"] | None
    contamination_reason: str


class QualityOut(BaseModel):
    """Of one file; `person` is the one sample of a file of one sample."""

    samples: SampleQualitySummary
    variants: VariantQualitySummary
    person: SampleQuality | None


class SampleQualityPage(BaseModel):
    items: list[SampleQuality]
    next_page_token: str | None
