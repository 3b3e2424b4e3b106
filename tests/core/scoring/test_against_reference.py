"""The whole pipeline against a scorer written as the contract reads: random cohorts, policies."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.genome_build import GenomeBuild
from core.scoring.policy import Compat, policy_for
from core.variants import reverse_complement
from tests.builders.cohort_run import run_scoring
from tests.builders.reference_scorer import score_people
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import Record, sample_names, vcf_text, write_vcf

N_SAMPLES = 7
CONTIGS = ["##contig=<ID=1,length=248956422>", "##contig=<ID=X,length=156040895>"]
FORMAT = ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
ALLELES = ["A", "C", "G", "T", "AT", "GCC", "TA"]
POLICY = st.fixed_dictionaries(
    {
        "missing": st.sampled_from(["mean_cohort", "zero", "reference", "drop"]),
        "ambiguous": st.sampled_from(["drop", "keep"]),
        "strand_flip": st.sampled_from(["allow", "ignore"]),
        "multiallelic": st.sampled_from(["every_alt", "drop"]),
        "duplicate_target": st.sampled_from(["drop_all", "keep_first"]),
        "ploidy": st.sampled_from(["observed", "by_contig"]),
        "x_male": st.sampled_from(["observed", "doubled"]),
        "imputed_nonadditive": st.sampled_from(["hardy_weinberg", "frequency"]),
    }
)


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Sites in order, some shared by several records, on 1 and on X outside the PAR."""
    found = []
    for contig, offset in (("1", 0), ("X", 50_000_000)):
        for position in sorted(draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))):
            alleles = draw(st.permutations(ALLELES))[: draw(st.integers(2, 3))]
            found.append(draw(record(contig, offset + position, alleles)))
    return found


@st.composite
def record(draw: st.DrawFn, contig: str, position: int, alleles: list[str]) -> Record:
    allele = st.sampled_from([".", *2 * [*map(str, range(len(alleles)))]])
    diploid = st.tuples(allele, allele).map("/".join)
    call = st.one_of(diploid, allele) if contig == "X" else st.one_of(diploid, st.just("."))
    calls = draw(st.lists(call, min_size=N_SAMPLES, max_size=N_SAMPLES))
    return Record(contig, position, calls, ref=alleles[0], alt=",".join(alleles[1:]))


@st.composite
def score_row(draw: st.DrawFn, variants: list[Record]) -> Row:
    """Mostly alleles of a record, on either strand; sometimes other alleles or another place."""
    target = draw(st.sampled_from(variants))
    alleles = [target.ref, *target.alt.split(",")]
    if draw(st.integers(0, 5)) == 0:
        alleles = ALLELES
    effect, other = draw(st.permutations(alleles))[:2]
    if draw(st.integers(0, 3)) == 0:
        effect, other = str(reverse_complement(effect)), str(reverse_complement(other))
    effect_type = draw(st.sampled_from(["additive", "dominant", "recessive", "nonadditive"]))
    weights = draw(st.tuples(*3 * [st.sampled_from([0.5, -0.25, 1.0, 0.0, 0.125])]))
    by_copies = {
        f"dosage_{copies}_weight": weights[copies] if effect_type == "nonadditive" else None
        for copies in range(3)
    }
    return Row(
        target.contig,
        int(target.position) + draw(st.sampled_from([0, 0, 0, 0, 1])),
        effect,
        draw(st.sampled_from([other, other, None])),
        weights[0],
        more={"effect_type": effect_type} | by_copies,
    )


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[list[Record], list[Row]]:
    variants = draw(records())
    return variants, draw(st.lists(score_row(variants), min_size=1, max_size=12))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cohorts(), POLICY, st.sampled_from([64, 500, 1 << 20]))
def test_every_row_and_every_number_is_the_references(cohort, fields, shard_bytes):
    variants, rows = cohort
    policy = policy_for(
        Compat.DEFAULT, n_samples=N_SAMPLES, has_frequencies=False, overrides=fields
    )
    outcomes, people = score_people(rows, variants, policy)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = vcf_text(variants, samples=sample_names(N_SAMPLES), meta=CONTIGS + FORMAT)
        results = run_scoring(
            write_vcf(folder / "cohort.vcf", text),
            write_scoring_file(folder / "score.txt", rows, build="GRCh38"),
            folder / "out",
            build=GenomeBuild.GRCH38,
            shard_bytes=shard_bytes,
            policy=fields,
        )
    fates = [(o.status, o.reason, o.match_type) for o in outcomes]
    assert [(m["status"], m["reason"], m["match_type"]) for m in results.matches.to_pylist()] == [
        (status, reason, kind) for status, reason, kind in fates
    ]
    n_matched = sum(status == "matched" for status, _, _ in fates)
    for line, person in zip(results.scores.to_pylist(), people, strict=True):
        assert line["n_matched"] == n_matched
        assert line["score_sum"] == (
            pytest.approx(person.score_sum, abs=1e-12) if n_matched else None
        )
        assert line["dosage_sum"] == person.dosage_sum
        assert line["denominator"] == person.denominator
        assert line["allele_count"] == person.allele_count
        assert line["n_missing"] == person.n_missing
