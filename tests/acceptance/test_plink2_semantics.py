"""Against plink2's answers on hand-made variants: missing calls, ploidy, sex chromosomes, dosages.

plink2 prints six digits and keeps DS in 1/16384 steps. Where plink2 is wrong, the test says so and
asserts both numbers.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cyvcf2 import VCF

from core.errors import GenotypeFileError
from core.genome_build import GenomeBuild
from core.genotypes.calls import GenotypeField
from core.scoring.policy import Compat
from tests.builders.cohort_run import Results, run_scoring

pytestmark = pytest.mark.acceptance


@dataclass(frozen=True)
class Case:
    score: str
    vcf: str = "micro.vcf"
    policy: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    absolute: float = 5e-5


NO_MEAN = {"missing": "drop"}
CASES: dict[str, Case] = {
    "auto_default": Case("autosomes"),
    "auto_nomean": Case("autosomes", policy=NO_MEAN),
    "auto_dominant": Case("autosomes", policy={"effect_type": "dominant"}),
    "auto_dominant_nomean": Case("autosomes", policy=NO_MEAN | {"effect_type": "dominant"}),
    "auto_recessive": Case("autosomes", policy={"effect_type": "recessive"}),
    "miss_default": Case("missing_only"),
    "miss_dominant": Case("missing_only", policy={"effect_type": "dominant"}),
    "miss_recessive": Case("missing_only", policy={"effect_type": "recessive"}),
    "missref_default": Case("missing_ref"),
    "all_default": Case("all"),
    "all_xchr1": Case("all", policy={"x_male": "observed"}),
    "Xnonpar_default": Case("X_nonPAR"),
    "Xnonpar_nomean": Case("X_nonPAR", policy=NO_MEAN),
    "Xnonpar_xchr1": Case("X_nonPAR", policy={"x_male": "observed"}),
    "Y_default": Case("Y"),
    "MT_default": Case("MT"),
    "MT_nomean": Case("MT", policy=NO_MEAN),
    "PAR_nosplit": Case("PAR"),
    "PAR_split": Case("PAR", policy={"par": "by_build"}, options={"build": GenomeBuild.GRCH38}),
    "halfcall_missing": Case("autosomes", "micro_halfcall.vcf", {"half_call": "missing"}),
    "halfcall_haploid": Case("autosomes", "micro_halfcall.vcf", {"half_call": "haploid"}),
    "halfcall_ref": Case("autosomes", "micro_halfcall.vcf", {"half_call": "reference"}),
    "dosage_DS": Case("autosomes", "micro_dosage.vcf", absolute=2.5e-5),
    "dosage_GTonly": Case(
        "autosomes", "micro_dosage.vcf", options={"genotype_field": GenotypeField.GT}
    ),
}
COLUMNS = {
    "score_sum": "micro_SUM",
    "denominator": "DENOM",
    "allele_count": "ALLELE_CT",
    "dosage_sum": "NAMED_ALLELE_DOSAGE_SUM",
}


def plink2_answer(data: Path, name: str) -> dict[str, dict[str, float]]:
    """Columns by sample."""
    rows = (data / f"semantics_micro/plink2/{name}.sscore").read_text().splitlines()
    names = rows[0].lstrip("#").split("\t")
    table = [dict(zip(names, row.split("\t"), strict=True)) for row in rows[1:]]
    return {row.pop("IID"): {key: float(value) for key, value in row.items()} for row in table}


def run_as_plink2(data: Path, case: Case, output: Path) -> Results:
    micro = data / "semantics_micro"
    return run_scoring(
        micro / case.vcf,
        micro / f"micro_{case.score}.plink.score",
        output,
        compat=Compat.PLINK2,
        samples=micro / "samples.psam",
        policy={"match_by": "rsid"} | case.policy,
        **case.options,
    )


@pytest.mark.parametrize("name", CASES)
def test_every_column_of_every_sample_is_plink2s(name, acceptance_data, tmp_path):
    case = CASES[name]
    results = run_as_plink2(acceptance_data, case, tmp_path)
    expected = plink2_answer(acceptance_data, name)
    samples = results.column("sample_id")
    assert samples == list(expected)
    for ours, theirs in COLUMNS.items():
        for sample, value in zip(samples, results.column(ours), strict=True):
            wanted = expected[sample][theirs]
            assert value == pytest.approx(wanted, rel=1e-5, abs=case.absolute), (sample, ours)


def test_positions_read_out_of_the_ids_give_the_same_sums(acceptance_data, tmp_path):
    """plink2 matches by ID; our default reads chr:pos:ref:alt and matches by position."""
    by_position = Case("all", policy={"match_by": "position"})
    results = run_as_plink2(acceptance_data, by_position, tmp_path)
    expected = plink2_answer(acceptance_data, "all_default")
    sums = {sample: row["micro_SUM"] for sample, row in expected.items()}
    assert results.sums() == pytest.approx(sums, abs=5e-5)


def test_a_variant_nobody_is_called_for_counts_half_in_plink2_and_not_at_all_here(
    acceptance_data, tmp_path
):
    """plink2 takes an allele frequency of 0.5 out of the air: 2 x 0.5 x weight 1."""
    results = run_as_plink2(acceptance_data, Case("allmissing"), tmp_path)
    expected = plink2_answer(acceptance_data, "allmissing")
    for sample, ours in results.sums().items():
        assert ours + 1.0 == pytest.approx(expected[sample]["micro_SUM"], abs=5e-5)
    assert set(results.column("denominator")) == {2}
    assert set(results.column("n_missing")) == {1}


def first_thirty(data: Path, folder: Path) -> Path:
    """The people of keep30.txt as a VCF of their own."""
    keep = [
        line.split("\t")[0]
        for line in (data / "semantics_micro/keep30.txt").read_text().splitlines()[1:]
    ]
    lines = (data / "semantics_micro/micro.vcf").read_text().splitlines()
    header = next(line for line in lines if line.startswith("#CHROM")).split("\t")
    columns = [*range(9), *(header.index(sample) for sample in keep)]
    path = folder / "keep30.vcf"
    kept = [
        line if line.startswith("##") else "\t".join(line.split("\t")[at] for at in columns)
        for line in lines
    ]
    path.write_text("\n".join(kept) + "\n")
    return path


def write_frequencies(data: Path, path: Path) -> None:
    """Frequencies of all 60 people, counted from cyvcf2's allele arrays."""
    rows = ["#CHROM\tPOS\tID\tREF\tALT\tALT_FREQS"]
    for record in VCF(str(data / "semantics_micro/micro_autosomes.vcf")):
        alleles = record.genotype.array()[:, :-1]
        called = alleles[(alleles >= 0).all(axis=1)]
        freqs = [
            str((called == number).sum() / max(called.size, 1))
            for number in range(1, len(record.ALT) + 1)
        ]
        site = (record.CHROM, str(record.POS), record.ID, record.REF, ",".join(record.ALT))
        rows.append("\t".join([*site, ",".join(freqs)]))
    path.write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("frequencies", ["nomean", "readfreq"])
