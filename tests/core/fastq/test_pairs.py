"""Files of a pair agree by their chains of names; where they do not, the record is found."""

from pathlib import Path

import pytest
from dnaio import SequenceRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fastq.files import open_fastq
from core.fastq.pairs import disagreement
from core.fastq.titles import TitleChain
from tests.builders.fastq import Read, count_whole, fastq_text, random_reads

NAMES = st.lists(st.text("ab12/._ \t", max_size=6), min_size=2, max_size=2)


def chain(path: Path, *titles: str) -> TitleChain:
    reads = [Read(title, "ACGT", "IIII") for title in titles]
    return count_whole(path, fastq_text(reads)).span.titles


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        ("r1", "r1", True),
        ("r1 1:N:0:ACGT", "r1 2:N:0:ACGT", True),
        ("r1/1", "r1/2", True),
        ("SRR1.7.1 x", "SRR1.7.2\ty", True),
        ("r_1", "r_2", True),
        ("r1", "r2", False),
        ("r:1001", "r:1002", False),
        ("r1/1", "r1/3", False),
        ("r1", "R1", False),
        ("r1", "r1x", False),
    ],
)
def test_names_agree_but_for_the_number_of_the_mate(
    tmp_path: Path, first: str, second: str, agree: bool
) -> None:
    path = tmp_path / "reads.fastq"
    assert (chain(path, first) == chain(path, second)) is agree


@settings(deadline=None)
@given(names=NAMES)
def test_names_that_agree_agree_for_dnaio_too(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    path = tmp_path_factory.mktemp("fastq") / "reads.fastq"
    if len(names[0].split(" ")[0]) != len(names[1].split(" ")[0]):
        return  # dnaio knows no mate without its number
    if chain(path, names[0]) == chain(path, names[1]):
        first, second = (SequenceRecord(name, "A") for name in names)
        assert first.is_mate(second)


@settings(deadline=None)
@given(titles=st.lists(st.text("abc", max_size=3), max_size=9), cuts=st.lists(st.integers(0, 9)))
def test_chains_add_up_wherever_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, titles: list[str], cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("fastq") / "reads.fastq"
    edges = [0, *sorted(min(cut, len(titles)) for cut in cuts), len(titles)]
    parts = [titles[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    chains = [chain(path, *part) if part else TitleChain() for part in parts]
    whole = chain(path, *titles) if titles else TitleChain()
    assert sum(chains, TitleChain()) == whole


def test_order_counts(tmp_path: Path) -> None:
    path = tmp_path / "reads.fastq"
    assert chain(path, "a", "b") != chain(path, "b", "a")


@pytest.mark.parametrize("at", [0, 1, 16_383, 16_384, 19_999])
def test_the_first_record_of_another_read_is_named(tmp_path: Path, at: int) -> None:
    reads = random_reads(20_000, 8)
    mates = [*reads[:at], Read("another", "ACGT", "IIII"), *reads[at + 1 :]]
    error = disagreement(*_pair(tmp_path, reads, mates))
    assert error is not None
    assert f"record {at + 1} is of another read than that of" in error.what
    assert error.where is not None
    assert (Path(error.where.file).name, error.where.line) == ("R2.fastq", 4 * at + 1)


@pytest.mark.parametrize("n_missing", [1, 10, 16_384, 19_000])
def test_the_first_record_without_a_mate_is_named(tmp_path: Path, n_missing: int) -> None:
    reads = random_reads(20_000, 8)
    n = len(reads) - n_missing
    error = disagreement(*_pair(tmp_path, reads, reads[:n]))
    assert error is not None
    assert f"record {n + 1} has no mate" in error.what
    assert error.where is not None
    assert (Path(error.where.file).name, error.where.line) == ("R1.fastq", 4 * n + 1)
    swapped = disagreement(*_pair(tmp_path, reads[:n], reads))
    assert swapped is not None
    assert swapped.where is not None
    assert Path(swapped.where.file).name == "R2.fastq"


def test_files_that_agree_have_no_disagreement(tmp_path: Path) -> None:
    reads = random_reads(500)
    assert disagreement(*_pair(tmp_path, reads, reads)) is None


def _pair(folder: Path, reads: list[Read], mates: list[Read]):
    for name, content in (("R1", reads), ("R2", mates)):
        (folder / f"{name}.fastq").write_bytes(fastq_text(content))
    return (open_fastq(str(folder / f"{name}.fastq")) for name in ("R1", "R2"))
