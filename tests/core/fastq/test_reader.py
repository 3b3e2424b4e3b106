"""Records are found, counted and refused; every cut of a file gives the same counts."""

import gzip
import os
from functools import reduce
from operator import add
from pathlib import Path

import dnaio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import FastqFileError
from core.fastq import window
from core.fastq.counts import no_reads
from core.fastq.files import open_fastq
from core.fastq.reader import ShardCounts, are_whole, count_shard
from tests.builders.fastq import (
    Read,
    any_read,
    count,
    count_whole,
    facts_of,
    fastq_text,
    naive_facts,
    random_reads,
)
from tests.builders.vcf import bgzip

GOOD = Read("r1", "ACGT", "IIII")
COCK = "conformance/fastq/cock2010"


def shards_of(path: Path, shard_bytes: int) -> list[ShardCounts]:
    return [count_shard(shard) for shard in open_fastq(str(path)).shards(shard_bytes)]


def sum_of(shards: list[ShardCounts]) -> dict[str, object]:
    return facts_of(reduce(add, (shard.counts for shard in shards), no_reads()))


@settings(deadline=None)
@given(reads=st.lists(any_read(), min_size=1, max_size=300), second_title=st.booleans())
def test_counts_equal_those_of_plain_python(
    tmp_path_factory: pytest.TempPathFactory, reads: list[Read], second_title: bool
) -> None:
    text = "".join(read.text(second_title=second_title) for read in reads)
    path = tmp_path_factory.mktemp("fastq") / "reads.fastq"
    counts = count(path, text.encode())
    times = sorted(counts.sequences.times.tolist())
    assert {**facts_of(counts), "times": times} == naive_facts(reads)


def test_adapters_are_counted_where_they_begin(tmp_path: Path) -> None:
    sequences = ["T" * at + "CTGTCTCTTATACAC" for at in (0, 1, 51, 52, 63, 64, 130)]
    sequences += ["AGATCGGAAGAG", "AGATCGGAAGAC", "AGATCGGAAGA", "A" * 70 + "AGATC"]
    reads = [Read(f"r{i}", bases, "I" * len(bases)) for i, bases in enumerate(sequences)]
    adapters = count(tmp_path / "reads.fastq", fastq_text(reads)).adapters
    assert adapters.tolist() == naive_facts(reads)["adapters"]
    assert adapters.sum(axis=1).tolist() == [1, 7, 0, 0]


@pytest.mark.parametrize("n_bases", [1024, 1025, 5000, 300_000])
def test_what_is_behind_the_counted_cycles_is_counted_together(
    tmp_path: Path, n_bases: int
) -> None:
    bases = ("ACGTTN" * n_bases)[:n_bases]
    quality = ("IIF#" * n_bases)[:n_bases]
    counts = count(tmp_path / "reads.fastq", fastq_text([Read("r", bases, quality)]))
    assert counts.bases.sum(axis=1).tolist() == [bases.count(base) for base in "ACGTN"]
    assert counts.bases[:, :1024].sum() == 1024
    assert counts.qualities.sum(axis=0)[ord("#")] == quality.count("#")
    assert (counts.shortest, counts.longest) == (n_bases, n_bases)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bgzip], ids=["plain", "gzip", "bgzip"])
@pytest.mark.parametrize("shard_bytes", [700, 5_000, 50_000])
def test_every_cut_gives_the_same_counts(tmp_path: Path, compress, shard_bytes: int) -> None:
    content = fastq_text(random_reads(2_000, copies=0.3))
    expected = count_whole(tmp_path / "plain.fastq", content)
    path = tmp_path / "reads.fastq"
    path.write_bytes(compress(content))
    shards = shards_of(path, shard_bytes)
    assert len(shards) > 1 or compress is gzip.compress
    assert are_whole([shard.span for shard in shards], open_fastq(str(path)))
    assert sum_of(shards) == facts_of(expected.counts)
    assert reduce(add, (shard.span.titles for shard in shards)) == expected.span.titles


