"""Reports of real data: a genome that lists variants only, and the cohort with known counts."""

import gzip
import json
import shutil
import statistics
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from cyvcf2 import VCF

from core.genome_build import GenomeBuild
from core.scoring.policy import Compat
from jobs import store_cohort
from tests.builders.cohort_run import run_scoring, write_run_report
from tests.builders.report_page import numbers_in, parse_page

pytestmark = pytest.mark.acceptance


def reported(vcf: Path, folder: Path) -> tuple[dict[str, Any], str]:
    """facts, text of the page"""
    facts = write_run_report(vcf, folder)
    page = parse_page((folder / "report.html").read_text())
    assert numbers_in(facts) - page.numbers == set()
    return facts, page.text


def chromosome_20_of(scoring_file: Path, to: Path) -> tuple[Path, list[tuple[int, float]]]:
    """The part of a v1.0 file on chromosome 20; position and weight of its rows."""
    with gzip.open(scoring_file, "rt") as source:
        lines = source.read().splitlines()
    head = [line for line in lines if line.startswith("#")]
    columns, *rows = [line for line in lines if not line.startswith("#")]
    names = columns.split("\t")
    contig, position, weight = map(names.index, ("chr_name", "chr_position", "effect_weight"))
    kept = [row for row in rows if row.split("\t")[contig] == "20"]
    to.write_text("\n".join([*head, columns, *kept]) + "\n")
    return to, [(int(r.split("\t")[position]), float(r.split("\t")[weight])) for r in kept]


def test_the_report_of_a_variants_only_genome_says_what_absent_sites_mean(
    acceptance_data: Path, tmp_path: Path
):
    vcf = acceptance_data / "genotypes/wgs_single/corpas_chr20.GRCh37.vcf.gz"
    catalogue = acceptance_data / "scoring_files/pgs_catalog"
    file, rows = chromosome_20_of(catalogue / "PGS000957.txt.gz", tmp_path / "PGS000957.txt")
    results = run_scoring(vcf, file, tmp_path / "out")
    facts, text = reported(vcf, tmp_path / "out")
    present = {record.POS for record in VCF(str(vcf))}
    absent = [(position, weight) for position, weight in rows if position not in present]
    assert results.summary["build"] == "GRCh37"
    (score,) = facts["scores"]
    found = score["absent_sites"]
    assert (found["kind"], found["n_rows"]) == ("variants_only", len(absent))
    assert found["n_records_without_alt"] == 0
    assert found["could_add"]["lowest"] == pytest.approx(sum(min(2 * w, 0) for _, w in absent))
    assert found["could_add"]["highest"] == pytest.approx(sum(max(2 * w, 0) for _, w in absent))
    assert "the person carries only the reference allele" in text
    assert "not comparable with sums from files that list every site" in text
    assert score["sums"] is None
    assert score["samples"][0]["score_sum"] == results.column("score_sum")[0]


def test_the_report_of_a_cohort_has_the_counts_and_sums_that_are_known(
    acceptance_data: Path, tmp_path: Path
):
    vcf = acceptance_data / "genotypes/1000g_chr22/cineca_synthetic_subset.vcf.gz"
    run_scoring(
        vcf,
        acceptance_data / "scoring_files/custom/PGS001229_22.txt",
        tmp_path / "out",
        compat=Compat.PGSC_CALC_V2,
    )
    facts, text = reported(vcf, tmp_path / "out")
    (score,) = facts["scores"]
    assert (score["n_matched"], score["n_excluded"], score["n_unmatched"]) == (782, 47, 6)
    assert score["coverage"] == pytest.approx(0.9365, abs=5e-5)
    assert "93.65 %" in text
    fates = {(fate["status"], fate["reason"]): fate["n_rows"] for fate in score["fates"]}
    assert fates["matched", None] == 782
    assert fates["excluded", "ambiguous"] == 47
    sums = pq.read_table(tmp_path / "out/scores.parquet").column("score_sum").to_numpy()
    assert score["sums"]["n"] == sum(score["sums"]["histogram"]["counts"]) == 2504
    assert score["sums"]["mean"] == pytest.approx(sums.mean(), rel=1e-12)
    assert score["samples"] is None


def test_the_report_of_a_stored_cohort_lists_the_outliers_of_plink2(
    acceptance_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = acceptance_data / "genotypes/1000g_chr22"
    store = tmp_path / "cohort.cgstore"
    vcf = str(source / "cineca_synthetic_subset.vcf.gz")
    assert store_cohort.main(["--genotypes", vcf, "--output", str(store)]) == 0
    told = json.loads(capsys.readouterr().out)
    file = acceptance_data / "scoring_files/custom/PGS001229_22.txt"
    run_scoring(store, file, tmp_path / "out", build=GenomeBuild.GRCH37)
    facts, text = reported(store, tmp_path / "out")
    assert facts["genotypes"]["quality"] == told["quality"]
    f = plink2_heterozygosity_f(vcf, tmp_path)
    mean, deviation = statistics.mean(f.values()), statistics.pstdev(f.values())
    outliers = {name for name, value in f.items() if abs(value - mean) > 3 * deviation}
    listed = {one["sample_id"] for one in facts["quality_samples"]["samples"]}
    assert listed == outliers
    assert 0 < facts["quality_samples"]["n_samples"] == len(outliers)
    assert all(name in text for name in outliers)


def plink2_heterozygosity_f(vcf: str, folder: Path) -> dict[str, float]:
    """sample -> F, with plink2's own allele frequencies."""
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    words = ["plink2", "--vcf", vcf, "--het", "small-sample", "--max-alleles", "2"]
    words += ["--double-id", "--out", str(folder / "plink2")]
    subprocess.run(words, check=True, capture_output=True)
    head, *lines = (folder / "plink2.het").read_text().splitlines()
    columns = head.lstrip("#").split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]
    return {row["IID"]: float(row["F"]) for row in rows}
