"""ScoreRows: which rows can be joined, and what a reader must decode for them."""

import pytest

from core.scoring.join import join_rows, unjoinable_reason
from core.scoring.policy import Compat, policy_for
from core.scoring.scoring_file import read_scoring_file
from tests.builders.scoring_file import Row, write_scoring_file


def policy(**fields: str):
    return policy_for(Compat.DEFAULT, n_samples=1, has_frequencies=False, overrides=fields)


@pytest.fixture
def file(tmp_path):
    rows = [
        Row("2", 50, "G", "A", 0.5, rsid="rs2"),
        Row("1", 100, "G", "A", 0.25, rsid="rs1"),
        Row(None, None, "G", "A", 1.0, rsid="rs9"),
        Row("1", 90, "G", "A", 1.0),
        Row("6", 10, "P", "N", 1.0, rsid="rs8"),
    ]
    return read_scoring_file(write_scoring_file(tmp_path / "score.txt", rows))


def test_rows_are_sorted_by_place(file):
    rows = join_rows([file], policy())
    assert rows.row_number.tolist() == [3, 1, 0]
    assert rows.contigs_with_rows() == {"1", "2"}
    assert rows.wanted().positions["1"].tolist() == [90, 100]


def test_rows_without_what_matching_needs_are_left_out_with_a_reason(file):
    by_position = unjoinable_reason(file.rows, policy()).to_pylist()
    assert by_position == [None, None, "bad_coordinates", None, "unsupported_complex"]
    by_rsid = unjoinable_reason(file.rows, policy(match_by="rsid")).to_pylist()
    assert by_rsid == [None, None, None, "bad_coordinates", "unsupported_complex"]


def test_a_reader_is_asked_for_the_positions_or_the_ids(file):
    wanted = join_rows([file], policy()).wanted()
    assert {contig: found.tolist() for contig, found in wanted.positions.items()} == {
        "1": [90, 100],
        "2": [50],
    }
    assert join_rows([file], policy(match_by="rsid")).wanted().ids == {"rs1", "rs2", "rs9"}


def test_several_files_share_one_table(file, tmp_path):
    other = read_scoring_file(
        write_scoring_file(tmp_path / "b.txt", [Row("1", 100, "A", "G", 2.0)], accession="B")
    )
    rows = join_rows([file, other], policy())
    assert rows.accessions == ("PGS999999", "B")
    assert rows.score.tolist() == [0, 1, 0, 0]
    assert rows.effect_weight.tolist() == [1.0, 2.0, 0.25, 0.5]


def test_files_of_the_same_variants_are_told_apart_by_their_weights_alone(file, tmp_path):
    places = [("1", 100, "A", "G"), ("1", 90, "C", "T"), ("1", 5, "P", "N")]
    weights = {"B": (2.0, -1.0, 1.0), "C": (20.0, -10.0, 10.0)}
    files = []
    for name, of_rows in weights.items():
        rows = [Row(*place, weight) for place, weight in zip(places, of_rows, strict=True)]
        path = write_scoring_file(tmp_path / f"{name}.txt", rows, accession=name)
        files.append(read_scoring_file(path))
    apart = join_rows([files[0], file, files[1]], policy())
    side_by_side = join_rows([*files, file], policy())
    found = sorted(zip(apart.score.tolist(), apart.effect_weight.tolist(), strict=True))
    assert found[:2] == [(0, -1.0), (0, 2.0)]
    assert found[2:] == [(1, 0.25), (1, 0.5), (1, 1.0), (2, -10.0), (2, 20.0)]
    assert side_by_side.row_number.tolist() == [1, 1, 3, 0, 0, 1, 0]
    assert side_by_side.effect_weight.tolist() == [-1.0, -10.0, 1.0, 2.0, 20.0, 0.25, 0.5]
