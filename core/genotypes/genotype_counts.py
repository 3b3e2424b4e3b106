"""Kernels that count genotypes: of every sample over the records, of every record over the samples.

The *genotype* of a sample at a record is one byte:

    0 HOM_REF   1 HET   2 HOM_ALT   all alleles REF; two different alleles; all the same ALT
    3 HAP_REF   4 HAP_ALT           one allele alone
    255         missing

Where a record has one ALT and everyone is diploid, the dosages are the genotypes, and nothing is
copied. A row of genotypes is looked at 64 samples at a time, and passed over where they are all
HOM_REF. What is left is counted in bytes, which 255 records cannot overflow and which stay in the
cache; then they are added to the counts that they belong to, by the kind of site.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.genotypes.block import MISSING_CALL
from core.genotypes.hardy_weinberg import hardy_weinberg_p
from core.genotypes.simd import (
    LANES,
    bit_count,
    equal_mask,
    inner_kernel,
    kernel,
    trailing_zeros,
)
from core.genotypes.site_kinds import (
    AUTOSOME,
    INDEL,
    N_PLACES,
    OTHER_ALT,
    OTHER_SNV,
    TRANSITION,
    TRANSVERSION,
    X_ALONE,
    Y_ALONE,
)

Bytes = npt.NDArray[np.uint8]
Marks = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

HET, HOM_ALT, HAP_REF, HAP_ALT = 1, 2, 3, 4

SAMPLE_COUNTS = (
    *("n_missing", "n_het", "n_hom_alt", "n_hap_ref", "n_hap_alt"),
    *("n_snv_het", "n_snv_hom_alt", "n_transitions", "n_transversions", "n_indels"),
    *("n_singletons", "n_autosomal_het", "n_autosomal_hom_alt"),
    *("n_x_missing", "n_x_haploid", "n_x_het", "n_x_hom_alt", "n_y_missing"),
)
"""What is counted for every sample (core.genotypes.sample_quality says what each means)."""

_MISSING, _HET, _HOM_ALT, _HAP_REF, _HAP_ALT = 0, 1, 2, 3, 4
_SNV_HET, _SNV_HOM_ALT, _TRANSITIONS, _TRANSVERSIONS, _INDELS = 5, 6, 7, 8, 9
_SINGLETONS, _AUTOSOMAL_HET, _AUTOSOMAL_HOM_ALT = 10, 11, 12
_X_MISSING, _X_HAPLOID, _X_HET, _X_HOM_ALT, _Y_MISSING = 13, 14, 15, 16, 17

EXPECTED_UNITS = 1 << 32
"""Expected heterozygotes are counted in 2**-32 parts: integers add up to the same in any order."""

_SEVERAL_ALTS = OTHER_ALT + 1
"""Kind of a record with several ALTs, beside those of site_kinds."""

_N_KINDS = (_SEVERAL_ALTS + 1) * N_PLACES
_TALLIED = 5  # missing, HET, HOM_ALT, HAP_REF, HAP_ALT
_MOST_RECENT = 255


class Totals(NamedTuple):
    """Of S samples, over all records so far.

    counts         (len(SAMPLE_COUNTS), S) int32
    expected_het   (2, S) int64, of AUTOSOME and X_ALONE, in EXPECTED_UNITS, to be added to:
    expected_all   (2,) int64, of everyone
    n_records      (N_PLACES,) int64
    recent         (kinds of sites * 5, S) uint8: genotypes that `counts` does not hold yet
    n_recent       (kinds of sites,) int64: records in `recent`
    """

    counts: Ints32
    expected_het: Ints
    expected_all: Ints
    n_records: Ints
    recent: Bytes
    n_recent: Ints

    @classmethod
    def of(cls, n_samples: int) -> "Totals":
        return cls(
            counts=np.zeros((len(SAMPLE_COUNTS), n_samples), np.int32),
            expected_het=np.zeros((2, n_samples), np.int64),
            expected_all=np.zeros(2, np.int64),
            n_records=np.zeros(N_PLACES, np.int64),
            recent=np.zeros((_N_KINDS * _TALLIED, n_samples), np.uint8),
            n_recent=np.zeros(_N_KINDS, np.int64),
        )


class RowStatistics(NamedTuple):
    """Of the R rows of a block, (R,) each; what belongs to a record stands in each of its rows.

    n_missing         samples without a call
    n_het, n_hom_alt  samples of these genotypes; 0 for imputed dosages
    allele_count      copies of ALT, or dosages added up
    allele_number     ploidies of the called added up
    hwe_p             of one ALT on an autosome where every call is diploid; NaN elsewhere
    r2                of imputed dosages of diploid samples; NaN elsewhere
    """

    n_missing: Ints32
    n_het: Ints32
    n_hom_alt: Ints32
    allele_count: Floats
    allele_number: Ints32
    hwe_p: Floats
    r2: Floats

    @classmethod
    def of(cls, n_rows: int) -> "RowStatistics":
        return cls(
            n_missing=np.zeros(n_rows, np.int32),
            n_het=np.zeros(n_rows, np.int32),
            n_hom_alt=np.zeros(n_rows, np.int32),
            allele_count=np.zeros(n_rows, np.float64),
            allele_number=np.zeros(n_rows, np.int32),
            hwe_p=np.full(n_rows, np.nan),
            r2=np.full(n_rows, np.nan),
        )


@kernel
def count_calls(
    calls: Bytes,
    ploidy: Bytes,
    is_first: Marks,
    alt: Bytes,
    place: Bytes,
    genotypes: Bytes,
    totals: Totals,
    rows: RowStatistics,
) -> None:
    """Adds the hard calls of R rows to `totals`, and fills `rows`.

    calls, ploidy (R * S,), no ploidy where every call is diploid; is_first, alt, place (R,) as
    SiteKinds has them; genotypes (S,) for the kernel's own use; rows of R.
    """
    n_rows, n = is_first.shape[0], genotypes.shape[0]
    r = 0
    while r < n_rows:
        stop = r + 1
        while stop < n_rows and not is_first[stop]:
            stop += 1
        kind = int(alt[r]) if stop == r + 1 else _SEVERAL_ALTS
        if stop == r + 1 and _are_diploid(calls, ploidy, r * n, n):
            carrier = _tally(calls, r * n, n, kind, int(place[r]), totals, rows, r)
            rows.allele_number[r] = 2 * (n - rows.n_missing[r])
            rows.allele_count[r] = rows.n_het[r] + 2 * rows.n_hom_alt[r]
            if rows.allele_count[r] == 1:
                totals.counts[_SINGLETONS, carrier] += 1
            _expect(calls, r * n, n, kind, int(place[r]), True, totals, rows, r)
        else:
            is_diploid = _classify(calls, ploidy, r, stop, alt, genotypes, totals, rows)
            _tally(genotypes, 0, n, kind, int(place[r]), totals, rows, r)
            for row in range(r + 1, stop):
                rows.n_missing[row] = rows.n_missing[r]
                rows.n_het[row], rows.n_hom_alt[row] = rows.n_het[r], rows.n_hom_alt[r]
            _expect(genotypes, 0, n, kind, int(place[r]), is_diploid, totals, rows, r)
        totals.n_records[place[r]] += 1
        r = stop


@inner_kernel
def _are_diploid(calls: Bytes, ploidy: Bytes, at: int, n: int) -> bool:
    """All calls of a row but the missing, which many programs write as "."."""
    if ploidy.shape[0] == 0:
        return True
    i = 0
    while i + LANES <= n:
        missing = equal_mask(calls, at + i, MISSING_CALL)
        if bit_count(missing | equal_mask(ploidy, at + i, 2)) < LANES:
            return False
        i += LANES
    while i < n:
        if ploidy[at + i] != 2 and calls[at + i] != MISSING_CALL:
            return False
        i += 1
    return True


@inner_kernel
def _tally(
    genotypes: Bytes,
    at: int,
    n: int,
    kind: int,
    place: int,
    totals: Totals,
    rows: RowStatistics,
    r: int,
) -> int:
    """One record: n_missing, n_het, n_hom_alt of row r, and everyone's genotype into `recent`.

    Returns the last sample that is HET.
    """
    k = kind * N_PLACES + place
    recent = totals.recent[k * _TALLIED : (k + 1) * _TALLIED]
    n_missing = n_het = n_hom_alt = carrier = 0
    i = 0
    while i + LANES <= n:
        if bit_count(equal_mask(genotypes, at + i, 0)) < LANES:
            missing = equal_mask(genotypes, at + i, MISSING_CALL)
            het = equal_mask(genotypes, at + i, HET)
            n_missing += bit_count(missing)
            n_hom_alt += bit_count(equal_mask(genotypes, at + i, HOM_ALT))
            if het != 0:
                n_het += bit_count(het)
                carrier = i + trailing_zeros(het)
            _tally_lanes(genotypes[at + i : at + i + LANES], recent, i)
        i += LANES
    while i < n:
        genotype = genotypes[at + i]
        if genotype == HET:
            n_het, carrier = n_het + 1, i
        n_missing += genotype == MISSING_CALL
        n_hom_alt += genotype == HOM_ALT
        if genotype != 0:
            recent[0 if genotype == MISSING_CALL else genotype, i] += np.uint8(1)
        i += 1
    rows.n_missing[r], rows.n_het[r], rows.n_hom_alt[r] = n_missing, n_het, n_hom_alt
    totals.n_recent[k] += 1
    if totals.n_recent[k] == _MOST_RECENT:
        _settle(totals, kind, place)
    return carrier


@inner_kernel
def _tally_lanes(genotypes: Bytes, recent: Bytes, i: int) -> None:
    """64 samples from sample i on; a loop for each count is what LLVM makes vectors of."""
    missing, het = recent[0, i : i + LANES], recent[HET, i : i + LANES]
    hom_alt = recent[HOM_ALT, i : i + LANES]
    hap_ref, hap_alt = recent[HAP_REF, i : i + LANES], recent[HAP_ALT, i : i + LANES]
    for j in range(LANES):
        missing[j] += np.uint8(genotypes[j] == MISSING_CALL)
    for j in range(LANES):
        het[j] += np.uint8(genotypes[j] == HET)
    for j in range(LANES):
        hom_alt[j] += np.uint8(genotypes[j] == HOM_ALT)
    for j in range(LANES):
        hap_ref[j] += np.uint8(genotypes[j] == HAP_REF)
    for j in range(LANES):
        hap_alt[j] += np.uint8(genotypes[j] == HAP_ALT)


@inner_kernel
def _classify(
    calls: Bytes,
    ploidy: Bytes,
    r: int,
    stop: int,
    alt: Bytes,
    genotypes: Bytes,
    totals: Totals,
    rows: RowStatistics,
) -> bool:
    """Genotypes of the record of rows r to stop; its allele counts, singletons, and, of several
    ALTs, what each sample carries. Returns whether every call is diploid."""
    n = genotypes.shape[0]
    several = stop > r + 1
    is_diploid, alleles = True, 0
    for s in range(n):
        if calls[r * n + s] == MISSING_CALL:
            genotypes[s] = MISSING_CALL
            continue
        copies = 2
        if ploidy.shape[0] > 0:
            copies = int(ploidy[r * n + s])
        is_diploid = is_diploid and copies == 2
        alleles += copies
        n_alts, most, snv, indel = 0, 0, False, False
        for row in range(r, stop):
            carried = int(calls[row * n + s])
            n_alts += carried
            most = max(most, carried)
            rows.allele_count[row] += carried
            if several and carried > 0:
                snv, indel = snv or alt[row] <= OTHER_SNV, indel or alt[row] == INDEL
                totals.counts[_TRANSITIONS, s] += alt[row] == TRANSITION
                totals.counts[_TRANSVERSIONS, s] += alt[row] == TRANSVERSION
        genotypes[s] = _genotype(copies, n_alts, most)
        totals.counts[_INDELS, s] += indel
        if snv and genotypes[s] == HET:
            totals.counts[_SNV_HET, s] += 1
        if snv and genotypes[s] == HOM_ALT:
            totals.counts[_SNV_HOM_ALT, s] += 1
    for row in range(r, stop):
        rows.allele_number[row] = alleles
        if rows.allele_count[row] == 1:
            totals.counts[_SINGLETONS, _carrier(calls, row * n, n)] += 1
    return is_diploid


@inner_kernel
def _genotype(copies: int, n_alts: int, most: int) -> int:
    """`copies` alleles, of which `n_alts` are not REF, and `most` are of the commonest ALT. Nothing
    is called where there is no copy (Y of a woman)."""
    if copies == 0:
        return MISSING_CALL
    if copies == 1:
        return HAP_ALT if n_alts else HAP_REF
    if n_alts == 0:
        return 0
    return HOM_ALT if most == copies else HET


@inner_kernel
def _carrier(calls: Bytes, at: int, n: int) -> int:
    for s in range(n):
        if calls[at + s] == 1:
            return s
    return 0


@inner_kernel
def _expect(
    genotypes: Bytes,
    at: int,
    n: int,
    kind: int,
    place: int,
    is_diploid: bool,
    totals: Totals,
    rows: RowStatistics,
    r: int,
) -> None:
    """Of a record with one ALT on an autosome or X: the test of Hardy-Weinberg equilibrium, and how
    heterozygous the allele frequency makes a diploid sample: 2pq * 2n / (2n - 1), as plink --het.
    """
    if kind == _SEVERAL_ALTS or (place != AUTOSOME and place != X_ALONE):
        return
    count, number = rows.allele_count[r], int(rows.allele_number[r])
    n_het, n_hom_alt, n_missing = int(rows.n_het[r]), int(rows.n_hom_alt[r]), int(rows.n_missing[r])
    if place == AUTOSOME and is_diploid:
        rows.hwe_p[r] = hardy_weinberg_p(n_het, n_hom_alt, n - n_het - n_hom_alt - n_missing)
    if number < 2 or count == 0 or count == number:
        return
    p = count / number
    expected = np.int64(2.0 * p * (1.0 - p) * number / (number - 1.0) * EXPECTED_UNITS + 0.5)
    totals.expected_all[place] += expected
    if is_diploid and n_missing == 0:
        return
    for s in range(n):
        if genotypes[at + s] > HOM_ALT:
            totals.expected_het[place, s] -= expected


@inner_kernel
def _settle(totals: Totals, kind: int, place: int) -> None:
    """Adds what is recent of a kind of site to the counts that it belongs to."""
    k = kind * N_PLACES + place
    recent = totals.recent[k * _TALLIED : (k + 1) * _TALLIED]
    _add(totals, _MISSING, recent, 0)
    _add(totals, _HET, recent, HET)
    _add(totals, _HOM_ALT, recent, HOM_ALT)
    _add(totals, _HAP_REF, recent, HAP_REF)
    _add(totals, _HAP_ALT, recent, HAP_ALT)
    if kind <= OTHER_SNV:
        _add(totals, _SNV_HET, recent, HET)
        _add(totals, _SNV_HOM_ALT, recent, HOM_ALT)
    if kind == TRANSITION:
        _add_carried(totals, _TRANSITIONS, recent)
    if kind == TRANSVERSION:
        _add_carried(totals, _TRANSVERSIONS, recent)
    if kind == INDEL:
        _add_carried(totals, _INDELS, recent)
    if place == AUTOSOME and kind != _SEVERAL_ALTS:
        _add(totals, _AUTOSOMAL_HET, recent, HET)
        _add(totals, _AUTOSOMAL_HOM_ALT, recent, HOM_ALT)
    if place == X_ALONE:
        _add(totals, _X_MISSING, recent, 0)
        _add(totals, _X_HAPLOID, recent, HAP_REF)
        _add(totals, _X_HAPLOID, recent, HAP_ALT)
        if kind != _SEVERAL_ALTS:
            _add(totals, _X_HET, recent, HET)
            _add(totals, _X_HOM_ALT, recent, HOM_ALT)
    if place == Y_ALONE:
        _add(totals, _Y_MISSING, recent, 0)
    recent[:] = 0
    totals.n_recent[k] = 0


@inner_kernel
def _add_carried(totals: Totals, count: int, recent: Bytes) -> None:
    _add(totals, count, recent, HET)
    _add(totals, count, recent, HOM_ALT)
    _add(totals, count, recent, HAP_ALT)


@inner_kernel
def _add(totals: Totals, count: int, recent: Bytes, genotype: int) -> None:
    to, tallied = totals.counts[count], recent[genotype]
    for s in range(to.shape[0]):
        to[s] += np.int32(tallied[s])


@kernel
def settle_all(totals: Totals) -> None:
    """Afterwards `counts` holds every record."""
    for k in range(totals.n_recent.shape[0]):
        if totals.n_recent[k] > 0:
            _settle(totals, k // N_PLACES, k % N_PLACES)


@kernel
def count_dosages(
    dosages: npt.NDArray[np.float32],
    ploidy: Bytes,
    is_first: Marks,
    place: Bytes,
    totals: Totals,
    rows: RowStatistics,
) -> None:
    """Adds imputed dosages (R, S) to `totals`, which are records and missing calls alone, and fills
    `rows`. ploidy (R * S,), none where every call is diploid.

    r2 is that of MaCH and minimac: the variance of the dosages over that of genotypes in
    Hardy-Weinberg equilibrium, 2p(1 - p).
    """
    n_rows, n = dosages.shape
    for r in range(n_rows):
        n_missing, number, total, squares = 0, 0, 0.0, 0.0
        for s in range(n):
            dosage = np.float64(dosages[r, s])
            if np.isnan(dosage):
                n_missing += 1
                if is_first[r]:
                    totals.counts[_MISSING, s] += 1
                continue
            number += int(ploidy[r * n + s]) if ploidy.shape[0] > 0 else 2
            total += dosage
            squares += dosage * dosage
        totals.n_records[place[r]] += is_first[r]
        rows.n_missing[r], rows.allele_number[r], rows.allele_count[r] = n_missing, number, total
        n_called = n - n_missing
        if n_called == 0 or number != 2 * n_called:
            continue
        mean = total / n_called
        expected = mean * (1.0 - mean / 2.0)
        if expected > 0.0:
            rows.r2[r] = (squares / n_called - mean * mean) / expected
