"""The fate of every row of every scoring file: a table per file, as the result has it."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.genotypes.simd import kernel
from core.scoring.join import on_other_strand, unjoinable_reason
from core.scoring.matching import IS_FLIPPED, MATCH_TYPES, REASONS, Reason, Status
from core.scoring.policy import ScoringPolicy, StrandFlip
from core.scoring.rows import ScoreRows
from core.scoring.scoring_file import ScoringFile
from core.scoring.shard import STATUSES
from core.words import WORDS, per_row, word_codes, words_of

Codes = npt.NDArray[np.int32]
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
    ends = np.cumsum([0, *(len(file.rows) for file in files)])
    line = lines_of_rows(rows, matches, ends)
    codes = {name: np.append(matches.column(name).to_numpy(), np.int8(-1)) for name in _CODES}
    for k, file in enumerate(files):
        found = line[ends[k] : ends[k + 1]]
        yield _fates(file, matches.column("variant_id"), codes, found, policy)


_CODES = ("match_type", "status", "reason")


def lines_of_rows(rows: ScoreRows, matches: pa.Table, ends: Indices) -> Codes:
    """(rows of all files,) the line of MATCH_SCHEMA that tells a row's fate; -1 for one that met
    no record. File k has the rows ends[k] to ends[k + 1].

    A row that several blocks met keeps what became of it: matched, else excluded, else not; among
    equals, the first.
    """
    row, n_rows = (matches.column(name).to_numpy() for name in ("row", "n_rows"))
    status = matches.column("status").to_numpy()
    order = np.argsort(status, kind="stable")[::-1]  # what is written last stays
    line = np.full(ends[-1], -1, np.int32)
    _spread(order, row[order], n_rows[order], ends, rows.score, rows.row_number, line)
    return line


@kernel
def _spread(
    lines: Indices,
    row: Indices,
    n_rows: Indices,
    ends: Indices,
    score: Codes,
    row_number: Codes,
    line: Codes,
) -> None:
    """Line lines[i] tells of row[i] and the next rows of ScoreRows, n_rows[i] of them."""
    for i in range(len(lines)):
        for r in range(row[i], row[i] + n_rows[i]):
            line[ends[score[r]] + row_number[r]] = lines[i]


def _fates(
    file: ScoringFile,
    variant_ids: pa.ChunkedArray,
    codes: Mapping[str, npt.NDArray[np.int8]],
    found: Codes,
    policy: ScoringPolicy,
) -> pa.Table:
    """`found` (rows of the file,) their lines of `variant_ids` and of `codes`; -1 where a row has
    none, as the last of `codes` is."""
    met = found >= 0
    match_type, status, reason = (codes[name][found] for name in _CODES)
    status[~met] = STATUSES.index(Status.UNMATCHED)
    reason[~met] = _reasons_of_unmet(file, policy)[~met]
    columns = [
        _coded(np.zeros(len(found)), [file.accession]),
        *(file.rows.column(name) for name in MATCHES_SCHEMA.names[1:7]),
        variant_ids.take(pa.array(found, mask=~met)),
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


def _reasons_of_unmet(file: ScoringFile, policy: ScoringPolicy) -> npt.NDArray[np.int8]:
    """(rows,) why a row that met no record did not: indices into REASONS."""
    own = unjoinable_reason(file.rows, policy)
    codes = np.array([REASONS.index(Reason(word)) for word in own.dictionary.to_pylist()], np.int8)
    return per_row(own, codes, REASONS.index(Reason.ABSENT_LOCUS))


def _coded(codes: np.ndarray, words: Sequence[str]) -> pa.DictionaryArray:
    """WORDS of indices; -1 is null."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(words), pa.string()))
