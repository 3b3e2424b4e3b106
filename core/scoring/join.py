"""The rows of all scoring files of a run as ScoreRows.

Rows that cannot be joined (no coordinates, complex alleles) are left out, with their reason.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.scoring.alleles import NO_ALLELE, allele_codes, alleles_of, long_alleles_of, read_only
from core.scoring.patterns import KeyedRows, counting_places, distinct_patterns
from core.scoring.policy import (
    EffectTypeSource,
    HarmonisedIndels,
    MatchBy,
    ScoringPolicy,
    StrandFlip,
)
from core.scoring.rows import MANY_ROWS, POSITION_BITS, Patterns, ScoreRows, codes_of
from core.scoring.scoring_file import ScoringFile
from core.scoring.scoring_file_rows import UNSUPPORTED_COMPLEX
from core.scoring.sums import ScoreSets
from core.scoring.weighted_sum import ADDITIVE, DOMINANT, NONADDITIVE, RECESSIVE
from core.variants import complement, reverse_complement
from core.words import is_said, lacks, per_row, word_codes, words_of

Codes = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]

_EFFECT_CODES = {
    "additive": ADDITIVE,
    "dominant": DOMINANT,
    "recessive": RECESSIVE,
    "nonadditive": NONADDITIVE,
}
_N_KINDS = len(_EFFECT_CODES)
_ALLELES = ("effect_allele", "other_allele")


def on_other_strand(flips: StrandFlip) -> Callable[[str], str | None]:
    """How an allele is written there; None for what is no sequence."""
    return complement if flips is StrandFlip.BASEWISE else reverse_complement


@dataclass(frozen=True, slots=True)
class _Alleles:
    """The A distinct alleles of all files, sorted; number 0 is none, allele i has number i + 1.

    code, flipped    (A + 1,) allele codes, of the allele and of it on the other strand
    length           (A + 1,) bases
    """

    strings: pa.Array
    long_alleles: Mapping[bytes, int]
    code: Indices
    flipped: Indices
    length: Indices

    @classmethod
    def of(cls, tables: Sequence[pa.Table], flips: StrandFlip) -> "_Alleles":
        strings = _distinct(tables, *_ALLELES)
        rule = on_other_strand(flips)
        flipped = pa.array([rule(text) for text in strings.to_pylist()], pa.string())
        long_alleles = long_alleles_of(strings, flipped)
        code, other = (allele_codes(alleles_of(x), long_alleles) for x in (strings, flipped))
        length = pc.binary_length(strings).to_numpy().astype(np.int64)
        return cls(strings, long_alleles, *(np.append(0, x) for x in (code, other, length)))

    def numbers(self, words: pa.DictionaryArray) -> Indices:
        """(rows,) the number of each row's allele."""
        return per_row(words, 1 + codes_of(words.dictionary, self.strings), 0)

    def flip(self, allele: Indices, opposite: Indices, rule: StrandFlip) -> Indices:
        """Codes of alleles (numbers) on the other strand; none where `rule` never flips them.

        Outside `basewise`, only a substitution is flipped: both alleles of equal length, or a
        single base whose other allele is unknown.
        """
        if rule is StrandFlip.BASEWISE:
            return self.flipped[allele]
        length = np.where(opposite == 0, 1, self.length[opposite])
        return np.where(self.length[allele] == length, self.flipped[allele], NO_ALLELE)


def join_rows(files: Sequence[ScoringFile], policy: ScoringPolicy) -> ScoreRows:
    """The joinable rows of all `files` under `policy`.

    Score k is files[k]. Rows with a `problem`, and rows without what `match_by` needs, are left
    out: `unjoinable_reason` says why, row by row.
    """
    apart, table_of = _tables_apart([file.rows for file in files], policy.match_by)
    row = [_joinable_rows(table, policy) for table in apart]
    tables = [_taken(table, rows) for table, rows in zip(apart, row, strict=True)]
    contigs, alleles = _distinct(tables, "contig"), _Alleles.of(tables, policy.strand_flip)
    by_rsid = policy.match_by is MatchBy.RSID
    ids = _distinct(tables, "rsid") if by_rsid else pa.array([], pa.string())
    parts = [_keyed(table, policy, contigs, ids, alleles) for table in tables]
    key, pattern, of_rows = distinct_patterns(parts)
    places, first = counting_places([of_rows[n] for n in table_of], len(key))
    kept = [_FileRows(file.rows, row[n]) for file, n in zip(files, table_of, strict=True)]
    score = _placed(places, np.int32, (np.int32(k) for k in range(len(files))))
    frequency = _frequencies(places, kept)
    sets, score_set = _score_sets(first, score)
    effect, other, kind, follows = _unpacked(pattern, len(alleles.code))
    return ScoreRows(
        accessions=tuple(file.accession for file in files),
        match_by=policy.match_by,
        contigs=tuple(contigs.to_pylist()),
        ids=ids,
        long_alleles=alleles.long_alleles,
        sets=sets,
        patterns=Patterns(
            key=read_only(key),
            first=read_only(first),
            effect=read_only(alleles.code[effect]),
            other=read_only(alleles.code[other]),
            effect_flipped=read_only(alleles.flip(effect, other, policy.strand_flip)),
            other_flipped=read_only(alleles.flip(other, effect, policy.strand_flip)),
            effect_type=read_only(kind),
            may_follow_anchor=read_only(follows),
            repeats_score=read_only(_any_repeat(first, score)),
            one_frequency=read_only(~_any_change(first, frequency)),
            score_set=read_only(score_set),
            ref_base=read_only(np.zeros(len(key), np.uint8)),
        ),
        score=read_only(score),
        row_number=_placed(places, np.int32, (rows.row for rows in kept)),
        effect_weight=read_only(_placed(places, np.float64, (rows.weights() for rows in kept))),
        effect_frequency=frequency,
        nonadditive=_nonadditive(places, kept, files),
    )


