"""Scores of few variants: parts of files are read, and every byte of the results is the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.genotypes.directory_cache import DirectoryCache
from core.scoring.results import MATCHES, SCORES
from jobs.run_shards import Executor
from jobs.score_cohort import main
from tests.builders.cohort_run import run_scoring
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.tabix import write_index
from tests.builders.vcf import Record, sample_names, vcf_text, write_vcf

META = (
    "##contig=<ID=1,length=248956422>",
    "##contig=<ID=X,length=156040895>",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
)
N_RECORDS = 2400


@pytest.fixture
def genotypes(tmp_path: Path) -> Path:
    """Records on 1 and X, men haploid on X, some positions with two records."""
    rng = np.random.default_rng(23)
    diploid, haploid = np.array(["0/0", "0/1", "1/1", "./."]), np.array(["0", "1", "0", "."])
    records: list[Record] = []
    for contig, spacing in (("1", 30_000), ("X", 40_000)):
        for i in range(N_RECORDS // 2):
            drawn = rng.choice(4, 12, p=[0.6, 0.25, 0.1, 0.05])
            calls = np.where(np.arange(12) < 6, haploid[drawn], diploid[drawn])
            position = 3_000_000 + spacing * (i - i % 7 // 6)
            alt = "G" if i % 7 < 6 else "T"
            shown = calls if contig == "X" else diploid[drawn]
            records.append(Record(contig, position, shown.tolist(), alt=alt))
    text = vcf_text(records, samples=sample_names(12), meta=META)
    return Path(write_vcf(tmp_path / "cohort.vcf.gz", text, block_bytes=900))


def scoring_file(folder: Path, every: int) -> Path:
    rows = [
        Row(contig, 3_000_000 + spacing * i, "G", "A", 0.1 + 0.01 * i)
        for contig, spacing in (("1", 30_000), ("X", 40_000))
        for i in range(3, N_RECORDS // 2, every)
    ]
    return write_scoring_file(folder / f"every{every}.txt", rows, accession="S1", build="GRCh38")


def content(output: Path) -> tuple[bytes, bytes]:
    return (output / SCORES).read_bytes(), (output / MATCHES).read_bytes()


@pytest.mark.parametrize("shard_bytes", [1 << 30, 20_000])
def test_results_are_the_same_bytes_however_the_file_is_read(tmp_path, genotypes, shard_bytes):
    file = scoring_file(tmp_path, 500)
    cache = DirectoryCache(tmp_path / "cache")
    uri = str(genotypes)

    def run(name: str, **options: Any) -> dict[str, Any]:
        return run_scoring(
            genotypes, file, tmp_path / name, shard_bytes=shard_bytes, **options
        ).summary

    summaries = [run("alone"), run("first", block_directories=cache)]
    summaries.append(run("second", block_directories=cache))
    write_index(genotypes)
    summaries.append(run("index"))
    assert [summary["read_by"][uri] for summary in summaries] == [
        "scan",
        "scan",
        "block directory",
        "index",
    ]
    assert [summary["n_records"] for summary in summaries] == [N_RECORDS] * 4
    expected = content(tmp_path / "alone")
    for name in ("first", "second", "index"):
        assert content(tmp_path / name) == expected


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_tasks_on_ray_bring_the_directories_of_their_shards(tmp_path, genotypes):
    file = scoring_file(tmp_path, 113)
    cache = DirectoryCache(tmp_path / "cache")
    options: dict[str, Any] = {"shard_bytes": 20_000, "block_directories": cache}
    first = run_scoring(genotypes, file, tmp_path / "a", executor=Executor.RAY, **options)
    second = run_scoring(genotypes, file, tmp_path / "b", executor=Executor.RAY, **options)
    assert first.summary["read_by"] == {str(genotypes): "scan"}
    assert second.summary["read_by"] == {str(genotypes): "block directory"}
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_a_score_of_many_variants_reads_everything(tmp_path, genotypes):
    cache = DirectoryCache(tmp_path / "cache")
    write_index(genotypes)
    file = scoring_file(tmp_path, 2)
    for name in ("a", "b"):
        results = run_scoring(genotypes, file, tmp_path / name, block_directories=cache)
        assert results.summary["read_by"] == {str(genotypes): "scan"}
    assert len(list(cache.folder.iterdir())) == 1


def test_a_file_that_changed_is_another_file(tmp_path, genotypes):
    cache = DirectoryCache(tmp_path / "cache")
    file = scoring_file(tmp_path, 113)
    run_scoring(genotypes, file, tmp_path / "a", block_directories=cache)
    records = [Record("1", 3_090_000, ["1/1"] * 12)]
    write_vcf(genotypes, vcf_text(records, samples=sample_names(12), meta=META))
    results = run_scoring(genotypes, file, tmp_path / "b", block_directories=cache)
    assert results.summary["read_by"] == {str(genotypes): "scan"}
    assert results.summary["n_records"] == 1


def test_a_damaged_directory_is_made_again(tmp_path, genotypes, caplog):
    cache = DirectoryCache(tmp_path / "cache")
    file = scoring_file(tmp_path, 113)
    run_scoring(genotypes, file, tmp_path / "a", block_directories=cache)
    (path,) = cache.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    names = {}
    for name in ("b", "c"):
        results = run_scoring(genotypes, file, tmp_path / name, block_directories=cache)
        names[name] = results.summary["read_by"][str(genotypes)]
    assert names == {"b": "scan", "c": "block directory"}
    assert "is damaged" in caplog.text


def test_files_of_one_cohort_are_read_each_in_its_way(tmp_path, genotypes):
    text = vcf_text([Record("2", 9, ["0/1"] * 12)], samples=sample_names(12), meta=META)
    plain = write_vcf(tmp_path / "two.vcf", text)
    cache = DirectoryCache(tmp_path / "cache")
    file = scoring_file(tmp_path, 113)
    for name in ("a", "b"):
        both = [genotypes, Path(plain)]
        results = run_scoring(both, file, tmp_path / name, block_directories=cache)
    assert results.summary["read_by"] == {str(genotypes): "block directory", plain: "scan"}
    assert results.summary["n_records"] == N_RECORDS + 1
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_the_command_keeps_directories_in_the_users_cache(tmp_path, genotypes, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    file = scoring_file(tmp_path, 113)
    paths = ["--genotypes", str(genotypes), "--scoring-file", str(file), "--output"]
    assert main([*paths, str(tmp_path / "out"), "--executor", "inline"]) == 0
    (kept,) = (tmp_path / "home" / "curagenie").iterdir()
    assert kept.suffix == ".blocks"
