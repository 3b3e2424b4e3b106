"""Absent sites counted as reference: who has to say so, and every number by hand."""

from pathlib import Path

import pytest

from core.errors import CallableRegionsError, PolicyError
from core.genome_build import GenomeBuild
from tests.builders.cohort_run import Results, run_scoring
from tests.builders.reference_fasta import write_fasta
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import Record, vcf_text, write_vcf

META = (
    "##contig=<ID=1,length=248956422>",
    "##contig=<ID=2,length=242193529>",
    "##contig=<ID=X,length=156040895>",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
)
SAMPLES = ["WOMAN", "MAN", "UNKNOWN"]
ABSENT = {"absent": "reference"}
SEQUENCES = {"1": "ACGTACGTAC", "2": "ACGTACGTAC", "X": "ACGTACGTAC", "Y": "ACGTACGTAC"}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return write_fasta(tmp_path / "ref.fa", SEQUENCES)


@pytest.fixture
def genotypes(tmp_path: Path) -> Path:
    records = [Record("1", 1, ["0/1", "0/0", "1/1"]), Record("X", 1, ["0/0", "0", "./."])]
    return Path(write_vcf(tmp_path / "c.vcf", vcf_text(records, samples=SAMPLES, meta=META)))


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "samples.tsv"
    path.write_text("sample\tsex\nWOMAN\tfemale\nMAN\tmale\nUNKNOWN\tunknown\n")
    return path


def score(folder: Path, *rows: Row) -> Path:
    return write_scoring_file(folder / "S1.txt", rows, accession="S1", build="GRCh38")


def fates(results: Results) -> list[tuple[str, str | None]]:
    columns = (results.matches.column(name).to_pylist() for name in ("status", "reason"))
    return list(zip(*columns, strict=True))


ADDITIVE, DOMINANT = {"is_dominant": "False"}, {"is_dominant": "True"}
ROWS = (
    Row("1", 1, "G", "A", 1.0, more=ADDITIVE),
    Row("1", 2, "C", "T", 0.5, more=ADDITIVE),
    Row("1", 3, "A", "G", 8.0, more=ADDITIVE),
    Row("1", 4, "A", "T", 1.0, more=ADDITIVE),
    Row("1", 5, "AT", "A", 1.0, more=ADDITIVE),
    Row("1", 6, "C", "A", 0.25, more=DOMINANT),
    Row("2", 2, "C", "T", 64.0, more=ADDITIVE),
)
FATES = [
    ("matched", None),
    ("assumed", "stated_reference"),
    ("assumed", "stated_reference"),
    ("excluded", "ambiguous"),
    ("unmatched", "absent_locus"),
    ("assumed", "stated_reference"),
    ("unmatched", "absent_locus"),
]


def test_stated_reference_counts_on_contigs_that_the_file_has(genotypes, fasta, tmp_path):
    results = run_scoring(
        genotypes,
        score(tmp_path, *ROWS),
        tmp_path / "out",
        policy=ABSENT,
        reference_fasta=fasta,
        assume_reference=True,
    )
    assert fates(results) == FATES
    assumed = 0.5 * 2 + 8.0 * 0 + 0.25 * 1
    assert results.column("score_sum") == [1.0 + assumed, assumed, 2.0 + assumed]
    assert results.column("denominator") == [2 + 6] * 3
    assert results.column("allele_count") == [2] * 3
    assert results.column("dosage_sum") == [1.0, 0.0, 2.0]
    assert results.column("n_missing") == [0] * 3
    assert results.column("coverage") == [pytest.approx(1 / 7)] * 3
    facts = results.summary["scores"]["S1"]
    assert (facts["n_matched"], facts["n_assumed_reference"]) == (1, 3)
    assert facts["coverage_with_assumed"] == pytest.approx(4 / 7)
    assert facts["reasons"] == {"ambiguous": 1, "absent_locus": 2}


def test_without_the_policy_absent_rows_add_nothing(genotypes, fasta, tmp_path):
    results = run_scoring(
        genotypes, score(tmp_path, *ROWS), tmp_path / "out", reference_fasta=fasta
    )
    assert results.column("score_sum") == [1.0, 0.0, 2.0]
    assert fates(results)[1] == ("unmatched", "absent_locus")


def test_copies_are_those_of_contig_and_sex(genotypes, fasta, sheet, tmp_path):
    bed = tmp_path / "callable.bed"
    bed.write_text("chrX\t0\t10\nchrY\t0\t10\nchr1\t0\t1\n")
    rows = [
        Row("1", 1, "G", "A", 1.0),
        Row("X", 2, "C", "T", 10.0),
        Row("Y", 2, "C", "T", 100.0),
    ]
    results = run_scoring(
        genotypes,
        score(tmp_path, *rows),
        tmp_path / "out",
        policy=ABSENT,
        reference_fasta=fasta,
        callable_bed=bed,
        samples=sheet,
        build=GenomeBuild.GRCH38,
    )
    assert results.column("score_sum") == [1.0 + 20.0, 0.0 + 10.0 + 100.0, 2.0]
    assert results.column("denominator") == [4, 4, 2]
    assert fates(results)[1:] == [("assumed", "callable_region")] * 2


