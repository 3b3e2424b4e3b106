"""Cohort scoring end to end in this process, as bioinformaticians call it."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from core.errors import CohortError, GenomeBuildError, GenotypeFileError, ScoringFileError
from core.genome_build import GenomeBuild
from core.scoring.policy import Compat
from core.storage.byte_ranges import S3Access
from jobs import store_cohort
from jobs.output_folder import held
from jobs.run_shards import Executor
from jobs.score_cohort import main, score_cohort
from jobs.scoring_inputs import CohortScoring
from tests.builders.cohort_run import read_results, run_scoring
from tests.builders.s3_server import running_s3_server
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import Record, bgzip, sample_names, vcf_text, write_vcf

CALLS = ["0/0", "0/1", "1/1", "./."]
SAMPLES = sample_names(4)
B38 = ["##contig=<ID=1,length=248956422>", "##contig=<ID=X,length=156040895>"]
GT = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'
META = (*B38, GT)


def cohort(folder: Path, records: list[Record], name: str = "cohort.vcf") -> Path:
    return Path(write_vcf(folder / name, vcf_text(records, samples=SAMPLES, meta=META)))


def score(folder: Path, rows: list[Row], name: str = "S1", build: str = "GRCh38") -> Path:
    return write_scoring_file(folder / f"{name}.txt", rows, accession=name, build=build)


class Inputs(NamedTuple):
    genotypes: Path
    file: Path


@pytest.fixture
def one_variant(tmp_path: Path) -> Inputs:
    return Inputs(
        cohort(tmp_path, [Record("1", 100, CALLS)]),
        score(tmp_path, [Row("1", 100, "G", "A", 0.5)]),
    )


def test_a_missing_call_leaves_numerator_and_denominator_by_default(one_variant: Inputs, tmp_path):
    results = run_scoring(*one_variant, tmp_path / "out")
    assert results.column("score_sum") == [0.0, 0.5, 1.0, 0.0]
    assert results.column("denominator") == [2, 2, 2, 0]
    assert results.column("score_average") == [0.0, 0.25, 0.5, None]
    assert results.column("n_missing") == [0, 0, 0, 1]
    assert results.column("status") == ["ok", "ok", "ok", "no_calls"]
    assert results.summary["policy"]["missing"] == "mean_external"


def test_a_frequency_in_the_scoring_file_imputes_a_missing_call(tmp_path):
    row = Row("1", 100, "G", "A", 0.5, more={"allelefrequency_effect": 0.2})
    results = run_scoring(
        cohort(tmp_path, [Record("1", 100, CALLS)]), score(tmp_path, [row]), tmp_path / "out"
    )
    assert results.column("score_sum")[3] == pytest.approx(2 * 0.2 * 0.5)
    assert results.column("denominator")[3] == 2


def test_a_named_frequency_file_wins_over_the_scoring_files_column(tmp_path):
    frequencies = tmp_path / "af.tsv"
    frequencies.write_text("#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS\n1\t100\t.\tA\tG\t0.3\n")
    row = Row("1", 100, "A", "G", 0.5, more={"allelefrequency_effect": 0.1})
    results = run_scoring(
        cohort(tmp_path, [Record("1", 100, CALLS)]),
        score(tmp_path, [row]),
        tmp_path / "out",
        frequencies=frequencies,
    )
    assert results.column("score_sum")[3] == pytest.approx(2 * (1 - 0.3) * 0.5)


def test_a_person_scores_the_same_alone_and_in_a_cohort(tmp_path):
    row = Row("1", 100, "G", "A", 0.5, more={"allelefrequency_effect": 0.2})
    file = score(tmp_path, [row])
    together = run_scoring(cohort(tmp_path, [Record("1", 100, CALLS)]), file, tmp_path / "all")
    alone = write_vcf(
        tmp_path / "alone.vcf", vcf_text([Record("1", 100, ["./."])], samples=["S4"], meta=META)
    )
    assert run_scoring(alone, file, tmp_path / "one").sums()["S4"] == together.sums()["S4"]


def test_missing_fail_leaves_the_person_without_a_number_and_says_why(
    one_variant: Inputs, tmp_path
):
    results = run_scoring(*one_variant, tmp_path / "out", policy={"missing": "fail"})
    assert results.column("score_sum") == [0.0, 0.5, 1.0, None]
    assert results.column("status") == ["ok", "ok", "ok", "missing_call"]


def test_one_file_per_chromosome_makes_one_cohort(tmp_path):
    first = cohort(tmp_path, [Record("1", 100, CALLS)], "chr1.vcf.gz")
    second = cohort(tmp_path, [Record("1", 900, CALLS[::-1])], "chr1b.vcf")
    rows = [Row("1", 100, "G", "A", 0.5), Row("1", 900, "G", "A", 0.25)]
    results = run_scoring([first, second], score(tmp_path, rows), tmp_path / "out")
    assert results.column("score_sum") == [0.0, 1.0, 1.25, 0.0]
    assert results.column("denominator") == [2, 4, 4, 2]


def test_genotypes_in_a_bucket_score_as_they_do_on_disk(tmp_path):
    records = [Record("1", position, CALLS) for position in range(100, 600)]
    local = cohort(tmp_path, records, "cohort.vcf.gz")
    rows = [Row("1", position, "G", "A", 0.1) for position in range(100, 600)]
    file = score(tmp_path, rows)
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket/cohort.vcf.gz").write_bytes(local.read_bytes())
    on_disk = run_scoring(local, file, tmp_path / "disk")
    with running_s3_server(tmp_path) as server:
        access = S3Access(
            server.endpoint_url, server.access_key_id, server.secret_access_key, "us-east-1"
        )
        in_bucket = run_scoring(
            "s3://bucket/cohort.vcf.gz", file, tmp_path / "bucket_out", s3=access
        )
    assert in_bucket.scores.equals(on_disk.scores)
    assert in_bucket.summary["genotypes"][0] == {
        "uri": "s3://bucket/cohort.vcf.gz",
        "sha256": on_disk.summary["genotypes"][0]["sha256"],
    }


def test_files_with_their_samples_in_another_order_are_refused(tmp_path):
    first = cohort(tmp_path, [Record("1", 100, CALLS)], "chr1.vcf")
    text = vcf_text([Record("1", 900, CALLS)], samples=SAMPLES[::-1], meta=META)
    second = write_vcf(tmp_path / "chr2.vcf", text)
    file = score(tmp_path, [Row("1", 100, "G", "A", 0.5)])
    with pytest.raises(CohortError, match="S4"):
        run_scoring([first, Path(second)], file, tmp_path / "out")


def test_a_site_that_two_files_hold_is_scored_once(tmp_path):
    first = cohort(tmp_path, [Record("1", 100, ["0/0", "0/0", "0/0", "0/0"])], "a.vcf")
    second = cohort(tmp_path, [Record("1", 100, CALLS), Record("1", 200, CALLS)], "b.vcf")
    rows = [Row("1", 100, "G", "A", 0.5), Row("1", 200, "G", "A", 2.0)]
    results = run_scoring([first, second], score(tmp_path, rows), tmp_path / "out")
    assert results.column("score_sum") == [0.0, 2.0, 4.0, 0.0]
    assert results.column("denominator") == [4, 4, 4, 2]
    assert [row["status"] for row in results.matches.to_pylist()] == ["matched", "matched"]


def test_records_of_one_site_far_apart_in_an_unsorted_file_are_scored_once(tmp_path):
    filler = [Record("1", position, CALLS) for position in range(1000, 1400)]
    records = [Record("1", 100, CALLS), *filler, Record("1", 100, CALLS)]
    file = score(tmp_path, [Row("1", 100, "G", "A", 0.5)])
    path = cohort(tmp_path, records)
    whole = run_scoring(path, file, tmp_path / "whole")
    cut = run_scoring(path, file, tmp_path / "cut", shard_bytes=2000)
    assert cut.summary["n_shards"] >= 5
    assert cut.column("denominator") == whole.column("denominator") == [2, 2, 2, 0]


def test_an_id_that_two_records_have_is_scored_once_however_the_file_is_cut(tmp_path):
    """rs1 goes with its first record, so that the second is rs2's alone."""
    filler = [Record("1", position, CALLS, id=f"f{position}") for position in range(1000, 1040)]
    twice = [Record("1", 100, ["1/1"] * 4, id="rs1"), Record("1", 5000, CALLS, id="rs1;rs2")]
    rows = [Row(None, None, "G", "A", weight, rsid=f"rs{weight}") for weight in (1, 2)]
    file, path = score(tmp_path, rows), cohort(tmp_path, [twice[0], *filler, twice[1]])
    for shard_bytes in (100, 1 << 20):
        results = run_scoring(
            path,
            file,
            tmp_path / f"{shard_bytes}",
            shard_bytes=shard_bytes,
            policy={"match_by": "rsid"},
        )
        assert results.column("score_sum") == [2.0, 4.0, 6.0, 2.0]
        assert results.column("denominator") == [4, 4, 4, 2]
        matched = [row["variant_id"] for row in results.matches.to_pylist()]
        assert matched == ["1:100:A:G", "1:5000:A:G"]


