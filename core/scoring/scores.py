"""Scores of all samples, from the sums over all shards. Result columns are the contract's."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.scoring.coverage import Coverage
from core.scoring.policy import Missing, ScoringPolicy
from core.scoring.sums import ScoreTotals


class ScoreStatus(StrEnum):
    """What a line is worth; a score below the coverage threshold is marked, never dropped.

    no_variants_matched  no row of the scoring file is in the genotypes: no number
    missing_call         a call is missing and the policy fails on that: no number
    no_calls             nothing of this person could be summed, because every matched call is
                         missing or on a chromosome that the person does not have: the sum is the
                         empty one, 0 as plink2 prints it, and there is no average
    """

    OK = "ok"
    BELOW_MIN_OVERLAP = "below_min_overlap"
    NO_VARIANTS_MATCHED = "no_variants_matched"
    MISSING_CALL = "missing_call"
    NO_CALLS = "no_calls"


_SCORE_STATUSES: tuple[ScoreStatus, ...] = tuple(ScoreStatus)
_UNSCORED = (ScoreStatus.NO_VARIANTS_MATCHED, ScoreStatus.MISSING_CALL)

SCORES_SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("accession", pa.string()),
        ("score_sum", pa.float64()),
        ("denominator", pa.int64()),
        ("score_average", pa.float64()),
        ("allele_count", pa.int64()),
        ("dosage_sum", pa.float64()),
        ("n_matched", pa.int64()),
        ("n_missing", pa.int64()),
        ("coverage", pa.float64()),
        ("weight_coverage", pa.float64()),
        ("status", pa.string()),
    ]
)


def score_table(
    samples: Sequence[str],
    accessions: Sequence[str],
    totals: Iterable[ScoreTotals],
    coverage: Sequence[Coverage],
    policy: ScoringPolicy,
) -> Iterator[pa.Table]:
    """SCORES_SCHEMA, a table for each score in the order of files: one line per sample, in theirs.

    One table at a time: all of them are far larger than the sums that they are made from.
    """
    names = pa.array(samples, pa.string())
    for accession, sums, covered in zip(accessions, totals, coverage, strict=True):
        yield _lines_of_score(accession, names, sums, covered, policy)


def _lines_of_score(
    accession: str,
    samples: pa.Array,
    sums: ScoreTotals,
    coverage: Coverage,
    policy: ScoringPolicy,
) -> pa.Table:
    denominator = sums.denominator
    status = _statuses(sums.n_missing, denominator, coverage, policy)
    unscored = np.isin(status, list(map(_SCORE_STATUSES.index, _UNSCORED)))
    average = np.full(len(samples), np.nan)
    np.divide(sums.score_sum, denominator, out=average, where=denominator > 0)
    same = np.full(len(samples), 1)
    columns = [
        samples,
        pa.array([accession] * len(samples), pa.string()),
        pa.array(sums.score_sum, mask=unscored),
        pa.array(denominator),
        pa.array(average, mask=unscored | (denominator == 0)),
        pa.array(sums.allele_count),
        pa.array(sums.dosage_sum),
        pa.array(same * coverage.n_matched),
        pa.array(sums.n_missing),
        pa.array(same * coverage.count),
        pa.array(same * coverage.weight),
        pa.array(_SCORE_STATUSES, pa.string()).take(pa.array(status)),
    ]
    return pa.Table.from_arrays(columns, schema=SCORES_SCHEMA)


def _statuses(
    n_missing: npt.NDArray[np.int64],
    denominator: npt.NDArray[np.int64],
    coverage: Coverage,
    policy: ScoringPolicy,
) -> npt.NDArray[np.int8]:
    """(samples,) status of each line, an index of _SCORE_STATUSES."""
    code = _SCORE_STATUSES.index
    of_score = score_status(coverage, policy)
    status = np.full(len(denominator), code(of_score), np.int8)
    if of_score is not ScoreStatus.NO_VARIANTS_MATCHED:
        status[denominator == 0] = code(ScoreStatus.NO_CALLS)
        status[(n_missing > 0) & (policy.missing is Missing.FAIL)] = code(ScoreStatus.MISSING_CALL)
    return status


def score_status(coverage: Coverage, policy: ScoringPolicy) -> ScoreStatus:
    """The status of a score before any sample is looked at."""
    if coverage.n_matched == 0:
        return ScoreStatus.NO_VARIANTS_MATCHED
    if coverage.count < policy.min_overlap:
        return ScoreStatus.BELOW_MIN_OVERLAP
    return ScoreStatus.OK
