"""Sample sheets: who is male, who is female.

Takes plink2's .psam (#IID or #FID IID, SEX as 1/2/0), a panel's TSV (sample, sex as male/female),
and other tables with such columns. FID is ignored: a sample is known by its own ID, as in a VCF.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.delimited import DelimitedText, read_delimited
from core.errors import SampleSheetError

UNKNOWN, MALE, FEMALE = 0, 1, 2

_SAMPLE_COLUMNS = ("sample", "iid", "sample_id", "sampleid", "s")
_SEX_COLUMNS = ("sex", "gender")
_SEX_WORDS = {
    **dict.fromkeys(("male", "m", "1", "xy"), MALE),
    **dict.fromkeys(("female", "f", "2", "xx"), FEMALE),
    **dict.fromkeys(("unknown", "u", "0", "-9", "other"), UNKNOWN),
}


def read_sample_sheet(path: Path) -> dict[str, int]:
    """Sex code (UNKNOWN, MALE, FEMALE) by sample ID; an empty sex or NA is UNKNOWN.

    Raises SampleSheetError (file, line, column, fix) for a table without sample or sex column,
    an unknown word for a sex, and a sample that is listed with two sexes.
    """
    landmarks = {*_SAMPLE_COLUMNS, *_SEX_COLUMNS, "fid"}
    text = read_delimited(path, error_type=SampleSheetError, landmarks=landmarks)
    sample_column = _column(text, _SAMPLE_COLUMNS)
    sex_column = _column(text, _SEX_COLUMNS)
    columns = text.columns({sample_column, sex_column})
    samples: list[str | None] = columns[sample_column].to_pylist()
    codes = _sex_codes(text, sex_column, columns[sex_column])
    sheet: dict[str, int] = {}
    for row, (sample, code) in enumerate(zip(samples, codes, strict=True)):
        if sample is None:
            raise text.error(
                "this row has no sample ID.", row=row, field=sample_column, fix="Add or remove it."
            )
        if sheet.setdefault(sample, code) != code:
            raise text.error(
                f"sample {sample} is listed twice, with different sexes.",
                row=row,
                field=sex_column,
                fix="Keep the row that is right.",
            )
    return sheet


def sexes_of(samples: Sequence[str], sheet: Mapping[str, int] | None) -> npt.NDArray[np.int8]:
    """(samples,) int8 sex codes; UNKNOWN for a sample that the sheet lacks, or without a sheet."""
    known = sheet or {}
    return np.array([known.get(sample, UNKNOWN) for sample in samples], dtype=np.int8)


def _column(text: DelimitedText, aliases: Sequence[str]) -> str:
    written = {name.lstrip("#").lower(): name for name in text.column_names}
    for alias in aliases:
        if alias in written:
            return written[alias]
    raise text.error(
        f"the sample sheet has no {aliases[0]} column.",
        fix=f"Name one column {' | '.join(aliases)}.",
    )


def _sex_codes(text: DelimitedText, column: str, words: pa.Array) -> list[int]:
    encoded = words.dictionary_encode()
    codes: list[int | None] = [
        _SEX_WORDS.get(word.lower()) for word in encoded.dictionary.to_pylist()
    ]
    indices: list[int | None] = encoded.indices.to_pylist()
    for row, index in enumerate(indices):
        if index is not None and codes[index] is None:
            raise text.error(
                f"{words[row]} is not a sex.",
                row=row,
                field=column,
                fix="Write male, female, M, F, 1, 2, or 0 or NA for unknown.",
            )
    return [UNKNOWN if index is None else codes[index] or UNKNOWN for index in indices]