def test_thirty_people_score_as_plink2_scores_them(frequencies, acceptance_data, tmp_path):
    """With the frequencies of all sixty the same person scores the same alone and in the cohort."""
    options: dict[str, Any] = {}
    if frequencies == "readfreq":
        write_frequencies(acceptance_data, tmp_path / "all.tsv")
        options["frequencies"] = tmp_path / "all.tsv"
    results = run_scoring(
        first_thirty(acceptance_data, tmp_path),
        acceptance_data / "semantics_micro/micro_autosomes.plink.score",
        tmp_path / "out",
        compat=Compat.PLINK2,
        samples=acceptance_data / "semantics_micro/samples.psam",
        policy={"match_by": "rsid"} | (NO_MEAN if frequencies == "nomean" else {}),
        **options,
    )
    expected = plink2_answer(acceptance_data, f"small30_{frequencies}")
    for ours, theirs in COLUMNS.items():
        wanted = [row[theirs] for row in expected.values()]
        assert results.column(ours) == pytest.approx(wanted, rel=1e-5, abs=5e-5), ours


def test_half_calls_are_refused_with_their_line_and_sample_by_default(acceptance_data, tmp_path):
    with pytest.raises(GenotypeFileError, match="half-call") as caught:
        run_as_plink2(acceptance_data, Case("autosomes", "micro_halfcall.vcf"), tmp_path)
    assert caught.value.where is not None
    assert caught.value.where.line is not None