@settings(deadline=None, max_examples=50)
@given(
    reads=st.lists(any_read(), min_size=1, max_size=60),
    shard_bytes=st.integers(1, 400),
    block_bytes=st.integers(20, 300),
)
def test_shards_that_meet_are_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    reads: list[Read],
    shard_bytes: int,
    block_bytes: int,
) -> None:
    """Titles and qualities full of @ and + may mislead a shard, but then it does not meet."""
    folder = tmp_path_factory.mktemp("fastq")
    content = fastq_text(reads)
    expected = facts_of(count(folder / "whole.fastq", content))
    for name, stored in (("plain", content), ("bgzip", bgzip(content, block_bytes=block_bytes))):
        path = folder / f"{name}.fastq"
        path.write_bytes(stored)
        try:
            shards = shards_of(path, shard_bytes)
        except FastqFileError:
            continue
        if are_whole([shard.span for shard in shards], open_fastq(str(path))):
            assert sum_of(shards) == expected


def test_a_small_window_grows_with_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = fastq_text(random_reads(50, 40) + random_reads(3, 5_000) + random_reads(50, 40))
    expected = facts_of(count(tmp_path / "reads.fastq", content))
    monkeypatch.setattr(window, "_WINDOW_BYTES", 64)
    assert facts_of(count(tmp_path / "reads.fastq", content)) == expected


def test_a_record_beyond_the_cap_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "_WINDOW_BYTES", 1024)
    monkeypatch.setattr(window, "MAX_RECORD_BYTES", 4096)
    with pytest.raises(FastqFileError, match="record 2 is longer than"):
        count(tmp_path / "reads.fastq", GOOD.text().encode() + b"@long\n" + b"A" * 100_000)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.text(end="\r\n"),
        GOOD.text()[:-1],
        GOOD.text() + "\n\r\n\n",
        GOOD.text(width=1),
        GOOD.text(width=3, end="\r\n"),
        GOOD.text(width=2, second_title=True),
        "@r1\nACGT\n+\nI\nIII\n",
        "@r1\nAC\nGT\n+\nIIII\n",
    ],
    ids=["crlf", "no last newline", "blank end", "wrapped", "crlf", "title", "quality", "sequence"],
)
def test_the_same_read_is_read_in_every_layout(tmp_path: Path, text: str) -> None:
    expected = facts_of(count(tmp_path / "reads.fastq", GOOD.text().encode()))
    assert facts_of(count(tmp_path / "reads.fastq", text.encode())) == expected


