"""Polygenic scoring as slow and plain as the contract reads: the oracle of property tests.

No arrays, no blocks, no shards: one sample, one row, one call at a time. Covers matching by
position on autosomes and on X outside the PAR, hard calls, and every policy field that touches
them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from core.scoring.policy import ScoringPolicy
from tests.builders.scoring_file import Row
from tests.builders.vcf import Record

OTHER_STRAND = {"A": "T", "T": "A", "C": "G", "G": "C"}


@dataclass
class Outcome:
    status: str
    reason: str | None = None
    match_type: str | None = None
    record: Record | None = None
    allele: int = 0


@dataclass
class PersonScore:
    score_sum: float = 0.0
    dosage_sum: float = 0.0
    denominator: int = 0
    allele_count: int = 0
    n_missing: int = 0


def is_substitution(row: Row) -> bool:
    if row.other_allele is None:
        return len(row.effect_allele) == 1
    return len(row.effect_allele) == len(row.other_allele)


def other_strand(allele: str) -> str | None:
    if set(allele) <= set("ACGT"):
        return "".join(OTHER_STRAND[base] for base in reversed(allele))
    return None


def match_kinds(row: Row, ref: str, alt: str) -> list[str]:
    """Every row of the match table that fits, best first."""
    effect, other, kinds = row.effect_allele, row.other_allele, []
    readings: list[tuple[str, str | None, str | None]] = [("", effect, other)]
    if is_substitution(row) and len(ref) == len(alt):
        readings.append(("_flip", other_strand(effect), other and other_strand(other)))
    for suffix, e, o in readings:
        if other is not None:
            kinds += [f"refalt{suffix}"] * ((e, o) == (ref, alt))
            kinds += [f"altref{suffix}"] * ((e, o) == (alt, ref))
        else:
            kinds += [f"no_oa_ref{suffix}"] * (e == ref)
            kinds += [f"no_oa_alt{suffix}"] * (e == alt)
    return kinds


ORDER = ["refalt", "altref", "refalt_flip", "altref_flip"]
ORDER += ["no_oa_ref", "no_oa_alt", "no_oa_ref_flip", "no_oa_alt_flip"]


def best_match(row: Row, records: Sequence[Record]) -> Outcome:
    here = [r for r in records if (r.contig, r.position) == (row.contig, row.position)]
    if not here:
        return Outcome("unmatched", "absent_locus")
    fits = [
        (ORDER.index(kind), number, record, allele)
        for number, record in enumerate(here)
        for allele, alt in enumerate(record.alt.split(","), start=1)
        for kind in match_kinds(row, record.ref, alt)
    ]
    if not fits:
        return Outcome("unmatched", "allele_mismatch")
    rank, _, record, allele = min(fits, key=lambda fit: (fit[0], fit[1], fit[3]))
    return Outcome("matched", None, ORDER[rank], record, allele)


def effect_is_ref(outcome: Outcome) -> bool:
    return outcome.match_type is not None and "ref" in outcome.match_type.replace("no_oa_", "")[:3]


def is_split(outcome: Outcome, own: Record, records: Sequence[Record]) -> bool:
    same_site = [
        r for r in records if (r.contig, r.position, r.ref) == (own.contig, own.position, own.ref)
    ]
    alts = {alt for record in same_site for alt in record.alt.split(",")}
    return effect_is_ref(outcome) and len(same_site) > 1 and len(alts) > 1


def targets_of(outcome: Outcome) -> list[tuple[int, int | str]]:
    """The record's ALT that a row was matched at; its REF, too, where that is what is counted."""
    if outcome.record is None:
        return []
    ref: list[int | str] = ["ref"] if effect_is_ref(outcome) else []
    return [(id(outcome.record), allele) for allele in [outcome.allele, *ref]]


def exclude(
    rows: Sequence[Row], outcomes: list[Outcome], records: Sequence[Record], policy: ScoringPolicy
) -> None:
    """Set the first reason that applies, in the contract's order."""
    targets: dict[tuple[int, int | str], list[int]] = {}
    for number, outcome in enumerate(outcomes):
        for target in targets_of(outcome):
            targets.setdefault(target, []).append(number)
    for number, outcome in enumerate(outcomes):
        if outcome.record is None:
            continue
        leaves = same = False
        for sharing in (targets[target] for target in targets_of(outcome)):
            first_stays = policy.duplicate_target == "keep_first" and sharing[0] == number
            leaves |= len(sharing) > 1 and not first_stays
            alleles = [(rows[n].effect_allele, rows[n].other_allele) for n in sharing]
            at = sharing.index(number)
            neighbours = [alleles[n] for n in (at - 1, at + 1) if 0 <= n < len(alleles)]
            same |= alleles[at] in neighbours
        alts = outcome.record.alt.split(",")
        ref, alt = outcome.record.ref, alts[outcome.allele - 1]
        readings = alts if str(outcome.match_type).startswith("no_oa_ref") else [alt]
        reasons = [
            ("ambiguous", policy.ambiguous == "drop" and other_strand(ref) in readings),
            ("multiallelic", policy.multiallelic == "drop" and len(alts) > 1),
            ("split_multiallelic", is_split(outcome, outcome.record, records)),
            (
                "strand_flip_ignored",
                policy.strand_flip == "ignore" and str(outcome.match_type).endswith("_flip"),
            ),
            ("duplicate_score_row", leaves and same),
            ("duplicate_target", leaves),
        ]
        outcome.reason = next((reason for reason, applies in reasons if applies), None)
        if outcome.reason is not None:
            outcome.status = "excluded"