def test_a_callable_region_decides_site_by_site(genotypes, fasta, tmp_path):
    bed = tmp_path / "callable.bed"
    bed.write_text("track name=x\n1\t4\t5\textra\n1\t1\t2\n1\t1\t2\n#1\t2\t3\n")
    rows = [Row("1", 2, "C", "T", 1.0), Row("1", 3, "G", "A", 2.0), Row("1", 5, "A", "G", 4.0)]
    results = run_scoring(
        genotypes,
        score(tmp_path, Row("1", 1, "G", "A", 1.0), *rows),
        tmp_path / "out",
        policy=ABSENT,
        reference_fasta=fasta,
        callable_bed=bed,
    )
    assert results.column("score_sum") == [1.0 + 2 + 8, 2.0 + 8, 2.0 + 2 + 8]
    assert fates(results)[2] == ("unmatched", "absent_locus")


def test_a_site_without_a_known_base_is_said_to_be_one(genotypes, tmp_path):
    frequencies = tmp_path / "af.tsv"
    frequencies.write_text("#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS\n1\t2\t.\tC\tT\t0.3\n")
    rows = [Row("1", 1, "G", "A", 1.0), Row("1", 2, "C", "T", 1.0), Row("1", 3, "G", "A", 2.0)]
    results = run_scoring(
        genotypes,
        score(tmp_path, *rows),
        tmp_path / "out",
        policy=ABSENT,
        frequencies=frequencies,
        assume_reference=True,
    )
    assert fates(results)[1:] == [
        ("assumed", "stated_reference"),
        ("unmatched", "reference_base_unknown"),
    ]


def test_rows_of_one_score_that_name_one_absent_variant_leave(genotypes, fasta, tmp_path):
    rows = [Row("1", 1, "G", "A", 1.0), Row("1", 2, "C", "T", 1.0), Row("1", 2, "T", "C", 2.0)]
    results = run_scoring(
        genotypes,
        score(tmp_path, *rows),
        tmp_path / "out",
        policy=ABSENT,
        reference_fasta=fasta,
        assume_reference=True,
    )
    assert fates(results)[1:] == [("excluded", "duplicate_target")] * 2
    assert results.column("score_sum") == [1.0, 0.0, 2.0]


def test_nothing_absent_is_nothing_assumed(genotypes, fasta, tmp_path):
    results = run_scoring(
        genotypes,
        score(tmp_path, Row("1", 1, "G", "A", 1.0)),
        tmp_path / "out",
        policy=ABSENT,
        reference_fasta=fasta,
        assume_reference=True,
    )
    assert results.column("score_sum") == [1.0, 0.0, 2.0]
    assert results.summary["scores"]["S1"]["n_assumed_reference"] == 0


@pytest.mark.parametrize(
    ("policy", "given", "missing"),
    [
        (ABSENT, {"fasta"}, "--callable-bed, or state it with --assume-reference-at-absent-sites"),
        (ABSENT, {"assume"}, "Give --reference-fasta, or --frequencies with a REF column"),
        (ABSENT | {"match_by": "rsid"}, {"assume", "fasta"}, "Leave out match_by=rsid"),
        ({}, {"assume", "fasta"}, "Add --policy absent=reference"),
    ],
)
def test_without_evidence_it_is_refused_with_what_to_give(
    policy, given, missing, genotypes, fasta, tmp_path
):
    with pytest.raises(PolicyError, match=missing):
        run_scoring(
            genotypes,
            score(tmp_path, *ROWS),
            tmp_path / "out",
            policy=policy,
            reference_fasta=fasta if "fasta" in given else None,
            assume_reference="assume" in given,
        )


def test_a_gvcf_is_not_overruled(fasta, tmp_path):
    text = "1\t1\t.\tA\t<NON_REF>\t.\t.\tEND=2\tGT\t0/0\t0/0\t0/0"
    meta = (*META, '##ALT=<ID=NON_REF,Description="x">')
    gvcf = write_vcf(tmp_path / "g.vcf", vcf_text([text], samples=SAMPLES, meta=meta))
    file = score(tmp_path, *ROWS)
    with pytest.raises(PolicyError, match="A gVCF says|a gVCF says"):
        run_scoring(
            gvcf,
            file,
            tmp_path / "out",
            policy=ABSENT,
            reference_fasta=fasta,
            assume_reference=True,
        )
    results = run_scoring(gvcf, file, tmp_path / "out", policy=ABSENT, reference_fasta=fasta)
    assert fates(results)[1:3] == [("matched", None), ("unmatched", "absent_locus")]


@pytest.mark.parametrize("line", ["1\tten\t20", "1\t10", "1\t20\t10"])
def test_a_bed_that_is_none_is_refused_with_its_line(line, genotypes, fasta, tmp_path):
    bed = tmp_path / "callable.bed"
    bed.write_text(f"1\t0\t5\n{line}\n")
    with pytest.raises(CallableRegionsError, match="line 2"):
        run_scoring(
            genotypes,
            score(tmp_path, *ROWS),
            tmp_path / "out",
            policy=ABSENT,
            reference_fasta=fasta,
            callable_bed=bed,
        )
