"""The facts of a report, against what small runs were made of."""

import json
import shlex
import statistics
from pathlib import Path
from typing import Any

import pytest

from core.scoring.report.quality import NOT_COUNTED, quality_of_upload
from jobs.score_cohort import main
from tests.builders.cohort_run import read_results, run_scoring, write_run_report
from tests.builders.scoring_file import Row, write_scoring_file, write_table
from tests.builders.vcf import Record, sample_names, vcf_text, write_vcf

SOURCE = {
    "pgs_name": "GRS4",
    "trait_reported": "Height",
    "citation": "Someone A et al. J Test (2021). doi:10.1234/a-b(c).1.",
    "license": "CC0",
    "weight_type": "beta",
}


def genotypes(folder: Path, records: list[Record], samples: list[str]) -> Path:
    return Path(write_vcf(folder / "cohort.vcf", vcf_text(records, samples=samples)))


def score(folder: Path, rows: list[Row], name: str = "PGS000001", **header: str) -> Path:
    path = folder / f"{name}.txt"
    return write_scoring_file(path, rows, accession=name, header=header)


def run_of(folder: Path, records: list[Record], rows: list[Row], **options: Any) -> dict[str, Any]:
    """The report of one score over `records`, as many samples as they have calls."""
    samples = sample_names(len(records[0].calls))
    vcf = genotypes(folder, records, samples)
    run_scoring(vcf, score(folder, rows), folder / "out", **options)
    return write_run_report(vcf, folder / "out")


def test_every_row_is_told_with_its_reason_and_its_part_of_the_weight(tmp_path):
    records = [
        Record("1", 100, ["0/1", "1/1"]),
        Record("1", 200, ["0/1", "0/0"], ref="A", alt="T"),
        Record("1", 300, ["0/1", "0/0"], ref="A", alt="G"),
    ]
    rows = [
        Row("1", 100, "C", "T", 1.0),  # the other strand
        Row("1", 200, "T", "A", -2.0),
        Row("1", 300, "C", "A", 1.0),
        *(Row("1", position, "G", "A", 0.1) for position in range(1000, 1010)),
    ]
    (found,) = run_of(tmp_path, records, rows)["scores"]
    fates = [(f["status"], f["reason"], f["n_rows"]) for f in found["fates"]]
    assert fates == [
        ("matched", None, 1),
        ("excluded", "ambiguous", 1),
        ("unmatched", "absent_locus", 10),
        ("unmatched", "allele_mismatch", 1),
    ]
    weights = [fate["weight_share"] for fate in found["fates"]]
    assert weights == pytest.approx([1 / 5, 2 / 5, 1 / 5, 1 / 5])
    assert [fate["share"] for fate in found["fates"]] == pytest.approx(
        [n / 13 for n in (1, 1, 10, 1)]
    )
    assert found["n_flipped"] == 1
    assert (found["n_rows"], found["n_matched"]) == (13, 1)
    assert (found["n_excluded"], found["n_unmatched"]) == (1, 11)
    assert (found["coverage"], found["weight_coverage"]) == pytest.approx((1 / 13, 1 / 5))
    assert (found["status"], found["status_label"]) == ("below_min_overlap", "below coverage")


def test_one_person_is_listed_and_gets_no_distribution(tmp_path):
    records = [Record("1", 100, ["0/1"]), Record("1", 200, ["./."])]
    rows = [Row("1", 100, "G", "A", 0.5), Row("1", 200, "G", "A", 0.25)]
    (found,) = run_of(tmp_path, records, rows)["scores"]
    assert (found["sums"], found["missing_calls"]) == (None, None)
    assert found["samples"] == [
        {
            "sample_id": "S1",
            "score_sum": 0.5,
            "score_average": 0.25,
            "denominator": 2,
            "n_missing": 1,
            "status": "ok",
        }
    ]


def test_sums_of_a_cohort_are_spread_without_those_that_are_empty(tmp_path):
    calls = ["0/0", "0/1", "1/1"] * 10 + ["./."]
    found = run_of(tmp_path, [Record("1", 100, calls)], [Row("1", 100, "G", "A", 0.5)])
    (score_found,) = found["scores"]
    sums = [0.0, 0.5, 1.0] * 10
    assert score_found["sums"]["n"] == 30
    assert score_found["sums"]["mean"] == pytest.approx(0.5)
    assert score_found["sums"]["standard_deviation"] == pytest.approx(statistics.stdev(sums))
    assert sum(score_found["sums"]["histogram"]["counts"]) == 30
    assert score_found["missing_calls"]["n"] == 31
    assert score_found["missing_calls"]["mean"] == pytest.approx(1 / 31)
    by_status = {group["status"]: group["n_samples"] for group in score_found["samples_by_status"]}
    assert by_status == {"ok": 30, "no_calls": 1}


