"""Absent sites counted as reference: who has to say so, and every number by hand."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import CallableRegionsError, PolicyError
from core.genome_build import GenomeBuild
from tests.builders.cohort_run import Results, run_scoring
from tests.builders.reference_fasta import write_fasta
from tests.builders.scoring_file import Cell, Row, write_scoring_file
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


MISSING = {"absent": "missing"}
FREQUENCIES = "#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS\n1\t2\t.\tC\tT\t0.25\n1\t4\t.\tA\tT\t0.25\n"


@pytest.fixture
def frequencies(tmp_path: Path) -> Path:
    path = tmp_path / "af.tsv"
    path.write_text(FREQUENCIES)
    return path


def at_frequency(frequency: float | None, effect_type: str = "additive") -> dict[str, Cell]:
    return {"effect_type": effect_type, "allelefrequency_effect": frequency}


def test_absent_sites_as_missing_calls_are_imputed_where_a_frequency_is_known(
    genotypes, frequencies, tmp_path
):
    rows = [
        Row("1", 1, "G", "A", 1.0, more=at_frequency(None)),
        Row("1", 2, "C", "T", 0.5, more=at_frequency(None)),
        Row("1", 3, "A", "G", 8.0, more=at_frequency(None)),
        Row("1", 4, "A", "T", 1.0, more=at_frequency(None)),
        Row("2", 2, "C", "T", 64.0, more=at_frequency(0.125)),
        Row("2", 5, "CTG", "C", 2.0, more=at_frequency(0.5)),
    ]
    results = run_scoring(
        genotypes,
        score(tmp_path, *rows),
        tmp_path / "out",
        policy=MISSING,
        frequencies=frequencies,
    )
    assert fates(results) == [
        ("matched", None),
        ("imputed", "absent_as_missing"),
        ("unmatched", "absent_locus"),
        ("excluded", "ambiguous"),
        ("imputed", "absent_as_missing"),
        ("imputed", "absent_as_missing"),
    ]
    imputed = 0.5 * 2 * 0.75 + 64 * 2 * 0.125 + 2 * 2 * 0.5
    assert results.column("score_sum") == [1.0 + imputed, imputed, 2.0 + imputed]
    assert results.column("denominator") == [8] * 3
    assert results.column("n_missing") == [0] * 3
    assert results.column("coverage") == [pytest.approx(1 / 6)] * 3
    facts = results.summary["scores"]["S1"]
    assert (facts["n_matched"], facts["n_imputed_absent"], facts["n_unmatched"]) == (1, 3, 1)
    assert facts["coverage_with_assumed"] == pytest.approx(1 / 6)
    assert facts["reasons"] == {"ambiguous": 1, "absent_locus": 1}


def test_absent_sites_as_missing_calls_of_zero_stay_in_the_denominator(genotypes, tmp_path):
    results = run_scoring(
        genotypes,
        score(tmp_path, Row("1", 1, "G", "A", 1.0), Row("1", 2, "C", "T", 0.5)),
        tmp_path / "out",
        policy=MISSING | {"missing": "zero"},
    )
    assert results.column("score_sum") == [1.0, 0.0, 2.0]
    assert results.column("denominator") == [4] * 3


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"missing": "mean_cohort"}, "missing=mean_cohort has no number"),
        ({"missing": "fail"}, "missing=fail has no number"),
        ({"match_by": "rsid"}, "absent=missing needs positions"),
    ],
)
def test_absent_sites_as_missing_calls_need_a_number_for_them(policy, problem, genotypes, tmp_path):
    with pytest.raises(PolicyError, match=problem):
        run_scoring(genotypes, score(tmp_path, *ROWS), tmp_path / "out", policy=MISSING | policy)


BASES = st.sampled_from("ACGT")
ALLELES = st.tuples(BASES, BASES).filter(lambda pair: pair[0] != pair[1])
PLACES = st.sampled_from([("1", 1), ("1", 2), ("1", 3), ("2", 1), ("X", 2), ("X", 3), ("Y", 1)])


@given(
    rows=st.lists(
        st.tuples(PLACES, ALLELES, st.sampled_from([-2.0, 0.5, 1.0]), st.sampled_from([0.25, 0.5])),
        min_size=1,
        max_size=8,
        unique_by=lambda row: (row[0], frozenset(row[1])),
    ),
    effect_type=st.sampled_from(["additive", "dominant", "recessive"]),
    policy=st.sampled_from([{}, {"missing": "zero"}, {"x_male": "doubled"}, {"ambiguous": "keep"}]),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_it_is_as_if_a_record_of_missing_calls_were_there(
    rows, effect_type, policy, sheet, tmp_path_factory
):
    """At one place at most one pair of alleles, as a record has it."""
    folder = tmp_path_factory.mktemp("run")
    rows = list({row[0]: row for row in rows}.values())
    present = Record("1", 9, ["0/1", "0/0", "1/1"])
    absent = [
        Record(contig, position, [".", ".", "."], ref=other, alt=effect)
        for (contig, position), (effect, other), *_ in rows
    ]
    file = score(
        folder,
        Row("1", 9, "G", "A", 1.0, more=at_frequency(0.5, effect_type)),
        *(
            Row(contig, position, effect, other, weight, more=at_frequency(frequency, effect_type))
            for (contig, position), (effect, other), weight, frequency in rows
        ),
    )

    def results_of(records: list[Record], **more: str) -> Results:
        vcf = write_vcf(folder / "c.vcf", vcf_text(records, samples=SAMPLES, meta=META))
        return run_scoring(
            vcf,
            file,
            folder / "out",
            policy=policy | more,
            samples=sheet,
            build=GenomeBuild.GRCH38,
        )

    expected, found = results_of([present, *absent]), results_of([present], absent="missing")
    for column in ("score_sum", "denominator"):
        assert found.column(column) == pytest.approx(expected.column(column), abs=1e-12)


def test_alleles_of_several_scores_at_one_absent_place_do_not_answer_for_each_other(
    genotypes, tmp_path
):
    present = Row("1", 1, "G", "A", 1.0, more=at_frequency(0.5))
    rows = {
        "S1": [Row("1", 2, "A", "G", 1.0, more=at_frequency(0.25))],
        "S2": [Row("1", 2, "G", "A", 10.0, more=at_frequency(0.75))],
        "S3": [Row("1", 2, "C", "T", 100.0, more=at_frequency(0.5))],
        "S4": [Row("1", 2, "A", "C", 1.0, more=at_frequency(0.125))],
        "S5": [Row("1", 2, "A", "ACGTACGTACG", 1.0, more=at_frequency(0.5))],
        "S6": [Row("1", 2, "A", None, 1.0, more=at_frequency(0.25))],
        "S7": [
            Row("1", 2, "A", "G", 1.0, more=at_frequency(0.25)),
            Row("1", 2, "T", "C", 1.0, more=at_frequency(0.25)),
        ],
    }
    files = [
        write_scoring_file(tmp_path / name, [present, *some], accession=name, build="GRCh38")
        for name, some in rows.items()
    ]
    results = run_scoring(genotypes, files, tmp_path / "out", policy=MISSING)
    imputed = {"S1": 0.5, "S2": 15.0, "S3": 100.0, "S4": 0.25, "S5": 1.0, "S6": 0.5, "S7": 0.0}
    for name, expected in imputed.items():
        assert results.column("score_sum", name) == [1 + expected, expected, 2 + expected]
    assert results.summary["scores"]["S7"]["reasons"] == {"duplicate_target": 2}


@pytest.mark.parametrize(
    "rows",
    [
        [("A", "C", 0.125), ("A", "G", 0.125)],
        [("A", None, 0.25), ("G", "A", 0.75)],
        [("C", "A", 0.125), ("G", "A", 0.25)],
    ],
    ids=["REF named twice", "no other allele", "two ALTs"],
)
@pytest.mark.parametrize("kept", [{}, {"duplicate_target": "keep_first"}], ids=["all", "first"])
def test_rows_of_one_score_with_several_pairs_at_one_absent_place_leave(
    rows, kept, genotypes, tmp_path
):
    """Only a record could tell which of them name one allele of one variant."""
    named = [
        Row("1", 2, effect, other, weight, more=at_frequency(frequency))
        for weight, (effect, other, frequency) in zip((1.0, 10.0), rows, strict=True)
    ]
    present = Row("1", 1, "G", "A", 1.0, more=at_frequency(0.5))
    results = run_scoring(
        genotypes, score(tmp_path, present, *named), tmp_path / "out", policy=MISSING | kept
    )
    duplicate = ("excluded", "duplicate_target")
    first = ("imputed", "absent_as_missing") if kept else duplicate
    assert fates(results) == [("matched", None), first, duplicate]
    imputed = 2 * rows[0][2] if kept else 0.0
    assert results.column("score_sum") == [1 + imputed, imputed, 2 + imputed]
    assert results.column("denominator") == [4 if kept else 2] * 3


def test_a_person_alone_scores_as_in_a_cohort(sheet, tmp_path):
    rows = [
        Row("1", 1, "G", "A", 1.0, more=at_frequency(0.5)),
        Row("1", 2, "C", "T", 0.5, more=at_frequency(0.25)),
        Row("X", 2, "C", "T", 4.0, more=at_frequency(0.125)),
        Row("Y", 2, "C", "T", 16.0, more=at_frequency(0.125)),
    ]
    file, calls = score(tmp_path, *rows), ["0/1", "0/0", "1/1"]
    options = {"policy": MISSING, "samples": sheet, "build": GenomeBuild.GRCH38}

    def lines_of(chosen: list[int]) -> list[dict]:
        record = Record("1", 1, [calls[n] for n in chosen])
        text = vcf_text([record], samples=[SAMPLES[n] for n in chosen], meta=META)
        vcf = write_vcf(tmp_path / "c.vcf", text)
        return run_scoring(vcf, file, tmp_path / "out", **options).scores.to_pylist()

    together = lines_of([0, 1, 2])
    assert [lines_of([n])[0] for n in range(3)] == together
    both, x, y = 0.5 * 2 * 0.25, 4 * 0.125, 16 * 0.125
    assert [line["score_sum"] for line in together] == [
        1 + both + 2 * x,
        both + x + y,
        2 + both + 2 * x,
    ]
