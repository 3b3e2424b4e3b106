"""The command that writes a store and adds samples, and scores of what it wrote."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.errors import NotStoredError
from jobs import score_cohort
from jobs.store_cohort import main
from tests.builders.bcf import write_bcf
from tests.builders.bgen import BgenVariant, write_bgen
from tests.builders.cohort_run import run_scoring
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import (
    DS_FORMAT,
    FORMATS,
    GRCH37_CONTIGS,
    Record,
    vcf_text,
    write_vcf,
)

CALLS = {"S1": ["0/1", "1/1", "./1"], "S2": ["0/0", "0/1", "1/1"], "S3": ["1/1", "./.", "0/1"]}


def vcf_of(folder: Path, *samples: str) -> str:
    records = [
        Record("1", 1000 * (i + 1), [CALLS[sample][i] for sample in samples]) for i in range(3)
    ]
    text = vcf_text(records, samples=samples)
    return write_vcf(folder / f"{'-'.join(samples)}.vcf.gz", text)


def test_a_stored_cohort_that_grows_scores_as_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "cohort.cgstore"
    assert main(["--genotypes", vcf_of(tmp_path, "S1", "S2"), "--output", str(store)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["n_samples"], facts["n_variants"]) == (2, 3)
    assert facts["quality"]["samples"]["n_samples"] == 2
    assert (store / "quality" / "samples.parquet").exists()
    append = ["--genotypes", vcf_of(tmp_path, "S3"), "--output", str(store), "--append"]
    assert main(append) == 0
    assert json.loads(capsys.readouterr().out) == {"n_samples": 3, "n_samples_added": 1}
    assert not (store / "quality").exists()  # it was that of two people
    weights = [Row("1", 1000 * (i + 1), "G", "A", 0.1 * (i + 1)) for i in range(3)]
    score = tmp_path / "PGS000001.txt.gz"
    write_scoring_file(score, weights, accession="PGS000001")
    from_store = run_scoring(store, score, tmp_path / "from store")
    from_file = run_scoring(vcf_of(tmp_path, "S1", "S2", "S3"), score, tmp_path / "from file")
    assert from_store.scores == from_file.scores
    assert from_store.matches == from_file.matches
    assert main(append) == 2
    assert "sample S3 is in the store already" in capsys.readouterr().err


def bcf_of(folder: Path) -> str:
    return write_bcf(Path(vcf_of(folder, "S1", "S2")), folder / "f.bcf")


def bgen_of(folder: Path) -> str:
    stored = [[[0, 255], [255, 0]], [[51, 102], [0, 255]], [[0, 0], [255, 0]]]
    variants = [
        BgenVariant("1", 1000 * (i + 1), ["A", "G"], stored[i], [2, 2], [i == 2, False])
        for i in range(3)
    ]
    return write_bgen(folder / "f.bgen", variants, samples=["S1", "S2"])


@pytest.mark.parametrize(
    ("written", "score_sum"), [(bcf_of, 0.1 + 0.2 * 2), (bgen_of, 0.1 + 0.2 * 1.2)]
)
def test_other_formats_are_scored_and_stored(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    written: Callable[[Path], str],
    score_sum: float,
) -> None:
    genotypes, store = written(tmp_path), tmp_path / "cohort.cgstore"
    assert main(["--genotypes", genotypes, "--output", str(store)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["n_samples"], facts["n_variants"], facts["contigs"]) == (2, 3, {"1": 3})
    weights = [Row("1", 1000 * (i + 1), "G", "A", 0.1 * (i + 1)) for i in range(3)]
    score = tmp_path / "PGS000001.txt.gz"
    write_scoring_file(score, weights, accession="PGS000001")
    command = ["--genotypes", genotypes, "--scoring-file", str(score), "--output"]
    assert score_cohort.main([*command, str(tmp_path / "from file")]) == 0
    from_store = run_scoring(store, score, tmp_path / "from store")
    assert from_store.scores == pq.read_table(tmp_path / "from file" / "scores.parquet")
    assert from_store.sums()["S1"] == pytest.approx(score_sum, rel=1e-7)


def test_half_calls_are_what_they_were_stored_as(tmp_path: Path) -> None:
    store = tmp_path / "cohort.cgstore"
    assert main(["--genotypes", vcf_of(tmp_path, "S1", "S2"), "--output", str(store)]) == 0
    score = tmp_path / "PGS000001.txt.gz"
    write_scoring_file(score, [Row("1", 3000, "G", "A", 1.0)], accession="PGS000001")
    with pytest.raises(NotStoredError, match="half-calls are stored as missing, not as haploid"):
        run_scoring(store, score, tmp_path / "scores", policy={"half_call": "haploid"})


def test_a_store_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--genotypes", vcf_of(tmp_path, "S1"), "--output", str(tmp_path / "c.cgstore")]
    assert main(command) == 0
    assert main(command) == 2
    assert "is a store already" in capsys.readouterr().err


def test_a_vcf_that_cannot_be_read_leaves_no_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_vcf(tmp_path / "f.vcf", vcf_text([Record("1", "x", ["0/1", "0/0"])]))
    assert main(["--genotypes", path, "--output", str(tmp_path / "c.cgstore")]) == 2
    assert "line 7" in capsys.readouterr().err
    assert not (tmp_path / "c.cgstore" / "manifest.json").exists()


def test_files_with_and_without_ds_are_not_one_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hard = vcf_of(tmp_path, "S1")
    meta = (*GRCH37_CONTIGS, *FORMATS, DS_FORMAT)
    records = [Record("22", 5, ["0/1:0.9"], format="GT:DS")]
    imputed = write_vcf(tmp_path / "i.vcf", vcf_text(records, samples=["S1"], meta=meta))
    code = main(["--genotypes", hard, imputed, "--output", str(tmp_path / "c.cgstore")])
    assert code == 2
    assert "some files have DS and others have not" in capsys.readouterr().err
