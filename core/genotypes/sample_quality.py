"""Quality of every sample: what the counts of its genotypes say.

A record counts once for each sample, whatever its ALTs. Where programs differ, this is what we take
(PSC: `bcftools stats -s -`; SC: `plink2 --sample-counts`):

    n_missing            no call, half-calls included             PSC nMissing, SC missing
    n_hom_ref            all alleles REF, of 2 copies or more      PSC nRefHom, SC homref
    n_het                two different alleles, 1/2 included       SC het
    n_hom_alt            all alleles the same ALT                  SC homalt
    n_hap_ref, _alt      one copy                                  PSC nHapRef, nHapAlt
    n_snv_het            of n_het, an SNV among the alleles        PSC nHets; SC hetsnp (which has *
                                                                   for a base)
    n_snv_hom_alt        of n_hom_alt, the ALT is an SNV           PSC nNonRefHom; SC homaltsnp
    n_transitions, n_transversions
                         single-base ALTs that the sample carries, each once per record; of a
                         haploid call, too (PSC leaves those out, and of 1/2 counts one ALT)
    n_indels             records with an insertion or deletion that the sample carries; of a
                         haploid call, too (PSC nIndels leaves those out)
    n_singletons         ALTs of which the cohort has one copy, which is this sample's; of a haploid
                         call, too (SC single; PSC counts records with one carrier, homozygous
                         ones included, and leaves out haploid calls)

het_hom_ratio is n_snv_het / n_snv_hom_alt; ti_tv is n_transitions / n_transversions.

heterozygosity_f = 1 - heterozygotes / expected, over records with one ALT on autosomes, as
`plink2 --het small-sample`: expected is the sum of 2pq * 2n / (2n - 1) over the sample's calls,
with the cohort's allele frequencies. Cohorts of fewer than 50 have none.

contamination_hint is a hint and never a verdict: foreign DNA adds heterozygotes; but so does recent
admixture, and a cohort of several ancestries spreads F by itself.

    cohort >= 50    beyond 3 standard deviations of the cohort's F     Anderson et al. 2010,
                                                                       Nat Protoc 5:1564
    smaller         het_hom_ratio beyond 1.0 to 3.0, of 10,000 SNVs    ours
                    or more that are not REF

The ratio is 2 in Hardy-Weinberg proportions, hardly depends on how many sites were looked at, and
varies with ancestry (Samuels et al. 2016, Genetics 204:893). The range leaves room around people
without contamination: 1.1 to 2.4 in the 2,504 of the 1000 Genomes, 2.4 on the chromosome 20 of a
genome that has 1.6 (tests/acceptance).
`high_heterozygosity` is what contamination looks like; `low_heterozygosity` is what inbreeding or
lost alleles look like; `none` is neither.

Of imputed dosages only n_missing is counted: their best guesses are no calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.genotypes.block import known_numbers, numbers
from core.genotypes.genotype_counts import (
    EXPECTED_UNITS,
    SAMPLE_COUNTS,
    Ints,
    Ints32,
    Marks,
    Totals,
    settle_all,
)
from core.genotypes.sex import SMALL_COHORT, SexEvidence, judge_sex
from core.genotypes.site_kinds import AUTOSOME, N_PLACES, X_ALONE, Y_ALONE
from core.samples import FEMALE, MALE, UNKNOWN

Floats = npt.NDArray[np.float64]

_SEX_WORDS = {UNKNOWN: "unknown", MALE: "male", FEMALE: "female"}

HIGH_HETEROZYGOSITY, LOW_HETEROZYGOSITY, NO_HINT = (
    *("high_heterozygosity", "low_heterozygosity"),
    "none",
)
COHORT_F, HET_HOM_RANGE = "cohort_f", "het_hom_range"
TOO_FEW_VARIANTS, IMPUTED_DOSAGES, NO_SPREAD = "too_few_variants", "imputed_dosages", "no_spread"

_F_DEVIATIONS = 3.0
_HET_HOM_RANGE = (1.0, 3.0)
_MIN_SNVS = 10_000


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Counts of S samples, which add up over shards in any order.

    counts         (len(SAMPLE_COUNTS), S) int32 of a shard, int64 of what begins with `none`
    expected_het   (2, S) int64, on autosomes and on X, in EXPECTED_UNITS
    n_records      (N_PLACES,) int64
    is_imputed     some dosages were no calls
    """

    counts: Ints32 | Ints
    expected_het: Ints
    n_records: Ints
    is_imputed: bool

    @classmethod
    def none(cls, n_samples: int) -> "SampleCounts":
        counts = np.zeros((len(SAMPLE_COUNTS), n_samples), np.int64)
        return cls(counts, np.zeros((2, n_samples), np.int64), np.zeros(N_PLACES, np.int64), False)

    @classmethod
    def of(cls, totals: Totals, *, is_imputed: bool) -> "SampleCounts":
        settle_all(totals)
        expected = totals.expected_het + totals.expected_all[:, np.newaxis]
        return cls(totals.counts, expected, totals.n_records, is_imputed)

    def __add__(self, other: "SampleCounts") -> "SampleCounts":
        return SampleCounts(
            self.counts + other.counts,
            self.expected_het + other.expected_het,
            self.n_records + other.n_records,
            self.is_imputed or other.is_imputed,
        )

    def columns(self) -> dict[str, pa.Array]:
        """One row of a shard's, for the trip between processes."""
        return {
            "counts": _binary(self.counts.astype(np.int32, copy=False)),
            "expected_het": _binary(self.expected_het),
            "records": _binary(self.n_records),
            "is_imputed": pa.array([self.is_imputed]),
        }

    @classmethod
    def from_columns(cls, table: pa.Table) -> "SampleCounts":
        n_records = _numbers(table, "records", np.int64)
        counts = _numbers(table, "counts", np.int32).reshape(len(SAMPLE_COUNTS), -1)
        expected = _numbers(table, "expected_het", np.int64).reshape(2, -1)
        is_imputed = bool(table.column("is_imputed")[0].as_py())
        return cls(counts, expected, n_records, is_imputed)

    def __getitem__(self, name: str) -> Ints:
        """(S,) one of SAMPLE_COUNTS."""
        return self.counts[SAMPLE_COUNTS.index(name)].astype(np.int64)


