"""Indels at harmonised positions, which may stand one behind the base that VCF anchors them at."""

from pathlib import Path
from typing import Any

import pytest

from core.genome_build import GenomeBuild
from tests.builders.cohort_run import Results, run_scoring
from tests.builders.scoring_file import Row, write_harmonised_file, write_scoring_file
from tests.builders.vcf import Record, vcf_text, write_vcf

META = [
    "##contig=<ID=1,length=248956422>",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
]
INSERTION = Row("1", 101, "AT", "A", 1.0)
HET = ["0/1", "1/1"]


def score(folder: Path, records: list[Record], rows: list[Row], **options: Any) -> Results:
    vcf = write_vcf(folder / "people.vcf", vcf_text(records, meta=META))
    file = write_harmonised_file(folder / "score.txt", rows)
    return run_scoring(vcf, file, folder / "out", build=GenomeBuild.GRCH38, **options)


def fates(results: Results) -> list[tuple[str | None, str | None]]:
    lines = results.matches.to_pylist()
    return [(line["match_type"], line["reason"]) for line in lines]


def test_an_indel_is_found_at_the_base_before(tmp_path):
    results = score(tmp_path, [Record("1", 100, HET, ref="A", alt="AT")], [INSERTION])
    assert fates(results) == [("altref_anchor", None)]
    assert results.column("score_sum") == [1.0, 2.0]


def test_its_own_position_comes_first(tmp_path):
    records = [
        Record("1", 100, HET, ref="A", alt="AT"),
        Record("1", 101, ["1/1", "0/0"], ref="A", alt="AT"),
    ]
    for shard_bytes in (1 << 20, 40):
        (folder := tmp_path / str(shard_bytes)).mkdir()
        results = score(folder, records, [INSERTION], shard_bytes=shard_bytes)
        assert fates(results) == [("altref", None)]
        assert results.column("score_sum") == [2.0, 0.0]


@pytest.mark.parametrize(
    ("ref", "alt"), [("A", "AG"), ("T", "TA"), ("A", "T")], ids=["other", "other strand", "SNV"]
)
def test_other_alleles_before_it_are_not_taken_and_the_row_is_absent(tmp_path, ref, alt):
    results = score(tmp_path, [Record("1", 100, HET, ref=ref, alt=alt)], [INSERTION])
    assert fates(results) == [(None, "absent_locus")]


def test_a_substitution_is_where_it_is_or_nowhere(tmp_path):
    results = score(
        tmp_path, [Record("1", 100, HET, ref="A", alt="G")], [Row("1", 101, "G", "A", 1.0)]
    )
    assert fates(results) == [(None, "absent_locus")]


def test_positions_that_nobody_harmonised_are_taken_as_they_are(tmp_path):
    vcf = write_vcf(
        tmp_path / "people.vcf",
        vcf_text([Record("1", 100, HET, ref="A", alt="AT")], meta=META),
    )
    file = write_scoring_file(tmp_path / "score.txt", [INSERTION], build="GRCh38")
    results = run_scoring(vcf, file, tmp_path / "out", build=GenomeBuild.GRCH38)
    assert fates(results) == [(None, "absent_locus")]


def test_an_indel_that_two_rows_name_is_a_duplicate_target(tmp_path):
    rows = [INSERTION, Row("1", 100, "AT", "A", 0.5)]
    results = score(tmp_path, [Record("1", 100, HET, ref="A", alt="AT")], rows)
    assert [reason for _, reason in fates(results)] == ["duplicate_score_row"] * 2
