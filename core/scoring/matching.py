"""Variant matching: which row of a scoring file names which allele of which genotyped variant.

Rows and variants that share a key are compared allele by allele (`_match_types`, the table); each
row takes its best candidate; the policy then excludes matches with a reason. Order and rules follow
pgscatalog-match, except that every ALT is tried and no indel is flipped unless the policy says so.
Everything here is arrays over candidate pairs; there is no loop over variants.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.block import DosageBlock
from core.scoring.policy import (
    Ambiguous,
    DuplicateTarget,
    MatchBy,
    Multiallelic,
    ScoringPolicy,
    StrandFlip,
)
from core.scoring.rows import ScoreRows
from core.variants import complement, reverse_complement

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

MATCH_TYPES: tuple[str, ...] = (
    "refalt",
    "altref",
    "refalt_flip",
    "altref_flip",
    "no_oa_ref",
    "no_oa_alt",
    "no_oa_ref_flip",
    "no_oa_alt_flip",
)
"""Best first: the index is the priority. The effect allele is REF where the name begins with `ref`
or reads `no_oa_ref`."""

_EFFECT_IS_REF = np.array(["ref" in name.removeprefix("no_oa_")[:3] for name in MATCH_TYPES])
_IS_FLIPPED = np.array([name.endswith("_flip") for name in MATCH_TYPES])
_REF_ALONE = [MATCH_TYPES.index(name) for name in ("no_oa_ref", "no_oa_ref_flip")]
_NO_MATCH = len(MATCH_TYPES)
_NO_ROWS: Indices = np.empty(0, np.int64)


class Status(StrEnum):
    MATCHED = "matched"
    EXCLUDED = "excluded"
    UNMATCHED = "unmatched"


class Reason(StrEnum):
    """Why a row is not matched; `sex_unknown` stands on a matched Y row that some sample of unknown
    sex was not called for."""

    AMBIGUOUS = "ambiguous"
    MULTIALLELIC = "multiallelic"
    STRAND_FLIP_IGNORED = "strand_flip_ignored"
    SPLIT_MULTIALLELIC = "split_multiallelic"
    DUPLICATE_TARGET = "duplicate_target"
    DUPLICATE_SCORE_ROW = "duplicate_score_row"
    ALLELE_MISMATCH = "allele_mismatch"
    ABSENT_LOCUS = "absent_locus"
    BAD_COORDINATES = "bad_coordinates"
    UNSUPPORTED_COMPLEX = "unsupported_complex"
    SEX_UNKNOWN = "sex_unknown"


REASONS: tuple[Reason, ...] = tuple(Reason)


@dataclass(frozen=True, slots=True)
class BlockMatches:
    """What one block says about the rows that share a key with it.

    row         (M,) int64, rows of ScoreRows, ascending
    variant     (M,) int64, the block row of the best candidate
    match_type  (M,) int8, index into MATCH_TYPES; -1 where no allele fits (allele_mismatch)
    reason      (M,) int8, index into REASONS of what keeps the row out of the score; -1: matched
    """

    row: Indices
    variant: Indices
    match_type: npt.NDArray[np.int8]
    reason: npt.NDArray[np.int8]

    @property
    def matched(self) -> Bools:
        return self.reason < 0

    @property
    def effect_is_ref(self) -> Bools:
        """(M,) whether the effect allele is REF; False where nothing fits."""
        return (self.match_type >= 0) & _EFFECT_IS_REF[self.match_type]


def match_block(
    rows: ScoreRows, block: DosageBlock, policy: ScoringPolicy, settled: Indices = _NO_ROWS
) -> BlockMatches:
    """The best candidate of every row that has a record of `block` at its key.

    Rows of `settled` have a better record in another block: here it is as if they were not.
    """
    row, variant = _candidates(rows, block)
    is_open = ~np.isin(row, settled)
    row, variant = row[is_open], variant[is_open]
    match_type = _match_types(rows, block, row, variant, policy.strand_flip)
    row, variant, match_type = _best_per_row(row, variant, match_type)
    reason = _exclusions(rows, block, policy, row, variant, match_type)
    match_type = np.where(match_type == _NO_MATCH, -1, match_type).astype(np.int8)
    return BlockMatches(row, variant, match_type, reason)


def _candidates(rows: ScoreRows, block: DosageBlock) -> tuple[Indices, Indices]:
    """Every pair (row, block row) with equal keys."""
    variant, key = _block_keys(rows, block)
    first = np.searchsorted(rows.key, key, side="left")
    count = np.searchsorted(rows.key, key, side="right") - first
    count[key < 0] = 0
    starts = np.cumsum(count) - count
    within = np.arange(count.sum()) - np.repeat(starts, count)
    return np.repeat(first, count) + within, np.repeat(variant, count)


def _block_keys(rows: ScoreRows, block: DosageBlock) -> tuple[Indices, Indices]:
    """(block row, key); a record with several IDs ("rs1;rs2") has a pair for each."""
    every = np.arange(block.n_rows)
    if rows.match_by is MatchBy.POSITION:
        return every, rows.keys_of(block.column("contig"), block.position)
    lists = pc.split_pattern(block.column("id"), ";")
    variant = np.repeat(every, pc.list_value_length(lists).to_numpy())
    return variant, rows.keys_of_ids(lists.flatten())


def _match_types(
    rows: ScoreRows, block: DosageBlock, row: Indices, variant: Indices, flips: StrandFlip
) -> npt.NDArray[np.int64]:
    """(pairs,) index into MATCH_TYPES, or _NO_MATCH: the match table, best row first."""
    i, j = pa.array(row), pa.array(variant)
    ref, alt = block.column("ref").take(j), block.column("alt").take(j)
    effect, other = rows.effect.take(i), rows.other.take(i)
    effect_flip, other_flip = rows.effect_flipped.take(i), rows.other_flipped.take(i)
    alone = pc.is_null(other).to_numpy(zero_copy_only=False)
    # Without an other allele, only the record tells an indel, which is not to be flipped
    may_flip = _equal(pc.binary_length(ref), pc.binary_length(alt)) | (flips is StrandFlip.BASEWISE)
    table = [
        _equal(effect, ref) & _equal(other, alt),
        _equal(effect, alt) & _equal(other, ref),
        _equal(effect_flip, ref) & _equal(other_flip, alt),
        _equal(effect_flip, alt) & _equal(other_flip, ref),
        alone & _equal(effect, ref),
        alone & _equal(effect, alt),
        alone & may_flip & _equal(effect_flip, ref),
        alone & may_flip & _equal(effect_flip, alt),
    ]
    return np.select(table, list(range(_NO_MATCH)), default=_NO_MATCH)


def _best_per_row(
    row: Indices, variant: Indices, match_type: npt.NDArray[np.int64]
) -> tuple[Indices, Indices, npt.NDArray[np.int64]]:
    """Lowest match type per row; among equals the first in file order."""
    order = np.lexsort((variant, match_type, row))
    row, variant, match_type = row[order], variant[order], match_type[order]
    first = np.ones(len(row), bool)
    first[1:] = row[1:] != row[:-1]
    return row[first], variant[first], match_type[first]


def _exclusions(
    rows: ScoreRows,
    block: DosageBlock,
    policy: ScoringPolicy,
    row: Indices,
    variant: Indices,
    match_type: npt.NDArray[np.int64],
) -> npt.NDArray[np.int8]:
    """(M,) the first reason of the list below that applies, as in BlockMatches.reason."""
    fits = match_type < _NO_MATCH
    kind = np.where(fits, match_type, 0)
    names_ref = fits & _EFFECT_IS_REF[kind]
    twice = _duplicates(rows, row, variant, fits, policy.duplicate_target)
    # Several ALT rows of a record share one REF, which counts once as well
    record = block.record[variant].astype(np.int64)
    ref_twice = _duplicates(rows, row, record, names_ref, policy.duplicate_target)
    duplicate, same_alleles = twice[0] | ref_twice[0], twice[1] | ref_twice[1]
    multiallelic = block.column("n_alts").to_numpy()[variant] > 1
    rules: list[tuple[Reason, Bools]] = [
        (Reason.ALLELE_MISMATCH, ~fits),
        (Reason.AMBIGUOUS, _ambiguous(block, policy, kind, variant)),
        (Reason.MULTIALLELIC, multiallelic & (policy.multiallelic is Multiallelic.DROP)),
        (Reason.SPLIT_MULTIALLELIC, names_ref & _is_split(block)[variant]),
        (
            Reason.STRAND_FLIP_IGNORED,
            _IS_FLIPPED[kind] & (policy.strand_flip is StrandFlip.IGNORE),
        ),
        (Reason.DUPLICATE_SCORE_ROW, duplicate & same_alleles),
        (Reason.DUPLICATE_TARGET, duplicate),
    ]
    reason = np.full(len(row), -1, np.int8)
    for name, applies in reversed(rules):
        reason[applies] = REASONS.index(name)
    return reason


def _ambiguous(block: DosageBlock, policy: ScoringPolicy, kind: Indices, variant: Indices) -> Bools:
    """(M,) REF on the other strand reads as ALT; as any ALT of the record, where the row names REF
    alone."""
    if policy.ambiguous is Ambiguous.KEEP:
        return np.zeros(len(variant), bool)
    palindromic = _palindromic(block, policy.strand_flip)
    in_record = np.bincount(block.record, weights=palindromic) > 0
    of_any_alt = in_record[block.record[variant]] & np.isin(kind, _REF_ALONE)
    return palindromic[variant] | of_any_alt


def _palindromic(block: DosageBlock, flips: StrandFlip) -> Bools:
    """(block rows,) REF on the other strand reads as ALT."""
    other_strand = complement if flips is StrandFlip.BASEWISE else reverse_complement
    pairs = pc.binary_join_element_wise(block.column("ref"), block.column("alt"), ">")
    encoded = pairs.dictionary_encode()
    distinct = [pair.split(">", 1) for pair in encoded.dictionary.to_pylist()]
    palindromic = np.array([other_strand(ref) == alt for ref, alt in distinct], bool)
    return palindromic[encoded.indices.to_numpy()]


def _is_split(block: DosageBlock) -> Bools:
    """(block rows,) the site's (position, REF) stands in several records with different ALTs.

    REF's dosage would need all of them, so a row whose effect allele is REF cannot be scored.
    """
    sites = pa.table(
        {name: block.column(name) for name in ("contig", "position", "ref", "alt", "record")}
    )
    site = ["contig", "position", "ref"]
    counts = sites.group_by(site).aggregate(
        [("record", "count_distinct"), ("alt", "count_distinct")]
    )
    several = counts.filter(
        pc.and_(
            pc.greater(counts.column("record_count_distinct"), 1),
            pc.greater(counts.column("alt_count_distinct"), 1),
        )
    )
    if several.num_rows == 0:
        return np.zeros(block.n_rows, bool)
    split = {tuple(row.values()) for row in several.select(site).to_pylist()}
    return np.array([tuple(row.values()) in split for row in sites.select(site).to_pylist()])


def _duplicates(
    rows: ScoreRows, row: Indices, target: Indices, has_target: Bools, rule: DuplicateTarget
) -> tuple[Bools, Bools]:
    """(M,) rows of one score that share a target and leave; (M,) those with equal alleles, too.

    `keep_first` keeps the lowest row number.
    """
    leaves, same_alleles = np.zeros(len(row), bool), np.zeros(len(row), bool)
    target = np.where(has_target, target, -1 - np.arange(len(row)))
    order = np.lexsort((rows.row_number[row], target, rows.score[row]))
    score, target = rows.score[row][order], target[order]
    same = (score[1:] == score[:-1]) & (target[1:] == target[:-1])
    after_first, before_last = np.append(False, same), np.append(same, False)
    leaves[order] = after_first | (before_last & (rule is DuplicateTarget.DROP_ALL))
    equal = np.append(False, same & _equal_alleles(rows, row[order]))
    same_alleles[order] = equal | np.append(equal[1:], False)
    return leaves, same_alleles


def _equal_alleles(rows: ScoreRows, row: Indices) -> Bools:
    """(M-1,) whether neighbours name the same effect and other allele."""
    left, right = pa.array(row[:-1]), pa.array(row[1:])
    other = pc.fill_null(rows.other, "")
    return _equal(rows.effect.take(left), rows.effect.take(right)) & _equal(
        other.take(left), other.take(right)
    )


def _equal(left: pa.Array, right: pa.Array) -> Bools:
    """Element by element; null equals nothing."""
    return pc.fill_null(pc.equal(left, right), False).to_numpy(zero_copy_only=False)
