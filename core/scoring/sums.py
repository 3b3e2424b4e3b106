"""Partial sums of K scores over S samples, kept small: 500,000 samples x 100 scores fit in a task.

Diploid hard calls, nearly all there is, need one float64 and at most a few whole numbers per score
and sample; what the contract's columns are made of follows from these:

    denominator    2 x records - 2 x missing calls that are dropped
    allele_count   2 x records - 2 x missing calls
    n_missing      missing calls, kept or dropped

The whole numbers are the same for all scores that name the same alleles of the same variants, so
they are kept per *slot*: slot c < C is a set of scores that share patterns (`ScoreSets`), slot
C + k is score k alone. Other calls (imputed dosages, other ploidies, sex chromosomes) have arrays
of their own, which are not there until such a call is met.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ScoreSets:
    """C distinct sets of scores: set c is scores[first[c] : first[c + 1]], ascending."""

    first: Indices
    scores: Indices

    @property
    def n_sets(self) -> int:
        return len(self.first) - 1


NO_SETS = ScoreSets(np.zeros(1, np.int64), np.empty(0, np.int64))
"""Every score has a slot of its own."""


class ScoreTotals(NamedTuple):
    """The sums of one score; all arrays (S,).

    score_sum     float64   weight times effect dosage, imputed calls included
    dosage_sum    float64   effect dosages of observed calls
    n_missing     int64     matched records whose call is missing
    denominator   int64     ploidy of the records that count, each record once
    allele_count  int64     ploidy of the observed calls, each record once
    """

    score_sum: Floats
    dosage_sum: Floats
    n_missing: Indices
    denominator: Indices
    allele_count: Indices


class OtherSums(NamedTuple):
    """The calls that are not diploid hard calls; all arrays (K, S), as in ScoreTotals.

    `dosage_sum` is float64, the counts are int32.
    """

    dosage_sum: Floats
    n_missing: Counts
    denominator: Counts
    allele_count: Counts


@dataclass(slots=True)
class Sums:
    """Partial sums of K scores over S samples; T slots, C or C + K of them.

    sets            the scores of the first C slots
    score_sum       (K, S) float64, without
    score_offset    (K,) float64, which everyone has
    dosage          (T, S) int32, without
    dosage_offset   (T,) int64, which everyone has
    records         (T,) int64, records of two alleles per sample
    kept, dropped   (T, S) int32, missing calls that stay in the denominator, or do not; or None
    imputed         (T, S) float64, imputed effect dosages; or None
    other           the remaining calls; or None
    """

    sets: ScoreSets
    score_sum: Floats
    score_offset: Floats
    dosage: Counts
    dosage_offset: Indices
    records: Indices
    kept: Counts | None = None
    dropped: Counts | None = None
    imputed: Floats | None = None
    other: OtherSums | None = None

    @classmethod
    def zeros(cls, sets: ScoreSets, n_scores: int, n_samples: int) -> "Sums":
        n_slots = sets.n_sets or n_scores
        return cls(
            sets=sets,
            score_sum=np.zeros((n_scores, n_samples)),
            score_offset=np.zeros(n_scores),
            dosage=np.zeros((n_slots, n_samples), np.int32),
            dosage_offset=np.zeros(n_slots, np.int64),
            records=np.zeros(n_slots, np.int64),
        )

    def single_slots(self) -> int:
        """The slot of score 0 alone; those of the others follow. Makes them where they lack."""
        n_more = self.sets.n_sets + len(self.score_sum) - len(self.records)
        if n_more:
            for name in _SLOT_ARRAYS:
                setattr(self, name, _longer(getattr(self, name), n_more))
        return self.sets.n_sets

    def count_terms(self, slot: Indices, dosage: Floats, counts: npt.NDArray[np.bool_]) -> None:
        """Add what everyone has of T terms: their dosage without (whole numbers), and the records
        of those that count."""
        n_slots = len(self.records)
        self.dosage_offset += np.bincount(slot, dosage, n_slots).astype(np.int64)
        self.records += np.bincount(slot[counts], minlength=n_slots)

    def missing_calls(self, *, kept: bool) -> Counts:
        """`kept` or `dropped`, made where it lacks."""
        name = "kept" if kept else "dropped"
        counts = getattr(self, name)
        if counts is None:
            counts = np.zeros_like(self.dosage)
            setattr(self, name, counts)
        return counts

    def imputed_dosages(self) -> Floats:
        """`imputed`, made where it lacks."""
        if self.imputed is None:
            self.imputed = np.zeros(self.dosage.shape)
        return self.imputed

    def other_calls(self) -> OtherSums:
        """`other`, made where it lacks."""
        if self.other is None:
            shape = self.score_sum.shape
            counts = (np.zeros(shape, np.int32) for _ in range(3))
            self.other = OtherSums(np.zeros(shape), *counts)
        return self.other

    def of_score(self, k: int) -> ScoreTotals:
        """What score k comes to, in arrays of its own; exact but for score_sum and imputed
        dosages."""
        slots = self._slots_of(k)
        n_samples = self.score_sum.shape[1]
        kept, dropped = (_total(counts, slots, n_samples) for counts in (self.kept, self.dropped))
        ploidy = 2 * int(self.records[slots].sum())
        dosage = _total(self.dosage, slots, n_samples) + int(self.dosage_offset[slots].sum())
        totals = ScoreTotals(
            score_sum=self.score_sum[k] + self.score_offset[k],
            dosage_sum=dosage.astype(np.float64),
            n_missing=kept + dropped,
            denominator=ploidy - 2 * dropped,
            allele_count=ploidy - 2 * (kept + dropped),
        )
        if self.imputed is not None:
            for slot in slots:
                np.add(totals.dosage_sum, self.imputed[slot], out=totals.dosage_sum)
        if self.other is not None:
            for name, more in self.other._asdict().items():
                total = getattr(totals, name)
                np.add(total, more[k], out=total)
        return totals

    def _slots_of(self, k: int) -> Indices:
        """The slots that score k is in."""
        of_set = np.repeat(np.arange(self.sets.n_sets), np.diff(self.sets.first))
        slots = of_set[self.sets.scores == k]
        alone = self.sets.n_sets + k
        return np.append(slots, alone) if alone < len(self.records) else slots


_SLOT_ARRAYS = ("dosage", "dosage_offset", "records", "kept", "dropped", "imputed")


def add_totals(left: ScoreTotals, right: ScoreTotals) -> ScoreTotals:
    """left + right, which is overwritten: the order of two fixes the bits."""
    for one, two in zip(left, right, strict=True):
        np.add(one, two, out=two)
    return right


def add(left: Sums, right: Sums) -> Sums:
    """left + right, of the same scores and samples: the order of two fixes the bits.

    Made in the memory of one of the two, whose sums are lost, unless both are read-only.
    """
    if len(left.records) < len(right.records):
        left = replace(left)
        left.single_slots()
    if len(right.records) < len(left.records):
        right = replace(right)
        right.single_slots()
    added = {
        field.name: _added(getattr(left, field.name), getattr(right, field.name))
        for field in fields(Sums)
        if field.name != "sets"
    }
    return Sums(sets=left.sets, **added)


def _longer(array: np.ndarray | None, n_more: int) -> np.ndarray | None:
    if array is None:
        return None
    return np.concatenate([array, np.zeros((n_more, *array.shape[1:]), array.dtype)])


def _total(counts: Counts | None, slots: Indices, n_samples: int) -> Indices:
    """(S,) the sum of those rows."""
    total = np.zeros(n_samples, np.int64)
    if counts is not None:
        for slot in slots:
            total += counts[slot]
    return total


def _added(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    if isinstance(left, OtherSums):
        return OtherSums(*map(_added, left, right))
    into = next((array for array in (left, right) if array.flags.writeable), None)
    return np.add(left, right, out=into)
