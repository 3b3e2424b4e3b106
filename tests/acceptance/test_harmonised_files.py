"""One score in its three files (raw, harmonised to either build), on people with all its sites."""

import csv
import gzip
import random
from pathlib import Path

import pytest

from core.genome_build import GenomeBuild
from tests.builders.cohort_run import Results, run_scoring
from tests.builders.vcf import FORMATS, Record, sample_names, vcf_text, write_vcf

pytestmark = pytest.mark.acceptance

N_PEOPLE, N_SITES = 40, 77
RAW = "PGS000001.txt.gz"
HARMONISED = {build: f"PGS000001_hmPOS_{build}.txt.gz" for build in GenomeBuild}


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as lines:
        table = [line for line in lines if not line.startswith("#")]
    return list(csv.DictReader(table, delimiter="\t"))


def vcf_of_sites(rows: list[dict[str, str]], path: Path) -> str:
    """The same calls for the same rows, whatever the build; every third has the effect allele as
    REF."""
    draw = random.Random(1)
    records: list[Record] = []
    for number, row in enumerate(rows):
        calls = [f"{draw.randrange(2)}|{draw.randrange(2)}" for _ in range(N_PEOPLE)]
        alleles = [row["other_allele"], row["effect_allele"]]
        ref, alt = alleles if number % 3 else reversed(alleles)
        place = row["hm_chr"], int(row["hm_pos"])
        records.append(Record(*place, calls, id=row["rsID"], ref=ref, alt=alt))
    records.sort(key=lambda record: (record.contig, record.position))
    return write_vcf(path, vcf_text(records, samples=sample_names(N_PEOPLE), meta=FORMATS))


@pytest.fixture(scope="module")
def runs(
    acceptance_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, GenomeBuild], Results]:
    """By scoring file and the build of the genotypes."""
    folder, home = acceptance_data / "scoring_files/pgs_catalog", tmp_path_factory.mktemp("runs")
    found: dict[tuple[str, GenomeBuild], Results] = {}
    for build, name in HARMONISED.items():
        vcf = vcf_of_sites(rows_of(folder / name), home / f"{build}.vcf")
        by_rsid = {"match_by": "rsid", "ambiguous": "keep"}
        for file, policy in ((name, {"ambiguous": "keep"}), (RAW, by_rsid), (RAW, {})):
            key = (file if policy else "raw by position", build)
            output = home / f"{len(found)}"
            found[key] = run_scoring(vcf, folder / file, output, build=build, policy=policy)
    return found


def test_the_raw_file_and_both_harmonised_ones_give_everyone_the_same_score(runs):
    expected = runs[HARMONISED[GenomeBuild.GRCH38], GenomeBuild.GRCH38].sums()
    assert len(set(expected.values())) > N_PEOPLE / 2
    for (file, build), results in runs.items():
        if file == "raw by position":
            continue
        assert results.summary["scores"]["PGS000001"]["n_matched"] == N_SITES, (file, build)
        assert results.sums() == pytest.approx(expected, abs=1e-12), (file, build)


def test_the_sums_are_those_of_the_calls(runs, acceptance_data):
    rows = rows_of(acceptance_data / "scoring_files/pgs_catalog" / HARMONISED[GenomeBuild.GRCH37])
    draw = random.Random(1)
    sums = [0.0] * N_PEOPLE
    for number, row in enumerate(rows):
        for person in range(N_PEOPLE):
            copies = draw.randrange(2) + draw.randrange(2)
            effect = copies if number % 3 else 2 - copies
            sums[person] += float(row["effect_weight"]) * effect
    ours = runs[HARMONISED[GenomeBuild.GRCH37], GenomeBuild.GRCH37].column("score_sum")
    assert ours == pytest.approx(sums, abs=1e-12)


def test_a_file_without_positions_is_not_matched_by_position(runs):
    for build in GenomeBuild:
        facts = runs["raw by position", build].summary["scores"]["PGS000001"]
        assert facts["n_matched"] == 0
        assert facts["reasons"] == {"bad_coordinates": N_SITES}


@pytest.fixture
def indels(acceptance_data: Path) -> list[dict[str, str]]:
    name = "PGS000662_hmPOS_GRCh38.txt.gz"
    every = rows_of(acceptance_data / "scoring_files/pgs_catalog" / name)
    return [row for row in every if len(row["effect_allele"]) != len(row["other_allele"])]


class TestIndels:
    """PGS000662: Ensembl gives an indel the position behind that of the base VCF anchors it at."""

    def score(self, rows: list[dict[str, str]], folder: Path, **policy: str) -> Results:
        """On a VCF that has the indels where VCF puts them."""
        placed = [row | {"hm_pos": str(int(row["hm_pos"]) - 1)} for row in rows]
        vcf = vcf_of_sites(placed, folder / "cohort.vcf")
        text = "#pgs_id=INDELS\n#HmPOS_build=GRCh38\n" + "\t".join(rows[0]) + "\n"
        text += "".join("\t".join(row.values()) + "\n" for row in rows)
        (folder / "score.txt").write_text(text)
        build = GenomeBuild.GRCH38
        return run_scoring(vcf, folder / "score.txt", folder / "out", build=build, policy=policy)

    def test_all_22_are_found_at_their_anchor_base(self, indels, tmp_path):
        results = self.score(indels, tmp_path)
        facts = results.summary["scores"]["INDELS"]
        assert (facts["n_rows"], facts["n_matched"]) == (22, 22)
        kinds = set(results.matches.column("match_type").to_pylist())
        assert kinds == {"refalt_anchor", "altref_anchor"}
        draw, sums = random.Random(1), [0.0] * N_PEOPLE
        for number, row in enumerate(indels):
            for person in range(N_PEOPLE):
                copies = draw.randrange(2) + draw.randrange(2)
                effect = copies if number % 3 else 2 - copies
                sums[person] += float(row["effect_weight"]) * effect
        assert results.column("score_sum") == pytest.approx(sums, abs=1e-12)

    def test_as_written_none_is(self, indels, tmp_path):
        facts = self.score(indels, tmp_path, harmonised_indels="as_written").summary["scores"]
        assert facts["INDELS"]["reasons"] == {"absent_locus": 22}