class _FileRows(NamedTuple):
    """The joinable rows of one file: `row` (n,) their numbers in its table."""

    table: pa.Table
    row: Codes

    def weights(self) -> npt.NDArray[np.float64]:
        return self._values("effect_weight")

    def frequencies(self) -> npt.NDArray[np.float64]:
        return self._values("effect_frequency")

    def has_frequencies(self) -> bool:
        column = self.table.column("effect_frequency")
        return column.null_count < len(column)

    def _values(self, name: str) -> npt.NDArray[np.float64]:
        values: npt.NDArray[np.float64] = self.table.column(name).to_numpy()
        return values if len(self.row) == len(values) else values[self.row]


def _tables_apart(
    tables: Sequence[pa.Table], match_by: MatchBy
) -> tuple[list[pa.Table], list[int]]:
    """(tables of what rows are joined by; which of them each file has).

    Files of the same variants in the same order, as those of one study are, are one.
    """
    names = [*_JOINED_BY, "rsid"] if match_by is MatchBy.RSID else _JOINED_BY
    apart: list[pa.Table] = []
    of: list[int] = []
    for table in tables:
        joined_by = table.select(names)
        if not apart or not apart[-1].equals(joined_by):
            apart.append(joined_by)
        of.append(len(apart) - 1)
    return apart, of


_JOINED_BY = [
    *("contig", "position", "is_harmonised", "effect_allele", "other_allele", "effect_type"),
    "problem",
]


def _joinable_rows(table: pa.Table, policy: ScoringPolicy) -> Codes:
    return np.flatnonzero(lacks(unjoinable_reason(table, policy))).astype(np.int32)


def _taken(table: pa.Table, row: Codes) -> pa.Table:
    return table if len(row) == len(table) else table.take(pa.array(row))


def _keyed(
    rows: pa.Table, policy: ScoringPolicy, contigs: pa.Array, ids: pa.Array, alleles: _Alleles
) -> KeyedRows:
    effect, other = (alleles.numbers(_words(rows, name)) for name in _ALLELES)
    pattern = (effect * len(alleles.code) + other) * _N_KINDS + _effect_types(rows, policy)
    pattern = pattern * 2 + _may_follow_anchor(rows, policy, alleles, effect, other)
    return KeyedRows(_row_keys(rows, policy.match_by, contigs, ids), pattern)


def _may_follow_anchor(
    rows: pa.Table, policy: ScoringPolicy, alleles: _Alleles, effect: Indices, other: Indices
) -> npt.NDArray[np.bool_]:
    """(rows,) indels with both alleles at a harmonised position, which is the first base inserted
    or deleted where Ensembl found it; VCF has the base before."""
    by_position = policy.match_by is MatchBy.POSITION
    if not by_position or policy.harmonised_indels is HarmonisedIndels.AS_WRITTEN:
        return np.zeros(len(rows), bool)
    is_indel = (other > 0) & (alleles.length[effect] != alleles.length[other])
    behind_first = _numpy(rows, "position") > 1
    return is_indel & behind_first & _numpy(rows, "is_harmonised")


def _placed(places: Sequence[Codes], dtype: npt.DTypeLike, values: Iterable[Any]) -> np.ndarray:
    """(N,) the values of each file (one, or one a row), at the places of its rows."""
    placed = np.empty(sum(map(len, places)), dtype)
    for place, of_file in zip(places, values, strict=True):
        placed[place] = of_file
    return placed


def _frequencies(places: Sequence[Codes], kept: Sequence[_FileRows]) -> npt.NDArray[np.float64]:
    if any(rows.has_frequencies() for rows in kept):
        return _placed(places, np.float64, (rows.frequencies() for rows in kept))
    return np.broadcast_to(np.nan, sum(map(len, places)))


def _nonadditive(
    places: Sequence[Codes], kept: Sequence[_FileRows], files: Sequence[ScoringFile]
) -> tuple[Indices, npt.NDArray[np.float64]]:
    """As in ScoreRows."""
    rows: list[Indices] = [np.empty(0, np.int64)]
    weights: list[npt.NDArray[np.float64]] = [np.empty((0, 3))]
    for place, of_file, file in zip(places, kept, files, strict=True):
        if file.dosage_weights is not None:
            _, at, of = np.intersect1d(of_file.row, file.dosage_weights.row, return_indices=True)
            rows.append(place[at].astype(np.int64))
            weights.append(file.dosage_weights.weights[of])
    row = np.concatenate(rows)
    order = np.argsort(row)
    return read_only(row[order]), read_only(np.concatenate(weights)[order])