def test_a_scoring_file_on_another_build_fails_alone(tmp_path):
    genotypes = cohort(tmp_path, [Record("1", 100, CALLS)])
    rows = [Row("1", 100, "G", "A", 0.5)]
    files = [score(tmp_path, rows, "GOOD"), score(tmp_path, rows, "OLD", build="GRCh37")]
    results = run_scoring(genotypes, files, tmp_path / "out")
    assert list(results.summary["scores"]) == ["GOOD"]
    (problem,) = results.summary["refused_scoring_files"].values()
    assert problem["code"] == "genome_build_mismatch"
    assert problem["what"].startswith("the header of the scoring file says GRCh37, the genotypes")
    assert "GRCh38 (genotype header: contig 1 is 248956422 bases long)" in problem["what"]
    assert "--chain" in problem["fix"]


def test_no_usable_scoring_file_is_an_error(tmp_path):
    genotypes = cohort(tmp_path, [Record("1", 100, CALLS)])
    old = score(tmp_path, [Row("1", 100, "G", "A", 0.5)], build="GRCh37")
    with pytest.raises(GenomeBuildError, match="GRCh38"):
        run_scoring(genotypes, old, tmp_path / "out")


def test_two_files_of_one_accession_are_refused(tmp_path):
    genotypes = cohort(tmp_path, [Record("1", 100, CALLS)])
    rows = [Row("1", 100, "G", "A", 0.5)]
    twin = write_scoring_file(tmp_path / "twin.txt", rows, accession="S1", build="GRCh38")
    with pytest.raises(ScoringFileError, match="S1"):
        run_scoring(genotypes, [score(tmp_path, rows), twin], tmp_path / "out")


