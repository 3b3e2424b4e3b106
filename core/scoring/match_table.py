"""The fate of every row of every scoring file: a table per file, as the result has it."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.scoring.join import on_other_strand, unjoinable_reason
from core.scoring.matching import IS_FLIPPED, MATCH_TYPES, REASONS, Reason, Status
from core.scoring.patterns import counting_order
from core.scoring.policy import MatchBy, ScoringPolicy, StrandFlip
from core.scoring.rows import ScoreRows
from core.scoring.scoring_file import ScoringFile
from core.scoring.shard import STATUSES
from core.words import WORDS, per_row, word_codes, words_of

Indices = npt.NDArray[np.int64]

MATCHES_SCHEMA = pa.schema(
    [
        ("accession", WORDS),
        ("row_number", pa.int32()),
        ("contig", WORDS),
        ("position", pa.int64()),
        ("effect_allele", WORDS),
        ("other_allele", WORDS),
        ("effect_weight", pa.float64()),
        ("variant_id", pa.string()),
        ("matched_allele", WORDS),
        ("match_type", WORDS),
        ("status", WORDS),
        ("reason", WORDS),
    ]
)
"""In a result file, words are strings like others."""


def match_tables(
    files: Sequence[ScoringFile], rows: ScoreRows, matches: pa.Table, policy: ScoringPolicy
) -> Iterator[pa.Table]:
    """MATCHES_SCHEMA, a table for each file in their order: every row of it, with status and
    reason.

    `matches` has MATCH_SCHEMA, of all shards. One table at a time: all of them are far larger.
    """
    matches = matches.combine_chunks()
    line = lines_of_rows(len(rows), matches)
    order, first = counting_order(rows.score, rows.n_scores)
    for k, file in enumerate(files):
        of_score = order[first[k] : first[k + 1]]
        found = np.full(len(file.rows), -1, np.int64)
        found[rows.row_number[of_score]] = line[of_score]
        yield _fates(file, matches, found, policy)


def lines_of_rows(n_rows: int, matches: pa.Table) -> Indices:
    """(n_rows,) the line of MATCH_SCHEMA that tells a row's fate; -1 for one that met no record.

    A row that several blocks met keeps what became of it: matched, else excluded, else not; among
    equals, the first.
    """
    row, n_rows_of = (matches.column(name).to_numpy() for name in ("row", "n_rows"))
    status = matches.column("status").to_numpy()
    order = np.argsort(status, kind="stable")[::-1]  # what is written last stays
    line = np.full(n_rows, -1, np.int64)
    of = np.repeat(order, n_rows_of[order])
    begin = np.cumsum(n_rows_of[order]) - n_rows_of[order]
    line[row[of] + np.arange(len(of)) - np.repeat(begin, n_rows_of[order])] = of
    return line


def _fates(file: ScoringFile, matches: pa.Table, found: Indices, policy: ScoringPolicy) -> pa.Table:
    """`found` (rows of the file,) their lines of `matches`; -1 where a row has none."""
    met = found >= 0
    match_type, status, reason = (
        np.append(matches.column(name).to_numpy(), np.int8(-1))[found]
        for name in ("match_type", "status", "reason")
    )
    status[~met] = STATUSES.index(Status.UNMATCHED)
    reason[~met] = _reasons_of_unmet(file, policy.match_by)[~met]
    columns = [
        _coded(np.zeros(len(found)), [file.accession]),
        *(file.rows.column(name) for name in MATCHES_SCHEMA.names[1:7]),
        matches.column("variant_id").take(pa.array(found, mask=~met)),
        _matched_alleles(file, match_type, policy.strand_flip),
        _coded(match_type, MATCH_TYPES),
        _coded(status, STATUSES),
        _coded(reason, REASONS),
    ]
    return pa.Table.from_arrays(columns, schema=MATCHES_SCHEMA)


def _matched_alleles(
    file: ScoringFile, match_type: npt.NDArray[np.int8], flips: StrandFlip
) -> pa.DictionaryArray:
    """(rows,) the allele of the record that the effect allele is, maybe on the other strand."""
    effect = words_of(file.rows.column("effect_allele"))
    rule, names = on_other_strand(flips), effect.dictionary.to_pylist()
    both = pa.array([*names, *(rule(name) for name in names)], pa.string()).dictionary_encode()
    code = word_codes(effect) + np.where(IS_FLIPPED[match_type], len(names), 0)
    code = np.where(match_type >= 0, code, -1)
    indices = both.indices.take(pa.array(code, mask=code < 0))
    return pa.DictionaryArray.from_arrays(indices, both.dictionary)


def _reasons_of_unmet(file: ScoringFile, match_by: MatchBy) -> npt.NDArray[np.int8]:
    """(rows,) why a row that met no record did not: indices into REASONS."""
    own = unjoinable_reason(file.rows, match_by)
    codes = np.array([REASONS.index(Reason(word)) for word in own.dictionary.to_pylist()], np.int8)
    return per_row(own, codes, REASONS.index(Reason.ABSENT_LOCUS))


def _coded(codes: np.ndarray, words: Sequence[str]) -> pa.DictionaryArray:
    """WORDS of indices; -1 is null."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(words), pa.string()))
