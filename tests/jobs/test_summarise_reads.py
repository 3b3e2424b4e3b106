"""Reads summarised by the command: the same numbers for any cut, and those of fastp."""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.errors import FastqFileError
from jobs.run_shards import Executor
from jobs.summarise_reads import main, summarise_reads, without_curves
from tests.builders.fastq import Read, fastq_text, random_reads
from tests.builders.vcf import bgzip

READS = random_reads(3_000, copies=0.2)
MATES = random_reads(3_000, seed=2, copies=0.1)


def summarise(
    reads: Path,
    mates: Path | None = None,
    *,
    executor: Executor = Executor.INLINE,
    shard_bytes: int | None = None,
    seen: list[tuple[int, int]] | None = None,
) -> dict[str, Any]:
    return summarise_reads(
        str(reads),
        str(mates) if mates is not None else None,
        executor=executor,
        on_progress=lambda done, total: seen.append((done, total)) if seen is not None else None,
        shard_bytes=shard_bytes,
    )


def written(folder: Path, content: bytes, name: str = "reads.fastq.gz") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bgzip], ids=["plain", "gzip", "bgzip"])
def test_the_numbers_do_not_depend_on_the_cut(tmp_path: Path, compress) -> None:
    path = written(tmp_path, compress(fastq_text(READS)))
    seen: list[tuple[int, int]] = []
    whole = summarise(path)
    assert summarise(path, shard_bytes=20_000, seen=seen) == whole
    assert seen[0] == (0, len(seen) - 1)
    assert seen[-1] == (len(seen) - 1, len(seen) - 1)
    assert (len(seen) > 5) is (compress is not gzip.compress)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_the_numbers_on_ray_are_those_of_threads(tmp_path: Path) -> None:
    path = written(tmp_path, bgzip(fastq_text(READS)))
    on_ray = summarise(path, executor=Executor.RAY, shard_bytes=50_000)
    assert on_ray == summarise(path)


def test_numbers_are_those_that_the_reads_have(tmp_path: Path) -> None:
    reads = [Read("a", "ACGT", "!5?I"), Read("b", "GGN", "I#I"), Read("c", "ACGT", "IIII")]
    facts = summarise(written(tmp_path, fastq_text(reads)))
    (file,) = facts["files"]
    assert (facts["n_reads"], facts["n_bases"], facts["is_paired"]) == (3, 11, False)
    assert (facts["q20_bases"], facts["q30_bases"]) == (9, 8)
    assert facts["gc_rate"] == pytest.approx(6 / 11, abs=1e-6)
    assert facts["n_rate"] == pytest.approx(1 / 11, abs=1e-6)
    assert (file["shortest_read"], file["longest_read"]) == (3, 4)
    assert file["duplication"]["rate"] == pytest.approx(1 / 3, abs=1e-6)
    assert file["curves"]["quality"]["mean"] == [
        pytest.approx(x, abs=1e-6) for x in (80 / 3, 62 / 3, 110 / 3, 40)
    ]
    assert file["curves"]["quality"]["p50"] == [40, 20, 40, 40]
    assert file["curves"]["content"]["N"] == [0, 0, pytest.approx(1 / 3, abs=1e-6), 0]
    assert file["curves"]["lengths"] == [[3, 1], [4, 2]]
    assert "curves" not in without_curves(facts)["files"][0]


def test_a_pair_is_counted_together_and_file_by_file(tmp_path: Path) -> None:
    reads = written(tmp_path, bgzip(fastq_text(READS)), "R1.fastq.gz")
    mates = written(tmp_path, fastq_text(MATES), "R2.fastq")
    facts = summarise(reads, mates, shard_bytes=40_000)
    alone = [summarise(path) for path in (reads, mates)]
    assert facts["is_paired"]
    assert facts["n_reads"] == 6_000
    assert facts["q30_bases"] == sum(one["q30_bases"] for one in alone)
    assert facts["files"] == [one["files"][0] for one in alone]


@pytest.mark.parametrize(
    ("mates", "problem"),
    [
        ([*MATES[:10], *MATES[11:]], "record 11 is of another read"),
        (MATES[:-1], "record 3000 has no mate"),
        ([*MATES, Read("more", "A", "I")], "record 3001 has no mate"),
        ([*MATES[:5], MATES[6], MATES[5], *MATES[7:]], "record 6 is of another read"),
    ],
)
def test_mates_of_other_reads_are_refused_with_the_record(
    tmp_path: Path, mates: list[Read], problem: str
) -> None:
    first = written(tmp_path, fastq_text(READS), "R1.fastq")
    second = written(tmp_path, fastq_text(mates), "R2.fastq")
    with pytest.raises(FastqFileError, match=problem):
        summarise(first, second, shard_bytes=40_000)


def test_one_file_is_no_pair(tmp_path: Path) -> None:
    path = written(tmp_path, fastq_text(READS))
    with pytest.raises(FastqFileError, match="as reads and as mates"):
        summarise(path, path)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bgzip], ids=["plain", "gzip", "bgzip"])