@pytest.mark.parametrize(("n_samples", "is_listed"), [(100, True), (101, False)])
def test_up_to_a_hundred_samples_are_listed(n_samples, is_listed, tmp_path):
    records = [Record("1", 100, ["0/1"] * n_samples)]
    (found,) = run_of(tmp_path, records, [Row("1", 100, "G", "A", 0.5)])["scores"]
    assert (found["samples"] is not None) == is_listed


HALF_ABSENT = [
    Row("1", 100, "G", "A", 0.5),
    Row("1", 200, "G", "A", 0.5),
    Row("1", 5_000, "G", "A", 0.25),
    Row("1", 6_000, "G", "A", -1.0),
]


@pytest.mark.parametrize(
    ("call", "n_records", "kind"),
    [
        ("0/1", 200, "variants_only"),
        ("0/0", 200, "lists_reference"),
        ("0/1", 20, "below_evidence"),
    ],
)
def test_absent_sites_mean_what_the_first_records_of_the_file_say(call, n_records, kind, tmp_path):
    records = [Record("1", 100 + 100 * at, ["0/1"]) for at in range(2)]
    records += [Record("1", 10_000 + at, [call]) for at in range(n_records - 2)]
    (found,) = run_of(tmp_path, records, HALF_ABSENT)["scores"]
    absent = found["absent_sites"]
    assert (absent["n_rows"], absent["share"], absent["kind"]) == (2, 0.5, kind)
    assert absent["n_records_looked_at"] == n_records
    assert absent["n_records_without_alt"] == (n_records - 2 if call == "0/0" else 0)
    assert absent["could_add"] == {"lowest": -2.0, "highest": 0.5}
    assert ("not comparable" in absent["meaning"]) == (kind == "variants_only")


def test_a_score_that_is_all_there_says_nothing_of_absent_sites(tmp_path):
    records = [Record("1", 100, ["0/1"]), Record("1", 200, ["0/1"])]
    (found,) = run_of(tmp_path, records, HALF_ABSENT[:2])["scores"]
    assert found["absent_sites"] is None


def test_a_record_that_no_score_needs_and_nobody_can_read_leaves_the_question_open(tmp_path):
    records = [Record("1", 100, ["0/1"]), Record("1", 150, ["0/nonsense"])]
    (found,) = run_of(tmp_path, records, HALF_ABSENT)["scores"]
    assert found["n_matched"] == 1
    assert found["absent_sites"]["kind"] == "not_looked_at"
    assert found["absent_sites"]["n_records_looked_at"] is None


def test_a_score_says_where_it_comes_from(tmp_path):
    file = score(tmp_path, HALF_ABSENT[:1], **SOURCE)
    vcf = genotypes(tmp_path, [Record("1", 100, ["0/1"])], ["S1"])
    run_scoring(vcf, file, tmp_path / "out")
    (found,) = write_run_report(vcf, tmp_path / "out")["scores"]
    assert {name: found[name] for name in ("name", "trait", "licence", "weight_type")} == {
        "name": "GRS4",
        "trait": "Height",
        "licence": "CC0",
        "weight_type": "beta",
    }
    assert found["citation"] == SOURCE["citation"]
    assert found["citation_url"] == "https://doi.org/10.1234/a-b%28c%29.1"
    assert found["catalog_url"] == "https://www.pgscatalog.org/score/PGS000001/"


def test_a_refused_scoring_file_is_named_with_its_error_and_the_way_out(tmp_path):
    good = score(tmp_path, HALF_ABSENT[:1])
    bad = score(tmp_path, [Row("1", 100, "G", "A", "heavy")], "PGS000002")
    vcf = genotypes(tmp_path, [Record("1", 100, ["0/1"])], ["S1"])
    run_scoring(vcf, [good, bad], tmp_path / "out")
    found = write_run_report(vcf, tmp_path / "out")
    (refusal,) = found["refused_scoring_files"]
    assert refusal["file"] == str(bad)
    assert refusal["code"] == "invalid_scoring_file"
    assert refusal["line"] == 7
    assert refusal["what"]
    assert refusal["fix"]
    assert [entry["accession"] for entry in found["scores"]] == ["PGS000001"]


