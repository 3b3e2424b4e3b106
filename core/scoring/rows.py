"""ScoreRows: the rows of every scoring file of a run, in one table that blocks are joined to.

Rows are sorted by join key, so that a block finds its rows by binary search. A key is an integer:
contig code and position when matching by position, the number of the rsID when matching by rsID.
Rows of several scores that name the same alleles at the same key are one *pattern*: it is matched
once for all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.vcf_wanted import Wanted
from core.scoring.policy import MatchBy
from core.scoring.sums import ScoreSets

POSITION_BITS = 32
"""Of a key; those above are the contig's."""

MANY_ROWS = 4
"""Rows of a pattern from which its scores are summed side by side."""


class Patterns(NamedTuple):
    """P distinct (key, effect allele, other allele, effect type, may_follow_anchor), sorted by key.

    key            (P,) int64
    first          (P + 1,) int64: pattern p has the rows first[p] to first[p + 1]
    effect, other, effect_flipped, other_flipped    (P,) allele codes
    effect_type    (P,) int8
    may_follow_anchor  (P,) bool: an indel whose position may be one behind that of its record
    repeats_score  (P,) bool: one score has several rows of the pattern
    one_frequency  (P,) bool: its rows have one effect_frequency, or none has any
    score_set      (P,) int64: its scores as one of ScoreRows.sets; -1 where they are none of them
    ref_base       (P,) uint8: the reference's base at the key, as ASCII; 0 where it is not known
    """

    key: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    effect: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    effect_flipped: npt.NDArray[np.int64]
    other_flipped: npt.NDArray[np.int64]
    effect_type: npt.NDArray[np.int8]
    may_follow_anchor: npt.NDArray[np.bool_]
    repeats_score: npt.NDArray[np.bool_]
    one_frequency: npt.NDArray[np.bool_]
    score_set: npt.NDArray[np.int64]
    ref_base: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """N joinable rows of K scoring files, in the order of their patterns; rows of one pattern by
    score, then row number.

    score, row_number                      (N,) int32
    effect_weight, effect_frequency        (N,) float64; a frequency that the file lacks is NaN
    contigs, ids                           what the key counts: contig names, or rsIDs (sorted)
    nonadditive                            (M,) rows, ascending, and their (M, 3) weights at 0, 1
                                           and 2 copies
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
    nonadditive: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.score)

    @property
    def n_scores(self) -> int:
        return len(self.accessions)

    def weights_at_copies(self, row: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """(n, 3) of nonadditive rows; NaN for others."""
        rows, weights = self.nonadditive
        found = np.full((len(row), 3), np.nan)
        if len(rows):
            at = np.minimum(np.searchsorted(rows, row), len(rows) - 1)
            found[rows[at] == row] = weights[at[rows[at] == row]]
        return found

    def keys_of(
        self, names: Sequence[str], n_rows: npt.NDArray[np.int64], position: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """(rows,) position keys of a block, whose contig is names[i] for n_rows[i] rows; -1 on
        contigs that no row names."""
        known = {name: code for code, name in enumerate(self.contigs)}
        code = np.repeat(np.array([known.get(name, -1) for name in names], np.int64), n_rows)
        is_none = (code < 0) | (position >> POSITION_BITS != 0)
        return np.where(is_none, -1, (code << POSITION_BITS) | position)

    def keys_of_ids(self, ids: pa.Array) -> npt.NDArray[np.int64]:
        """(rows,) keys of IDs; -1 for an ID that no row names."""
        return codes_of(ids, self.ids)

    def contigs_with_rows(self) -> frozenset[str]:
        """Names of the contigs on which some row lies; empty when matching by rsID."""
        if self.match_by is MatchBy.RSID:
            return frozenset()
        return frozenset(self.wanted().positions)

    def places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """((P,) index of `contigs`, (P,) position) of the patterns, ascending; none by rsID."""
        key = self.patterns.key if self.match_by is MatchBy.POSITION else np.empty(0, np.int64)
        return key >> POSITION_BITS, key & ((1 << POSITION_BITS) - 1)

    def with_reference(self, ref_base: npt.NDArray[np.uint8]) -> "ScoreRows":
        """The same rows, with the reference's bases at the places of their patterns."""
        return replace(self, patterns=self.patterns._replace(ref_base=ref_base))

    def wanted(self) -> Wanted:
        """What a reader must decode for these rows."""
        if self.match_by is MatchBy.RSID:
            return Wanted(
                positions={}, ids=frozenset(self.ids.to_pylist()), whole_contigs=frozenset()
            )
        key = self.patterns.key  # sorted
        distinct = key[np.append(True, key[1:] != key[:-1])[: len(key)]]
        anchors = key[self.patterns.may_follow_anchor] - 1
        distinct = np.union1d(distinct, anchors) if len(anchors) else distinct
        ends = np.searchsorted(distinct, np.arange(len(self.contigs) + 1) << POSITION_BITS)
        positions = distinct & ((1 << POSITION_BITS) - 1)
        by_contig = {
            name: positions[ends[number] : ends[number + 1]]
            for number, name in enumerate(self.contigs)
            if ends[number] < ends[number + 1]
        }
        return Wanted(positions=by_contig, ids=frozenset(), whole_contigs=frozenset())


def codes_of(strings: pa.Array, values: pa.Array) -> npt.NDArray[np.int64]:
    """(n,) which of the values each string is; -1 for none of them."""
    codes = pc.index_in(strings, value_set=values)
    return pc.fill_null(codes, -1).to_numpy(zero_copy_only=False).astype(np.int64)
