"""The kernels on hard calls against the same sums in numpy, cell by cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.scoring import hard_calls as kernels
from core.scoring import many_scores

CALLS = np.array([0, 0, 0, 0, 1, 2, 255, 3], np.uint8)
"""Whatever is above 2 is missing."""


def cohort(seed: int, n_rows: int, n_samples: int) -> np.ndarray:
    """Rows from nearly all 0 to nearly none."""
    random = np.random.default_rng(seed)
    common = np.array([0, 2], np.uint8)[random.integers(0, 2, n_rows)]
    calls = CALLS[random.integers(0, len(CALLS), (n_rows, n_samples))]
    is_common = random.random((n_rows, n_samples)) < random.random((n_rows, 1)) ** 0.2
    return np.where(is_common, common[:, None], calls)


def by_call(calls: np.ndarray, added: np.ndarray) -> np.ndarray:
    """(T, S) what each call adds; added (T, 4) for 0, 1, 2, missing."""
    return np.take_along_axis(added, np.minimum(calls, 3).astype(np.int64), axis=1)


WIDTHS = st.sampled_from([1, 7, 63, 64, 65, 127, 128, 200, 1000])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), WIDTHS, st.integers(1, 3))
def test_terms_add_what_their_calls_add(seed, n_terms, n_samples, n_scores):
    check_few(seed, n_terms, n_samples, n_scores)


def test_a_cohort_wider_than_a_tile_is_summed_to_its_end():
    check_few(1, 130, kernels.TILE + 70, 2)


def check_few(seed: int, n_terms: int, n_samples: int, n_scores: int) -> None:
    random = np.random.default_rng(seed)
    calls = cohort(seed, 5, n_samples)
    row, score = random.integers(0, 5, n_terms), random.integers(0, n_scores, n_terms)
    added = random.normal(size=(n_terms, 4)) * [0, 1, 1, 1]
    dosages = random.integers(-2, 3, (n_terms, 3)).astype(np.int8)
    sums = np.zeros((n_scores, n_samples))
    whole = np.ones((n_scores, n_samples), np.int32)
    one, two, missing = (added[:, n].copy() for n in (1, 2, 3))
    terms = kernels.CallTerms(row, score, one, two, missing, dosages)
    kernels.add_calls(calls.reshape(-1), n_samples, terms, sums, whole)
    each = by_call(calls[row], added)
    each_whole = by_call(calls[row], np.column_stack([np.zeros(n_terms, np.int8), dosages]))
    for k in range(n_scores):
        exact = [sum(column) for column in each[score == k].T]  # in the order of the terms
        np.testing.assert_array_equal(sums[k], exact or 0.0)
        np.testing.assert_array_equal(whole[k], 1 + each_whole[score == k].sum(axis=0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 150), WIDTHS)
@settings(deadline=None)
def test_dosages_alone_and_missing_calls_are_counted_by_slot(seed, n_terms, n_samples):
    random = np.random.default_rng(seed)
    calls = cohort(seed, 5, n_samples)
    row, slot = random.integers(0, 5, n_terms), np.sort(random.integers(0, 4, n_terms))
    dosages = random.integers(-2, 3, (n_terms, 3)).astype(np.int8)
    sums, missing = np.zeros((2, 4, n_samples), np.int32)
    kernels.add_dosages(calls.reshape(-1), n_samples, row, slot, dosages, sums)
    kernels.add_missing(calls.reshape(-1), n_samples, row, slot, missing)
    each = by_call(calls[row], np.column_stack([np.zeros(n_terms, np.int8), dosages]))
    for at in range(4):
        np.testing.assert_array_equal(sums[at], each[slot == at].sum(axis=0))
        np.testing.assert_array_equal(missing[at], (calls[row] > 2)[slot == at].sum(axis=0))


@given(st.integers(0, 2**32 - 1), WIDTHS)
def test_calls_are_counted_by_dosage(seed, n_samples):
    calls = cohort(seed, 6, n_samples)
    rows = np.array([5, 0, 3, 3], np.int64)
    counts = kernels.count_calls(calls.reshape(-1), n_samples, rows)
    expected = [np.bincount(np.minimum(calls[row], 3), minlength=4).tolist() for row in rows]
    assert counts.tolist() == expected
    missing = kernels.has_missing(calls.reshape(-1), n_samples, rows)
    assert missing.tolist() == [count[3] > 0 for count in expected]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), WIDTHS, st.sampled_from([1, 4, 9]), st.sampled_from([64, 128]))
def test_many_scores_get_the_weights_of_each_call(seed, n_samples, n_scores, n_tile):
    random = np.random.default_rng(seed)
    calls = cohort(seed, 7, n_samples)
    subsets = [
        np.sort(random.permutation(n_scores)[: random.integers(1, n_scores + 1)]) for _ in range(7)
    ]
    n_rows = np.array([len(scores) for scores in subsets])
    score = np.concatenate(subsets).astype(np.int32)
    weight = random.normal(size=len(score))
    by_row = random.random(7) < 0.5
    times = random.normal(size=(7, 4))
    dosage = random.integers(-2, 3, (7, 4)).astype(np.int32)
    common = random.integers(0, 2, 7) * 2
    times[np.arange(7), common], dosage[np.arange(7), common] = 0.0, 0
    terms = many_scores.ManyTerms(
        row=np.arange(7),
        first=np.cumsum(n_rows) - n_rows,
        n_rows=n_rows,
        common=common,
        everyone=random.normal(size=7),
        times=times,
        dosage=dosage,
        by_row=by_row,
    )
    sums, whole = np.zeros((n_scores, n_samples)), np.zeros((n_scores, n_samples), np.int32)
    offset = np.zeros(n_scores)
    flat = calls.reshape(-1)
    many_scores.add_calls(flat, n_samples, terms, weight, score, n_tile, sums, whole)
    everyone = (terms.everyone, terms.first, n_rows)
    many_scores.add_to_everyone(*everyone, weight, score, offset)
    weights = np.zeros((7, n_scores))
    weights[np.repeat(np.arange(7), n_rows), score] = weight
    np.testing.assert_allclose(sums, weights.T @ by_call(calls, times), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(
        whole, ((weights != 0) & by_row[:, None]).T @ by_call(calls, dosage)
    )
    np.testing.assert_allclose(offset, weights.T @ terms.everyone, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n_scores", [1, 8, 100, 1000, 100_000])
def test_a_tile_is_of_whole_vectors(n_scores):
    assert many_scores.samples_per_tile(n_scores) % 64 == 0
    assert many_scores.samples_per_tile(n_scores) > 0