def test_a_build_that_contradicts_the_header_is_refused(one_variant: Inputs, tmp_path):
    with pytest.raises(GenomeBuildError, match=r"--build says GRCh37, .* GRCh38 \(genotype header"):
        run_scoring(*one_variant, tmp_path / "out", build=GenomeBuild.GRCH37)


def test_variants_on_x_need_a_build_unless_the_par_is_unsplit(tmp_path):
    text = vcf_text([Record("X", 5000, CALLS)], samples=SAMPLES, meta=["##contig=<ID=X>", GT])
    genotypes = write_vcf(tmp_path / "x.vcf", text)
    file = write_scoring_file(
        tmp_path / "x.txt", [Row("X", 5000, "G", "A", 1.0)], accession="X1", build=None
    )
    with pytest.raises(GenomeBuildError, match="pseudo-autosomal"):
        run_scoring(genotypes, file, tmp_path / "out")
    results = run_scoring(genotypes, file, tmp_path / "out", policy={"par": "unsplit"})
    assert results.column("score_sum")[:3] == [0.0, 1.0, 2.0]


def test_below_the_minimum_overlap_a_score_is_returned_and_marked(tmp_path):
    genotypes = cohort(tmp_path, [Record("1", 100, CALLS)])
    rows = [Row("1", 100, "G", "A", 0.5), Row("1", 7, "G", "A", 1.5)]
    results = run_scoring(genotypes, score(tmp_path, rows), tmp_path / "out")
    assert results.column("status") == ["below_min_overlap"] * 3 + ["no_calls"]
    assert results.column("score_sum")[2] == 1.0
    assert results.column("coverage")[0] == 0.5
    assert results.column("weight_coverage")[0] == 0.25


def test_without_any_match_there_is_no_number(tmp_path):
    genotypes = cohort(tmp_path, [Record("1", 100, CALLS)])
    results = run_scoring(
        genotypes, score(tmp_path, [Row("1", 7, "G", "A", 0.5)]), tmp_path / "out"
    )
    assert set(results.column("score_sum")) == {None}
    assert set(results.column("status")) == {"no_variants_matched"}