@pytest.mark.parametrize(
    ("record", "line", "problem"),
    [
        ("r2\nACGT\n+\nIIII\n", 5, "does not start with @"),
        ("@r2\nACGT\n@r3\nACGT\n+\nIIII\n", 7, r"no line of \+"),
        ("@r2\nACGT\n+other\nIIII\n", 7, "another title"),
        ("@r2\nACGT\n+r\nIIII\n", 7, "another title"),
        ("@r2\nACGT\n+\nIIIII\n", 8, "not as many qualities as bases"),
        ("@r2\nACGT\n+\nIII\n@r3\nACGT\n+\nIIII\n", 8, "not as many qualities as bases"),
        ("@r2\nAC T\n+\nIIII\n", 6, "stands for no base"),
        ("@r2\nAC\rT\n+\nIIII\n", 6, "stands for no base"),
        ("@r2\nAC1T\n+\nIIII\n", 6, "stands for no base"),
        ("@r2\nACGT\n+\nII I\n", 8, "no printable"),
        ("@r2\nACGT\n+\nII\x7fI\n", 8, "no printable"),
        ("@r2\nACGT\n+\nII\xe9I\n", 8, "no printable"),
        ("@r2\n", 5, "cut off"),
        ("@r2\nACGT\n+\nIII", 5, "cut off"),
        ("@r2\nACGT\n+\n", 5, "cut off"),
        ("\n@r2\nACGT\n+\nIIII\n", 5, "does not start with @"),
    ],
)
def test_a_malformed_record_is_refused_with_its_number_and_line(
    tmp_path: Path, record: str, line: int, problem: str
) -> None:
    path = tmp_path / "reads.fastq"
    with pytest.raises(FastqFileError, match=f"record 2 .*{problem}") as refused:
        count(path, (GOOD.text() + record).encode("latin-1"))
    assert refused.value.where is not None
    assert (refused.value.where.file, refused.value.where.line) == (str(path), line)
    assert refused.value.fix


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_no_damage_crashes_or_lets_a_cut_record_pass(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A file that is cut within its last record is refused; other damage makes up no read."""
    path = tmp_path_factory.mktemp("fastq") / "reads.fastq"
    content = bytearray(fastq_text(random_reads(20, 30, seed=data.draw(st.integers(0, 5)))))
    cut = data.draw(st.integers(2, 30))
    with pytest.raises(FastqFileError, match="record 20 "):
        count(path, bytes(content[:-cut]))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        counts = count(path, bytes(content))
    except FastqFileError:
        return
    assert counts.n_reads <= 20
    assert counts.qualities.sum() == counts.n_bases


@pytest.mark.parametrize("compress", [gzip.compress, bgzip], ids=["gzip", "bgzip"])
def test_damaged_compression_is_refused(tmp_path: Path, compress) -> None:
    content = bytearray(compress(fastq_text(random_reads(500))))
    path = tmp_path / "reads.fastq.gz"
    with pytest.raises(FastqFileError, match="truncated"):
        count(path, bytes(content[:-30]))
    content[len(content) // 2] ^= 0x55
    with pytest.raises(FastqFileError):
        count(path, bytes(content))


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    reads = random_reads(300)
    members = gzip.compress(fastq_text(reads[:100])) + gzip.compress(fastq_text(reads[100:]))
    expected = facts_of(count(tmp_path / "plain.fastq", fastq_text(reads)))
    assert facts_of(count(tmp_path / "reads.fastq.gz", members + b"\0" * 512)) == expected


def test_a_file_without_a_byte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FastqFileError, match="no reads"):
        count(tmp_path / "reads.fastq", b"")


def test_wrapped_records_are_seen_not_to_be_whole_shards(tmp_path: Path) -> None:
    path = tmp_path / "reads.fastq"
    path.write_text("".join(read.text(width=40) for read in random_reads(500)))
    try:
        shards = shards_of(path, 10_000)
    except FastqFileError:
        return
    assert not are_whole([shard.span for shard in shards], open_fastq(str(path)))


@pytest.fixture
def cock() -> Path:
    data = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    if data is None:
        pytest.skip("CURAGENIE_ACCEPTANCE_DATA does not name the acceptance data")
    return Path(data) / COCK


def test_the_22_error_files_of_cock_2010_are_refused_with_the_record(cock: Path) -> None:
    errors = sorted(cock.glob("error_*.fastq"))
    assert len(errors) == 22
    for path in errors:
        with pytest.raises(FastqFileError, match=r"record \d+ ") as refused:
            count_shard(open_fastq(str(path)).whole)
        assert refused.value.where is not None
        assert refused.value.where.line is not None


def test_the_other_files_of_cock_2010_are_read(cock: Path) -> None:
    paths = [p for p in cock.iterdir() if ".fastq" in p.name and not p.name.startswith("error_")]
    assert len(paths) == 40
    for path in paths:
        counts = count_shard(open_fastq(str(path)).whole).counts
        assert counts.n_reads > 0
        assert counts.qualities.sum() == counts.n_bases


@pytest.mark.parametrize(
    ("wrapped", "unwrapped"),
    [
        ("longreads_original_sanger", "longreads_as_sanger"),
        ("wrapping_original_sanger", "wrapping_as_sanger"),
    ],
)
def test_records_of_many_lines_count_as_their_unwrapped_version(
    cock: Path, wrapped: str, unwrapped: str
) -> None:
    both = [
        count_shard(open_fastq(str(cock / f"{name}.fastq")).whole).counts
        for name in (wrapped, unwrapped)
    ]
    assert facts_of(both[0])["lengths"] == facts_of(both[1])["lengths"]
    assert facts_of(both[0])["qualities"] == facts_of(both[1])["qualities"]


def test_reads_and_bases_are_those_of_dnaio(cock: Path) -> None:
    for path in sorted((cock.parents[2] / "fastq").iterdir()):
        with dnaio.open(path) as records:
            lengths = [len(record) for record in records]
        counts = count_shard(open_fastq(str(path)).whole).counts
        assert (counts.n_reads, counts.n_bases) == (len(lengths), sum(lengths))
        assert (counts.shortest, counts.longest) == (min(lengths), max(lengths))
