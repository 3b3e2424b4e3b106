"""The tables of samples: .psam and .fam."""

import pytest

from core.errors import GenotypeFileError
from core.genotypes import plink_samples
from core.genotypes.plink_samples import read_samples
from core.samples import FEMALE, MALE, UNKNOWN


@pytest.fixture
def samples_in(tmp_path):
    def samples_in(text):
        path = tmp_path / "f.psam"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_samples(path)

    return samples_in


EXPECTED = (("a", "b", "c"), bytes([MALE, FEMALE, UNKNOWN]))
LAYOUTS = {
    "IID first": "#IID\tSEX\na\t1\nb\t2\nc\tNA\n",
    "FID first": "#FID\tIID\tPAT\tMAT\tSEX\tPHENO1\n"
    "f\ta\t0\t0\tM\t1\nf\tb\t0\t0\tF\t1\nf\tc\t0\t0\t0\t1\n",
    "comments before": "##made by\n#IID SEX\na male\nb female\nc -9\n",
    "fam": "f a 0 0 1 -9\nf b 0 0 2 -9\nf c 0 0 0 -9\n",
    "fam with tabs, an empty last line": "f\ta\t0\t0\t1\t-9\n"
    "f\tb\t0\t0\t2\t-9\nf\tc\t0\t0\t3\t-9\n\n",
    "line ends of Windows": "#IID\tSEX\r\na\t1\r\nb\t2\r\nc\t0\r\n",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_names_and_sexes(name, samples_in):
    samples = samples_in(LAYOUTS[name])
    assert (samples.names, samples.sexes) == EXPECTED


def test_without_a_sex_column_no_sex_is_known(samples_in):
    assert samples_in("#IID\na\nb\n").sexes == bytes([UNKNOWN, UNKNOWN])


def test_people_of_two_families_with_one_iid_are_named_by_both(samples_in):
    assert samples_in("f1 a 0 0 1 -9\nf2 a 0 0 1 -9\nf2 b 0 0 1 -9\n").names == (
        "f1_a",
        "f2_a",
        "f2_b",
    )


HOSTILE = {
    "nothing": (b"", None),
    "a header alone": (b"#IID\tSEX\n", None),
    "the same sample twice": (b"#IID\tSEX\na\t1\na\t1\n", None),
    "a row too short": (b"#IID\tSEX\na\t1\nb\n", 3),
    "no IID": (b"#SEX\n1\n", 1),
    "an empty column line": (b"#\na\n", 1),
    "two SEX columns": (b"#IID\tSEX\tSEX\na\t1\t2\n", 1),
    "another encoding": (b"#IID\tSEX\na\t1\n\xff\t1\n", 3),
    "binary": (bytes(range(128, 256)), 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_that_cannot_be_used_is_refused(name, samples_in):
    content, line = HOSTILE[name]
    with pytest.raises(GenotypeFileError) as caught:
        samples_in(content)
    assert caught.value.where is not None
    assert caught.value.where.line == line
    assert caught.value.fix


def test_a_table_is_not_read_further_than_a_cohort_needs(samples_in, monkeypatch):
    monkeypatch.setattr(plink_samples, "MAX_BYTES", 10)
    with pytest.raises(GenotypeFileError, match="longer than"):
        samples_in("#IID\tSEX\na\t1\nb\t2\n")