def test_a_lone_dot_on_an_autosome_is_a_missing_diploid_call(tmp_path):
    genotypes = cohort(tmp_path, [Record("1", 100, ["0/0", "0/1", "1/1", "."])])
    row = Row("1", 100, "G", "A", 0.5, more={"allelefrequency_effect": 0.2})
    results = run_scoring(genotypes, score(tmp_path, [row]), tmp_path / "out")
    assert results.column("score_sum")[3] == pytest.approx(2 * 0.2 * 0.5)
    assert results.column("denominator") == [2, 2, 2, 2]


def test_a_lone_dot_on_x_is_one_call_of_a_man_and_two_of_a_woman(tmp_path):
    """S1 and S3 are written haploid elsewhere on X."""
    records = [
        Record("X", 50_000_000, ["0", "0/1", ".", "."]),
        Record("X", 60_000_000, ["1", "0/0", "0", "0/1"]),
    ]
    row = Row("X", 50_000_000, "G", "A", 1.0, more={"allelefrequency_effect": 0.2})
    results = run_scoring(cohort(tmp_path, records), score(tmp_path, [row]), tmp_path / "out")
    assert results.column("score_sum") == pytest.approx([0.0, 1.0, 0.2, 0.4])
    assert results.column("denominator") == [1, 2, 1, 2]


@pytest.mark.parametrize(("compat", "denominators"), [("default", [2, 1]), ("plink2", [1, 1])])
def test_mt_written_diploid_counts_as_written_or_as_plink2_has_it(compat, denominators, tmp_path):
    text = vcf_text([Record("MT", 100, ["1/1", "1"])], meta=[GT])
    genotypes = write_vcf(tmp_path / "mt.vcf", text)
    file = score(tmp_path, [Row("MT", 100, "G", "A", 1.0)])
    results = run_scoring(genotypes, file, tmp_path / "out", compat=Compat(compat))
    assert results.column("score_sum") == denominators
    assert results.column("denominator") == denominators


def test_a_position_that_no_genome_has_is_not_taken_for_another_contigs(tmp_path):
    """A key holds contig and position: 2**32 + 100 on the first contig must not be 100 on the
    second."""
    genotypes = cohort(tmp_path, [Record("1", 100, CALLS), Record("X", 100, CALLS)])
    rows = [Row("1", 2**32 + 100, "G", "A", 1.0), Row("X", 7, "G", "A", 1.0)]
    results = run_scoring(genotypes, score(tmp_path, rows), tmp_path / "out")
    reasons = [row["reason"] for row in results.matches.to_pylist()]
    assert reasons == ["bad_coordinates", "absent_locus"]


SEX_CHROMOSOMES = [
    Record("X", 50_000_000, ["0", "0/1", "1", "0/0"]),
    Record("X", 60_000_000, ["1", "0/0", "0", "0/1"]),
    Record("Y", 10_000_000, ["1", ".", ".", "."]),
]


def test_sex_is_read_from_haploid_calls_on_x_when_a_score_has_y_variants(tmp_path):
    """S1 and S3 are male: S3's missing Y call is missing; S2 and S4 have no Y at all."""
    genotypes = cohort(tmp_path, SEX_CHROMOSOMES)
    file = score(tmp_path, [Row("Y", 10_000_000, "G", "A", 1.0)])
    results = run_scoring(genotypes, file, tmp_path / "out", policy={"missing": "mean_cohort"})
    assert results.column("score_sum") == [1.0, 0.0, 1.0, 0.0]
    assert results.column("denominator") == [1, 0, 1, 0]
    assert results.column("n_missing") == [0, 0, 1, 0]


def test_a_missing_y_call_of_unknown_sex_is_not_imputed_and_says_so(tmp_path):
    genotypes = cohort(tmp_path, SEX_CHROMOSOMES[2:])
    file = score(tmp_path, [Row("Y", 10_000_000, "G", "A", 1.0)])
    results = run_scoring(genotypes, file, tmp_path / "out", policy={"missing": "mean_cohort"})
    assert results.column("score_sum") == [1.0, 0.0, 0.0, 0.0]
    assert results.column("denominator") == [1, 0, 0, 0]
    (row,) = results.matches.to_pylist()
    assert (row["status"], row["reason"]) == ("matched", "sex_unknown")