def read_call(text: str, allele: int | None) -> tuple[float | None, int]:
    """(copies of the allele, or of REF for None; None: missing), ploidy."""
    alleles = text.replace("|", "/").split("/")
    if "." in alleles:
        return None, len(alleles)
    wanted = "0" if allele is None else str(allele)
    return float(alleles.count(wanted)), len(alleles)


def males_of(records: Sequence[Record]) -> list[bool]:
    """By the calls on X that are written haploid; a lone "." says nothing."""
    calls = [
        [len(call.replace("|", "/").split("/")) for call in person if call != "."]
        for person in zip(
            *(record.calls for record in records if record.contig == "X"), strict=True
        )
    ]
    return [written.count(1) > written.count(2) for written in calls]


def placed(
    dosage: float | None, ploidy: int, on_x_of_male: bool, policy: ScoringPolicy
) -> tuple[float | None, int]:
    """The call with the ploidy that counts."""
    if policy.ploidy == "observed" and (dosage is not None or ploidy == 2):
        return dosage, ploidy
    copies = 1 if on_x_of_male else 2
    return None if dosage is None else dosage * copies / ploidy, copies


def effect(dosage: float, ploidy: int, kind: str) -> float:
    if kind == "dominant":
        return min(dosage, 1.0)
    if kind == "recessive":
        return max(dosage - (ploidy - 1), 0.0)
    return dosage


def expected(frequency: float, ploidy: int, kind: str, policy: ScoringPolicy) -> float:
    if kind == "additive":
        return ploidy * frequency
    if policy.imputed_nonadditive == "frequency":
        return frequency
    return 1 - (1 - frequency) ** ploidy if kind == "dominant" else frequency**ploidy


def added(weights: Sequence[float], dosage: float, ploidy: int, kind: str) -> float:
    """What a genotype adds: one weight times its effect dosage, or the weight of its copies, in
    proportion between two (0/1 where a contig has one copy is half of one)."""
    if kind == "nonadditive":
        low = 1 if dosage >= 1 else 0
        return weights[low] + (dosage - low) * (weights[low + 1] - weights[low])
    return weights[0] * effect(dosage, ploidy, kind)


def expected_to_add(
    weights: Sequence[float], frequency: float, ploidy: int, kind: str, policy: ScoringPolicy
) -> float:
    if kind != "nonadditive":
        return weights[0] * expected(frequency, ploidy, kind, policy)
    chances = [comb(ploidy, n) * frequency**n * (1 - frequency) ** (ploidy - n) for n in range(3)]
    return sum(chance * weight for chance, weight in zip(chances, weights, strict=True))


def weights_of(row: Row) -> tuple[float, ...]:
    names = [f"dosage_{copies}_weight" for copies in range(3)]
    if row.more.get("effect_type") == "nonadditive":
        return tuple(float(str(row.more[name])) for name in names)
    return (float(str(row.effect_weight)),)


def score_people(
    rows: Sequence[Row], records: Sequence[Record], policy: ScoringPolicy
) -> tuple[list[Outcome], list[PersonScore]]:
    """The fate of every row, and every sample's numbers, for one scoring file."""
    outcomes = [best_match(row, records) for row in rows]
    exclude(rows, outcomes, records, policy)
    people = [PersonScore() for _ in records[0].calls]
    seen: set[int] = set()
    matched = [(row, o, o.record) for row, o in zip(rows, outcomes, strict=True) if o.record]
    for row, outcome, record in sorted(matched, key=lambda match: records.index(match[2])):
        if outcome.status == "matched":
            kind = str(row.more.get("effect_type", "additive"))
            on_x = [record.contig == "X" and is_male for is_male in males_of(records)]
            add_row(
                people, outcome, record, weights_of(row), kind, policy, on_x, id(record) not in seen
            )
            seen.add(id(record))
    return outcomes, people


def add_row(
    people: list[PersonScore],
    outcome: Outcome,
    record: Record,
    weights: Sequence[float],
    kind: str,
    policy: ScoringPolicy,
    on_x_of_male: Sequence[bool],
    first: bool,
) -> None:
    named = None if effect_is_ref(outcome) else outcome.allele
    calls = [
        placed(*read_call(text, named), male, policy)
        for text, male in zip(record.calls, on_x_of_male, strict=True)
    ]
    observed = [(dosage, ploidy) for dosage, ploidy in calls if dosage is not None]
    alleles = sum(ploidy for _, ploidy in observed)
    frequency = sum(dosage for dosage, _ in observed) / alleles if alleles else None
    doubled = record.contig == "X" and policy.x_male == "doubled"
    for person, (dosage, ploidy) in zip(people, calls, strict=True):
        copies = 2 if doubled and ploidy == 1 else 1
        size = ploidy * copies
        counts = True
        if dosage is not None:
            person.score_sum += added(weights, dosage * copies, size, kind)
            person.dosage_sum += effect(dosage * copies, size, kind)
        elif policy.missing == "mean_cohort" and frequency is not None:
            person.score_sum += expected_to_add(weights, frequency, size, kind, policy)
        elif policy.missing == "reference":
            person.score_sum += added(weights, size if named is None else 0.0, size, kind)
        else:
            counts = policy.missing == "zero"
        if first:
            person.denominator += size if counts else 0
            person.allele_count += size if dosage is not None else 0
            person.n_missing += dosage is None
