"""Variant matching: which row of a scoring file names which allele of which genotyped variant.

Patterns of rows and variants that share a key are compared allele by allele (`match_type`, the
table); each pattern takes its best candidate; the policy then excludes matches with a reason. Order
and rules follow pgscatalog-match, except that every ALT is tried, that no indel is flipped unless
the policy says so, and that a record of REF alone answers a row of two bases, one of them REF.
Everything here is arrays over patterns; the loops are in `match_kernels`.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from core.genotypes.block import DosageBlock
from core.scoring import match_kernels as kernels
from core.scoring.alleles import (
    NO_ALLELE,
    UNKNOWN_ALLELE,
    allele_codes,
)
from core.scoring.policy import (
    Ambiguous,
    DuplicateTarget,
    MatchBy,
    Multiallelic,
    ReferenceCalls,
    ScoringPolicy,
    StrandFlip,
)
from core.scoring.rows import ScoreRows
from core.scoring.sites import BlockSites, sites_of

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
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
    "ref_only_effect",
    "ref_only_other",
    "ref_only_effect_flip",
    "ref_only_other_flip",
    "ref_block_effect",
    "ref_block_other",
    "ref_block_effect_flip",
    "ref_block_other_flip",
    "refalt_anchor",
    "altref_anchor",
)
"""Best first: the index is the priority, so a record with both alleles always wins.

refalt ..    the record has REF and ALT, which are the row's alleles; REF is the effect allele where
             the name begins with `ref`
