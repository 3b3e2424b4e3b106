"""A file of several scores becomes files of one: read again, they are the same scores."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ScoringFileError
from core.scoring.scoring_file import ScoringFile, read_scoring_file, read_scoring_files
from core.scoring.split_scores import split_scores
from tests.builders.scoring_file import Cell, write_bytes, write_table

CELL = st.sampled_from([None, "1", "0.25", "-3e-4", "1e300"])
ROW = st.fixed_dictionaries(
    {
        "rsID": st.sampled_from(["rs1", None, "HLA_A*01", 'a "quoted" name']),
        "chr_name": st.sampled_from(["1", "X", "chr22"]),
        "chr_position": st.sampled_from(["1", "1000", None, "x"]),
        "effect_allele": st.sampled_from(["A", "g", "ACGT"]),
        "other_allele": st.sampled_from(["C", None, "A/T"]),
        "is_dominant": st.sampled_from(["True", "False", None]),
        "allelefrequency_effect": st.sampled_from(["0.5", "7", None]),
        "effect_weight_S1": CELL,
        "effect_weight_S2": CELL,
        "effect_weight_S3": st.just("2"),
    }
)
COMMENTS = ("#pgs_id=MINE", "#genome_build=GRCh37", "#variants_number=9", "#citation=A. N. Other")


def without_numbers(score: ScoringFile) -> pa.Table:
    """The rows, but for their number in the file."""
    columns = [name for name in score.rows.column_names if name != "row_number"]
    table = score.rows.select(columns)
    plain = [field.with_type(_plain(field.type)) for field in table.schema]
    return table.cast(pa.schema(plain))


def _plain(of: pa.DataType) -> pa.DataType:
    return of.value_type if pa.types.is_dictionary(of) else of


@given(
    rows=st.lists(ROW, min_size=1, max_size=6).filter(
        lambda rows: all(any(row[f"effect_weight_S{n}"] for row in rows) for n in (1, 2))
    ),
    delimiter=st.sampled_from(["\t", ",", ";"]),
    packed=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_parts_are_the_scores(
    rows: list[dict[str, Cell]],
    delimiter: str,
    packed: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("split")
    name = "scores.txt.gz" if packed else "scores.txt"
    if delimiter != "\t":
        rows = [{**row, "rsID": "rs1"} for row in rows]
    path = write_table(folder / name, rows, comments=COMMENTS, delimiter=delimiter)
    scores = read_scoring_files(path)
    parts = [read_scoring_file(part) for part in split_scores(path, scores, folder)]
    assert {part.accession for part in parts} == {"MINE_S1", "MINE_S2", "MINE_S3"}
    for part, score in zip(parts, scores, strict=True):
        assert part.accession == score.accession
        assert without_numbers(part).equals(without_numbers(score))
        assert part.build is score.build
        assert part.metadata == {
            "genome_build": "GRCh37",
            "citation": "A. N. Other",
            "split_from_sha256": score.sha256,
            "pgs_id": part.accession,
        }


def test_plinks_layout_is_split_by_its_columns(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "s.txt", b"ID\tA1\tone\ttwo\n1:5:A:G\tG\t1\t2\n")
    parts = split_scores(path, read_scoring_files(path), tmp_path)
    assert [read_scoring_file(part).accession for part in parts] == ["one", "two"]
    assert read_scoring_file(parts[1]).rows["effect_weight"].to_pylist() == [2.0]


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "s.txt", b"ID\tA1\tone\ttwo\n1:5:A:G\tG\t1\t2\n")
    scores = read_scoring_files(path)
    first, second = (
        [part.read_bytes() for part in split_scores(path, scores, tmp_path)] for _ in range(2)
    )
    assert first == second


def test_a_value_with_a_tab_in_it_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "s.csv", b'ID,A1,one,two\n1:5:A:G,G,1,2\n"a\tb",G,1,2\n')
    with pytest.raises(ScoringFileError, match="line 3.*a value has a tab"):
        split_scores(path, read_scoring_files(path), tmp_path)
