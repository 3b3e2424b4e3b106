"""Small FASTQs: reads as text, wrapped or not, and the plain Python that counts them."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from core.fastq.counts import ReadCounts, no_reads
from core.fastq.files import open_fastq
from core.fastq.reader import ShardCounts, count_shard

PRINTABLE = "".join(map(chr, range(33, 127)))
BASE_CLASS = {**{b: b for b in "ACGT"}, **{b.lower(): b for b in "ACGT"}, "U": "T", "u": "T"}


@dataclass(frozen=True)
class Read:
    title: str
    bases: str
    quality: str

    def text(self, *, second_title: bool = False, width: int = 0, end: str = "\n") -> str:
        """The record; `width` wraps the sequence and the quality over lines of so many letters."""
        plus = f"+{self.title}" if second_title else "+"
        lines = [f"@{self.title}", *wrapped(self.bases, width), plus, *wrapped(self.quality, width)]
        return "".join(line + end for line in lines)


def wrapped(letters: str, width: int) -> list[str]:
    if not width or not letters:
        return [letters]
    return [letters[i : i + width] for i in range(0, len(letters), width)]


def fastq_text(reads: Iterable[Read]) -> bytes:
    return "".join(read.text() for read in reads).encode()


def random_reads(
    n_reads: int, n_bases: int = 150, *, seed: int = 1, copies: float = 0.0, mate: str = ""
) -> list[Read]:
    """Reads of qualities as instruments bin them; a share of them are copies of earlier ones."""
    rng = random.Random(seed)
    reads: list[Read] = []
    for number in range(n_reads):
        bases = "".join(rng.choices("ACGTN", (30, 20, 20, 29, 1), k=n_bases))
        if reads and rng.random() < copies:
            bases = rng.choice(reads).bases
        quality = "".join(rng.choices("#,:F@+", (1, 2, 5, 90, 1, 1), k=n_bases))
        reads.append(Read(f"run:1:{number}:{number * 7}{mate} comment", bases, quality))
    return reads


@st.composite
def any_read(draw: st.DrawFn) -> Read:
    """Any letters that a FASTQ may hold, up to a few vectors of them."""
    bases = draw(st.text("ACGTNacgtnUuRYKM.-*", max_size=200))
    quality = draw(st.text(PRINTABLE, min_size=len(bases), max_size=len(bases)))
    title = draw(st.text(PRINTABLE + " \t", max_size=20))
    return Read(title, bases, quality)


def count(path: Path, content: bytes) -> ReadCounts:
    """The counts of a file with some content, read as a whole."""
    return count_whole(path, content).counts


def count_whole(path: Path, content: bytes) -> ShardCounts:
    path.write_bytes(content)
    return count_shard(open_fastq(str(path)).whole)


def facts_of(counts: ReadCounts) -> dict[str, object]:
    """All that is counted, in a form that can be compared."""
    arrays = ("bases", "qualities", "lengths", "gc_percents", "mean_qualities", "adapters")
    facts: dict[str, object] = {name: getattr(counts, name).tolist() for name in arrays}
    sample = counts.sequences
    times = dict(zip(sample.keys.tolist(), sample.times.tolist(), strict=True))
    return facts | {"extremes": (counts.shortest, counts.longest), "times": (sample.level, times)}


def naive_facts(reads: Sequence[Read]) -> dict[str, object]:
    """The same but for the hashes, counted read by read (reads of up to 1,023 bases)."""
    empty = no_reads()
    bases, qualities = empty.bases.tolist(), empty.qualities.tolist()
    lengths, gc = empty.lengths.tolist(), empty.gc_percents.tolist()
    means, adapters = empty.mean_qualities.tolist(), empty.adapters.tolist()
    for read in reads:
        classes = [BASE_CLASS.get(base, "N") for base in read.bases]
        codes = [ord(letter) for letter in read.quality]
        lengths[len(classes)] += 1
        for cycle, (base, code) in enumerate(zip(classes, codes, strict=True)):
            bases["ACGTN".index(base)][cycle] += 1
            qualities[cycle][code] += 1
        if classes:
            n_gc = classes.count("G") + classes.count("C")
            gc[int(100 * n_gc / len(classes) + 0.5)] += 1
            means[sum(codes) // len(codes)] += 1
        for row, searched in enumerate(SEARCHED):
            if searched in read.bases:
                adapters[row][read.bases.index(searched)] += 1
    return {
        "bases": bases,
        "qualities": qualities,
        "lengths": lengths,
        "gc_percents": gc,
        "mean_qualities": means,
        "adapters": adapters,
        "extremes": (
            min((len(read.bases) for read in reads), default=empty.shortest),
            max((len(read.bases) for read in reads), default=empty.longest),
        ),
        "times": sorted(Counter(read.bases for read in reads).values()),
    }


SEARCHED = ("AGATCGGAAGAG", "CTGTCTCTTATA", "TGGAATTCTCGG", "GATCGTCGGACT")
