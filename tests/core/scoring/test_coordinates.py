"""Coordinates as text: contig names, positions, IDs that name their place."""

import pyarrow as pa
import pytest

from core.genome_build import canonical_contig
from core.scoring.coordinates import canonical_contigs, parse_positions, places_in_ids


def test_contig_columns_follow_the_rule_for_one_name() -> None:
    names = ["chr1", None, "23", "chr1", "GL000192.1", "NC_000023.11"]
    expected = [None if name is None else canonical_contig(name) for name in names]
    assert canonical_contigs(pa.array(names)).to_pylist() == expected


def test_a_column_without_any_contig_stays_so() -> None:
    assert canonical_contigs(pa.nulls(2, pa.string())).to_pylist() == [None, None]


def test_only_whole_numbers_that_a_vcf_can_hold_are_positions() -> None:
    words = ["1", "0012", "2147483647", "7.00"]
    none = ["0", "-1", "1.5", "x", "2147483648", "9999999999", "12345678901", None]
    positions = parse_positions(pa.array(words + none)).to_pylist()
    assert positions == [1, 12, 2147483647, 7] + [None] * len(none)


@pytest.mark.parametrize(
    ("variant_id", "place"),
    [
        ("1:10", ("1", "10", "", "")),
        ("chrX:10:a:G", ("chrX", "10", "A", "G")),
        ("22-10-A-GT", ("22", "10", "A", "GT")),
        ("MT_10_A_C_b37", ("MT", "10", "A", "C")),
        ("1:10:A:C,G", ("1", "10", "A", "C,G")),
        ("1:10:A:C,*", ("1", "10", "A", "C,*")),
        ("1:10:A:.", ("1", "10", "A", ".")),
        ("rs10", (None, None, None, None)),
        ("1:10:A", (None, None, None, None)),
        ("HLA_10", (None, None, None, None)),
        ("1:10:A:<DEL>", (None, None, None, None)),
    ],
)
def test_an_id_may_name_its_place(variant_id: str, place: tuple[str | None, ...]) -> None:
    assert tuple(part[0].as_py() for part in places_in_ids(pa.array([variant_id]))) == place
