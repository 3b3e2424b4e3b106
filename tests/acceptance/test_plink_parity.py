"""One cohort of 2,504 people in three formats: the same rows, sums and stores from each."""

import json
from pathlib import Path

import pytest

from core.scoring.policy import Compat
from jobs import store_cohort
from tests.builders.cohort_run import run_scoring
from tests.builders.plink import read_blocks, rows_of

pytestmark = pytest.mark.acceptance

STEM = "genotypes/1000g_chr22/cineca_synthetic_subset"
FORMATS = (".vcf.gz", ".bed", ".pgen")


@pytest.fixture(scope="module")
def cohort_in(acceptance_data: Path):
    """The cohort's file of a format."""
    return lambda suffix: acceptance_data / f"{STEM}{suffix}"


@pytest.mark.parametrize("suffix", [".bed", ".pgen"])
@pytest.mark.parametrize("shard_bytes", [1 << 30, 50_000])
def test_the_rows_are_those_of_the_vcf(suffix, shard_bytes, cohort_in):
    expected = rows_of(read_blocks(str(cohort_in(".vcf.gz"))))
    assert len(expected) == 829
    assert rows_of(read_blocks(str(cohort_in(suffix)), shard_bytes)) == expected


@pytest.mark.parametrize("compat", [Compat.DEFAULT, Compat.PGSC_CALC_V2])
def test_the_sums_are_those_of_the_vcf_and_the_published_ones(
    compat, cohort_in, acceptance_data, tmp_path
):
    score = acceptance_data / "scoring_files/custom/PGS001229_22.txt"
    results = {
        suffix: run_scoring(cohort_in(suffix), score, tmp_path / suffix, compat=compat)
        for suffix in FORMATS
    }
    columns = ("score_sum", "denominator", "allele_count", "n_missing", "dosage_sum")
    for suffix in (".bed", ".pgen"):
        assert results[suffix].column("sample_id")[:2] == ["HG00096", "HG00097"]
        for name in columns:
            assert results[suffix].column(name) == results[".vcf.gz"].column(name)
        assert results[suffix].matches.equals(results[".vcf.gz"].matches)
    sums = results[".pgen"].sums()
    assert sums["HG00096"] == pytest.approx(0.54502, abs=5e-5)
    assert sums["HG00097"] == pytest.approx(0.674401, abs=5e-5)
    if compat is Compat.PGSC_CALC_V2:  # which imputes missing calls
        assert set(results[".bed"].column("denominator")) == {1564}


@pytest.mark.parametrize("suffix", [".bed", ".pgen"])
def test_a_store_of_the_cohort_scores_as_its_file(
    suffix, cohort_in, acceptance_data, tmp_path, capsys
):
    store = tmp_path / "cohort.cgstore"
    arguments = ["--genotypes", str(cohort_in(suffix)), "--output", str(store)]
    assert store_cohort.main([*arguments, "--executor", "inline"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["n_samples"], facts["n_variants"]) == (2504, 829)
    assert rows_of(read_blocks(str(store))) == rows_of(read_blocks(str(cohort_in(suffix))))
    score = acceptance_data / "scoring_files/custom/PGS001229_22.txt"
    sums = [
        run_scoring(genotypes, score, tmp_path / f"{number}").sums()
        for number, genotypes in enumerate((store, cohort_in(suffix)))
    ]
    assert sums[0] == sums[1]


def test_the_digest_changes_with_each_of_the_three_files(cohort_in, acceptance_data, tmp_path):
    score = acceptance_data / "scoring_files/custom/PGS001229_22.txt"
    stem = tmp_path / "f"
    for suffix in (".pgen", ".pvar", ".psam"):
        stem.with_suffix(suffix).write_bytes(cohort_in(suffix).read_bytes())
    digests: set[str] = set()
    for number, suffix in enumerate((None, ".pvar", ".psam")):
        if suffix is not None:
            path = stem.with_suffix(suffix)
            path.write_bytes(path.read_bytes() + b"\n")
        results = run_scoring(stem.with_suffix(".pgen"), score, tmp_path / f"{number}")
        digests.add(results.summary["genotypes"][0]["sha256"])
    assert len(digests) == 3