def test_a_sample_sheet_decides_where_there_is_one(tmp_path):
    sheet = tmp_path / "samples.tsv"
    sheet.write_text("sample\tsex\nS1\tmale\nS2\tfemale\nS3\tfemale\nS4\tmale\n")
    results = run_scoring(
        cohort(tmp_path, SEX_CHROMOSOMES),
        score(tmp_path, [Row("Y", 10_000_000, "G", "A", 1.0)]),
        tmp_path / "out",
        policy={"missing": "mean_cohort"},
        samples=sheet,
    )
    assert results.column("n_missing") == [0, 0, 0, 1]


def test_the_summary_names_inputs_by_sha256_and_says_what_was_done(one_variant: Inputs, tmp_path):
    summary = run_scoring(*one_variant, tmp_path / "out", shard_bytes=70_000).summary
    assert summary == json.loads((tmp_path / "out/summary.json").read_text())
    assert len(summary["genotypes"][0]["sha256"]) == 64
    assert summary["scores"]["S1"]["scoring_file"]["sha256"]
    assert summary["build"] == "GRCh38"
    assert summary["build_source"] == "genotype header"
    assert summary["shard_bytes"] == 70_000
    assert summary["n_records"] == 1
    assert summary["research_use_only"] is True


def test_a_file_that_breaks_in_the_middle_leaves_no_results(tmp_path):
    text = vcf_text([Record("1", 100, CALLS), Record("1", 200, CALLS[:3])], samples=SAMPLES)
    genotypes = write_vcf(tmp_path / "ragged.vcf", text)
    file = score(tmp_path, [Row("1", 200, "G", "A", 0.5)], build="GRCh37")
    with pytest.raises(GenotypeFileError, match="line 8"):
        run_scoring(genotypes, file, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_interrupted_run_is_taken_up_and_no_reuse_starts_anew(tmp_path):
    records = [Record("1", position, CALLS) for position in range(100, 600)]
    genotypes = cohort(tmp_path, records)
    file = score(tmp_path, [Row("1", position, "G", "A", 0.1) for position in range(100, 600)])
    broken = cohort(tmp_path, records, "broken.vcf")

    def fail_half_way(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    request = CohortScoring(
        genotypes=(str(broken),),
        scoring_files=(file,),
        output=tmp_path / "out",
        shard_bytes=1000,
    )
    with pytest.raises(KeyboardInterrupt):
        score_cohort(request, executor=Executor.INLINE, on_progress=fail_half_way)
    resumed = run_scoring(broken, file, tmp_path / "out", shard_bytes=1000)
    assert resumed.summary["n_shards_resumed"] > resumed.summary["n_shards"] / 2
    whole = run_scoring(genotypes, file, tmp_path / "anew", shard_bytes=1000, reuse=False)
    assert whole.summary["n_shards_resumed"] == 0
    assert resumed.scores.equals(whole.scores)


def arguments(genotypes: Path, file: Path, output: Path, *more: str) -> list[str]:
    paths = ["--genotypes", str(genotypes), "--scoring-file", str(file), "--output", str(output)]
    return [*paths, *more]


def test_the_command_takes_every_option_of_the_policy(one_variant: Inputs, tmp_path):
    more = ["--compat", "plink2", "--missing", "zero", "--min-overlap", "0.5"]
    more += ["--policy", "ambiguous=drop", "--policy", "x_male=observed", "--build", "GRCh38"]
    assert main(arguments(*one_variant, tmp_path / "out", *more)) == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["compat"] == Compat.PLINK2
    assert summary["policy"]["missing"] == "zero"
    assert summary["policy"]["min_overlap"] == 0.5
    assert summary["policy"]["ambiguous"] == "drop"
    assert summary["policy"]["x_male"] == "observed"
    assert read_results(tmp_path / "out", summary).column("denominator") == [2, 2, 2, 2]


@pytest.mark.parametrize("wrong", ["nonsense=1", "missing=maybe", "min_overlap=2", "ambiguous"])
def test_a_wrong_policy_is_said_on_one_line_and_exits_2(
    wrong, one_variant: Inputs, tmp_path, capsys
):
    assert main(arguments(*one_variant, tmp_path / "out", "--policy", wrong)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert wrong.partition("=")[0] in said


def test_a_scoring_file_that_failed_alone_is_named_on_stderr(one_variant: Inputs, tmp_path, capsys):
    rows = [Row("1", 100, "G", "A", 0.5)]
    old = score(tmp_path, rows, "OLD", build="GRCh37")
    paths = arguments(*one_variant, tmp_path / "out")
    paths.insert(paths.index("--output"), str(old))
    assert main(paths) == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"warning: left out: {old}: ")
    assert "GRCh37" in said
    assert "harmonised" in said


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [("--build", "hg19", "GRCh37"), ("--compat", "plink", "plink2"), ("--executor", "x", "ray")],
)
def test_a_word_that_no_option_takes_is_answered_with_those_it_takes(
    option, value, known, one_variant: Inputs, tmp_path, capsys
):
    with pytest.raises(SystemExit) as stopped:
        main(arguments(*one_variant, tmp_path / "out", option, value))
    assert stopped.value.code == 2
    assert f"'{known}'" in capsys.readouterr().err


def test_a_truncated_file_exits_2_and_names_the_file(tmp_path, capsys):
    text = vcf_text([Record("1", 100, CALLS)], samples=SAMPLES, meta=META)
    genotypes = tmp_path / "cut.vcf.gz"
    genotypes.write_bytes(bgzip(text, is_complete=False))
    file = score(tmp_path, [Row("1", 100, "G", "A", 0.5)])
    assert main(arguments(genotypes, file, tmp_path / "out")) == 2
    assert "cut.vcf.gz" in capsys.readouterr().err


def test_a_folder_that_another_run_writes_into_is_refused(one_variant: Inputs, tmp_path, capsys):
    with held(tmp_path / "out"):
        assert main(arguments(*one_variant, tmp_path / "out")) == 2
    assert "another run" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_an_output_that_cannot_be_a_folder_exits_1_on_one_line(
    one_variant: Inputs, tmp_path, capsys
):
    (tmp_path / "out").write_text("a file")
    assert main(arguments(*one_variant, tmp_path / "out")) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_new_results_replace_those_in_the_folder(one_variant: Inputs, tmp_path):
    run_scoring(*one_variant, tmp_path / "out")
    again = run_scoring(*one_variant, tmp_path / "out", policy={"missing": "zero"})
    assert again.column("denominator") == [2, 2, 2, 2]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"scores.parquet", "matches.parquet", "summary.json"}


