"""ScoreRows: the rows of every scoring file of a run, in one table that blocks are joined to.

Rows are sorted by join key, so that a block finds its rows by binary search. A key is an integer:
contig code and position when matching by position, the number of the rsID when matching by rsID.
Rows of several scores that name the same alleles at the same key are one *pattern*: it is matched
once for all of them. Rows that cannot be joined (no coordinates, complex alleles) are kept aside
with their reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.vcf_wanted import Wanted
from core.scoring.alleles import allele_codes, alleles_of, long_alleles_of, read_only
from core.scoring.policy import EffectTypeSource, MatchBy, ScoringPolicy, StrandFlip
from core.scoring.scoring_file import ScoringFile
from core.scoring.sums import ScoreSets
from core.scoring.weighted_sum import ADDITIVE, DOMINANT, RECESSIVE
from core.variants import complement, reverse_complement

Indices = npt.NDArray[np.int64]

_EFFECT_CODES = {"additive": ADDITIVE, "dominant": DOMINANT, "recessive": RECESSIVE}

_POSITION_BITS = 32


class Patterns(NamedTuple):
    """P distinct (key, effect allele, other allele, effect type), sorted by key.

    key            (P,) int64
    first          (P + 1,) int64: pattern p has the rows first[p] to first[p + 1]
    effect, other, effect_flipped, other_flipped    (P,) allele codes
    effect_type    (P,) int8
    repeats_score  (P,) bool: one score has several rows of the pattern
    one_frequency  (P,) bool: its rows have one effect_frequency, or none has any
    score_set      (P,) int64: its scores as one of ScoreRows.sets; -1 where they are none of them
    """

    key: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    effect: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    effect_flipped: npt.NDArray[np.int64]
    other_flipped: npt.NDArray[np.int64]
    effect_type: npt.NDArray[np.int8]
    repeats_score: npt.NDArray[np.bool_]
    one_frequency: npt.NDArray[np.bool_]
    score_set: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """N joinable rows of K scoring files, in the order of their patterns; rows of one pattern by
    score, then row number.

    score, row_number                      (N,) int32
    effect_weight, effect_frequency        (N,) float64; a frequency that the file lacks is NaN
    contigs, ids                           what the key counts: contig names, or rsIDs (sorted)
    long_alleles                           codes of alleles that do not fit into theirs
    sets                                   scores that patterns have in common
    """

    accessions: tuple[str, ...]
    match_by: MatchBy
    contigs: tuple[str, ...]
    ids: pa.Array
    long_alleles: Mapping[bytes, int]
    sets: ScoreSets
    patterns: Patterns
    score: npt.NDArray[np.int32]
    row_number: npt.NDArray[np.int32]
    effect_weight: npt.NDArray[np.float64]
    effect_frequency: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.score)

    @property
    def n_scores(self) -> int:
        return len(self.accessions)

    def keys_of(
        self, names: Sequence[str], n_rows: npt.NDArray[np.int64], position: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """(rows,) position keys of a block, whose contig is names[i] for n_rows[i] rows; -1 on
        contigs that no row names."""
        known = {name: code for code, name in enumerate(self.contigs)}
        code = np.repeat(np.array([known.get(name, -1) for name in names], np.int64), n_rows)
        is_none = (code < 0) | (position >> _POSITION_BITS != 0)
        return np.where(is_none, -1, (code << _POSITION_BITS) | position)

    def keys_of_ids(self, ids: pa.Array) -> npt.NDArray[np.int64]:
        """(rows,) keys of IDs; -1 for an ID that no row names."""
        return _codes(ids, self.ids)

    def contigs_with_rows(self) -> frozenset[str]:
        """Names of the contigs on which some row lies; empty when matching by rsID."""
        if self.match_by is MatchBy.RSID:
            return frozenset()
        return frozenset(name for name, found in self.wanted().positions.items() if len(found))

    def wanted(self) -> Wanted:
        """What a reader must decode for these rows."""
        if self.match_by is MatchBy.RSID:
            return Wanted(
                positions={}, ids=frozenset(self.ids.to_pylist()), whole_contigs=frozenset()
            )
        key = self.patterns.key  # sorted
        distinct = key[np.append(True, key[1:] != key[:-1])[: len(key)]]
        ends = np.searchsorted(distinct, np.arange(len(self.contigs) + 1) << _POSITION_BITS)
        positions = distinct & ((1 << _POSITION_BITS) - 1)
        by_contig = {
            name: positions[ends[number] : ends[number + 1]]
            for number, name in enumerate(self.contigs)
        }
        return Wanted(positions=by_contig, ids=frozenset(), whole_contigs=frozenset())


def join_rows(files: Sequence[ScoringFile], policy: ScoringPolicy) -> ScoreRows:
    """The joinable rows of all `files` under `policy`.

    Score k is files[k]. Rows with a `problem`, and rows without what `match_by` needs, are left
    out: `unjoinable_reason` says why, row by row.
    """
    table = pa.concat_tables(
        [
            file.rows.append_column("score", pa.array(np.full(len(file.rows), k, np.int32)))
            for k, file in enumerate(files)
        ]
    )
    table = table.filter(pc.is_null(unjoinable_reason(table, policy.match_by)))
    contigs = _distinct(table.column("contig"))
    ids = _distinct(table.column("rsid"))
    key = _row_keys(table, policy.match_by, contigs, ids)
    pattern = _pattern_codes(table, policy.effect_type)
    order = np.lexsort((_numpy(table, "row_number"), _numpy(table, "score"), pattern, key))
    table, key = table.take(pa.array(order)).combine_chunks(), key[order]
    score = _numpy(table, "score").astype(np.int32)
    frequency = _floats(table, "effect_frequency")
    first = _first_rows(key, pattern[order])
    sets, score_set = _score_sets(first, score)
    heads = table.take(pa.array(first[:-1])).combine_chunks()
    alleles = _alleles(heads, policy.strand_flip)
    long_alleles = long_alleles_of(*alleles)
    return ScoreRows(
        accessions=tuple(file.accession for file in files),
        match_by=policy.match_by,
        contigs=tuple(contigs.to_pylist()),
        ids=ids,
        long_alleles=long_alleles,
        sets=sets,
        patterns=Patterns(
            read_only(key[first[:-1]]),
            read_only(first),
            *(read_only(allele_codes(alleles_of(column), long_alleles)) for column in alleles),
            effect_type=read_only(_effect_types(heads, policy.effect_type)),
            repeats_score=read_only(_any_repeat(first, score)),
            one_frequency=read_only(~_any_change(first, np.nan_to_num(frequency, nan=-1.0))),
            score_set=read_only(score_set),
        ),
        score=read_only(score),
        row_number=_numpy(table, "row_number").astype(np.int32),
        effect_weight=read_only(_numpy(table, "effect_weight").astype(np.float64)),
        effect_frequency=frequency,
    )


def _first_rows(key: Indices, code: Indices) -> Indices:
    """(P + 1,) where patterns begin among sorted rows, and how many rows there are."""
    begins = np.ones(len(key), bool)
    begins[1:] = (key[1:] != key[:-1]) | (code[1:] != code[:-1])
    return np.append(np.flatnonzero(begins), len(key))


def _any_change(first: Indices, values: np.ndarray) -> npt.NDArray[np.bool_]:
    """(P,) whether the rows of a pattern differ."""
    changes = np.append(False, values[1:] != values[:-1])[: len(values)]
    changes[first[:-1]] = False
    return _any_row(first, changes)


def _any_repeat(first: Indices, score: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """(P,) whether a pattern has several rows of one score; they stand side by side."""
    repeats = np.append(False, score[1:] == score[:-1])[: len(score)]
    repeats[first[:-1]] = False
    return _any_row(first, repeats)


def _any_row(first: Indices, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.logical_or.reduceat(rows, first[:-1]) if len(rows) else rows


MANY_ROWS = 4
"""Rows of a pattern from which its scores are summed side by side."""

MOST_SETS = 64


def _score_sets(first: Indices, score: npt.NDArray[np.int32]) -> tuple[ScoreSets, Indices]:
    """(the sets of scores that most patterns of many rows have, (P,) the set of each or -1)."""
    set_of = np.full(len(first) - 1, -1, np.int64)
    many = np.flatnonzero(np.diff(first) >= MANY_ROWS)
    n_patterns: dict[bytes, int] = {}
    names = [score[first[p] : first[p + 1]].tobytes() for p in many.tolist()]
    for name in names:
        n_patterns[name] = n_patterns.get(name, 0) + 1
    common = sorted(n_patterns, key=lambda name: -n_patterns[name])[:MOST_SETS]
    number = {name: n for n, name in enumerate(common)}
    set_of[many] = [number.get(name, -1) for name in names]
    members = [np.frombuffer(name, np.int32).astype(np.int64) for name in common]
    ends = np.cumsum([0, *map(len, members)])
    return ScoreSets(ends, np.concatenate([*members, np.empty(0, np.int64)])), set_of


def _pattern_codes(table: pa.Table, source: EffectTypeSource) -> npt.NDArray[np.int64]:
    """(rows,) a number for each distinct (effect allele, other allele, effect type)."""
    effect, _ = _numbered(table, "effect_allele")
    other, n_others = _numbered(table, "other_allele")
    kind = _effect_types(table, source).astype(np.int64) + 1
    return (effect * n_others + other) * (len(_EFFECT_CODES) + 1) + kind


def _numbered(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], int]:
    """(the number of each string, how many there are), in order of first appearance; null is 0."""
    encoded = _strings(table, name).dictionary_encode()
    number = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return number + 1, len(encoded.dictionary) + 1


def _alleles(table: pa.Table, flips: StrandFlip) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
    """The effect and the other allele, and both on the other strand."""
    effect, other = _strings(table, "effect_allele"), _strings(table, "other_allele")
    return effect, other, _flip(effect, other, flips), _flip(other, effect, flips)


def unjoinable_reason(rows: pa.Table, match_by: MatchBy) -> pa.ChunkedArray:
    """(rows,) string: the row's own problem, else `bad_coordinates`, else null."""
    if match_by is MatchBy.RSID:
        lost = pc.is_null(rows.column("rsid"))
    else:
        lost = pc.or_(pc.is_null(rows.column("contig")), pc.is_null(rows.column("position")))
    nothing = pa.scalar(None, pa.string())
    return pc.coalesce(rows.column("problem"), pc.if_else(lost, "bad_coordinates", nothing))


