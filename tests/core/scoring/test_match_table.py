"""The fate of rows: which line tells it."""

from core.scoring.match_table import lines_of_rows
from tests.builders.match_lines import EXCLUDED, MATCHED, UNMATCHED, matches


def test_a_row_keeps_the_best_that_became_of_it_and_the_first_among_equals():
    met = matches((5, UNMATCHED, -1), (4, EXCLUDED, 0), (5, MATCHED, 1), (5, MATCHED, 2))
    assert lines_of_rows(7, met).tolist() == [-1, -1, -1, -1, 1, 2, -1]
