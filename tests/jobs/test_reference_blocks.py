"""gVCF: what reference blocks answer, by hand and against bcftools, which expands them."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from core.errors import GenotypeFileError
from core.scoring.policy import Compat
from tests.builders.cohort_run import Results, run_scoring
from tests.builders.gvcf import META, SEQUENCE, line, other_than
from tests.builders.reference_fasta import write_fasta
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import vcf_text, write_vcf


def gvcf(folder: Path, *lines: str, samples: tuple[str, ...] = ("S1",), name: str = "g.vcf") -> str:
    return write_vcf(folder / name, vcf_text(lines, samples=samples, meta=META), block_bytes=150)


def score(folder: Path, *rows: Row) -> Path:
    return write_scoring_file(folder / "S1.txt", rows, accession="S1", build="GRCh38")


def fates(results: Results) -> list[tuple[str | None, str | None]]:
    columns = (results.matches.column(name).to_pylist() for name in ("match_type", "reason"))
    return list(zip(*columns, strict=True))


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return write_fasta(tmp_path / "ref.fa", {"chr1": SEQUENCE.lower(), "chr2": "ACGT"})


def test_inside_a_block_ref_is_never_guessed(tmp_path):
    genotypes = gvcf(tmp_path, line(1, "0/0:30:50:20", last=10))
    rows = [Row("1", 1, "A", "C", 1.0), Row("1", 5, "T", "C", 1.0), Row("1", 11, "A", "C", 1.0)]
    results = run_scoring(genotypes, score(tmp_path, *rows), tmp_path / "out")
    assert fates(results) == [
        ("ref_only_effect", None),
        (None, "reference_base_unknown"),
        (None, "absent_locus"),
    ]
    assert results.column("score_sum") == [2.0]


def test_with_a_fasta_a_block_answers_every_position_in_it(tmp_path, fasta):
    genotypes = gvcf(tmp_path, line(1, "0/0:30:50:20", last=10))
    rows = [
        Row("1", 5, SEQUENCE[4], other_than(SEQUENCE[4]), 1.0),
        Row("1", 10, other_than(SEQUENCE[9]), SEQUENCE[9], 4.0),
        Row("1", 7, "AC", "A", 8.0),
    ]
    results = run_scoring(
        genotypes, score(tmp_path, *rows), tmp_path / "out", reference_fasta=fasta
    )
    assert fates(results) == [
        ("ref_block_effect", None),
        ("ref_block_other", None),
        (None, "allele_mismatch"),
    ]
    assert results.column("score_sum") == [2.0]
    assert results.column("denominator") == [4]
    facts = results.summary["scores"]["S1"]
    assert (facts["n_matched"], facts["n_from_reference"]) == (2, 2)
    assert results.summary["reference_fasta"]["uri"] == str(fasta)
    assert results.summary["reference"]["source"] == str(fasta)


def test_frequencies_with_ref_tell_as_well_but_not_those_of_an_effect_allele(tmp_path):
    genotypes = gvcf(tmp_path, line(1, "0/0:30:50:20", last=10))
    file = score(tmp_path, Row("1", 5, "G", "A", 1.0))
    table = tmp_path / "af.tsv"
    table.write_text("#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS\n1\t5\t.\tG\tA\t0.3\n")
    results = run_scoring(genotypes, file, tmp_path / "out", frequencies=table)
    assert results.column("score_sum") == [2.0]
    table.write_text("chr\tpos\tother_allele\teffect_allele\teaf\n1\t5\tG\tA\t0.3\n")
    results = run_scoring(genotypes, file, tmp_path / "out", frequencies=table)
    assert fates(results) == [(None, "reference_base_unknown")]


@pytest.mark.parametrize(
    ("call", "called"),
    [
        ("0/0:30:20:1", True),
        ("0|0:30:99:1", True),
        ("0/0:30:19:1", False),
        ("0/0:30:.:1", False),
        ("0/0:30", False),
        ("0/0:0:50:0", False),
        ("0/0:30:50:0", False),
        ("./.:30:50:20", False),
        ("0/.:30:50:20", False),
        ("0/1:30:50:20", False),
    ],
)
def test_a_block_that_is_not_sure_is_a_missing_call(call, called, tmp_path, fasta):
    genotypes = gvcf(tmp_path, line(1, call, last=10), line(11, call))
    bases = SEQUENCE[4], SEQUENCE[10]
    rows = [
        Row("1", place, base, other_than(base), 1.0, more={"allelefrequency_effect": 0.25})
        for place, base in zip((5, 11), bases, strict=True)
    ]
    results = run_scoring(
        genotypes, score(tmp_path, *rows), tmp_path / "out", reference_fasta=fasta
    )
    assert results.column("score_sum") == ([4.0] if called else [2 * 2 * 0.25])
    assert results.column("n_missing") == [0 if called else 2]


def test_the_least_quality_is_a_policy(tmp_path, fasta):
    genotypes = gvcf(tmp_path, line(1, "0/0:30:12:20", last=10))
    file = score(tmp_path, Row("1", 5, SEQUENCE[4], other_than(SEQUENCE[4]), 1.0))
    for least, n_missing in (("12", 0), ("12.5", 1)):
        results = run_scoring(
            genotypes,
            file,
            tmp_path / "out",
            reference_fasta=fasta,
            policy={"min_reference_gq": least},
        )
        assert results.column("n_missing") == [n_missing]


def test_a_missing_call_in_a_block_has_the_frequency_of_the_rows_alleles(tmp_path):
    genotypes = gvcf(tmp_path, line(1, "0/0:30:5:20", last=10))
    table = tmp_path / "af.tsv"
    table.write_text("#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS\n1\t5\t.\tG\tA\t0.3\n")
    for effect, other, frequency in (("A", "G", 0.3), ("C", "T", 0.7)):
        results = run_scoring(
            genotypes,
            score(tmp_path, Row("1", 5, effect, other, 1.0)),
            tmp_path / "out",
            frequencies=table,
        )
        assert results.column("score_sum") == [pytest.approx(2 * frequency)]


@pytest.mark.parametrize("compat", [Compat.PLINK2, Compat.PGSC_CALC_V2])
def test_the_peers_see_a_block_as_one_record(compat, tmp_path, fasta):
    genotypes = gvcf(
        tmp_path, line(1, "0/0:30:50:20", last=10), line(12, "0/1:30:50:20", alt="A,<NON_REF>")
    )
    rows = [Row("1", 5, "T", "C", 1.0), Row("1", 12, "A", "G", 1.0)]
    results = run_scoring(
        genotypes,
        score(tmp_path, *rows),
        tmp_path / "out",
        reference_fasta=fasta,
        compat=compat,
        policy={"multiallelic": "every_alt"},
    )
    assert fates(results)[0] == (None, "absent_locus")


def test_another_ref_than_that_of_the_fasta_is_counted(tmp_path, fasta):
    genotypes = gvcf(
        tmp_path,
        line(1, "0/0:30:50:20", last=3),
        line(4, "0/1:30:50:20", alt="C").replace("\tT\tC\t", "\tG\tC\t"),
        line(5, "0/1:30:50:20", alt="C"),
    )
    rows = [Row("1", 4, "C", "T", 1.0), Row("1", 5, "C", "T", 1.0)]
    results = run_scoring(
        genotypes,
        score(tmp_path, *rows),
        tmp_path / "out",
        reference_fasta=fasta,
        policy={"ambiguous": "keep"},
    )
    facts = results.summary["reference"]
    assert facts["n_rows_checked"] == 1
    assert facts["n_rows_with_another_ref"] == 0


def test_a_block_that_ends_before_it_begins_is_refused_with_its_line(tmp_path, fasta):
    lines = [line(1, "0/0:30:50:20", last=3), line(9, "0/0:30:50:20", last=8)]
    with pytest.raises(GenotypeFileError, match="END is no position") as caught:
        run_scoring(
            gvcf(tmp_path, *lines), score(tmp_path, Row("1", 9, "A", "C", 1.0)), tmp_path / "out"
        )
    assert caught.value.where is not None
    assert caught.value.where.line == len(META) + 2 + 2


def test_a_bad_call_is_refused_with_the_line_of_the_file(tmp_path, fasta):
    lines = [line(n, "0/0:30:50:20", last=n + 1) for n in range(1, 20, 2)]
    lines.append(line(30, "0/x:30:50:20", last=33))
    with pytest.raises(GenotypeFileError, match="no genotype call") as caught:
        run_scoring(
            gvcf(tmp_path, *lines, name="g.vcf.gz"),
            score(tmp_path, Row("1", 3, "A", "C", 1.0), Row("1", 31, "A", "C", 1.0)),
            tmp_path / "out",
        )
    assert caught.value.where is not None
    assert caught.value.where.line == len(META) + 2 + 11


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_scores_are_those_of_the_records_that_bcftools_makes_of_the_blocks(tmp_path, fasta):
    chosen = random.Random(4)
    lines, position = [], 1
    while position < len(SEQUENCE) - 3:
        last = position + chosen.randrange(4)
        lines.append(line(position, "0/0:30:50:20", last=last))
        alt = other_than(SEQUENCE[last])
        lines.append(line(last + 1, "0/1:30:50:20", alt=f"{alt},<NON_REF>"))
        position = last + 2
    plain = Path(gvcf(tmp_path, *lines))
    reference = write_fasta(tmp_path / "same.fa", {"1": SEQUENCE})
    made = tmp_path / "expanded.vcf"
    subprocess.run(
        ["bcftools", "convert", "--gvcf2vcf", "-f", reference, "-o", made, plain],
        check=True,
        capture_output=True,
    )
    text = made.read_text().replace("\t<NON_REF>\t", "\t.\t")
    made.write_text("".join(row + "\n" for row in text.splitlines() if "ID=NON_REF" not in row))
    rows = [
        Row("1", place, pair[0], pair[1], 0.1 * place)
        for place, base in enumerate(SEQUENCE, start=1)
        for pair in [tuple(chosen.sample([base, other_than(base)], 2))]
    ]
    file = score(tmp_path, *rows)
    blocks = run_scoring(plain, file, tmp_path / "a", reference_fasta=fasta)
    records = run_scoring(made, file, tmp_path / "b")
    assert blocks.scores.equals(records.scores)
    assert blocks.summary["scores"]["S1"]["n_from_reference"] > 10
