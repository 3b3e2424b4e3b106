"""The shape of report.json, and all that the page is made from.

Keys are stable: new ones may come, and SCHEMA changes where one had to go or to mean something
else. A number that cannot be said is null, also
where no type says so: weights near the limits of a float overflow. There is no NaN.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

from core.scoring.report.distribution import Distribution

SCHEMA = "curagenie-report/1"
NOTICE = "Research use only, not a diagnosis."

CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
"""What a browser may load for the page besides the page itself: nothing."""


GENOTYPE_FACTS = (
    *("n_variants", "n_multiallelic", "variants_by_type", "ti_tv", "call_rate"),
    "quality",
)
"""Of what jobs.summarise_cohort tells."""


class Fate(TypedDict):
    """Rows of one scoring file that ended alike. `weight_share` is their part of the file's sum of
    |weight|; `reason` is null for plainly matched rows."""

    status: str
    reason: str | None
    n_rows: int
    share: float
    weight_share: float
    meaning: str


class SumRange(TypedDict):
    """What some rows could add to a sum at most: every call between 0 and 2 effect alleles."""

    lowest: float
    highest: float


class AbsentSites(TypedDict):
    """Rows of a score whose position the genotypes have no record of. `kind` is variants_only,
    lists_reference, below_evidence or not_looked_at; `could_add` is null where an absent row has no
    single weight."""

    n_rows: int
    share: float
    kind: str
    n_records_looked_at: int | None
    n_records_without_alt: int | None
    could_add: SumRange | None
    meaning: str


class StatusCount(TypedDict):
    status: str
    label: str
    n_samples: int
    meaning: str


class SampleLine(TypedDict):
    sample_id: str
    score_sum: float | None
    score_average: float | None
    denominator: int
    n_missing: int
    status: str


class ScoreSource(TypedDict):
    """What the scoring file's header says of the score; null where it does not."""

    name: str | None
    trait: str | None
    citation: str | None
    citation_url: str | None
    catalog_url: str | None
    licence: str | None
    weight_type: str | None


class ScoreReport(ScoreSource):
    """One score. `sums` is of the samples that have a sum, null for a file of one sample and where
    nobody has one; so is `missing_calls` (matched rows whose call is missing, per sample).
    `samples` is null where there are too many to list. Of the matched rows, `n_from_reference` were
    answered by records without ALT, `n_from_blocks` of these inside a gVCF's reference blocks;
    `n_assumed_reference` and `n_imputed_absent` rows have no record and are none of them."""

    accession: str
    build: str | None
    status: str
    status_label: str
    status_meaning: str
    n_rows: int
    n_matched: int
    n_excluded: int
    n_unmatched: int
    n_flipped: int
    n_from_reference: int
    n_from_blocks: int
    n_assumed_reference: int
    n_imputed_absent: int
    coverage: float
    weight_coverage: float
    fates: list[Fate]
    absent_sites: AbsentSites | None
    samples_by_status: list[StatusCount]
    sums: Distribution | None
    missing_calls: Distribution | None
    samples: list[SampleLine] | None


class PolicyField(TypedDict):
    """`origin` is default, the name of the --compat preset, or chosen."""

    field: str
    value: str | float
    default: str | float
    origin: str
    meaning: str


class MissingCalls(TypedDict):
    policy: str
    frequency_source: str | None
    meaning: str


class InputFile(TypedDict):
    role: str
    name: str
    sha256: str


class Refusal(TypedDict):
    file: str
    code: str
    what: str
    line: int | None
    field: str | None
    fix: str | None


class QualitySample(TypedDict):
    """As core.genotypes.sample_quality has them."""

    sample_id: str
    call_rate: float | None
    het_hom_ratio: float | None
    ti_tv: float | None
    n_singletons: int | None
    heterozygosity_f: float | None
    inferred_sex: str
    sex_reason: str
    contamination_hint: str | None
    contamination_reason: str


class QualitySamples(TypedDict):
    """`which` is all, or heterozygosity_outliers: of `n_samples` such, the first are listed."""

    which: str
    n_samples: int
    samples: list[QualitySample]


class Run(TypedDict):
    n_samples: int
    n_records: int
    build: str | None
    build_source: str
    build_evidence: str | None
    genotype_field: str
    compat: str
    executor: str
    seconds: float
    command: str
    versions: Mapping[str, str]


class Report(TypedDict):
    """`made_at` is RFC 3339, UTC. `genotypes` are GENOTYPE_FACTS as storing or uploading the
    genotypes found them; `quality_samples` is null for one sample, whose quality is among those.
    `quality_missing` says why something of both is not there; null where all is."""

    schema: str
    notice: str
    made_at: str
    run: Run
    scores: list[ScoreReport]
    refused_scoring_files: list[Refusal]
    missing_calls: MissingCalls
    policy: list[PolicyField]
    inputs: list[InputFile]
    genotypes: Mapping[str, Any] | None
    quality_samples: QualitySamples | None
    quality_missing: str | None