def _row_keys(
    table: pa.Table, match_by: MatchBy, contigs: pa.Array, ids: pa.Array
) -> npt.NDArray[np.int64]:
    if match_by is MatchBy.RSID:
        return _codes(_strings(table, "rsid"), ids)
    code = _codes(_strings(table, "contig"), contigs)
    return (code << _POSITION_BITS) | _numpy(table, "position").astype(np.int64)


def _flip(allele: pa.Array, opposite: pa.Array, rule: StrandFlip) -> pa.Array:
    """The allele on the other strand; null where `rule` never flips it.

    Outside `basewise`, only a substitution is flipped: both alleles of equal length, or a single
    base whose other allele is unknown.
    """
    if rule is StrandFlip.BASEWISE:
        return _map_distinct(allele, complement)
    flipped = _map_distinct(allele, reverse_complement)
    length = pc.binary_length(allele)
    substitution = pc.coalesce(pc.equal(length, pc.binary_length(opposite)), pc.equal(length, 1))
    return pc.if_else(substitution, flipped, pa.scalar(None, pa.string()))


def _map_distinct(strings: pa.Array, rule: Callable[[str], str | None]) -> pa.Array:
    """Alleles repeat: the rule runs once per distinct one."""
    encoded = strings.dictionary_encode()
    mapped = pa.array([rule(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return mapped.take(encoded.indices)


def _effect_types(table: pa.Table, source: EffectTypeSource) -> npt.NDArray[np.int8]:
    if source is not EffectTypeSource.FROM_FILE:
        return np.full(len(table), _EFFECT_CODES[source], np.int8)
    return _codes(_strings(table, "effect_type"), pa.array(list(_EFFECT_CODES))).astype(np.int8)


def _codes(strings: pa.Array, values: pa.Array) -> npt.NDArray[np.int64]:
    codes = pc.index_in(strings, value_set=values)
    return pc.fill_null(codes, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _distinct(column: pa.ChunkedArray) -> pa.Array:
    distinct = column.unique().drop_null()
    return distinct.take(pc.array_sort_indices(distinct))


def _strings(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return column.cast(pa.string())


def _numpy(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).to_numpy()


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return pc.fill_null(table.column(name), float("nan")).to_numpy().astype(np.float64)
