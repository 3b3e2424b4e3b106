"""Merge of shards: scores and the fate of every row of every scoring file.

Partial sums are added along the edges of a fixed tree (`shard_tree`), so the result does not depend
on the number of workers. Result columns are the contract's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.scoring.coverage import Coverage
from core.scoring.matching import MATCH_TYPES, REASONS, Reason, Status
from core.scoring.policy import Missing, ScoringPolicy
from core.scoring.rows import ScoreRows, unjoinable_reason
from core.scoring.scoring_file import ScoringFile
from core.scoring.shard import STATUSES, RowsByBlock
from core.scoring.shard_tree import add_in_tree
from core.scoring.sums import ScoreTotals, Sums, add_totals


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

MATCHES_SCHEMA = pa.schema(
    [
        ("accession", pa.string()),
        ("row_number", pa.int32()),
        ("contig", pa.string()),
        ("position", pa.int64()),
        ("effect_allele", pa.string()),
        ("other_allele", pa.string()),
        ("effect_weight", pa.float64()),
        ("variant_id", pa.string()),
        ("matched_allele", pa.string()),
        ("match_type", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Merged:
    """Subtrees of one size, in order, whose sums add up along the tree; the rows that met a record,
    one line per row of ScoreRows; and how many records there are.

    `subtrees` give the sums of a subtree each, by mapping a file or from memory.
    """

    subtrees: Sequence[Callable[[], Sums]]
    matches: pa.Table
    n_records: int

    def totals(self, n_scores: int, n_samples: int) -> Iterator[ScoreTotals]:
        """What each score comes to, in their order.

        Few scores are added up at a time, and a subtree is let go of as soon as they are read: the
        sums of all scores are never in memory, nor do pages stay mapped.
        """
        n_held = max(_TOTALS_BYTES // (_CELL_BYTES * n_samples), 1)
        for first in range(0, n_scores, n_held):
            some = range(first, min(first + n_held, n_scores))
            parts = (_totals_of(sums, some) for sums in self.subtrees)
            yield from add_in_tree(parts, _add_each)


_TOTALS_BYTES = 16 << 20
_CELL_BYTES = 40
"""Of the five numbers per sample of ScoreTotals."""


def _totals_of(sums: Callable[[], Sums], scores: Iterable[int]) -> list[ScoreTotals]:
    part = sums()
    return [part.of_score(k) for k in scores]


def _add_each(left: list[ScoreTotals], right: list[ScoreTotals]) -> list[ScoreTotals]:
    return list(map(add_totals, left, right))


def merge(
    subtrees: Sequence[Callable[[], Sums]], matches: Iterable[pa.Table], n_records: int
) -> Merged:
    """`matches` are MATCH_SCHEMA tables of the subtrees, in their order."""
    return Merged(subtrees, _one_per_row(pa.concat_tables(matches)), n_records)


def _one_per_row(matches: pa.Table) -> pa.Table:
    """Ranges to rows. One that several blocks met keeps what became of it: matched, else excluded,
    else not."""
    matches = _by_row(matches)
    order = pc.sort_indices(matches, [("row", "ascending"), ("status", "ascending")])
    ordered = matches.take(order)
    row = ordered.column("row").to_numpy()
    first = np.ones(len(row), bool)
    first[1:] = row[1:] != row[:-1]
    return ordered.filter(pa.array(first))


def _by_row(matches: pa.Table) -> pa.Table:
    """MATCH_SCHEMA with one line per row."""
    n_rows = matches.column("n_rows").to_numpy()
    if (n_rows == 1).all():
        return matches
    of = np.repeat(np.arange(len(n_rows)), n_rows)
    within = np.arange(len(of)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    lines = matches.take(pa.array(of))
    row = pa.array(lines.column("row").to_numpy() + within)
    ones = pa.array(np.ones(len(of), np.int64))
    return lines.set_column(0, "row", row).set_column(1, "n_rows", ones)


def contested_rows(n_rows: int, matches: Sequence[pa.Table]) -> dict[int, RowsByBlock]:
    """Rows that fit an allele in several blocks: by shard and block, those to let go of.

    `matches` are MATCH_SCHEMA tables of one or several shards each, about `n_rows` rows of
    ScoreRows. The best match type keeps the row; among equals, the first in the order of shards.
    Only unsorted files, overlapping files and repeated IDs come to this: the records of one
    position lie in one block. Memory: some bytes a row, and the rows that are met several times.
    """
    fits = [table.filter(pc.greater_equal(table.column("match_type"), 0)) for table in matches]
    twice = _met_twice(n_rows, fits)
    if not twice.any():
        return {}
    held = pa.concat_tables([_some_twice(table, twice) for table in fits])
    columns = ("row", "shard", "block", "match_type")
    row, shard, block, kind = (held.column(name).to_numpy() for name in columns)
    order = np.lexsort((block, shard, kind, row))
    loses = order[1:][row[order][1:] == row[order][:-1]]
    lost: dict[int, RowsByBlock] = {}
    for index in np.unique(shard[loses]).tolist():
        here = loses[shard[loses] == index]
        lost[index] = {n: row[here[block[here] == n]] for n in np.unique(block[here]).tolist()}
    return lost


def _met_twice(n_rows: int, matches: Iterable[pa.Table]) -> npt.NDArray[np.bool_]:
    """(n_rows,) whether several ranges of the tables hold a row."""
    change = np.zeros(n_rows + 1, np.int64)
    for table in matches:
        first, count = (table.column(name).to_numpy() for name in ("row", "n_rows"))
        np.add.at(change, first, 1)
        np.subtract.at(change, first + count, 1)
    return np.cumsum(change)[:-1] > 1


def _some_twice(table: pa.Table, twice: npt.NDArray[np.bool_]) -> pa.Table:
    """The rows of a MATCH_SCHEMA table that are met twice, each on a line of its own."""
    up_to = np.append(0, np.cumsum(twice))
    first, count = (table.column(name).to_numpy() for name in ("row", "n_rows"))
    lines = _by_row(table.filter(pa.array(up_to[first + count] > up_to[first])))
    return lines.filter(pa.array(twice[lines.column("row").to_numpy()]))


def score_table(
    samples: Sequence[str],
    rows: ScoreRows,
    merged: Merged,
    coverage: Sequence[Coverage],
    policy: ScoringPolicy,
) -> Iterator[pa.Table]:
    """SCORES_SCHEMA, a table for each score in the order of files: one line per sample, in theirs.

    One table at a time: all of them are far larger than the sums that they are made from.
    """
    names = pa.array(samples, pa.string())
    totals = merged.totals(rows.n_scores, len(samples))
    for accession, sums, covered in zip(rows.accessions, totals, coverage, strict=True):
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


def match_tables(
    files: Sequence[ScoringFile], rows: ScoreRows, merged: Merged, policy: ScoringPolicy
) -> Iterator[pa.Table]:
    """MATCHES_SCHEMA, a table for each file in their order: every row of it, with status and
    reason. One table at a time, as in `score_table`."""
    row = merged.matches.column("row").to_numpy()
    score = rows.score[row]
    order = np.argsort(score, kind="stable")
    ends = np.searchsorted(score[order], np.arange(rows.n_scores + 1))
    for k, file in enumerate(files):
        lines = order[ends[k] : ends[k + 1]]
        outcome = merged.matches.take(pa.array(lines))
        number = pa.array(rows.row_number[row[lines]])
        yield _lines_of_file(file, outcome.append_column("row_number", number), policy)


def _lines_of_file(file: ScoringFile, outcome: pa.Table, policy: ScoringPolicy) -> pa.Table:
    found = pc.index_in(
        file.rows.column("row_number"), value_set=outcome.column("row_number").combine_chunks()
    )
    status = _words(outcome.column("status").take(found), STATUSES)
    reason = _words(outcome.column("reason").take(found), REASONS)
    unjoinable = unjoinable_reason(file.rows, policy.match_by)
    absent = pc.if_else(pc.is_null(found), Reason.ABSENT_LOCUS, pa.scalar(None, pa.string()))
    n_rows = len(file.rows)
    columns = [
        pa.array([file.accession] * n_rows, pa.string()),
        *(file.rows.column(name) for name in MATCHES_SCHEMA.names[1:7]),
        outcome.column("variant_id").take(found),
        outcome.column("matched_allele").take(found),
        _words(outcome.column("match_type").take(found), MATCH_TYPES),
        pc.fill_null(status, Status.UNMATCHED),
        pc.coalesce(reason, unjoinable, absent),
    ]
    return pa.Table.from_arrays(
        [_cast(c, f) for c, f in zip(columns, MATCHES_SCHEMA, strict=True)], schema=MATCHES_SCHEMA
    )


def _cast(column: pa.Array | pa.ChunkedArray, like: pa.Field) -> pa.ChunkedArray:
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return chunked.cast(like.type)


def _words(codes: pa.ChunkedArray, words: Sequence[str]) -> pa.ChunkedArray:
    """Codes to words; null and -1 to null."""
    known = pc.if_else(pc.less(codes, 0), pa.scalar(None, pa.int8()), codes)
    return pa.chunked_array([pa.array(list(words), pa.string()).take(known.combine_chunks())])