def test_a_bad_record_is_named_by_its_number_in_the_file_whatever_the_cut(
    tmp_path: Path, compress
) -> None:
    bad = READS[2_000].text().replace("+\n", "+x\n")
    content = fastq_text(READS[:2_000]) + bad.encode() + fastq_text(READS[2_001:])
    with pytest.raises(FastqFileError, match="record 2001 has another title") as refused:
        summarise(written(tmp_path, compress(content)), shard_bytes=20_000)
    assert refused.value.where is not None
    assert refused.value.where.line == 4 * 2_000 + 3


def test_wrapped_records_are_read_as_a_whole(tmp_path: Path) -> None:
    wrapped = "".join(read.text(width=60) for read in READS)
    one = summarise(written(tmp_path, wrapped.encode()), shard_bytes=20_000)
    two = summarise(written(tmp_path, fastq_text(READS)), shard_bytes=20_000)
    assert one == two


@pytest.mark.parametrize("content", [b"", gzip.compress(b""), b"\n\n"], ids=["", "gzip", "blank"])
def test_a_file_without_reads_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FastqFileError, match="holds no reads"):
        summarise(written(tmp_path, content))


def test_the_command_prints_numbers_and_writes_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, gzip.compress(fastq_text(READS)))
    report = tmp_path / "reads.html"
    assert main(["--reads", str(path), "--output", "json", "--report", str(report)]) == 0
    assert json.loads(capsys.readouterr().out)["n_reads"] == 3_000
    assert report.read_text().count("<svg") == 6
    assert main(["--reads", str(path)]) == 0
    assert "n_reads: 3000" in capsys.readouterr().out


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, b"@r\nACGT\n+\nIII\n")
    assert main(["--reads", str(path)]) == 2
    assert "record 1 " in capsys.readouterr().err
    assert main(["--reads", str(tmp_path / "none.fastq")]) == 2
    stated = ["--reads", str(written(tmp_path, fastq_text(READS))), "--quality-encoding", "phred64"]
    assert main(stated) == 2
    assert "phred64 does not have" in capsys.readouterr().err


def fastp(folder: Path, *files: Path) -> dict[str, Any]:
    """What fastp counts before it filters; it neither trims nor filters here."""
    if shutil.which("fastp") is None:
        pytest.skip("fastp is not installed")
    inputs = [word for pair in zip(("-i", "-I"), map(str, files), strict=False) for word in pair]
    outputs = ["-j", str(folder / "fastp.json"), "-h", str(folder / "fastp.html")]
    subprocess.run(
        ["fastp", *inputs, *outputs, "-A", "-Q", "-L", "-G", "-w", "1"],
        check=True,
        capture_output=True,
    )
    return json.loads((folder / "fastp.json").read_text())


def check_against_fastp(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    before = theirs["summary"]["before_filtering"]
    assert ours["n_reads"] == before["total_reads"]
    assert ours["n_bases"] == before["total_bases"]
    assert ours["q20_bases"] == before["q20_bases"]
    assert ours["q30_bases"] == before["q30_bases"]
    # fastp prints six significant digits
    assert ours["q30_rate"] == pytest.approx(before["q30_rate"], abs=2e-6)
    assert ours["gc_rate"] == pytest.approx(before["gc_content"], abs=2e-6)
    names = ("read1_before_filtering", "read2_before_filtering")
    for file, name in zip(ours["files"], names, strict=False):
        check_curves(file, theirs[name])


def check_curves(file: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert file["longest_read"] == theirs["total_cycles"]
    curves = file["curves"]
    n = len(curves["quality"]["mean"])
    assert curves["quality"]["mean"] == pytest.approx(
        theirs["quality_curves"]["mean"][:n], rel=1e-5
    )
    for base in "ACGTN":
        expected = pytest.approx(theirs["content_curves"][base][:n], rel=1e-5, abs=2e-6)
        assert curves["content"][base] == expected


def acceptance_data() -> Path:
    data = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    if data is None:
        pytest.skip("CURAGENIE_ACCEPTANCE_DATA does not name the acceptance data")
    return Path(data) / "fastq"


@pytest.mark.parametrize(
    "name", ["Illimina1.8.fq.gz", "100_nanopore_reads.fastq.gz", "nanopore.fq.gz"]
)
def test_published_reads_have_the_numbers_and_curves_of_fastp(tmp_path: Path, name: str) -> None:
    path = acceptance_data() / name
    theirs = fastp(tmp_path, path)
    ours = summarise(path)
    check_against_fastp(ours, theirs)
    rate = ours["files"][0]["duplication"]["rate"]
    assert rate == pytest.approx(theirs["duplication"]["rate"], abs=0.005)


def test_a_published_pair_has_the_numbers_and_curves_of_fastp(tmp_path: Path) -> None:
    files = [acceptance_data() / f"LTB-A-BC001_S1_L003_R{mate}_001.fastq.gz" for mate in (1, 2)]
    check_against_fastp(summarise(*files), fastp(tmp_path, *files))


def test_made_up_reads_have_the_numbers_and_duplicates_of_fastp(tmp_path: Path) -> None:
    path = written(tmp_path, fastq_text(READS), "reads.fastq")
    theirs, ours = fastp(tmp_path, path), summarise(path)
    check_against_fastp(ours, theirs)
    rate = ours["files"][0]["duplication"]["rate"]
    assert rate > 0.1
    assert rate == pytest.approx(theirs["duplication"]["rate"], abs=0.005)
