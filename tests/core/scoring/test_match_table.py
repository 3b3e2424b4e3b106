"""The fate of rows: which line tells it."""

import numpy as np

from core.scoring.join import join_rows
from core.scoring.match_table import lines_of_rows
from core.scoring.policy import Compat, policy_for
from core.scoring.scoring_file import read_scoring_file
from tests.builders.match_lines import EXCLUDED, MATCHED, UNMATCHED, matches
from tests.builders.scoring_file import Row, write_scoring_file

POLICY = policy_for(Compat.DEFAULT, n_samples=1, has_frequencies=False, overrides={})


def rows_at(tmp_path, *positions_of_files: list[int]):
    """Rows of files, one at each position."""
    files = []
    for n, positions in enumerate(positions_of_files):
        rows = [Row("1", position, "G", "A", 1.0) for position in positions]
        path = write_scoring_file(tmp_path / f"{n}.txt", rows, accession=f"PGS{n}")
        files.append(read_scoring_file(path))
    return join_rows(files, POLICY)


def test_a_row_keeps_the_best_that_became_of_it_and_the_first_among_equals(tmp_path):
    rows = rows_at(tmp_path, [1, 2, 3, 4, 5, 6, 7])
    met = matches((5, UNMATCHED, -1), (4, EXCLUDED, 0), (5, MATCHED, 1), (5, MATCHED, 2))
    assert lines_of_rows(rows, met, np.array([0, 7])).tolist() == [-1, -1, -1, -1, 1, 2, -1]


def test_a_line_about_a_range_is_found_by_the_rows_of_each_file(tmp_path):
    rows = rows_at(tmp_path, [30, 10], [20, 30, 40])  # in order: 10, 20, both of 30, 40
    met = matches((0, MATCHED, 0), (2, MATCHED, 0))
    met = met.set_column(met.schema.get_field_index("n_rows"), "n_rows", [[1, 2]])
    assert lines_of_rows(rows, met, np.array([0, 2, 5])).tolist() == [1, 0, -1, 1, -1]
