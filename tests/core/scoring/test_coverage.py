"""Coverage by rows and by weight."""

import pyarrow as pa
import pytest

from core.scoring.coverage import coverage_of


def matches(*rows: tuple[str, str, float | None, str | None]) -> pa.Table:
    names = ("accession", "status", "effect_weight", "reason")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


def test_rows_nobody_can_score_stay_in_the_denominator():
    table = matches(
        ("A", "matched", -3.0, None),
        ("A", "unmatched", 1.0, "absent_locus"),
        ("A", "unmatched", None, "unsupported_complex"),
        ("A", "excluded", 2.0, "ambiguous"),
    )
    a = coverage_of(table)
    assert (a.n_rows, a.n_matched, a.n_excluded, a.n_unmatched) == (4, 1, 1, 2)
    assert a.count == 0.25
    assert a.weight == pytest.approx(3 / 6)
    assert a.reasons == {"absent_locus": 1, "unsupported_complex": 1, "ambiguous": 1}


def test_a_score_of_zero_weights_has_no_mass_to_cover():
    coverage = coverage_of(matches(("A", "matched", 0.0, None)))
    assert (coverage.count, coverage.weight) == (1.0, 0.0)
