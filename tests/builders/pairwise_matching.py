"""Matching as pyarrow and numpy say it, pair by pair: the oracle of the kernels.

The rows are those of the scoring files themselves, not the patterns that the kernels join.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.genotypes.block import DosageBlock
from core.scoring.matching import MATCH_TYPES, REASONS, Reason
from core.scoring.policy import (
    Ambiguous,
    DuplicateTarget,
    MatchBy,
    Multiallelic,
    ScoringPolicy,
    StrandFlip,
)
from core.scoring.scoring_file import ScoringFile
from core.variants import complement, reverse_complement

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Fate = tuple[int, int, int, int, int]

_EFFECT_IS_REF = np.array(["ref" in name.removeprefix("no_oa_")[:3] for name in MATCH_TYPES])
_IS_FLIPPED = np.array([name.endswith("_flip") for name in MATCH_TYPES])
_REF_ALONE = [MATCH_TYPES.index(name) for name in ("no_oa_ref", "no_oa_ref_flip")]
_NO_MATCH = len(MATCH_TYPES)


@dataclass(frozen=True)
class _Rows:
    """The rows of all files that have a place, or an rsID."""

    score: Indices
    row_number: Indices
    key: list[tuple[str, int] | str]
    effect: pa.Array
    other: pa.Array
    effect_flipped: pa.Array
    other_flipped: pa.Array


def fates(
    files: list[ScoringFile],
    block: DosageBlock,
    policy: ScoringPolicy,
    settled: frozenset[tuple[int, int]] = frozenset(),
) -> set[Fate]:
    """(score, row number, variant, match type or -1, reason or -1) of the rows that met a record.

    `settled` are (score, row number) that another block has.
    """
    rows = _rows(files, policy, settled)
    row, variant = _candidates(rows, block, policy.match_by)
    match_type = _match_types(rows, block, row, variant, policy.strand_flip)
    row, variant, match_type = _best_per_row(row, variant, match_type)
    reason = _exclusions(rows, block, policy, row, variant, match_type)
    kind = np.where(match_type == _NO_MATCH, -1, match_type)
    columns = (rows.score[row], rows.row_number[row], variant, kind, reason)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def _rows(
    files: list[ScoringFile], policy: ScoringPolicy, settled: frozenset[tuple[int, int]]
) -> _Rows:
    lines = [
        (k, line)
        for k, file in enumerate(files)
        for line in file.rows.to_pylist()
        if line["problem"] is None and (k, line["row_number"]) not in settled
    ]
    if policy.match_by is MatchBy.POSITION:
        lines = [(k, line) for k, line in lines if line["position"] is not None]
        key: list[tuple[str, int] | str] = [(line["contig"], line["position"]) for _, line in lines]
    else:
        lines = [(k, line) for k, line in lines if line["rsid"] is not None]
        key = [line["rsid"] for _, line in lines]
    effect = pa.array([line["effect_allele"] for _, line in lines], pa.string())
    other = pa.array([line["other_allele"] for _, line in lines], pa.string())
    return _Rows(
        score=np.array([k for k, _ in lines], np.int64),
        row_number=np.array([line["row_number"] for _, line in lines], np.int64),
        key=key,
        effect=effect,
        other=other,
        effect_flipped=_flip(effect, other, policy.strand_flip),
        other_flipped=_flip(other, effect, policy.strand_flip),
    )


def _flip(allele: pa.Array, opposite: pa.Array, rule: StrandFlip) -> pa.Array:
    """The allele on the other strand; null where `rule` never flips it."""
    if rule is StrandFlip.BASEWISE:
        return pa.array([a and complement(a) for a in allele.to_pylist()], pa.string())
    flipped = pa.array([a and reverse_complement(a) for a in allele.to_pylist()], pa.string())
    length = pc.binary_length(allele)
    substitution = pc.coalesce(pc.equal(length, pc.binary_length(opposite)), pc.equal(length, 1))
    return pc.if_else(substitution, flipped, pa.scalar(None, pa.string()))


def _candidates(rows: _Rows, block: DosageBlock, match_by: MatchBy) -> tuple[Indices, Indices]:
    """Every pair (row, block row) with equal keys."""
    places = zip(*(block.column(name).to_pylist() for name in ("contig", "position")), strict=True)
    names: list[list[tuple[str, int]] | list[str]] = [[place] for place in places]
    if match_by is MatchBy.RSID:
        names = [name.split(";") for name in block.column("id").to_pylist()]
    pairs = [
        (row, variant)
        for variant, keys in enumerate(names)
        for row, key in enumerate(rows.key)
        if key in keys
    ]
    row, variant = np.array(pairs, np.int64).reshape(-1, 2).T
    return row, variant


def _match_types(
    rows: _Rows, block: DosageBlock, row: Indices, variant: Indices, flips: StrandFlip
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
    return np.select(table, list(range(len(table))), default=_NO_MATCH)


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
    rows: _Rows,
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
    rows: _Rows, row: Indices, target: Indices, has_target: Bools, rule: DuplicateTarget
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


def _equal_alleles(rows: _Rows, row: Indices) -> Bools:
    """(M-1,) whether neighbours name the same effect and other allele."""
    left, right = pa.array(row[:-1]), pa.array(row[1:])
    other = pc.fill_null(rows.other, "")
    return _equal(rows.effect.take(left), rows.effect.take(right)) & _equal(
        other.take(left), other.take(right)
    )


def _equal(left: pa.Array, right: pa.Array) -> Bools:
    """Element by element; null equals nothing."""
    return pc.fill_null(pc.equal(left, right), False).to_numpy(zero_copy_only=False)