def _unpacked(
    pattern: Indices, n_alleles: int
) -> tuple[Indices, Indices, npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """(effect allele, other allele: their numbers; effect type; may_follow_anchor)."""
    rest, follows = np.divmod(pattern, 2)
    pair, kind = np.divmod(rest, _N_KINDS)
    return *np.divmod(pair, n_alleles), kind.astype(np.int8), follows.astype(bool)


def _any_change(first: Indices, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """(P,) whether the rows of a pattern differ; NaN is like NaN."""
    after, before = values[1:], values[:-1]
    differ = (after != before) & ~(np.isnan(after) & np.isnan(before))
    changes = np.append(False, differ)[: len(values)]
    changes[first[:-1]] = False
    return _any_row(first, changes)


def _any_repeat(first: Indices, score: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """(P,) whether a pattern has several rows of one score; they stand side by side."""
    repeats = np.append(False, score[1:] == score[:-1])[: len(score)]
    repeats[first[:-1]] = False
    return _any_row(first, repeats)


def _any_row(first: Indices, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.logical_or.reduceat(rows, first[:-1]) if len(rows) else rows


MOST_SETS = 64


def _score_sets(first: Indices, score: npt.NDArray[np.int32]) -> tuple[ScoreSets, Indices]:
    """(the sets of scores that most patterns of many rows have, (P,) the set of each or -1)."""
    set_of = np.full(len(first) - 1, -1, np.int64)
    many = np.flatnonzero(np.diff(first) >= MANY_ROWS)
    n_patterns: dict[bytes, int] = {}
    names: list[bytes] = []
    held: dict[bytes, bytes] = {}  # a name is as long as its set
    for p in many.tolist():
        name = score[first[p] : first[p + 1]].tobytes()
        names.append(held.setdefault(name, name))
        n_patterns[name] = n_patterns.get(name, 0) + 1
    common = sorted(n_patterns, key=lambda name: -n_patterns[name])[:MOST_SETS]
    number = {name: n for n, name in enumerate(common)}
    set_of[many] = [number.get(name, -1) for name in names]
    members = [np.frombuffer(name, np.int32).astype(np.int64) for name in common]
    ends = np.cumsum([0, *map(len, members)])
    return ScoreSets(ends, np.concatenate([*members, np.empty(0, np.int64)])), set_of


def unjoinable_reason(rows: pa.Table, policy: ScoringPolicy) -> pa.DictionaryArray:
    """(rows,) WORDS: the row's own problem, else `bad_coordinates`, else `unsupported_complex`
    where the policy has one effect type for all and the row has weights per dosage, else null."""
    needed = ("rsid",) if policy.match_by is MatchBy.RSID else ("contig", "position")
    lost = np.logical_or.reduce([lacks(rows.column(name)) for name in needed])
    problem = _words(rows, "problem")
    code, n_problems = word_codes(problem), len(problem.dictionary)
    code = np.where((code < 0) & lost, n_problems, code)
    if policy.effect_type is not EffectTypeSource.FROM_FILE:
        by_dosage = is_said(_words(rows, "effect_type"), partial(pc.equal, "nonadditive"))
        code = np.where((code < 0) & by_dosage, n_problems + 1, code)
    words = [*problem.dictionary.to_pylist(), "bad_coordinates", UNSUPPORTED_COMPLEX]
    reasons = pa.array(words, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(code, mask=code < 0), reasons)


def _row_keys(
    table: pa.Table, match_by: MatchBy, contigs: pa.Array, ids: pa.Array
) -> npt.NDArray[np.int64]:
    if match_by is MatchBy.RSID:
        return codes_of(table.column("rsid").combine_chunks(), ids)
    names = _words(table, "contig")
    code = per_row(names, codes_of(names.dictionary, contigs), -1)
    return (code << POSITION_BITS) | _numpy(table, "position").astype(np.int64)


def _effect_types(table: pa.Table, policy: ScoringPolicy) -> npt.NDArray[np.int64]:
    if policy.effect_type is not EffectTypeSource.FROM_FILE:
        return np.full(len(table), _EFFECT_CODES[policy.effect_type], np.int64)
    names = _words(table, "effect_type")
    return per_row(names, codes_of(names.dictionary, pa.array(list(_EFFECT_CODES))), -1)


def _distinct(tables: Sequence[pa.Table], *names: str) -> pa.Array:
    """The strings of those columns, sorted, without null; some may be those of rows left out."""
    columns = [_words(table, name).dictionary for table in tables for name in names]
    distinct = pa.chunked_array(columns, pa.string()).unique().drop_null()
    return distinct.take(pc.array_sort_indices(distinct))


def _words(table: pa.Table, name: str) -> pa.DictionaryArray:
    return words_of(table.column(name))


def _numpy(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).to_numpy()
