"""Against pgscatalog-match 0.4.0 + plink2 on 2,504 real people at PGS001229's chr22 variants."""

import csv
import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from core.scoring.policy import Compat
from tests.builders.cohort_run import Results, run_scoring

pytestmark = pytest.mark.acceptance

PRINTED = 5e-5
SCORES = {
    "PGS001229": "PGS001229_22.txt",
    "scorefile": "scorefile.txt",
    "scorefile_dominant_and_recessive": "scorefile_dominant_and_recessive.txt",
    "duplicatetest": "PGS001229_22_duplicate.txt",
}


@pytest.fixture(scope="module")
def four_scores(acceptance_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = acceptance_data / "scoring_files/custom"
    return run_scoring(
        acceptance_data / "genotypes/1000g_chr22/cineca_synthetic_subset.vcf.gz",
        [folder / name for name in SCORES.values()],
        tmp_path_factory.mktemp("four_scores"),
        compat=Compat.PGSC_CALC_V2,
    )


@pytest.fixture(scope="module")
def expected(acceptance_data: Path) -> dict[str, dict[str, float]]:
    """Peer's SUM by accession and sample."""
    path = acceptance_data / "expected/1000g_chr22/aggregated_scores.txt.gz"
    sums: dict[str, dict[str, float]] = {}
    with gzip.open(path, "rt") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            sums.setdefault(row["PGS"], {})[row["IID"]] = float(row["SUM"])
    return sums


def test_pgs001229_matches_782_excludes_47_as_ambiguous_and_misses_6(four_scores):
    facts = four_scores.summary["scores"]["PGS001229"]
    assert (facts["n_matched"], facts["n_excluded"], facts["n_unmatched"]) == (782, 47, 6)
    assert facts["reasons"]["ambiguous"] == 47


def test_the_published_sums_of_two_people_are_met(four_scores):
    sums = four_scores.sums("PGS001229")
    assert sums["HG00096_HG00096"] == pytest.approx(0.54502, abs=PRINTED)
    assert sums["HG00097_HG00097"] == pytest.approx(0.674401, abs=PRINTED)
    dominant_and_recessive = four_scores.sums("scorefile_dominant_and_recessive")
    assert dominant_and_recessive["HG00096_HG00096"] == pytest.approx(0.5345656, abs=PRINTED)


@pytest.mark.parametrize("accession", SCORES)
def test_every_sum_of_every_person_is_met(accession, four_scores, expected):
    sums = four_scores.sums(accession)
    assert len(sums) == 2504
    assert sums == pytest.approx(expected[accession], abs=PRINTED)


def test_each_score_has_its_own_denominator(four_scores):
    """The peer prints one shared denominator, 1570, for all four."""
    denominators = {name: set(four_scores.column("denominator", name)) for name in SCORES}
    assert denominators == {
        "PGS001229": {1564},
        "scorefile": {1564},
        "scorefile_dominant_and_recessive": {1564},
        "duplicatetest": {16},
    }


def test_the_average_is_that_of_the_score_run_alone(four_scores, acceptance_data):
    path = acceptance_data / "expected/1000g_chr22/duplicatetest_alone/aggregated_scores.txt.gz"
    with gzip.open(path, "rt") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        alone = {row["IID"]: float(row["AVG"]) for row in rows if row["PGS"] == "duplicatetest"}
    ids = four_scores.column("sample_id", "duplicatetest")
    averages = dict(zip(ids, four_scores.column("score_average", "duplicatetest"), strict=True))
    assert averages == pytest.approx(alone, rel=1e-5, abs=1e-8)
    assert averages["HG00096_HG00096"] == pytest.approx(0.00273200625, rel=1e-6)


def test_plink2_alone_gives_the_same_sums_on_the_whole_file(acceptance_data, tmp_path):
    """plink2's own answer for the file, which it matched by variant ID without exclusions."""
    folder = acceptance_data / "genotypes/1000g_chr22"
    results = run_scoring(
        folder / "cineca_synthetic_subset.vcf.gz",
        acceptance_data / "scoring_files/custom/PGS001229_22.txt",
        tmp_path,
        compat=Compat.PLINK2,
    )
    rows = (folder / "expected_plink2_score_PGS001229_22.sscore").read_text().splitlines()
    names = rows[0].lstrip("#").split("\t")
    expected = [dict(zip(names, row.split("\t"), strict=True)) for row in rows[1:]]
    sums = results.sums("PGS001229")
    for person in expected:
        assert sums[f"{person['FID']}_{person['IID']}"] == pytest.approx(
            float(person["PGS001229_22_SUM"]), abs=PRINTED
        )


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_two_scores_of_one_file_are_those_of_plink2(acceptance_data, tmp_path):
    stem = acceptance_data / "genotypes/1000g_chr22/cineca_synthetic_subset"
    scores = acceptance_data / "scoring_files/custom/multiscore.txt"
    results = run_scoring(
        stem.with_suffix(".vcf.gz"), scores, tmp_path / "ours", compat=Compat.PLINK2
    )
    command = ["plink2", "--pfile", str(stem), "--out", str(tmp_path / "plink")]
    command += ["--score", str(scores), "header-read", "cols=+scoresums"]
    command += ["--score-col-nums", "3-4", "--set-all-var-ids", "@:#:$r:$a"]
    subprocess.run(command, check=True, capture_output=True)
    with (tmp_path / "plink.sscore").open() as lines:
        people = list(csv.DictReader(lines, delimiter="\t"))
    assert len(people) == 2504
    for name in ("PGS001229_22", "second_score"):
        expected = {f"{row['#FID']}_{row['IID']}": float(row[f"{name}_SUM"]) for row in people}
        assert results.sums(name) == pytest.approx(expected, abs=PRINTED)
