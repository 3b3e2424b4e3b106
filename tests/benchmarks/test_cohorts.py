"""Cohorts that other readers accept, made from a seed; scores that are one in each notation."""

from dataclasses import replace
from pathlib import Path

import cyvcf2
import numpy as np
import pytest

from core.scoring.scoring_file import read_scoring_file, read_scoring_files
from tests.benchmarks.cohorts import Cohort, CohortShape, prepare_cohort
from tests.benchmarks.sample_columns import Format
from tests.benchmarks.scoring_files import ScoreSet, prepare_scores

PHASED = CohortShape("tiny", n_samples=60, n_variants=700, multiallelic=0.05)
JOINT = replace(
    PHASED, name="joint", n_variants=200, format=Format.JOINT, is_phased=False, missing=0.05
)
IMPUTED = replace(PHASED, n_variants=200, multiallelic=0, rare_share=0.5)
FORMATS = [
    PHASED,
    JOINT,
    replace(IMPUTED, name="minimac", format=Format.HDS),
    replace(IMPUTED, name="dosages", format=Format.DS),
    replace(PHASED, name="repeated", n_variants=600, repeats=3),
    CohortShape("person", n_samples=1, n_variants=50, is_phased=False, multiallelic=0),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module", params=FORMATS, ids=lambda shape: shape.name)
def cohort(request: pytest.FixtureRequest, folder: Path) -> Cohort:
    return prepare_cohort(request.param, folder)


def test_another_reader_finds_the_sites_and_the_allele_counts_that_info_states(cohort: Cohort):
    sites, n_read = cohort.sites(), 0
    for row, variant in enumerate(cyvcf2.VCF(str(cohort.vcf))):
        alts = [sites.alt[row], *filter(None, [sites.alt2[row]])]
        found = (variant.POS, variant.ID, variant.REF, variant.ALT)
        expected = sites.position[row], f"rs{sites.id_number[row]}", sites.ref[row], alts
        assert found == expected
        alleles = np.array(variant.genotype.array()[:, :2])
        stated = np.atleast_1d(variant.INFO["AC"])
        if cohort.shape.format in (Format.HARD, Format.JOINT):
            assert [(alleles == n + 1).sum() for n in range(len(alts))] == list(stated)
        n_read += 1
    assert n_read == cohort.shape.n_variants


def test_positions_of_a_repeated_cohort_rise():
    position = Cohort(FORMATS[4], Path()).sites().position
    assert (np.diff(position) > 0).all()
    assert len(position) == 600


@pytest.mark.parametrize("shape", FORMATS[2:4], ids=lambda shape: shape.name)
def test_imputed_fields_agree_with_each_other(folder: Path, shape: CohortShape):
    for variant in cyvcf2.VCF(str(prepare_cohort(shape, folder).vcf)):
        dosage, probability = variant.format("DS")[:, 0], variant.format("GP")
        assert probability.sum(axis=1) == pytest.approx(1, abs=2e-6)
        assert dosage == pytest.approx(probability[:, 1] + 2 * probability[:, 2], abs=2e-6)
        if shape.format is Format.HDS:
            assert dosage == pytest.approx(variant.format("HDS").sum(axis=1), abs=2e-6)


def test_joint_calls_are_the_likeliest_and_some_are_missing(folder: Path):
    n_missing = 0
    for variant in cyvcf2.VCF(str(prepare_cohort(JOINT, folder).vcf)):
        alleles = np.sort(variant.genotype.array()[:, :2], axis=1)
        is_called = alleles[:, 0] >= 0
        n_missing += (~is_called).sum()
        nth = alleles[:, 1] * (alleles[:, 1] + 1) // 2 + alleles[:, 0]
        likelihood = variant.format("PL")
        assert (np.take_along_axis(likelihood, nth[:, None], 1)[is_called] == 0).all()
        assert (variant.format("AD").sum(axis=1) == variant.format("DP")[:, 0]).all()
    assert 0.01 < n_missing / JOINT.n_genotypes < 0.15


def test_most_variants_are_rare_and_common_ones_are_linked(tmp_path: Path):
    shape = CohortShape("linked", n_samples=500, n_variants=600, multiallelic=0)
    reader = cyvcf2.VCF(str(prepare_cohort(shape, tmp_path).vcf))
    dosage = np.array([variant.genotype.array()[:, :2].sum(axis=1) for variant in reader])
    frequency = dosage.mean(axis=1) / 2
    assert 0.4 < (dosage.sum(axis=1) == 1).mean() < 0.65
    common = dosage[:256][(frequency[:256] > 0.05) & (frequency[:256] < 0.95)]
    squared = np.corrcoef(common) ** 2
    assert np.median(np.sort(squared, axis=1)[:, -2]) > 0.5  # each has a close neighbour


def test_a_cohort_follows_from_its_seed(folder: Path, tmp_path: Path):
    cohort, again = prepare_cohort(PHASED, folder), prepare_cohort(PHASED, tmp_path)
    assert again.vcf.read_bytes() == cohort.vcf.read_bytes()


def test_a_cohort_that_is_there_is_made_again_only_when_its_shape_changes(folder: Path):
    cohort = prepare_cohort(PHASED, folder)
    before = cohort.vcf.stat().st_mtime_ns
    assert prepare_cohort(PHASED, folder).vcf.stat().st_mtime_ns == before
    assert prepare_cohort(replace(PHASED, rare_share=0.8), folder).vcf.stat().st_mtime_ns > before
    prepare_cohort(PHASED, folder)


def test_what_programs_left_beside_a_cohort_is_forgotten(folder: Path):
    cohort = prepare_cohort(PHASED, folder)
    (cohort.folder / "cohort.vcf.gz.blocks").write_text("left")
    (cohort.folder / "cohort.cgstore").mkdir()
    cohort.forget()
    assert sorted(path.name for path in cohort.folder.iterdir()) == ["cohort.vcf.gz", "complete"]


def test_a_score_says_the_same_in_each_notation(folder: Path):
    scores = prepare_scores(prepare_cohort(PHASED, folder), ScoreSet("three", 3, 100), folder)
    ours = [read_scoring_file(path).rows.to_pydict() for path in scores.ours]
    together = read_scoring_files(scores.together)
    plink = [line.split() for line in scores.plink.read_text().splitlines()[1:]]
    gnomon = [line.split() for line in scores.gnomon.read_text().splitlines()[1:]]
    assert scores.n_variants == len(plink) == len(gnomon) == 100
    assert [file.accession for file in together] == [path.stem for path in scores.ours]
    assert [file.rows.to_pydict() for file in together] == ours
    for number, rows in enumerate(ours):
        assert rows["rsid"] == [row[0] for row in plink]
        assert rows["effect_allele"] == [row[1] for row in plink] == [row[1] for row in gnomon]
        assert rows["other_allele"] == [row[2] for row in gnomon]
        assert [f"22:{position}" for position in rows["position"]] == [row[0] for row in gnomon]
        assert rows["effect_weight"] == [float(row[2 + number]) for row in plink]
        assert rows["effect_weight"] == [float(row[3 + number]) for row in gnomon]
    norms = [np.linalg.norm(rows["effect_weight"]) for rows in ours]
    assert max(norms) == pytest.approx(scores.weight_norm, rel=0.3)