no_oa_ ..    the row has no other allele, and its effect allele is REF or ALT
ref_only_    the record has no ALT: everyone who was called has REF alone. REF is the effect allele
             (all of a person's copies) or the other one (none of them). Two single bases only.
ref_block_   the same inside a reference block, whose REF base the file does not say: it is known
             from elsewhere
_flip        the row's alleles are read on the other strand
_anchor      an indel whose harmonised position is the first base inserted or deleted, one behind
             the base before it, which VCF anchors the record at; both alleles are the record's
"""

_NAMES_REF = ("refalt", "no_oa_ref", "ref_only_effect", "ref_block_effect", "refalt_anchor")
_EFFECT_IS_REF = np.array([name.removesuffix("_flip") in _NAMES_REF for name in MATCH_TYPES])
REFERENCE_CALL_TYPES = tuple(
    name for name in MATCH_TYPES if name.startswith(("ref_only", "ref_block"))
)
_IS_REFERENCE_CALL = np.array([name in REFERENCE_CALL_TYPES for name in MATCH_TYPES])
IS_FLIPPED = np.array([name.endswith("_flip") for name in MATCH_TYPES])
_NO_ROWS: Indices = np.empty(0, np.int64)


class Status(StrEnum):
    MATCHED = "matched"
    EXCLUDED = "excluded"
    UNMATCHED = "unmatched"
    ASSUMED = "assumed"
    IMPUTED = "imputed"


class Reason(StrEnum):
    """Why a row is not matched. `callable_region` and `stated_reference` say what an assumed row
    counts as reference for, `absent_as_missing` stands on every imputed row; `sex_unknown` on a
    matched Y row that some sample of unknown sex was not called for."""

    AMBIGUOUS = "ambiguous"
    MULTIALLELIC = "multiallelic"
    STRAND_FLIP_IGNORED = "strand_flip_ignored"
    SPLIT_MULTIALLELIC = "split_multiallelic"
    DUPLICATE_TARGET = "duplicate_target"
    DUPLICATE_SCORE_ROW = "duplicate_score_row"
    ALLELE_MISMATCH = "allele_mismatch"
    ABSENT_LOCUS = "absent_locus"
    REFERENCE_BASE_UNKNOWN = "reference_base_unknown"
    CALLABLE_REGION = "callable_region"
    STATED_REFERENCE = "stated_reference"
    ABSENT_AS_MISSING = "absent_as_missing"
    BAD_COORDINATES = "bad_coordinates"
    UNSUPPORTED_COMPLEX = "unsupported_complex"
    SEX_UNKNOWN = "sex_unknown"
    LIFTOVER_FAILED = "liftover_failed"


REASONS: tuple[Reason, ...] = tuple(Reason)


@dataclass(frozen=True, slots=True)
class BlockMatches:
    """What one block says about the rows that share a key with it, in ranges of equal fate.

    row         (M,) int64, the first of `n_rows` rows of ScoreRows, ascending
    n_rows      (M,) int64, rows of one pattern; no two of one score unless all are left out
    pattern     (M,) int64, the pattern of those rows
    variant     (M,) int64, the block row of the best candidate
    match_type  (M,) int8, index into MATCH_TYPES; -1 where no allele fits (allele_mismatch)
    reason      (M,) int8, index into REASONS of what keeps the rows out of the score; -1: matched
    alone       (M,) bool, none of the scores has another row on the record
    sites       the rows of the block
    """

    row: Indices
    n_rows: Indices
    pattern: Indices
    variant: Indices
    match_type: Codes
    reason: Codes
    alone: Bools
    sites: BlockSites

    @property
    def matched(self) -> Bools:
        return self.reason < 0

    @property
    def effect_is_ref(self) -> Bools:
        """(M,) whether the effect allele is REF; False where nothing fits."""
        return (self.match_type >= 0) & _EFFECT_IS_REF[self.match_type]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The best variant of each pattern, before the policy has its say; arrays (M,)."""

    pattern: Indices
    variant: Indices
    kind: Codes

    def take(self, chosen: Indices) -> "_Candidates":
        return _Candidates(self.pattern[chosen], self.variant[chosen], self.kind[chosen])

    @property
    def fits(self) -> Bools:
        return self.kind < kernels.NO_MATCH

    @property
    def names_ref(self) -> Bools:
        return self._is(_EFFECT_IS_REF)

    @property
    def is_reference_call(self) -> Bools:
        return self._is(_IS_REFERENCE_CALL)

    @property
    def is_flipped(self) -> Bools:
        return self._is(IS_FLIPPED)

    def _is(self, kinds: Bools) -> Bools:
        """False where nothing fits."""
        return self.fits & kinds[np.where(self.fits, self.kind, 0)]


def match_block(
    rows: ScoreRows, block: DosageBlock, policy: ScoringPolicy, settled: Indices = _NO_ROWS
) -> BlockMatches:
    """The best candidate of every row that has a record of `block` at its key.

    Rows of `settled` have a better record in another block: here it is as if they were not.
    """
    block_sites = sites_of(block)
    sites = _coded(rows, block_sites, policy)
    key, variant = _keys(rows, block, block_sites)
    basewise = policy.strand_flip is StrandFlip.BASEWISE
    found = _Candidates(*kernels.best_matches(rows.patterns, key, variant, sites, basewise))
    found = _with_anchored(rows, found, sites, key, variant)
    reason = _exclusions(rows, sites, policy, found, _places(rows, block_sites, key, variant))
    by_row = _row_by_row(rows, sites, found, settled)
    row, n_rows, of = _row_ranges(rows, found, by_row, settled)
    found, reason = found.take(of), reason[of]
    single = np.flatnonzero(by_row[of])
    if len(single):
        reason[single] = _without_duplicates(
            rows, policy, row[single], found.take(single), reason[single], sites
        )
    match_type = np.where(found.fits, found.kind, -1).astype(np.int8)
    return BlockMatches(
        row=row,
        n_rows=n_rows,
        pattern=found.pattern,
        variant=found.variant,
        match_type=match_type,
        reason=reason,
        alone=~by_row[of],
        sites=block_sites,
    )


def _coded(rows: ScoreRows, sites: BlockSites, policy: ScoringPolicy) -> kernels.Sites:
    """The sites as kernels match them; their codes are those of `rows`."""
    alt = _present(allele_codes(sites.alt, rows.long_alleles))
    unspecified, has_no_alt = np.zeros((2, len(alt)), bool)
    if policy.reference_calls is ReferenceCalls.MATCH:
        unspecified = kernels.unspecified_alts(sites.alt)
        has_no_alt = ((alt == kernels.NO_ALT) | unspecified) & (sites.n_alts == 1)
        alt[unspecified] = UNKNOWN_ALLELE
    return kernels.Sites(
        record=sites.record,
        n_alts=sites.n_alts,
        ref=_present(allele_codes(sites.ref, rows.long_alleles)),
        alt=alt,
        ref_bytes=sites.ref,
        alt_bytes=sites.alt,
        is_indel=np.diff(sites.ref.offsets) != np.diff(sites.alt.offsets),
        is_unspecified=unspecified,
        has_no_alt=has_no_alt,
    )


def _present(codes: Indices) -> Indices:
    """An allele of no bytes in a record is not the "none" of a scoring file."""
    codes[codes == NO_ALLELE] = UNKNOWN_ALLELE
    return codes


def _keys(rows: ScoreRows, block: DosageBlock, sites: BlockSites) -> tuple[Indices, Indices]:
    """(keys ascending, the block row of each); a record of several IDs ("rs1;rs2") has several."""
    variant = np.arange(block.n_rows)
    if rows.match_by is MatchBy.POSITION:
        return _ascending(rows.keys_of(*sites.contigs, sites.position), variant)
    lists = pc.split_pattern(block.column("id"), ";")
    variant = np.repeat(variant, pc.list_value_length(lists).to_numpy())
    return _ascending(rows.keys_of_ids(lists.flatten()), variant)


def _with_anchored(
    rows: ScoreRows, found: _Candidates, sites: kernels.Sites, key: Indices, variant: Indices
) -> _Candidates:
    """`found`, and indels of the block for patterns that stand one position behind them and have
    nothing better."""
    behind, is_indel = rows.patterns.may_follow_anchor, sites.is_indel[variant] & (key >= 0)
    if not (behind.any() and is_indel.any()):
        return found
    columns = ("key", "effect", "other", "effect_flipped", "other_flipped")
    patterns = rows.patterns._replace(
        **{name: getattr(rows.patterns, name)[behind] for name in columns}
    )
    anchored = _Candidates(
        *kernels.best_matches(patterns, key[is_indel] + 1, variant[is_indel], sites, False)
    )
    as_written = anchored.take(np.flatnonzero(anchored.kind <= kernels.ALTREF))
    return _best_of(
        found,
        _Candidates(
            np.flatnonzero(behind)[as_written.pattern],
            as_written.variant,
            (as_written.kind + kernels.ANCHOR).astype(np.int8),
        ),
    )


def _best_of(first: _Candidates, second: _Candidates) -> _Candidates:
    """One candidate for each pattern, the lower match type; patterns ascend."""
    pattern = np.concatenate([first.pattern, second.pattern])
    variant = np.concatenate([first.variant, second.variant])
    kind = np.concatenate([first.kind, second.kind])
    order = np.lexsort((kind, pattern))
    is_first = np.append(True, np.diff(pattern[order]) > 0)[: len(order)]
    return _Candidates(pattern, variant, kind).take(order[is_first])


def _places(
    rows: ScoreRows, sites: BlockSites, key: Indices, variant: Indices
) -> tuple[Indices, Indices]:
    """(contig and position as one number, ascending; the block row of each)."""
    if rows.match_by is MatchBy.POSITION:
        return key, variant
    names, n_rows = sites.contigs
    _, code = np.unique(names, return_inverse=True)
    place = np.repeat(code.astype(np.int64) << 32, n_rows) | sites.position
    return _ascending(place, np.arange(len(place)))


def _ascending(key: Indices, variant: Indices) -> tuple[Indices, Indices]:
    """Both in the order of the keys; among equal keys in file order."""
    if (key[1:] >= key[:-1]).all():
        return key, variant
    order = np.argsort(key, kind="stable")
    return key[order], variant[order]


def _exclusions(
    rows: ScoreRows,
    sites: kernels.Sites,
    policy: ScoringPolicy,
    found: _Candidates,
    places: tuple[Indices, Indices],
) -> Codes:
    """(M,) the first reason of the list below that applies, as in BlockMatches.reason; duplicates
    come after these."""
    rules: list[tuple[Reason, Bools]] = [
        (Reason.REFERENCE_BASE_UNKNOWN, ~found.fits & _lacks_base(rows, sites, found)),
        (Reason.ALLELE_MISMATCH, ~found.fits),
        (Reason.AMBIGUOUS, _ambiguous(rows, sites, policy, found)),
        (Reason.MULTIALLELIC, _multiallelic(sites, policy, found)),
        (Reason.SPLIT_MULTIALLELIC, _names_split_ref(sites, found, places)),
        (
            Reason.STRAND_FLIP_IGNORED,
            found.is_flipped & (policy.strand_flip is StrandFlip.IGNORE),
        ),
    ]
    reason = np.full(len(found.kind), -1, np.int8)
    for name, applies in reversed(rules):
        reason[applies] = REASONS.index(name)
    return reason


def _lacks_base(rows: ScoreRows, sites: kernels.Sites, found: _Candidates) -> Bools:
    """(M,) the variant says that people have REF, and nothing says which base that is."""
    inside_block = sites.has_no_alt & (sites.ref == kernels.UNKNOWN_BASE)
    return inside_block[found.variant] & (rows.patterns.ref_base[found.pattern] == 0)


def _ambiguous(
    rows: ScoreRows, sites: kernels.Sites, policy: ScoringPolicy, found: _Candidates
) -> Bools:
    """The alleles cannot tell the strand; where the record has REF alone, the row's two cannot."""
    if policy.ambiguous is Ambiguous.KEEP:
        return np.zeros(len(found.kind), bool)
    basewise = policy.strand_flip is StrandFlip.BASEWISE
    of_record = kernels.ambiguous(sites, found.variant, found.kind, basewise)
    patterns = rows.patterns
    of_row = patterns.effect[found.pattern] == patterns.other_flipped[found.pattern]
    return of_record | (found.is_reference_call & of_row)


def _multiallelic(sites: kernels.Sites, policy: ScoringPolicy, found: _Candidates) -> Bools:
    """The record has several ALTs that have a name."""
    if policy.multiallelic is not Multiallelic.DROP:
        return np.zeros(len(found.kind), bool)
    n_alts = sites.n_alts
    if sites.is_unspecified.any():
        n_alts = n_alts - np.bincount(sites.record, weights=sites.is_unspecified)[sites.record]
    return n_alts[found.variant] > 1


def _names_split_ref(
    sites: kernels.Sites, found: _Candidates, places: tuple[Indices, Indices]
) -> Bools:
    """REF's dosage would need all records of the site, so it cannot be scored; nor does one of them
    say that there is REF alone."""
    needs_all = found.names_ref | found.is_reference_call
    return needs_all & kernels.split_sites(sites, *places)[found.variant]


def _row_by_row(
    rows: ScoreRows, sites: kernels.Sites, found: _Candidates, settled: Indices
) -> Bools:
    """(M,) the rows of the pattern may differ in fate: one score has several rows on the record,
    or some row is settled."""
    record = sites.record[found.variant].astype(np.int64)
    record, order = _ascending(record, np.arange(len(record)))
    patterns = rows.patterns
    by_row = np.zeros(len(record), bool)
    by_row[order] = kernels.shares_record(
        *(record, found.pattern[order], patterns.first, patterns.repeats_score),
        *(rows.score, rows.n_scores),
    )
    if len(settled):
        lost = np.searchsorted(patterns.first, settled, side="right") - 1
        by_row |= np.isin(found.pattern, lost)
    return by_row


def _row_ranges(
    rows: ScoreRows, found: _Candidates, by_row: Bools, settled: Indices
) -> tuple[Indices, Indices, Indices]:
    """(first row, how many rows, candidate) of each range; settled rows have none."""
    first = rows.patterns.first[found.pattern]
    n_rows = rows.patterns.first[found.pattern + 1] - first
    of = np.arange(len(first))
    if not by_row.any():
        return first, n_rows, of
    n_ranges = np.where(by_row, n_rows, 1)
    of = np.repeat(of, n_ranges)
    within = np.arange(len(of)) - np.repeat(np.cumsum(n_ranges) - n_ranges, n_ranges)
    row, n_rows = first[of] + within, np.where(by_row, 1, n_rows)[of]
    is_open = ~np.isin(row, settled)
    return row[is_open], n_rows[is_open], of[is_open]


def _without_duplicates(
    rows: ScoreRows,
    policy: ScoringPolicy,
    row: Indices,
    found: _Candidates,
    reason: Codes,
    sites: kernels.Sites,
) -> Codes:
    """The reasons of single rows, with that of the rows of one score that share a target where
    there is no other."""
    target = _targets(rows, found)
    twice = _duplicates(rows, row, found, target, found.fits, policy.duplicate_target)
    # Several ALT rows of a record share one REF, which counts once as well
    record = sites.record[found.variant].astype(np.int64)
    ref_twice = _duplicates(rows, row, found, record, found.names_ref, policy.duplicate_target)
    duplicate, same_alleles = twice[0] | ref_twice[0], twice[1] | ref_twice[1]
    score_row, target = map(REASONS.index, (Reason.DUPLICATE_SCORE_ROW, Reason.DUPLICATE_TARGET))
    last = np.select([duplicate & same_alleles, duplicate], [score_row, target], default=-1)
    return np.where(reason < 0, last, reason).astype(np.int8)


def _targets(rows: ScoreRows, found: _Candidates) -> Indices:
    """(M,) what a candidate names, as a number: the ALT of its variant. Where a record has REF
    alone, that is the row's own base which is not REF, on the record's strand."""
    pattern, patterns = found.pattern, rows.patterns
    bases = [patterns.other, patterns.effect, patterns.other_flipped, patterns.effect_flipped]
    which = (found.kind - kernels.REF_ONLY) % len(bases)
    base = np.choose(which, [codes[pattern] & 255 for codes in bases])
    return found.variant << 8 | np.where(found.is_reference_call, base, 0)


def _duplicates(
    rows: ScoreRows,
    row: Indices,
    found: _Candidates,
    target: Indices,
    has_target: Bools,
    rule: DuplicateTarget,
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
    pattern, patterns = found.pattern[order], rows.patterns
    equal = same.copy()
    for allele in (patterns.effect, patterns.other):
        equal &= allele[pattern[1:]] == allele[pattern[:-1]]
    same_alleles[order] = np.append(False, equal) | np.append(equal, False)
    return leaves, same_alleles
