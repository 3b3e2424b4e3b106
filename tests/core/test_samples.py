"""Sample sheets: plink2's, a panel's, and what cannot be read."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.errors import SampleSheetError
from core.samples import FEMALE, MALE, UNKNOWN, read_sample_sheet, sexes_of


def sheet_of(folder: Path, text: str) -> dict[str, int]:
    (folder / "samples.tsv").write_text(text)
    return read_sample_sheet(folder / "samples.tsv")


def acceptance_data() -> Path:
    folder = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    if folder is None:
        pytest.skip("CURAGENIE_ACCEPTANCE_DATA is not set: no real sample sheets")
    return Path(folder)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("#IID\tSEX\nS1\t1\nS2\t2\nS3\t0\nS4\tNA\n", id="psam"),
        pytest.param(
            "#FID\tIID\tSEX\nF\tS1\t1\nF\tS2\t2\nF\tS3\t0\nF\tS4\tNA\n", id="psam with FID"
        ),
        pytest.param(
            "##x\n#IID\tSID\tSEX\nS1\t1\tM\nS2\t1\tF\nS3\t1\tU\nS4\t1\t\n", id="psam with SID"
        ),
        pytest.param(
            "sample\tpop\tsex\nS1\tGBR\tmale\nS2\tGBR\tFemale\nS3\tGBR\tunknown\nS4\tGBR\n",
            id="panel",
        ),
        pytest.param("sample_id,sex\nS1,M\nS2,F\nS3,-9\nS4,.\n", id="CSV"),
        pytest.param("IID SEX\nS1 xy\nS2 XX\nS3 0\nS4 NA\n", id="spaces"),
    ],
)
def test_sheets_of_any_kind_say_the_same(tmp_path: Path, text: str) -> None:
    assert sheet_of(tmp_path, text) == {"S1": MALE, "S2": FEMALE, "S3": UNKNOWN, "S4": UNKNOWN}


def test_samples_that_are_numbers_stay_text(tmp_path: Path) -> None:
    assert sheet_of(tmp_path, "sample\tsex\n001\t1\n1.0\t2\n") == {"001": MALE, "1.0": FEMALE}


def test_a_sample_listed_twice_with_one_sex_is_listed_once(tmp_path: Path) -> None:
    assert sheet_of(tmp_path, "sample\tsex\nA\tmale\nA\t1\n") == {"A": MALE}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample\tsex\nA\t1\nA\t2\n", "line 3, sex: sample A is listed twice"),
        ("sample\tsex\nA\t1\nB\tboth\n", "line 3, sex: both is not a sex"),
        ("sample\tsex\n\t1\n", "line 2, sample: this row has no sample ID"),
        ("#IID\tPHENO\nA\t1\n", "line 1: the sample sheet has no sex column"),
        ("person\tsex\nA\t1\n", r"no sample column.*iid \| sample_id"),
        ("", "no column line"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SampleSheetError, match=message) as error:
        sheet_of(tmp_path, text)
    assert error.value.fix


def test_sexes_come_in_the_order_of_the_samples() -> None:
    sexes = sexes_of(["B", "A", "C"], {"A": MALE, "B": FEMALE, "Z": MALE})
    assert sexes.dtype == np.int8
    assert sexes.tolist() == [FEMALE, MALE, UNKNOWN]


def test_without_a_sheet_every_sex_is_unknown() -> None:
    assert sexes_of(["A", "B"], None).tolist() == [UNKNOWN, UNKNOWN]


def test_the_panels_sheet_has_everyone() -> None:
    sheet = read_sample_sheet(acceptance_data() / "genotypes/1000g_panel/samples.tsv")
    lines = (acceptance_data() / "genotypes/1000g_panel/samples.tsv").read_text().splitlines()[1:]
    words = Counter(line.split("\t")[3] for line in lines)
    assert Counter(sheet.values()) == {MALE: words["male"], FEMALE: words["female"]}
    assert (len(sheet), sheet["HG00096"], sheet["HG00097"]) == (2504, MALE, FEMALE)


def test_plink2s_sheet_has_everyone() -> None:
    sheet = read_sample_sheet(acceptance_data() / "semantics_micro/samples.psam")
    assert sheet == {f"S{n:02}": MALE if n % 2 else FEMALE for n in range(1, 61)}