def _binary(values: np.ndarray) -> pa.Array:
    data = pa.py_buffer(np.ascontiguousarray(values))
    ends = numbers(np.array([0, values.nbytes])).buffers()[1]
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, data])


def _numbers(table: pa.Table, name: str, dtype: type[np.generic]) -> np.ndarray:
    return np.frombuffer(table.column(name)[0].as_buffer(), dtype)


def sample_table(samples: Sequence[str], counts: SampleCounts) -> pa.Table:
    """A row for each sample, in the file's order; null is what cannot be said, with a reason where
    it is a judgement."""
    n_records = int(counts.n_records.sum())
    missing = counts["n_missing"]
    columns: dict[str, pa.Array] = {
        "sample_id": pa.array(samples, pa.string()),
        "n_records": numbers(np.full(len(samples), n_records)),
        "n_missing": numbers(missing),
        "call_rate": known_numbers(1 - _ratio(missing, n_records)),
    }
    columns |= _genotype_columns(counts, n_records)
    f = _heterozygosity_f(counts)
    columns["heterozygosity_f"] = known_numbers(f)
    columns |= _sex_columns(counts)
    columns |= _hint_columns(counts, f)
    return pa.table(columns)


def _genotype_columns(counts: SampleCounts, n_records: int) -> dict[str, pa.Array]:
    called = n_records - counts["n_missing"]
    alts = sum(counts[name] for name in ("n_het", "n_hom_alt", "n_hap_ref", "n_hap_alt"))
    listed = {
        "n_hom_ref": called - alts,
        **{name: counts[name] for name in SAMPLE_COUNTS[1:10]},
        "n_singletons": counts["n_singletons"],
    }
    columns = {name: _counted(counts, values) for name, values in listed.items()}
    if len(called) == 1:  # everything is singular in a cohort of one
        columns["n_singletons"] = pa.nulls(1, pa.int64())
    het_hom = _ratio(counts["n_snv_het"], counts["n_snv_hom_alt"])
    ti_tv = _ratio(counts["n_transitions"], counts["n_transversions"])
    columns |= {"het_hom_ratio": known_numbers(het_hom), "ti_tv": known_numbers(ti_tv)}
    return columns


