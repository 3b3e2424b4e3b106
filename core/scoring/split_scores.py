"""A scoring file of several scores, written again as files of one score each."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from core.delimited import DelimitedText, read_delimited
from core.errors import ScoringFileError, Where
from core.scoring.scoring_file import ScoringFile, header_metadata
from core.scoring.scoring_file_columns import LANDMARKS, read_columns

MAX_SCORES = 1000
"""In a file that is split."""

_OF_THE_WHOLE = frozenset({"pgs_id", "omicspred_id", "variants_number"})
"""What the header says of the file, and not of each score in it."""


def split_scores(path: Path, scores: Sequence[ScoringFile], folder: Path) -> tuple[Path, ...]:
    """Files in `folder`, gzip, one for each of `scores`, those that `read_scoring_files` gave for
    `path`.

    Each has the header, with its own accession and the sha256 of `path`, and the rows of its score:
    every column but the weights as it was written, then `effect_weight`. Read again, they are the
    same scores.
    Raises ScoringFileError for more than MAX_SCORES, and for values that a table of tabs cannot
    hold.
    """
    if len(scores) > MAX_SCORES:
        raise ScoringFileError(
            f"the file holds {len(scores)} scores, more than {MAX_SCORES}.",
            where=Where(str(path)),
            fix="Send them in several files.",
        )
    text = read_delimited(path, error_type=ScoringFileError, landmarks=LANDMARKS)
    weights = read_columns(text).weights
    shared = [name for name in text.column_names if name and name not in weights.values()]
    columns = text.columns({*shared, *weights.values()})
    _refuse_tabs(text, columns)
    written: list[Path] = []
    for number, (score, weight) in enumerate(zip(scores, weights.values(), strict=True)):
        written.append(folder / f"score{number}.txt.gz")
        head = [*_header(text, score.accession), "\t".join([*shared, "effect_weight"])]
        cells = [columns[name] for name in (*shared, weight)]
        lines = [*head, *_rows(cells, score.rows["row_number"].combine_chunks())]
        content = "".join(f"{line}\n" for line in lines).encode()
        written[-1].write_bytes(gzip.compress(content, 1, mtime=0))  # the same bytes another time
    return tuple(written)


def _header(text: DelimitedText, accession: str) -> Iterator[str]:
    """The accession comes last: a comment there could be taken for the column names."""
    for comment in text.comments:
        if _OF_THE_WHOLE.isdisjoint(header_metadata([comment], delimiter=text.delimiter)):
            yield comment
    yield f"#split_from_sha256={text.sha256}"
    yield f"#pgs_id={accession}"


def _rows(cells: Sequence[pa.Array], rows: pa.Array) -> list[str]:
    chosen = [pc.fill_null(column.take(rows), "") for column in cells]
    return pc.binary_join_element_wise(*chosen, "\t").to_pylist()


def _refuse_tabs(text: DelimitedText, columns: dict[str, pa.Array]) -> None:
    for name, values in columns.items():
        found = pc.index(pc.match_substring(values, "\t"), True).as_py()
        if found >= 0:
            raise text.error(
                "a value has a tab in it.", row=found, field=name, fix="Write it without the tab."
            )
