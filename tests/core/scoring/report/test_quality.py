"""Quality of genotypes in a report: that of the store or upload, or why there is none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.scoring.report.quality import (
    MAX_LISTED,
    NO_SAMPLES,
    NOT_COUNTED,
    NOT_KEPT,
    OF_A_FILE,
    OF_SEVERAL_STORES,
    quality_of_genotypes,
    quality_of_upload,
)
from core.scoring.report.schema import GENOTYPE_FACTS, QualitySample
from jobs.store_cohort import main
from tests.builders.vcf import Record, sample_names, vcf_text, write_vcf


def calls_of(n_samples: int, seed: int = 1) -> list[list[str]]:
    """Of 60 records; the last sample is heterozygous wherever it is called."""
    random = np.random.default_rng(seed)
    calls = random.choice(["0/0", "0/1", "1/1", "./."], (60, n_samples), p=[0.45, 0.4, 0.1, 0.05])
    calls[:, -1] = "0/1"
    return calls.tolist()


def stored(folder: Path, capsys: pytest.CaptureFixture[str], n_samples: int) -> dict[str, Any]:
    """What the command that wrote `folder`/cohort.cgstore told."""
    records = [Record("1", 100 * at, calls) for at, calls in enumerate(calls_of(n_samples), 1)]
    vcf = write_vcf(folder / "a.vcf", vcf_text(records, samples=sample_names(n_samples)))
    assert main(["--genotypes", vcf, "--output", str(folder / "cohort.cgstore")]) == 0
    return json.loads(capsys.readouterr().out)


def table_of(folder: Path) -> list[dict[str, Any]]:
    table = pq.read_table(folder / "cohort.cgstore/quality/samples.parquet")
    return table.select(list(QualitySample.__annotations__)).to_pylist()


def test_a_store_has_the_facts_that_its_command_told_and_everybody_of_a_small_cohort(
    tmp_path, capsys
):
    told = stored(tmp_path, capsys, 5)
    found = quality_of_genotypes([str(tmp_path / "cohort.cgstore")])
    assert found.facts == {name: told[name] for name in GENOTYPE_FACTS}
    assert found.missing is None
    assert found.samples == {"which": "all", "n_samples": 5, "samples": table_of(tmp_path)}


def test_an_upload_has_the_same_from_its_metadata_and_its_store(tmp_path, capsys):
    told = stored(tmp_path, capsys, 5)
    uri = str(tmp_path / "cohort.cgstore")
    assert quality_of_upload(told, uri, None) == quality_of_genotypes([f"{uri}/"])


def test_of_a_large_cohort_the_outliers_are_listed(tmp_path, capsys):
    n_samples = MAX_LISTED + 1
    told = stored(tmp_path, capsys, n_samples)
    listed = quality_of_genotypes([str(tmp_path / "cohort.cgstore")]).samples
    assert listed is not None
    names = [sample["sample_id"] for sample in listed["samples"]]
    assert f"S{n_samples}" in names
    assert len(names) < 5
    assert listed["which"] == "heterozygosity_outliers"
    assert listed["n_samples"] == told["quality"]["samples"]["n_heterozygosity_outliers"]
    assert {sample["contamination_hint"] for sample in listed["samples"]} <= {
        "high_heterozygosity",
        "low_heterozygosity",
    }


def test_one_person_is_among_the_facts(tmp_path, capsys):
    told = stored(tmp_path, capsys, 1)
    found = quality_of_genotypes([str(tmp_path / "cohort.cgstore")])
    assert found.facts is not None
    assert found.facts["quality"]["person"] == told["quality"]["person"]
    assert (found.samples, found.missing) == (None, None)


@pytest.mark.parametrize(
    ("uris", "why"),
    [
        (["cohort.vcf.gz"], OF_A_FILE),
        (["a.cgstore", "b.vcf.gz"], OF_A_FILE),
        (["a.cgstore", "b.cgstore"], OF_SEVERAL_STORES),
        (["gone.cgstore"], NOT_KEPT),
    ],
    ids=["file", "store and file", "two stores", "nothing there"],
)
def test_where_there_is_none_the_reason_is_said(uris, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = quality_of_genotypes(uris)
    assert (found.facts, found.samples, found.missing) == (None, None, why)


def test_a_store_that_grew_has_none(tmp_path, capsys):
    stored(tmp_path, capsys, 2)
    records = [Record("1", 100 * at, ["0/1"]) for at in range(1, 61)]
    vcf = write_vcf(tmp_path / "b.vcf", vcf_text(records, samples=["T1"]))
    store = str(tmp_path / "cohort.cgstore")
    assert main(["--genotypes", vcf, "--output", store, "--append"]) == 0
    assert quality_of_genotypes([store]).missing == NOT_KEPT


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"], ids=repr)
def test_a_damaged_summary_is_none(content, tmp_path, capsys):
    stored(tmp_path, capsys, 2)
    store = tmp_path / "cohort.cgstore"
    (store / "quality/summary.json").write_bytes(content)
    assert quality_of_genotypes([str(store)]).missing == NOT_KEPT


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"PAR1 no PAR1"], ids=repr)
def test_without_the_table_of_samples_the_facts_remain(content, tmp_path, capsys):
    stored(tmp_path, capsys, 2)
    store = tmp_path / "cohort.cgstore"
    (store / "quality/samples.parquet").unlink()
    if content is not None:
        (store / "quality/samples.parquet").write_bytes(content)
    found = quality_of_genotypes([str(store)])
    assert found.facts is not None
    assert (found.samples, found.missing) == (None, NO_SAMPLES)


@pytest.mark.parametrize("metadata", [None, {}, {"ti_tv": 2.0}], ids=str)
def test_an_upload_from_before_quality_was_counted_says_so(metadata):
    found = quality_of_upload(metadata, None, None)
    assert (found.facts, found.samples, found.missing) == (metadata or None, None, NOT_COUNTED)