def _heterozygosity_f(counts: SampleCounts) -> Floats:
    """(S,) NaN in a small cohort."""
    if len(counts["n_missing"]) < SMALL_COHORT:
        return np.full(len(counts["n_missing"]), np.nan)
    expected = counts.expected_het[AUTOSOME] / EXPECTED_UNITS
    return 1 - _ratio(counts["n_autosomal_het"], expected)


def sex_evidence(counts: SampleCounts) -> SexEvidence:
    n_x, n_y = int(counts.n_records[X_ALONE]), int(counts.n_records[Y_ALONE])
    expected = counts.expected_het[X_ALONE] / EXPECTED_UNITS
    if len(expected) < SMALL_COHORT:
        het = counts["n_autosomal_het"]
        share = _ratio(het, het + counts["n_autosomal_hom_alt"])
        expected = share * (counts["n_x_het"] + counts["n_x_hom_alt"])
    return SexEvidence(
        n_x_haploid=counts["n_x_haploid"],
        n_x_diploid=n_x - counts["n_x_missing"] - counts["n_x_haploid"],
        n_x_het=counts["n_x_het"],
        x_expected_het=expected,
        y_call_rate=1 - _ratio(counts["n_y_missing"], n_y),
        n_y_records=n_y,
    )


def _sex_columns(counts: SampleCounts) -> dict[str, pa.Array]:
    evidence = sex_evidence(counts)
    sex, why = judge_sex(evidence)
    if counts.is_imputed:
        sex, why = np.full_like(sex, UNKNOWN), [IMPUTED_DOSAGES] * len(sex)
    nothing = np.full(len(sex), np.nan)
    return {
        "inferred_sex": pa.array([_SEX_WORDS[code] for code in sex.tolist()]),
        "sex_reason": pa.array(why),
        "n_x_haploid": _counted(counts, evidence.n_x_haploid),
        "n_x_diploid": _counted(counts, evidence.n_x_diploid),
        "n_x_het": _counted(counts, evidence.n_x_het),
        "x_f": known_numbers(nothing if counts.is_imputed else evidence.x_f),
        "y_call_rate": known_numbers(evidence.y_call_rate),
    }


def _hint_columns(counts: SampleCounts, f: Floats) -> dict[str, pa.Array]:
    """contamination_hint, null where it cannot be said; contamination_reason says why not, or what
    was looked at."""
    n_samples = len(f)
    if counts.is_imputed:
        hints, why = pa.nulls(n_samples, pa.string()), [IMPUTED_DOSAGES] * n_samples
        return {"contamination_hint": hints, "contamination_reason": pa.array(why)}
    if n_samples >= SMALL_COHORT:
        is_known, low, high = _outliers(f)
        known_by, unknown_by = COHORT_F, NO_SPREAD
    else:
        het, hom_alt = counts["n_snv_het"], counts["n_snv_hom_alt"]
        is_known = het + hom_alt >= _MIN_SNVS
        least, most = _HET_HOM_RANGE
        low, high = het < least * hom_alt, het > most * hom_alt
        known_by, unknown_by = HET_HOM_RANGE, TOO_FEW_VARIANTS
    hint = np.where(high, HIGH_HETEROZYGOSITY, np.where(low, LOW_HETEROZYGOSITY, NO_HINT))
    return {
        "contamination_hint": pa.array(hint.tolist(), pa.string(), mask=~is_known),
        "contamination_reason": pa.array(np.where(is_known, known_by, unknown_by).tolist()),
    }


def _outliers(f: Floats) -> tuple[Marks, Marks, Marks]:
    """Who has an F beside others that differ; of few and of many heterozygotes (a low F)."""
    known = f[~np.isnan(f)]
    spread = float(known.std()) if len(known) else 0.0
    if spread == 0.0:
        nobody = np.zeros(len(f), np.bool_)
        return nobody, nobody, nobody
    deviation = (f - known.mean()) / spread
    return ~np.isnan(f), deviation > _F_DEVIATIONS, deviation < -_F_DEVIATIONS


def _ratio(over: npt.ArrayLike, under: npt.ArrayLike) -> Floats:
    """NaN where `under` is 0."""
    below = np.asarray(under, np.float64)
    return np.asarray(over, np.float64) / np.where(below == 0, np.nan, below)


def _counted(counts: SampleCounts, values: Ints) -> pa.Array:
    """Null where dosages were no calls."""
    return pa.nulls(len(values), pa.int64()) if counts.is_imputed else numbers(values)
