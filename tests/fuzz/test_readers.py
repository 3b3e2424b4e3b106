"""Damaged files in small numbers; `make fuzz` reads as many as there is time for."""

import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders.vcf import Record, vcf_text
from tests.builders.vcf_rows import Row
from tests.fuzz import fastq, vcf
from tests.fuzz.process import Watched
from tests.fuzz.readers import READERS
from tests.fuzz.target import Target

any_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


@any_reader
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_file_is_read_as_plain_readers_have_it_or_refused(
    tmp_path_factory: pytest.TempPathFactory, reader: Target, data: st.DataObject
) -> None:
    reader.check(data.draw(reader.damaged_files()), tmp_path_factory.mktemp(reader.name))


@any_reader
@pytest.mark.acceptance
def test_real_files_are_read_as_plain_readers_have_them_or_refused(
    tmp_path: Path, acceptance_data: Path, reader: Target
) -> None:
    paths = sorted(acceptance_data.glob(reader.real))
    assert len(paths) > 50
    for path in paths:
        for n_empty_lines in range(3):  # the content decides how it is stored and cut
            reader.check(path.read_bytes() + b"\n" * n_empty_lines, tmp_path)


@any_reader
def test_a_change_depends_on_its_number_alone(reader: Target) -> None:
    changed = [[reader.mutated(reader.seeds[0], random.Random(n)) for n in range(50)]] * 2
    assert changed[0] == changed[1]
    assert len(set(changed[0])) > 30


@pytest.mark.parametrize(
    "record",
    [
        Record("a b", 5, ["0/1", "1/1"]),
        Record("1", 0, ["0/1", "1/1"], ref="A\0C", alt="\0,é"),
        Record("1", 5, ["0/1:1", "1/1:2"], format="GT:a b,>"),
        Record("1", 5, ["0/1:1/1", "1/1:0/0"], format="GT:GT"),
        Record("1", 5, ["0/1:", "1/1:"], format="GT:DP"),
        Record("1", 5, ["", ""], format="DP"),
        Record("1", 5, ["0/1:7:8", "1/1"], format="GT:DP"),
        Record("1", 5, ["7", "8:0/1"], format="DP:GT"),
        Record("1", 5, ["7", "8"], format="DP:GT"),
        Record("1", 5, ["|0|1", "/1"]),
        Record("1", 5, [".", "."]),
    ],
)
def test_what_htslib_does_not_read_is_written_anew_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: Record
) -> None:
    read: list[list[Row]] = []
    right = vcf.cyvcf2_rows
    monkeypatch.setattr(vcf, "cyvcf2_rows", lambda path: read.append(right(path)) or read[-1])
    for n_empty_lines in range(12):  # some of which make a half-call missing, as cyvcf2 has it
        vcf.check(vcf_text([record]) + b"\n" * n_empty_lines, tmp_path)
    assert read


def raises_for_a_seed(reader: Target, folder: Path) -> bool:
    """Of each seed in several versions, as the content decides how it is read."""
    for seed in reader.seeds:
        for n_empty_lines in range(4):
            try:
                reader.check(seed + b"\n" * n_empty_lines, folder)
            except AssertionError:
                return True
    return False


def test_a_wrong_dosage_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(row: Row) -> Row:
        return row._replace(dosages=(*row.dosages[:-1], 0))

    right = vcf.read_rows
    monkeypatch.setattr(vcf, "read_rows", lambda *a, **b: [*map(altered, right(*a, **b))])
    assert raises_for_a_seed(vcf.VCF_READER, tmp_path)


def test_cyvcf2_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vcf, "cyvcf2_rows", lambda path: [])
    assert raises_for_a_seed(vcf.VCF_READER, tmp_path)


def test_a_read_that_is_left_out_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = fastq._reads_of_text
    monkeypatch.setattr(fastq, "_reads_of_text", lambda content: (right(content) or [])[1:])
    assert raises_for_a_seed(fastq.FASTQ_READER, tmp_path)


def test_a_file_that_fails_is_kept(tmp_path: Path) -> None:
    def check(content: bytes, folder: Path) -> None:
        assert content != b"bad"

    watched = Watched(replace(fastq.FASTQ_READER, check=check), tmp_path, 1)
    watched.check(b"good")
    assert not (tmp_path / "failed").exists()
    with pytest.raises(AssertionError):
        watched.check(b"bad")
    assert (tmp_path / "failed").read_bytes() == b"bad"
    assert watched.n_files == 1


def test_a_run_ends_by_itself_and_says_how_much_was_read(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.by_hypothesis", "fastq"]
    done = subprocess.run(
        [*command, str(tmp_path), "1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.fullmatch(rf"{tmp_path.name}: ([0-9,]+) files in [0-9]+ s\n", done.stdout)
    assert told is not None
    assert int(told[1].replace(",", "")) > 0
