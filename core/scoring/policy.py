"""Scoring policy: every choice that changes a number, as one frozen dataclass.

`--compat` names a set of values, `--policy FIELD=VALUE` changes one. The words are the contract's;
what plink2 and pgsc_calc really do was read in their sources and measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from core.errors import PolicyError
from core.genotypes.calls import HalfCall


class Missing(StrEnum):
    """What a missing call contributes.

    mean_external  the expected dosage at a named frequency (--frequencies, else the scoring file's
                   column); a variant without one is dropped
    mean_cohort    the expected dosage at the frequency of this cohort's own calls; a variant that
                   nobody was called for is dropped
    zero           nothing to the sum; its ploidy stays in the denominator
    reference      the reference genotype
    fail           the sample gets no score, status `missing_call`
    drop           nothing: out of numerator and denominator, counted in n_missing
    """

    MEAN_EXTERNAL = "mean_external"
    MEAN_COHORT = "mean_cohort"
    ZERO = "zero"
    REFERENCE = "reference"
    FAIL = "fail"
    DROP = "drop"


class Ambiguous(StrEnum):
    """Palindromic variants (A/T, C/G), whose strand the alleles cannot tell."""

    DROP = "drop"
    KEEP = "keep"


class StrandFlip(StrEnum):
    """`allow` reads substitutions on the other strand and never flips an indel; `basewise` also
    complements indels, base by base without reversing, as pgscatalog-match does; `ignore` excludes
    what matches only after a flip."""

    ALLOW = "allow"
    BASEWISE = "basewise"
    IGNORE = "ignore"


class Multiallelic(StrEnum):
    EVERY_ALT = "every_alt"
    DROP = "drop"


class DuplicateTarget(StrEnum):
    """Several rows of one score that match the same target variant."""

    DROP_ALL = "drop_all"
    KEEP_FIRST = "keep_first"


class Ploidy(StrEnum):
    """The ploidy of an observed call. `observed`: as it is written; `by_contig`: as plink2 has it,
    haploid on MT, on Y and on a male's X, diploid elsewhere, however the call is written (1/1 on
    MT counts 1 of 1, a haploid 1 on an autosome 2 of 2)."""

    OBSERVED = "observed"
    BY_CONTIG = "by_contig"


class XMale(StrEnum):
    """A haploid call on X outside the PAR: as it is (0/1), or doubled (0/2, plink2's default)."""

    OBSERVED = "observed"
    DOUBLED = "doubled"


class Par(StrEnum):
    """`by_build` treats PAR1 and PAR2 as diploid; `unsplit` treats all of X as non-PAR, as plink2
    does without --split-par."""

    BY_BUILD = "by_build"
    UNSPLIT = "unsplit"


class EffectTypeSource(StrEnum):
    FROM_FILE = "from_file"
    ADDITIVE = "additive"
    DOMINANT = "dominant"
    RECESSIVE = "recessive"


class ReferenceCalls(StrEnum):
    """Records that say only that people have REF: ALT "." and the blocks of a gVCF.

    match   the genotype was called, so a row that names REF and another base is answered; inside a
            block REF must be known from elsewhere, and a sample is called where its GQ is at least
            `min_reference_gq`. `<NON_REF>` and `<*>` are no alleles.
    ignore  as the peers: such a record has no second allele that a row could name, a block is one
            record at its POS, and `<NON_REF>` counts as an ALT
    """

    MATCH = "match"
    IGNORE = "ignore"


class HarmonisedIndels(StrEnum):
    """An indel at a harmonised position (hm_pos) is looked for there, and where that fails, with
    the same two alleles, at the position before (`try_anchor`); or only there (`as_written`)."""

    TRY_ANCHOR = "try_anchor"
    AS_WRITTEN = "as_written"


class Absent(StrEnum):
    """Sites that the genotypes have no record of (absent_sites): `unmatched`; `reference` where
    something says that people were looked at there; or a `missing` call of everybody, which is
    imputed, or zero."""

    UNMATCHED = "unmatched"
    REFERENCE = "reference"
    MISSING = "missing"


class MatchBy(StrEnum):
    POSITION = "position"
    RSID = "rsid"


class ImputedNonadditive(StrEnum):
    """The expected value of a missing dominant or recessive call at effect allele frequency p:
    `hardy_weinberg` 1-(1-p)^ploidy and p^ploidy; `frequency` p for both, as plink2 does."""

    HARDY_WEINBERG = "hardy_weinberg"
    FREQUENCY = "frequency"


class Compat(StrEnum):
    DEFAULT = "default"
    PLINK2 = "plink2"
    PGSC_CALC_V2 = "pgsc_calc_v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringPolicy:
    missing: Missing = Missing.MEAN_EXTERNAL
    ambiguous: Ambiguous = Ambiguous.DROP
    strand_flip: StrandFlip = StrandFlip.ALLOW
    multiallelic: Multiallelic = Multiallelic.EVERY_ALT
    duplicate_target: DuplicateTarget = DuplicateTarget.DROP_ALL
    ploidy: Ploidy = Ploidy.OBSERVED
    x_male: XMale = XMale.OBSERVED
    par: Par = Par.BY_BUILD
    half_call: HalfCall = HalfCall.MISSING
    effect_type: EffectTypeSource = EffectTypeSource.FROM_FILE
    match_by: MatchBy = MatchBy.POSITION
    imputed_nonadditive: ImputedNonadditive = ImputedNonadditive.HARDY_WEINBERG
    reference_calls: ReferenceCalls = ReferenceCalls.MATCH
    harmonised_indels: HarmonisedIndels = HarmonisedIndels.TRY_ANCHOR
    absent: Absent = Absent.UNMATCHED
    min_reference_gq: float = 20.0
    min_overlap: float = 0.75

    def as_dict(self) -> dict[str, str | float]:
        """Field name to plain value, for summary.json and content keys."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


PGSC_CALC_MIN_SAMPLES = 50
"""Below this many samples, and without frequencies, pgsc_calc turns mean imputation off."""

_PRESETS: dict[Compat, ScoringPolicy] = {
    Compat.DEFAULT: ScoringPolicy(),
    Compat.PLINK2: ScoringPolicy(
        missing=Missing.MEAN_COHORT,
        ambiguous=Ambiguous.KEEP,
        strand_flip=StrandFlip.IGNORE,
        duplicate_target=DuplicateTarget.KEEP_FIRST,
        ploidy=Ploidy.BY_CONTIG,
        x_male=XMale.DOUBLED,
        par=Par.UNSPLIT,
        half_call=HalfCall.ERROR,
        effect_type=EffectTypeSource.ADDITIVE,
        imputed_nonadditive=ImputedNonadditive.FREQUENCY,
        reference_calls=ReferenceCalls.IGNORE,
        harmonised_indels=HarmonisedIndels.AS_WRITTEN,
        min_overlap=0.0,
    ),
    Compat.PGSC_CALC_V2: ScoringPolicy(
        missing=Missing.MEAN_COHORT,
        strand_flip=StrandFlip.BASEWISE,
        multiallelic=Multiallelic.DROP,
        ploidy=Ploidy.BY_CONTIG,
        x_male=XMale.DOUBLED,
        par=Par.UNSPLIT,
        half_call=HalfCall.ERROR,
        imputed_nonadditive=ImputedNonadditive.FREQUENCY,
        reference_calls=ReferenceCalls.IGNORE,
        harmonised_indels=HarmonisedIndels.AS_WRITTEN,
    ),
}


def policy_for(
    compat: Compat,
    *,
    n_samples: int,
    has_frequencies: bool,
    overrides: Mapping[str, str] | None = None,
) -> ScoringPolicy:
    """The policy that `compat` names for a cohort, with single fields changed by `overrides`.

    Both peers read the frequencies that they are given instead of the cohort's own, and pgsc_calc
    stops imputing in small cohorts; `missing` is resolved here so that the stored policy says what
    was done. Raises PolicyError for an unknown field or value.
    """
    policy = _PRESETS[compat]
    if compat is not Compat.DEFAULT and has_frequencies:
        policy = replace(policy, missing=Missing.MEAN_EXTERNAL)
    elif compat is Compat.PGSC_CALC_V2 and n_samples < PGSC_CALC_MIN_SAMPLES:
        policy = replace(policy, missing=Missing.ZERO)
    changes = {name: _parse(name, text) for name, text in (overrides or {}).items()}
    return replace(policy, **changes)


_FIELD_TYPES: dict[str, type[StrEnum]] = {
    "missing": Missing,
    "ambiguous": Ambiguous,
    "strand_flip": StrandFlip,
    "multiallelic": Multiallelic,
    "duplicate_target": DuplicateTarget,
    "ploidy": Ploidy,
    "x_male": XMale,
    "par": Par,
    "half_call": HalfCall,
    "effect_type": EffectTypeSource,
    "match_by": MatchBy,
    "imputed_nonadditive": ImputedNonadditive,
    "reference_calls": ReferenceCalls,
    "harmonised_indels": HarmonisedIndels,
    "absent": Absent,
}


_LARGEST = {"min_overlap": 1, "min_reference_gq": 99}
"""Of the fields that are numbers from 0 on. GQ is a Phred score that callers cut off at 99; 20, an
error in a hundred, is where GATK's genotype refinement begins to trust a call."""


def _parse(name: str, text: str) -> StrEnum | float:
    if name in _LARGEST:
        return _parse_number(name, text)
    if name not in _FIELD_TYPES:
        known = ", ".join([*_FIELD_TYPES, *_LARGEST])
        raise PolicyError(f"there is no policy field {name!r}.", fix=f"Choose one of: {known}.")
    try:
        return _FIELD_TYPES[name](text)
    except ValueError:
        values = ", ".join(_FIELD_TYPES[name])
        raise PolicyError(
            f"policy field {name} cannot be {text!r}.", fix=f"Choose one of: {values}."
        ) from None


def _parse_number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= _LARGEST[name]:
        raise PolicyError(
            f"policy field {name} cannot be {text!r}.",
            fix=f"Give a number in 0..{_LARGEST[name]}.",
        )
    return number


def _plain(value: object) -> str | float:
    return value if isinstance(value, float) else str(value)
