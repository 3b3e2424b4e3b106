"""Rows whose site the genotypes have no record of, counted where the policy says as what.

A file of variants leaves out where people have REF alone, and where nobody looked, alike. With
`absent=reference` a site counts as REF where a callable region holds it, or where the user states
that absent sites are reference, and then only on contigs that the genotypes have a record for. What
REF is must be known as inside a reference block (reference_bases). With `absent=missing` it counts
as a missing call of everybody, which the policy `missing` imputes at a named frequency of the
effect allele, or takes as zero; without a frequency the row stays unmatched.

Everybody of one sex has the same sum at such sites. So they are blocks of calls of three people, of
unknown sex, a man and a woman, scored as any block is; the sums of all samples get what their sex
has. Who is of unknown sex has no reference call on X and Y.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.callable_regions import CallableRegions
from core.genotypes.block import MISSING_CALL, DosageBlock, numbers, texts
from core.samples import FEMALE, MALE, UNKNOWN
from core.scoring import weighted_sum as kernels
from core.scoring.alleles import NO_ALLELE, allele_texts
from core.scoring.matching import REASONS, Reason, Status, match_block
from core.scoring.missing_calls import frequencies_of
from core.scoring.policy import DuplicateTarget, Missing, ReferenceCalls, StrandFlip
from core.scoring.rows import ScoreRows
from core.scoring.shard import MATCH_SCHEMA, STATUSES, ScorePlan, add_scores, score_shard
from core.scoring.sites import sites_of
from core.scoring.sums import ScoreTotals, Sums
from core.scoring.terms import TermContext, places_of, terms_of

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_PEOPLE = np.array([UNKNOWN, MALE, FEMALE], np.int8)
_COPIES = {
    kernels.DIPLOID: (2, 2, 2),
    kernels.X_NON_PAR: (2, 1, 2),
    kernels.Y: (1, 1, 1),
    kernels.MT: (1, 1, 1),
}
"""By place: of unknown sex, of a man, of a woman (whom Y's place gives none)."""


@dataclass(frozen=True, slots=True)
class AbsentSites:
    """`sums` of the three people; `matches` (MATCH_SCHEMA) of the rows that are counted, or could
    have been."""

    sums: Sums
    matches: pa.Table

    def added_to(
        self, totals: Iterable[ScoreTotals], sex: npt.NDArray[np.int8]
    ) -> Iterator[ScoreTotals]:
        """The totals of all samples, of `sex` (S,): sums and denominators grow; what counts
        observed calls stays."""
        for k, total in enumerate(totals):
            assumed = self.sums.of_score(k)
            yield total._replace(
                score_sum=total.score_sum + assumed.score_sum[sex],
                denominator=total.denominator + assumed.denominator[sex],
            )


def assume_reference(
    context: TermContext, matches: pa.Table, regions: CallableRegions | None
) -> AbsentSites:
    """The sites that no record in `matches` (MATCH_SCHEMA) was met at, as reference; without
    `regions` the user states that they are."""
    rows = context.rows
    absent = _absent_patterns(rows, matches)
    chosen = absent & (_on_met_contigs(rows, absent) if regions is None else _held(rows, regions))
    policy = replace(
        context.policy, missing=Missing.DROP, reference_calls=ReferenceCalls.MATCH
    )  # a person of unknown sex is no missing call
    people = replace(context, policy=policy, sex=_PEOPLE)
    block = _reference_calls(people, np.flatnonzero(chosen))
    scores = score_shard(ScorePlan(people, len(_PEOPLE)), [block] if block.n_rows else [])
    reason = Reason.STATED_REFERENCE if regions is None else Reason.CALLABLE_REGION
    return AbsentSites(scores.sums, _relabelled(scores.matches, Status.ASSUMED, reason))


def count_as_missing(context: TermContext, matches: pa.Table) -> AbsentSites:
    """The sites that no record in `matches` (MATCH_SCHEMA) was met at, as missing calls."""
    people = replace(context, sex=_PEOPLE)
    plan = ScorePlan(people, len(_PEOPLE))
    absent = np.flatnonzero(_absent_patterns(context.rows, matches))
    round_of = _round_of(context, absent)
    contested = _contested_rows(context, absent, round_of)
    scores = score_shard(plan, [])
    for number in range(int(round_of.max(initial=-1)) + 1):
        chosen = absent[round_of == number]
        block = _missing_calls(context.rows, chosen)
        others = np.union1d(_other_rows(context.rows, chosen), contested)
        unknown = _without_frequency(people, block, others)
        settled = replace(plan, settled={0: np.union1d(others, unknown)})
        scores = add_scores(scores, score_shard(settled, [block]))
    found = _relabelled(scores.matches, Status.IMPUTED, Reason.ABSENT_AS_MISSING)
    return AbsentSites(scores.sums, pa.concat_tables([found, _duplicates(contested)]))


def _absent_patterns(rows: ScoreRows, matches: pa.Table) -> Bools:
    """(P,) whose rows met no record."""
    absent = np.ones(len(rows.patterns.key), bool)
    row = matches.column("row").to_numpy()
    absent[np.searchsorted(rows.patterns.first, row, side="right") - 1] = False
    return absent


def _on_met_contigs(rows: ScoreRows, absent: Bools) -> Bools:
    contig, _ = rows.places()
    return np.isin(contig, np.unique(contig[~absent]))


def _held(rows: ScoreRows, regions: CallableRegions) -> Bools:
    contig, position = rows.places()
    held = np.zeros(len(contig), bool)
    for number, name in enumerate(rows.contigs):
        here = contig == number
        held[here] = regions.hold(name, position[here])
    return held


def _reference_calls(context: TermContext, patterns: Indices) -> DosageBlock:
    """A record for each place, of which only the rows' table knows REF."""
    _, first = np.unique(context.rows.patterns.key[patterns], return_index=True)
    n_rows = len(first)
    columns = _columns_at(context.rows, patterns[first])
    columns |= {"ref": texts([b"N"] * n_rows), "alt": texts([b"."] * n_rows)}
    dosage = np.zeros((n_rows, len(_PEOPLE)), np.uint8)
    place, _ = places_of(context, sites_of(DosageBlock.build(columns, dosage)))
    ploidy = np.array([_COPIES[code] for code in place.tolist()], np.uint8)
    by_sex = np.isin(place, [kernels.X_NON_PAR, kernels.Y])
    dosage[by_sex, UNKNOWN] = MISSING_CALL
    return DosageBlock.build(columns, dosage, ploidy.reshape(dosage.shape))


def _columns_at(rows: ScoreRows, patterns: Indices) -> dict[str, pa.Array]:
    """Site columns of a record at each pattern's place, but for the alleles."""
    contig, position = (values[patterns] for values in rows.places())
    names, n_rows = texts([name.encode() for name in rows.contigs]), len(patterns)
    return {
        "record": numbers(np.arange(n_rows, dtype=np.int32)),
        "contig": names.take(numbers(np.ascontiguousarray(contig))),
        "position": numbers(np.ascontiguousarray(position)),
        "id": texts([b"."] * n_rows),
        "n_alts": numbers(np.ones(n_rows, np.int32)),
    }


def _round_of(context: TermContext, patterns: Indices) -> Indices:
    """(n,) numbers from 0, so that no round has two pairs of alleles at one place.

    Records beside each other at a place would answer for one another.
    """
    rows = context.rows.patterns
    key, pair = rows.key[patterns], _pairs(rows.effect[patterns], rows.other[patterns])
    if context.policy.strand_flip is not StrandFlip.IGNORE:
        flipped = _pairs(rows.effect_flipped[patterns], rows.other_flipped[patterns])
        is_lower = (flipped[:, 0] != NO_ALLELE) & (flipped[:, 0] < pair[:, 0])
        pair = np.where(is_lower[:, None], flipped, pair)
    sites = np.column_stack([key, pair])
    distinct, of = np.unique(sites, axis=0, return_inverse=True)
    first_of_key = np.searchsorted(distinct[:, 0], distinct[:, 0])
    return (np.arange(len(distinct)) - first_of_key)[of.reshape(-1)]


def _contested_rows(context: TermContext, patterns: Indices, round_of: Indices) -> Indices:
    """Rows, ascending, of one score that name several pairs of alleles at one place and leave.

    Only a record could tell which of them are of one variant: REF may be named twice.
    """
    rows = context.rows
    n_rows = rows.patterns.first[patterns + 1] - rows.patterns.first[patterns]
    of = np.repeat(np.arange(len(patterns)), n_rows)
    row = rows.patterns.first[patterns][of] + np.arange(len(of))
    row -= np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    _, place = np.unique(rows.patterns.key[patterns], return_inverse=True)
    score = rows.score[row].astype(np.int64)
    order = np.lexsort((rows.row_number[row], place[of], score))
    row, at, number = row[order], score[order] << 32 | place[of][order], round_of[of][order]
    _, first, group = np.unique(at, return_index=True, return_inverse=True)
    leaves = np.bincount(group, weights=number != number[first][group])[group] > 0
    if context.policy.duplicate_target is DuplicateTarget.KEEP_FIRST:
        leaves[first] = False
    return np.sort(row[leaves])


def _duplicates(rows: Indices) -> pa.Table:
    """MATCH_SCHEMA of single rows that leave as duplicates."""
    codes = {
        "row": rows,
        "n_rows": np.ones(len(rows), np.int64),
        "shard": np.zeros(len(rows), np.int32),
        "block": np.zeros(len(rows), np.int32),
        "status": np.full(len(rows), STATUSES.index(Status.EXCLUDED), np.int8),
        "reason": np.full(len(rows), REASONS.index(Reason.DUPLICATE_TARGET), np.int8),
        "match_type": np.full(len(rows), -1, np.int8),
    }
    columns = {name: pa.array(values) for name, values in codes.items()}
    return pa.table(columns | {"variant_id": pa.nulls(len(rows), pa.string())}, MATCH_SCHEMA)


def _pairs(effect: Indices, other: Indices) -> Indices:
    """(n, 2) codes of two alleles, whichever of them is the effect allele."""
    return np.sort(np.column_stack([effect, other]), axis=1)


def _other_rows(rows: ScoreRows, patterns: Indices) -> Indices:
    """Every row of other patterns, ascending."""
    is_other = np.ones(len(rows.patterns.key), bool)
    is_other[patterns] = False
    return np.flatnonzero(np.repeat(is_other, np.diff(rows.patterns.first)))


def _missing_calls(rows: ScoreRows, patterns: Indices) -> DosageBlock:
    """A record for each place, with the alleles of the first of its patterns as REF and ALT."""
    _, first = np.unique(rows.patterns.key[patterns], return_index=True)
    patterns = patterns[first]
    ref, alt = (
        allele_texts(codes[patterns], rows.long_alleles)
        for codes in (rows.patterns.other, rows.patterns.effect)
    )
    columns = _columns_at(rows, patterns) | {"ref": ref, "alt": alt}
    dosage = np.full((len(patterns), len(_PEOPLE)), MISSING_CALL, np.uint8)
    # one copy is "." of a VCF, which place and sex give the right number of copies
    return DosageBlock.build(columns, dosage, np.ones_like(dosage))


def _without_frequency(context: TermContext, block: DosageBlock, others: Indices) -> Indices:
    """Matched rows of a block that the policy has nothing to impute with."""
    if context.policy.missing is not Missing.MEAN_EXTERNAL:
        return np.empty(0, np.int64)
    terms = terms_of(context, match_block(context.rows, block, context.policy, others)).by_row()
    frequency = frequencies_of(context, block, terms, np.full(len(terms), np.nan))
    return terms.row[np.isnan(frequency)]


def _relabelled(matches: pa.Table, counted: Status, reason: Reason) -> pa.Table:
    """Matched rows are counted ones; of rows that the alleles cannot answer, nothing is said."""
    mismatch = pc.equal(matches.column("reason"), REASONS.index(Reason.ALLELE_MISMATCH))
    matches = matches.filter(pc.invert(mismatch))
    status, why = (matches.column(name).to_numpy() for name in ("status", "reason"))
    matched = status == STATUSES.index(Status.MATCHED)
    columns = {
        "status": np.where(matched, STATUSES.index(counted), status),
        "reason": np.where(matched, REASONS.index(reason), why),
    }
    for name, values in columns.items():
        at = matches.schema.get_field_index(name)
        matches = matches.set_column(at, matches.schema.field(at), pa.array(values.astype(np.int8)))
    return matches
