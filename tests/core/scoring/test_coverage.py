"""Coverage by rows and by weight."""

import pyarrow as pa
import pytest

from core.scoring.coverage import coverage_of


def matches(*rows: tuple[str, str, float | None, str | None], types: str = "") -> pa.Table:
    """`types` are the match types of the first rows, if any."""
    names = ("accession", "status", "effect_weight", "reason")
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    kinds = [*types.split(), *[None] * (len(rows) - len(types.split()))]
    return table.append_column("match_type", pa.array(kinds, pa.string()))


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


def test_rows_that_records_of_ref_alone_answer_are_counted_among_the_matched():
    coverage = coverage_of(
        matches(
            *(("A", "matched", 1.0, None) for _ in range(3)),
            ("A", "excluded", 1.0, "ambiguous"),
            types="refalt ref_only_other ref_block_effect_flip ref_only_effect",
        )
    )
    assert (coverage.n_matched, coverage.n_from_reference) == (3, 2)
