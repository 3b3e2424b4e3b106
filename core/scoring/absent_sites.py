"""Rows whose site the genotypes have no record of, counted as reference where there is evidence.

A file of variants leaves out where people have REF alone, and where nobody looked, alike. With
`absent=reference` a site counts as REF where a callable region holds it, or where the user states
that absent sites are reference, and then only on contigs that the genotypes have a record for. What
REF is must be known as inside a reference block (reference_bases).

Everybody of one sex has the same sum at such sites. So they are one block of reference calls of
three people, of unknown sex, a man and a woman, scored as any block is; the sums of all samples get
what their sex has. Who is of unknown sex has no call on X and Y.
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
from core.scoring.matching import REASONS, Reason, Status
from core.scoring.policy import Missing, ReferenceCalls
from core.scoring.rows import ScoreRows
from core.scoring.shard import STATUSES, ScorePlan, score_shard
from core.scoring.sites import sites_of
from core.scoring.sums import ScoreTotals, Sums
from core.scoring.terms import TermContext, places_of

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
class AssumedReference:
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
) -> AssumedReference:
    """The sites that no record in `matches` (MATCH_SCHEMA) was met at; without `regions` the user
    states that they are reference."""
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
    return AssumedReference(scores.sums, _relabelled(scores.matches, reason))


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
    contig, position = (values[patterns] for values in context.rows.places())
    _, first = np.unique(context.rows.patterns.key[patterns], return_index=True)
    contig, position, n_rows = contig[first], position[first], len(first)
    names = texts([name.encode() for name in context.rows.contigs])
    columns = {
        "record": numbers(np.arange(n_rows, dtype=np.int32)),
        "contig": names.take(numbers(np.ascontiguousarray(contig))),
        "position": numbers(np.ascontiguousarray(position)),
        "id": texts([b"."] * n_rows),
        "ref": texts([b"N"] * n_rows),
        "alt": texts([b"."] * n_rows),
        "n_alts": numbers(np.ones(n_rows, np.int32)),
    }
    dosage = np.zeros((n_rows, len(_PEOPLE)), np.uint8)
    place, _ = places_of(context, sites_of(DosageBlock.build(columns, dosage)))
    ploidy = np.array([_COPIES[code] for code in place.tolist()], np.uint8)
    by_sex = np.isin(place, [kernels.X_NON_PAR, kernels.Y])
    dosage[by_sex, UNKNOWN] = MISSING_CALL
    return DosageBlock.build(columns, dosage, ploidy.reshape(dosage.shape))


def _relabelled(matches: pa.Table, reason: Reason) -> pa.Table:
    """Matched rows are assumed ones; of rows that one base cannot answer, nothing is said."""
    mismatch = pc.equal(matches.column("reason"), REASONS.index(Reason.ALLELE_MISMATCH))
    matches = matches.filter(pc.invert(mismatch))
    status, why = (matches.column(name).to_numpy() for name in ("status", "reason"))
    matched = status == STATUSES.index(Status.MATCHED)
    columns = {
        "status": np.where(matched, STATUSES.index(Status.ASSUMED), status),
        "reason": np.where(matched, REASONS.index(reason), why),
    }
    for name, values in columns.items():
        at = matches.schema.get_field_index(name)
        matches = matches.set_column(at, matches.schema.field(at), pa.array(values.astype(np.int8)))
    return matches
