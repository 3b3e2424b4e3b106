"""Distributions against the statistics module, and what may not be invented."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.scoring.report.distribution import MIN_FOR_HISTOGRAM, distribution_of

WEIGHTED = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(WEIGHTED, min_size=2, max_size=300))
def test_mean_deviation_and_median_are_those_of_the_textbook(values):
    found = distribution_of(np.array(values))
    assert found is not None
    assert found["n"] == len(values)
    assert found["mean"] == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6)
    spread = statistics.stdev(values)
    assert found["standard_deviation"] == pytest.approx(spread, rel=1e-6, abs=1e-6)
    by_share = {quantile["share"]: quantile["value"] for quantile in found["quantiles"]}
    assert by_share[0.0] == min(values)
    assert by_share[1.0] == max(values)
    assert by_share[0.5] == pytest.approx(statistics.median(values), rel=1e-9, abs=1e-9)


@given(st.lists(WEIGHTED, min_size=MIN_FOR_HISTOGRAM, max_size=2000))
def test_every_value_is_in_one_bin(values):
    found = distribution_of(np.array(values))
    assert found is not None
    histogram = found["histogram"]
    assert (histogram is None) == (len(set(values)) == 1)
    if histogram is not None:
        assert sum(histogram["counts"]) == len(values)
        assert len(histogram["edges"]) == len(histogram["counts"]) + 1


@given(st.lists(st.integers(0, 500), min_size=MIN_FOR_HISTOGRAM, max_size=500))
def test_bins_of_whole_numbers_hold_equally_many_of_them(values):
    found = distribution_of(np.array(values))
    assert found is not None
    histogram = found["histogram"]
    if histogram is None:
        assert len(set(values)) == 1
        return
    edges = histogram["edges"]
    assert len(set(np.diff(edges))) == 1
    assert len(histogram["counts"]) <= 40
    counted = [
        sum(low <= v < high for v in values) for low, high in zip(edges, edges[1:], strict=False)
    ]
    assert histogram["counts"] == counted


def test_few_values_have_quantiles_and_no_histogram():
    found = distribution_of(np.arange(MIN_FOR_HISTOGRAM - 1))
    assert found is not None
    assert found["histogram"] is None


def test_one_value_has_no_deviation():
    found = distribution_of(np.array([0.5]))
    assert found is not None
    assert found["standard_deviation"] is None


def test_what_is_no_number_is_not_counted():
    found = distribution_of(np.array([1.0, np.nan, 3.0]))
    assert found is not None
    assert (found["n"], found["mean"]) == (2, 2.0)
    assert distribution_of(np.array([np.nan])) is None
