"""The FASTQ reader against a reader of the plainest kind: lines, by Cock et al. 2010
(doi:10.1093/nar/gkp1137)."""

import random
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from zlib import crc32

from hypothesis import strategies as st

from core.errors import FastqFileError
from core.fastq.counts import N_CYCLES, ReadCounts, no_reads
from core.fastq.encoding import QualityEncoding, find_encodings
from core.fastq.files import open_fastq
from core.fastq.quality import totals
from core.fastq.reader import are_whole, count_shard
from tests.builders.fastq import Read, any_read, facts_of, fastq_text, naive_facts, random_reads
from tests.fuzz.mutations import mutated
from tests.fuzz.stored import stored, write_damaged
from tests.fuzz.target import Target


def check(content: bytes, folder: Path) -> None:
    """Raises AssertionError for counts that are wrong, or depend on how the file is cut or stored,
    for a file that should have been refused, and for one that should not; any exception but a
    FastqFileError is the reader's own."""
    rng = random.Random(crc32(content))
    path = folder / "reads.fastq"
    path.write_bytes(content)
    found = _counts_or_none(path)
    reads = _reads_of_text(content) if content else None
    if reads is None:
        assert found is None, "a malformed record was read"
        return
    assert found is not None, "a well-formed file was refused"
    _check_counts(found, reads)
    _check_stored(content, facts_of(found), folder, rng)
    _check_shards(content, facts_of(found), folder, rng)


def _counts_or_none(path: Path) -> ReadCounts | None:
    """None where the file is refused."""
    try:
        return count_shard(open_fastq(str(path)).whole).counts
    except FastqFileError:
        return None


def _check_counts(found: ReadCounts, reads: list[Read]) -> None:
    (phred33,) = find_encodings(
        {"reads": found.qualities.sum(axis=0)}, stated=QualityEncoding.PHRED33
    )
    bases = "".join(read.bases for read in reads).upper()
    scores = [ord(letter) - 33 for read in reads for letter in read.quality]
    facts = totals([(found, phred33)])
    assert (facts["n_reads"], facts["n_bases"]) == (len(reads), len(bases))
    assert facts["q20_bases"] == sum(score >= 20 for score in scores)
    assert facts["q30_bases"] == sum(score >= 30 for score in scores)
    assert _sums(found) == [
        *(bases.count("A"), bases.count("C"), bases.count("G")),
        bases.count("T") + bases.count("U"),
        sum(base not in "ACGTU" for base in bases),
    ]
    if all(len(read.bases) < N_CYCLES for read in reads):
        times = sorted(found.sequences.times.tolist())
        assert {**facts_of(found), "times": times} == naive_facts(reads)


def _sums(found: ReadCounts) -> list[int]:
    return found.bases.sum(axis=1).tolist()


def _check_stored(
    content: bytes, expected: dict[str, object], folder: Path, rng: random.Random
) -> None:
    """The same counts of a compressed file; of a damaged one perhaps none."""
    path = folder / "reads.fastq.gz"
    compressed = stored(content, rng)
    path.write_bytes(compressed)
    counts = _counts_or_none(path)
    assert counts is not None
    assert facts_of(counts) == expected
    damaged = _counts_or_none(write_damaged(compressed, folder / "damaged.fastq.gz", rng))
    assert damaged is None or facts_of(damaged) == expected


def _check_shards(
    content: bytes, expected: dict[str, object], folder: Path, rng: random.Random
) -> None:
    """Shards that meet have the counts of the file; others, and such that are misled by a quality
    that looks like a title, are seen not to."""
    path = folder / "cut.fastq"
    path.write_bytes(rng.choice([content, stored(content, rng)]))
    file = open_fastq(str(path))
    spans, together = [], no_reads()
    try:
        for shard in file.shards(20 + file.size_bytes // 40 + rng.randrange(3000)):
            found = count_shard(shard)
            spans.append(found.span)
            together += found.counts
    except FastqFileError:
        return
    if are_whole(spans, file):
        assert facts_of(together) == expected


# Plain Python


def _reads_of_text(content: bytes) -> list[Read] | None:
    """None where a record is malformed. Empty lines may stand behind the last record."""
    text = content.decode("latin-1")
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    try:
        return list(_records(lines))
    except ValueError:
        return None


def _records(lines: list[str]) -> Iterator[Read]:
    """Raises ValueError for a malformed record."""
    at = 0
    while any(line.strip("\r") for line in lines[at:]):
        title, at = lines[at], at + 1
        sequence, at = _lines_up_to_plus(lines, at)
        if lines[at] not in ("+", "+" + title[1:]):
            raise ValueError("another title")
        quality, at = _lines_of_length(lines, at + 1, len(sequence))
        is_read = re.fullmatch(r"[A-Za-z*.-]*", sequence) and re.fullmatch("[!-~]*", quality)
        if not title.startswith("@") or not is_read or len(quality) != len(sequence):
            raise ValueError("no read")
        yield Read(title[1:], sequence, quality)


def _lines_up_to_plus(lines: list[str], at: int) -> tuple[str, int]:
    for end in range(at, len(lines)):
        if lines[end].startswith("+"):
            return "".join(lines[at:end]), end
    raise ValueError("no separator")


def _lines_of_length(lines: list[str], at: int, length: int) -> tuple[str, int]:
    """At least one line, and as many as have `length` letters."""
    quality, end = "", at
    while end == at or len(quality) < length:
        if end >= len(lines):
            raise ValueError("cut off")
        quality += lines[end]
        end += 1
    return quality, end


# What the fuzzers begin with

WORDS = (
    *(b"@", b"+", b"@r1", b"+r1", b"", b"@@@@", b"++++", b"IIII", b"ACGT", b"!", b"~", b"\x7f"),
    *(b" ", b"NNNN", b"uU*-.", b"AGATCGGAAGAG", b"\r", b"\xff", b"\x00", b"A" * 70, b"I" * 70),
)


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    reads = draw(st.lists(any_read(), min_size=1, max_size=12))
    layout = {
        "second_title": draw(st.booleans()),
        "width": draw(st.sampled_from([0, 0, 1, 7, 64])),
        "end": draw(st.sampled_from(["\n", "\n", "\r\n"])),
    }
    return "".join(read.text(**layout) for read in reads).encode()


def _wrapped(reads: list[Read]) -> bytes:
    return "".join(read.text(second_title=True, width=30) for read in reads).encode()


FASTQ_READER = Target(
    name="fastq",
    check=check,
    mutated=partial(mutated, separators=b" :ACGT@+", words=WORDS),
    files=_files(),
    seeds=(
        fastq_text(random_reads(12, 30)),
        fastq_text(random_reads(3, 200, copies=0.5)),
        _wrapped(random_reads(4, 70)),
        fastq_text(random_reads(1, 1100)),
        b"@r1\r\nACGT\r\n+\r\nI@+I\r\n\r\n",
        b"@r1\n\n+\n\n@r2\nuUn*\n+r2\n@@@@",
    ),
    real="conformance/fastq/cock2010/*.fastq",
)