def test_a_report_is_written_where_it_is_asked_for_and_goes_with_its_results(
    one_variant: Inputs, tmp_path
):
    reports = {"report.html", "report.json"}
    assert main(arguments(*one_variant, tmp_path / "out", "--report")) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} >= reports
    assert main(arguments(*one_variant, tmp_path / "out")) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} & reports == set()


def test_the_report_of_a_store_has_its_quality_and_that_of_a_file_says_why_not(
    one_variant: Inputs, tmp_path
):
    genotypes, file = one_variant
    store = tmp_path / "cohort.cgstore"
    assert store_cohort.main(["--genotypes", str(genotypes), "--output", str(store)]) == 0
    for source, is_there in ((genotypes, False), (store, True)):
        assert main(arguments(source, file, tmp_path / "out", "--report")) == 0
        report = json.loads((tmp_path / "out/report.json").read_text())
        assert (report["genotypes"] is not None) is is_there
        assert (report["quality_missing"] is None) is is_there


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_ray_gives_the_bytes_of_threads_over_many_shards(tmp_path):
    records = [
        Record("1", position, CALLS[position % 4 :] + CALLS[: position % 4])
        for position in range(100, 900)
    ]
    weights = [math.sin(position) for position in range(100, 900)]
    rows = [Row("1", 100 + at, "G", "A", weight) for at, weight in enumerate(weights)]
    genotypes, file = cohort(tmp_path, records, "many.vcf.gz"), score(tmp_path, rows)
    plain = cohort(tmp_path, records, "many.vcf")
    options: dict[str, Any] = {"shard_bytes": 2000}
    threads = run_scoring(plain, file, tmp_path / "threads", **options)
    ray = run_scoring(plain, file, tmp_path / "ray", executor=Executor.RAY, **options)
    assert threads.summary["n_shards"] >= 16
    assert ray.scores.equals(threads.scores)
    assert ray.matches.equals(threads.matches)
    genotypes.write_bytes(genotypes.read_bytes()[:-40])
    with pytest.raises(GenotypeFileError, match="truncated"):
        run_scoring(genotypes, file, tmp_path / "cut", executor=Executor.RAY)
