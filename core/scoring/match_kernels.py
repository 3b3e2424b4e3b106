"""The inner loops of matching: patterns of the scoring files against the records of one block.

Arrays in, arrays out. Nothing here trusts the order or the text of a file: positions may repeat and
go back, alleles are any bytes.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.simd import kernel
from core.scoring.alleles import (
    NO_ALLELE,
    Alleles,
    Element,
    complement_base,
    is_palindrome,
    is_single_base,
    same_allele,
    single_base,
)
from core.scoring.rows import Patterns

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int64]

REFALT, ALTREF, REFALT_FLIP, ALTREF_FLIP = 0, 1, 2, 3
NO_OA_REF, NO_OA_ALT, NO_OA_REF_FLIP, NO_OA_ALT_FLIP = 4, 5, 6, 7
REF_ONLY = 8
REF_BLOCK = 12
EFFECT, OTHER, EFFECT_FLIP, OTHER_FLIP = 0, 1, 2, 3
ANCHOR = 16
NO_MATCH = 18
"""Match types, best first. Four follow on REF_ONLY and REF_BLOCK each: which allele is REF; on
ANCHOR two: REFALT and ALTREF."""

UNKNOWN_BASE = 1 << 56 | 78
"""The allele code of "N", the REF of a record inside a reference block."""

NO_ALT = 1 << 56 | 46
"""That of ".", the ALT of a record without one."""

_NON_REF = np.frombuffer(b"<NON_REF>", np.uint8)
_ANY = np.frombuffer(b"<*>", np.uint8)


class Sites(NamedTuple):
    """The rows of a block.

    record, n_alts   (R,) int32
    ref, alt         (R,) allele codes
    ref_bytes, alt_bytes    the R strings themselves
    is_indel         (R,) REF and ALT differ in length
    is_unspecified   (R,) ALT is `<NON_REF>` or `<*>`: any other allele, and so none that has a name
    has_no_alt       (R,) the record has no ALT, or only an unspecified one
    """

    record: npt.NDArray[np.int32]
    n_alts: npt.NDArray[np.int32]
    ref: Indices
    alt: Indices
    ref_bytes: Alleles
    alt_bytes: Alleles
    is_indel: Bools
    is_unspecified: Bools
    has_no_alt: Bools


@kernel
def unspecified_alts(alt: Alleles) -> Bools:
    """(R,) which strings are `<NON_REF>` (GATK) or `<*>` (VCF 4.3 on)."""
    found = np.zeros(len(alt.offsets) - 1, np.bool_)
    for i in range(len(found)):
        start, length = alt.offsets[i], alt.offsets[i + 1] - alt.offsets[i]
        for name in (_NON_REF, _ANY):
            if length == len(name):
                at = 0
                while at < length and alt.data[start + at] == name[at]:
                    at += 1
                found[i] |= at == length
    return found


@kernel
def match_type(
    effect: Element,
    other: Element,
    effect_flipped: Element,
    other_flipped: Element,
    ref: Element,
    alt: Element,
    may_flip_alone: bool,
) -> int:
    """The match table, best row first, over allele codes; the record always has both alleles."""
    if effect == ref and other == alt:
        return REFALT
    if effect == alt and other == ref:
        return ALTREF
    if effect_flipped == ref and other_flipped == alt:
        return REFALT_FLIP
    if effect_flipped == alt and other_flipped == ref:
        return ALTREF_FLIP
    if other != NO_ALLELE:
        return NO_MATCH
    if effect == ref:
        return NO_OA_REF
    if effect == alt:
        return NO_OA_ALT
    if may_flip_alone and effect_flipped == ref:
        return NO_OA_REF_FLIP
    if may_flip_alone and effect_flipped == alt:
        return NO_OA_ALT_FLIP
    return NO_MATCH


@kernel
def reference_type(
    effect: Element, other: Element, effect_flipped: Element, other_flipped: Element, ref: Element
) -> int:
    """Which allele of a row is REF, where a record has REF alone: EFFECT, OTHER, one of them on the
    other strand, or NO_MATCH.

    Only for two different bases, as one base of REF tells nothing about an indel. Without the other
    allele, REF has to be the effect allele as it is written: nothing tells the strand.
    """
    if other == NO_ALLELE:
        return EFFECT if effect == ref else NO_MATCH
    if effect == other or not (_is_base(effect) and _is_base(other)):
        return NO_MATCH
    if effect == ref:
        return EFFECT
    if other == ref:
        return OTHER
    if effect_flipped == ref:
        return EFFECT_FLIP
    if other_flipped == ref:
        return OTHER_FLIP
    return NO_MATCH


@kernel
def _is_base(code: Element) -> bool:
    return is_single_base(code) and complement_base(code & 255) >= 0


@kernel
def best_matches(
    patterns: Patterns, key: Indices, variant: Indices, sites: Sites, basewise: bool
) -> tuple[Indices, Indices, Codes]:
    """(pattern, variant, match type) of every pattern whose key some variant has: (M,) each.

    key       (J,) keys of `variant`, ascending; what has no key has a negative one
    variant   (J,) rows of the block, ascending among equal keys

    The lowest match type wins, among equals the first variant. Patterns come out ascending.
    """
    keys, ref, alt, is_indel = patterns.key, sites.ref, sites.alt, sites.is_indel
    effect, other = patterns.effect, patterns.other
    effect_flipped, other_flipped = patterns.effect_flipped, patterns.other_flipped
    begins, n_found = _pattern_ranges(keys, key)
    pattern, best = np.empty(n_found, np.int64), np.empty(n_found, np.int64)
    kind = np.full(n_found, NO_MATCH, np.int8)
    n, j = 0, 0
    while j < len(key):
        end = j + 1
        while end < len(key) and key[end] == key[j]:
            end += 1
        p = begins[j]
        while p < len(keys) and keys[p] == key[j]:
            pattern[n], best[n] = p, variant[j]
            for at in range(j, end):
                v = variant[at]
                # Without an other allele, only the record tells an indel, which never flips
                may_flip_alone = (basewise or not is_indel[v]) and not sites.has_no_alt[v]
                e, o, ef, of = effect[p], other[p], effect_flipped[p], other_flipped[p]
                if sites.has_no_alt[v] and alt[v] == NO_ALT:
                    is_inside = ref[v] == UNKNOWN_BASE
                    base = single_base(patterns.ref_base[p]) if is_inside else ref[v]
                    found = REF_BLOCK if is_inside else REF_ONLY
                    found = min(found + reference_type(e, o, ef, of, base), NO_MATCH)
                else:
                    found = match_type(e, o, ef, of, ref[v], alt[v], may_flip_alone)
                if found < kind[n]:
                    best[n], kind[n] = v, found
            n += 1
            p += 1
        j = end
    return pattern, best, kind


@kernel
def _pattern_ranges(pattern_key: Indices, key: Indices) -> tuple[Indices, int]:
    """((J,) the first pattern whose key is not below key[j], how many patterns have some key)."""
    begins = np.empty(len(key), np.int64)
    p, n_found = 0, 0
    for j in range(len(key)):
        if j > 0 and key[j] == key[j - 1]:
            begins[j] = begins[j - 1]
            continue
        p = _first_not_below(pattern_key, key[j], p)
        begins[j] = p
        while p < len(pattern_key) and pattern_key[p] == key[j]:
            p += 1
            n_found += 1
    return begins, n_found


@kernel
def _first_not_below(keys: Indices, key: int, start: int) -> int:
    """The first index from `start` with keys[index] >= key: steps that double, then halve."""
    step, low = 1, start
    while low + step <= len(keys) and keys[low + step - 1] < key:
        low += step
        step *= 2
    high = min(low + step, len(keys))
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def ambiguous(sites: Sites, variant: Indices, kind: Codes, basewise: bool) -> Bools:
    """(M,) REF on the other strand reads as ALT; as any ALT of the record, where the pattern names
    REF alone. The rows of a record are adjacent."""
    found = np.zeros(len(variant), np.bool_)
    record, n_alts, ref, alt = sites.record, sites.n_alts, sites.ref, sites.alt
    is_indel = sites.is_indel
    for m in range(len(variant)):
        v = variant[m]
        if is_single_base(ref[v]) and is_single_base(alt[v]):
            found[m] = complement_base(ref[v] & 255) == alt[v] & 255
        elif not is_indel[v]:
            found[m] = is_palindrome(sites.ref_bytes, sites.alt_bytes, v, basewise)
        if n_alts[v] > 1 and (kind[m] == NO_OA_REF or kind[m] == NO_OA_REF_FLIP):
            first = v
            while first > 0 and record[first - 1] == record[v]:
                first -= 1
            while first < len(record) and record[first] == record[v]:
                found[m] |= is_palindrome(sites.ref_bytes, sites.alt_bytes, first, basewise)
                first += 1
    return found


@kernel
def split_sites(sites: Sites, key: Indices, variant: Indices) -> Bools:
    """(R,) the row's (place, REF) stands in several records with different ALTs.

    key       (R,) place of `variant`, ascending, negative where nothing is asked of the place;
              `variant` is each row of the block once
    """
    is_split = np.zeros(len(sites.record), np.bool_)
    j = 0
    while j < len(key):
        end = j + 1
        while end < len(key) and key[end] == key[j]:
            end += 1
        if end > j + 1 and key[j] >= 0:
            _split_of_place(sites, variant[j:end], is_split)
        j = end
    return is_split


@kernel
def _split_of_place(sites: Sites, variant: Indices, is_split: Bools) -> None:
    """Mark the split rows among those of one place, REF by REF."""
    leader = np.empty(len(variant), np.int64)
    leaders, n_leaders = np.empty(len(variant), np.int64), 0
    records, alts = np.zeros(len(variant), np.bool_), np.zeros(len(variant), np.bool_)
    for i in range(len(variant)):
        v, group = variant[i], 0
        while group < n_leaders and not same_allele(sites.ref_bytes, leaders[group], v):
            group += 1
        if group == n_leaders:
            leaders[group] = v
            n_leaders += 1
        leader[i] = group
        records[group] |= sites.record[v] != sites.record[leaders[group]]
        alts[group] |= not same_allele(sites.alt_bytes, leaders[group], v)
    for i in range(len(variant)):
        is_split[variant[i]] = records[leader[i]] and alts[leader[i]]


@kernel
def shares_record(
    record: Indices,
    pattern: Indices,
    first: Indices,
    repeats: Bools,
    score: npt.NDArray[np.int32],
    n_scores: int,
) -> Bools:
    """(M,) some score has several rows among the patterns of this record.

    record, pattern    (M,) sorted by record
    first, repeats     of Patterns; score (N,) of its rows
    """
    shared = np.zeros(len(pattern), np.bool_)
    last_record = np.full(n_scores, -1, np.int64)
    m = 0
    while m < len(pattern):
        end = m + 1
        while end < len(pattern) and record[end] == record[m]:
            end += 1
        several = repeats[pattern[m]]
        if end > m + 1 and not several:
            for p in pattern[m:end]:
                for row in range(first[p], first[p + 1]):
                    several |= last_record[score[row]] == m
                    last_record[score[row]] = m
        for at in range(m, end):
            shared[at] = several or repeats[pattern[at]]
        m = end
    return shared