def test_a_policy_field_says_who_set_it(tmp_path):
    records = [Record("1", 100, ["0/1"])]
    more: dict[str, Any] = {"compat": "plink2", "policy": {"ambiguous": "drop", "missing": "zero"}}
    found = run_of(tmp_path, records, HALF_ABSENT[:1], **more)
    by_field = {item["field"]: item for item in found["policy"]}
    assert [
        by_field[name]["origin"] for name in ("missing", "ambiguous", "x_male", "match_by")
    ] == [
        "chosen",
        "chosen",
        "plink2",
        "default",
    ]
    assert by_field["x_male"]["value"] == "doubled"
    assert by_field["x_male"]["default"] == "observed"
    assert found["missing_calls"]["policy"] == "zero"


def test_the_command_line_asks_for_the_same_run_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = [Record("1", 100, ["0/1", "./."]), Record("1", 200, ["0/0", "0/1"])]
    Path(write_vcf(Path("--my cohort.vcf"), vcf_text(records, samples=["S1", "S2"])))
    Path("af.tsv").write_text("#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS\n1\t100\t.\tA\tG\t0.3\n")
    Path("sheet.tsv").write_text("sample\tsex\nS1\tmale\nS2\tfemale\n")
    words = [
        "--genotypes",
        "./--my cohort.vcf",
        "--frequencies",
        "af.tsv",
        "--samples",
        "sheet.tsv",
    ]
    words += ["--scoring-file", str(score(tmp_path, HALF_ABSENT)), "--compat", "plink2"]
    words += ["--policy", "ambiguous=drop", "--min-overlap", "0.5", "--build", "GRCh37"]
    words += ["--genotype-field", "GT", "--report"]
    assert main([*words, "--output", "asked"]) == 0
    again = json.loads(Path("asked/report.json").read_text())["run"]["command"]
    python, *module, rest = shlex.split(again)[0], *shlex.split(again)[1:3], shlex.split(again)[3:]
    assert [python, *module] == ["python", "-m", "jobs.score_cohort"]
    assert main(rest) == 0
    summaries = [
        json.loads(Path(name, "summary.json").read_text()) for name in ("asked", "results")
    ]
    assert summaries[0]["policy"] == summaries[1]["policy"]
    asked, results = (read_results(Path(name), {}) for name in ("asked", "results"))
    assert asked.scores.equals(results.scores)


def test_facts_about_the_genotypes_are_those_of_the_upload_and_no_others(tmp_path):
    metadata = {"ti_tv": 2.1, "call_rate": 0.99, "store": "genotypes.cgstore", "contigs": {"1": 2}}
    quality = quality_of_upload(metadata, None, None)
    run_of(tmp_path, [Record("1", 100, ["0/1"])], HALF_ABSENT[:1])
    found = write_run_report(tmp_path / "cohort.vcf", tmp_path / "out", quality)
    assert found["genotypes"] == {"ti_tv": 2.1, "call_rate": 0.99}
    assert found["quality_missing"] == NOT_COUNTED


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_what_overflows_is_null_and_the_report_is_made_all_the_same(tmp_path):
    calls = ["0/1"] * 15 + ["1/1"] * 15
    rows = [Row("1", 100, "G", "A", 1.7e308), Row("1", 900, "G", "A", -1.7e308)]
    (found,) = run_of(tmp_path, [Record("1", 100, calls)], rows)["scores"]
    assert found["samples"][0]["score_sum"] == 1.7e308
    assert found["samples"][-1]["score_sum"] is None
    assert found["sums"]["n"] == 15
    assert found["sums"]["mean"] is None
    assert found["absent_sites"]["could_add"] == {"lowest": None, "highest": 0.0}


def test_a_file_of_several_scores_is_an_input_once(tmp_path):
    site = {"chr_name": "1", "chr_position": 100, "effect_allele": "G", "other_allele": "A"}
    weights = {"effect_weight_a": 0.5, "effect_weight_b": 0.25}
    file = write_table(tmp_path / "two.txt", [site | weights])
    vcf = genotypes(tmp_path, [Record("1", 100, ["0/1"])], ["S1"])
    run_scoring(vcf, file, tmp_path / "out")
    found = write_run_report(vcf, tmp_path / "out")
    assert len(found["scores"]) == 2
    assert [entry["name"] for entry in found["inputs"]] == [str(vcf), str(file)]
    assert shlex.split(found["run"]["command"]).count(str(file)) == 1
