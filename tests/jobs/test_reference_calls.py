"""Records that have REF alone, from the file to the sums: every number by hand."""

from pathlib import Path

import pytest

from core.scoring.policy import Compat
from tests.builders.cohort_run import run_scoring
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import Record, vcf_text, write_vcf

META = (
    "##contig=<ID=1,length=248956422>",
    "##contig=<ID=X,length=156040895>",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
)
SAMPLES = ["WOMAN", "MAN", "UNCALLED"]
AUTOSOME = ["0/0", "0/0", "./."]
X = ["0/0", "0", "./."]


def cohort(folder: Path, *records: Record) -> Path:
    text = vcf_text(records, samples=SAMPLES, meta=META)
    return Path(write_vcf(folder / "cohort.vcf", text))


def score(folder: Path, *rows: Row) -> Path:
    return write_scoring_file(folder / "S1.txt", rows, accession="S1", build="GRCh38")


def test_ref_as_effect_allele_counts_all_copies_and_as_other_allele_none(tmp_path):
    genotypes = cohort(
        tmp_path,
        Record("1", 100, AUTOSOME, ref="A", alt="."),
        Record("1", 200, AUTOSOME, ref="C", alt="."),
        Record("X", 50_000_000, X, ref="G", alt="."),
    )
    rows = [
        Row("1", 100, "A", "G", 0.5),
        Row("1", 200, "T", "C", 0.25),
        Row("X", 50_000_000, "G", "A", 2.0),
    ]
    results = run_scoring(genotypes, score(tmp_path, *rows), tmp_path / "out")
    assert results.column("score_sum") == [0.5 * 2 + 2.0 * 2, 0.5 * 2 + 2.0 * 1, 0.0]
    assert results.column("denominator") == [6, 5, 0]
    assert results.column("n_missing") == [0, 0, 3]
    facts = results.summary["scores"]["S1"]
    assert (facts["n_matched"], facts["n_from_reference"]) == (3, 3)
    assert results.matches.column("match_type").to_pylist() == [
        "ref_only_effect",
        "ref_only_other",
        "ref_only_effect",
    ]
    assert results.matches.column("matched_allele").to_pylist() == ["A", "T", "G"]


@pytest.mark.parametrize("compat", [Compat.PLINK2, Compat.PGSC_CALC_V2])
def test_the_peers_leave_such_a_record_out(compat, tmp_path):
    records = [
        Record("1", 100, AUTOSOME, ref="A", alt="."),
        Record("1", 200, ["0/1", "1/1", "0/0"], ref="A", alt="G"),
    ]
    rows = [Row("1", 100, "A", "G", 0.5), Row("1", 200, "G", "A", 1.0)]
    results = run_scoring(
        cohort(tmp_path, *records), score(tmp_path, *rows), tmp_path / "out", compat=compat
    )
    assert results.column("score_sum") == [1.0, 2.0, 0.0]
    assert results.summary["scores"]["S1"]["reasons"] == {"allele_mismatch": 1}


@pytest.mark.parametrize(
    ("effect", "other", "expected"),
    [("A", "G", 2 * 0.7), ("G", "A", 2 * 0.3), ("T", "C", 2 * 0.7), ("C", "T", 2 * 0.3)],
)
def test_a_missing_call_of_such_a_record_has_the_frequency_of_the_rows_alleles(
    effect, other, expected, tmp_path
):
    frequencies = tmp_path / "af.tsv"
    frequencies.write_text("#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS\n1\t100\t.\tA\tG\t0.3\n")
    results = run_scoring(
        cohort(tmp_path, Record("1", 100, AUTOSOME, ref="A", alt=".")),
        score(tmp_path, Row("1", 100, effect, other, 1.0)),
        tmp_path / "out",
        frequencies=frequencies,
    )
    assert results.column("score_sum")[2] == pytest.approx(expected)
    assert results.column("denominator") == [2, 2, 2]


def test_a_copy_of_an_unspecified_allele_is_none_of_ref_nor_of_alt(tmp_path):
    calls = ["0/1", "1/2", "0/2"]
    rows = [Row("1", 100, "A", "G", 1.0), Row("1", 200, "G", "A", 1.0)]
    genotypes = cohort(
        tmp_path,
        Record("1", 100, calls, ref="A", alt="G,<NON_REF>"),
        Record("1", 200, calls, ref="A", alt="G,<*>"),
    )
    results = run_scoring(genotypes, score(tmp_path, *rows), tmp_path / "out")
    assert results.column("score_sum") == [1.0 + 1.0, 0.0 + 1.0, 1.0 + 0.0]
