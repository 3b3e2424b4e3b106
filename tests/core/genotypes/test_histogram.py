"""Histograms with fixed edges."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.genotypes.histogram import Histogram

EDGES = (0.0, 0.25, 0.5, 1.0)


@given(arrays(np.float64, st.integers(0, 30), elements=st.floats(0, 1)), st.integers(0, 3))
def test_values_within_the_edges_are_counted_as_numpy_does(values, n_undefined):
    found = Histogram.of(EDGES, np.append(values, [np.nan] * n_undefined))
    assert found.counts == tuple(np.histogram(values, EDGES)[0].tolist())
    assert found.n_undefined == n_undefined


def test_values_beyond_the_edges_are_in_the_outermost_bins():
    assert Histogram.of(EDGES, np.array([-3.0, 7.0])).counts == (1, 0, 1)


def test_histograms_add_up_and_survive_json():
    one, two = Histogram.of(EDGES, np.array([0.1, np.nan])), Histogram.of(EDGES, np.array([0.3]))
    assert one + two == Histogram.of(EDGES, np.array([0.1, 0.3, np.nan]))
    assert Histogram.from_dict(asdict(one)) == one
    with pytest.raises(ValueError, match="other edges"):
        _ = one + Histogram.of((0.0, 1.0), np.array([0.1]))
