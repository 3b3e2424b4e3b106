"""Real data as BCF and BGEN: the rows and the scores of the VCFs that they were made from."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from core.errors import GenotypeFileError
from core.genotypes.calls import GenotypeField
from tests.builders.bcf import blocks_of, rows_of
from tests.builders.cohort_run import run_scoring
from tests.builders.plink import plink2

pytestmark = pytest.mark.acceptance

needs_bcftools = pytest.mark.skipif(
    shutil.which("bcftools") is None, reason="bcftools is not installed"
)
needs_plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")

CHR22 = "genotypes/1000g_chr22/cineca_synthetic_subset.vcf.gz"
PGS001229 = "scoring_files/custom/PGS001229_22.txt"
SHARD_BYTES = 64 << 10


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    if folder is None:
        pytest.skip("CURAGENIE_ACCEPTANCE_DATA is not set")
    return Path(folder)


def to_bcf(vcf: Path, folder: Path, kind: str = "b") -> str | None:
    """None where bcftools refuses the VCF."""
    path = folder / f"{vcf.stem}.{kind}.bcf"
    command = ["bcftools", "view", f"-O{kind}", "-o", str(path), str(vcf)]
    done = subprocess.run(command, capture_output=True, check=False)
    return str(path) if done.returncode == 0 else None


@needs_bcftools
@pytest.mark.parametrize(
    "name",
    [
        CHR22,
        "genotypes/1000g_panel/1kg_p3_2504.peddy23k.GRCh38.vcf.gz",
        "genotypes/1000g_singles/NA12878.GRCh37.vcf.gz",
        "genotypes/wgs_single/corpas_chr20.GRCh37.vcf.gz",
        "semantics_micro/micro.vcf",
        "semantics_micro/micro_dosage.vcf",
        "semantics_micro/micro_halfcall.vcf",
    ],
)
def test_a_bcf_of_real_data_has_the_rows_of_its_vcf(data, tmp_path, name):
    expected = blocks_of(str(data / name))
    for kind, shard_bytes in (("b", 1 << 40), ("b", SHARD_BYTES), ("u", 16 * SHARD_BYTES)):
        bcf = to_bcf(data / name, tmp_path, kind)
        assert bcf is not None
        found = blocks_of(bcf, shard_bytes)
        for column in ("contig", "position", "id", "ref", "alt", "n_alts"):
            ours, theirs = (
                [value for block in blocks for value in block.column(column).to_pylist()]
                for blocks in (found, expected)
            )
            assert ours == theirs
        ours, theirs = (
            np.concatenate([block.dosage for block in blocks]) for blocks in (found, expected)
        )
        np.testing.assert_array_equal(ours, theirs)


@needs_bcftools
def test_bcfs_of_conformance_files_have_their_rows(data, tmp_path):
    n_compared = 0
    for vcf in sorted((data / "conformance/vcf").rglob("*.vcf")):
        bcf = to_bcf(vcf, tmp_path)
        try:
            expected = rows_of(blocks_of(str(vcf), field=GenotypeField.GT))
        except GenotypeFileError:
            continue
        if bcf is not None and "passed" in vcf.name:
            assert rows_of(blocks_of(bcf, 300, field=GenotypeField.GT)) == expected, vcf
            n_compared += 1
    assert n_compared >= 2  # most have no samples, or bcftools refuses them


@needs_bcftools
def test_a_bcf_has_the_very_scores_of_its_vcf(data, tmp_path):
    """Where both are cut alike, here not at all."""
    bcf = to_bcf(data / CHR22, tmp_path)
    assert bcf is not None
    scores = data / PGS001229
    ours = run_scoring(bcf, scores, tmp_path / "bcf")
    theirs = run_scoring(data / CHR22, scores, tmp_path / "vcf")
    assert ours.scores.equals(theirs.scores)
    assert ours.matches.equals(theirs.matches)


@needs_plink2
def test_a_bgen_has_the_scores_of_its_vcf_within_its_bits(data, tmp_path):
    """Hard calls are whole probabilities, which 8 bits hold exactly."""
    plink2(tmp_path, "--vcf", str(data / CHR22), "--export", "bgen-1.2", "bits=8", "ref-first",
           "--out", "f")  # fmt: skip
    scores = data / PGS001229
    ours = run_scoring(tmp_path / "f.bgen", scores, tmp_path / "bgen", shard_bytes=SHARD_BYTES)
    theirs = run_scoring(data / CHR22, scores, tmp_path / "vcf")
    assert ours.matches.equals(theirs.matches)
    np.testing.assert_allclose(
        ours.column("score_sum"), theirs.column("score_sum"), rtol=1e-12, atol=1e-12
    )
    assert len(ours.column("score_sum")) == 2504
