"""The kernels on imputed dosages against the same sums in numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.scoring import imputed_dosages as kernels


def cohort(seed: int, n_samples: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    dosages = np.round(random.random((5, n_samples)) * 2, 3).astype(np.float32)
    dosages[random.random((5, n_samples)) < random.random((5, 1))] = 0.0
    dosages[random.random((5, n_samples)) < [[0], [0.5], [0.01], [1], [0]]] = np.nan
    return dosages


WIDTHS = st.sampled_from([1, 63, 64, 65, 200, kernels.TILE + 3])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), WIDTHS)
def test_terms_add_weight_times_dosage_or_what_a_missing_one_adds(seed, n_terms, n_samples):
    random = np.random.default_rng(seed)
    dosages = cohort(seed, n_samples)
    row, score = random.integers(0, 5, n_terms), random.integers(0, 2, n_terms)
    times, missing = random.normal(size=(2, n_terms))
    sums = np.zeros((2, n_samples))
    terms = kernels.DosageTerms(row, score, times, missing)
    kernels.add_dosages(dosages, dosages.view(np.int32), terms, sums)
    called = dosages[row].astype(np.float64)
    each = np.where(np.isnan(called), missing[:, None], times[:, None] * called)
    for k in range(2):
        exact = [sum(column) for column in each[score == k].T]  # in the order of the terms
        np.testing.assert_array_equal(sums[k], exact or 0.0)


@given(st.integers(0, 2**32 - 1), WIDTHS)
@settings(deadline=None)
def test_missing_dosages_are_found_and_counted_and_leave_the_frequency(seed, n_samples):
    dosages = cohort(seed, n_samples)
    rows, slots = np.array([4, 1, 3, 1]), np.array([0, 0, 1, 1])
    bits = dosages.view(np.int32)
    is_missing = np.isnan(dosages[rows])
    assert kernels.has_missing(bits, rows).tolist() == is_missing.any(axis=1).tolist()
    counts = np.zeros((2, n_samples), np.int32)
    kernels.add_missing(bits, rows, slots, counts)
    for slot in range(2):
        np.testing.assert_array_equal(counts[slot], is_missing[slots == slot].sum(axis=0))
    means = [
        np.nan if m.all() else d[~m].mean() / 2
        for d, m in zip(dosages[rows].astype(np.float64), is_missing, strict=True)
    ]
    np.testing.assert_allclose(kernels.frequencies(dosages, rows), means, rtol=1e-12)
