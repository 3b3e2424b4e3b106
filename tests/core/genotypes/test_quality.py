"""Quality counts of a file, against cyvcf2's own reading of real data where they are at hand."""

from collections import Counter

import numpy as np
import pytest
from cyvcf2 import VCF
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes.block import DosageBlock
from core.genotypes.quality import QualityCounter, QualityCounts
from core.genotypes.site_kinds import allele_type
from jobs.run_shards import Executor
from jobs.summarise_cohort import summarise_cohort
from tests.builders.blocks import block_of


def counts_of(block: DosageBlock) -> QualityCounts:
    counter = QualityCounter(block.n_samples, None)
    counter.add(block)
    return counter.counts


def test_transitions_are_counted_against_transversions():
    sites = [("1", 1, "A", "G"), ("1", 2, "C", "T"), ("1", 3, "A", "C,G"), ("1", 4, "A", "AT")]
    counts = counts_of(block_of(sites, [[0]] * 5))
    assert (counts.n_transitions, counts.n_transversions) == (3, 1)
    assert counts.ti_tv == 3.0


def test_a_missing_call_counts_once_however_many_alts_its_record_has():
    counts = counts_of(block_of([("1", 1, "A", "C,G")], [[255, 0], [255, 1]]))
    assert (counts.n_calls, counts.n_missing, counts.call_rate) == (2, 1, 0.5)


@given(st.integers(1, 200), st.integers(0, 9), st.booleans())
@settings(deadline=None)
def test_missing_calls_are_those_of_first_rows(n_samples, seed, imputed):
    rng = np.random.default_rng(seed)
    missing = np.nan if imputed else 255
    dosage = rng.choice([0, 1, 2, missing], (6, n_samples))
    sites = [("1", 1, "A", "C,G"), ("1", 2, "A", "C"), ("1", 3, "A", "C,G,T")]
    counts = counts_of(block_of(sites, dosage, imputed=imputed))
    of_records = dosage[[0, 2, 3]]
    n_missing = np.isnan(of_records).sum() if imputed else (of_records == 255).sum()
    assert counts.n_missing == n_missing


def test_nothing_counted_has_no_rates():
    assert QualityCounts().call_rate is None
    assert QualityCounts().ti_tv is None


COUNTS = st.builds(
    QualityCounts,
    n_records=st.integers(0, 99),
    n_calls=st.integers(0, 99),
    alts_by_type=st.dictionaries(st.sampled_from(["snv", "mnv"]), st.integers(1, 9)),
)


@given(COUNTS, COUNTS, COUNTS)
def test_counts_add_up_in_any_order(a, b, c):
    assert a + (b + c) == (c + a) + b


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "name",
    ["1000g_panel/1kg_p3_2504.peddy23k.GRCh37.vcf.gz", "wgs_single/corpas_chr20.GRCh37.vcf.gz"],
)
def test_real_files_are_counted_as_cyvcf2_counts_them(name, acceptance_data):
    path = acceptance_data / "genotypes" / name
    facts = summarise_cohort(
        [str(path)],
        executor=Executor.INLINE,
        on_progress=lambda _done, _total: None,
        shard_bytes=1 << 20,
    )
    types: Counter[str] = Counter()
    contigs: Counter[str] = Counter()
    n_called = n_calls = n_transitions = n_snvs = 0
    for record in VCF(str(path)):
        contigs[record.CHROM.removeprefix("chr")] += 1
        alleles = record.genotype.array()[:, :-1]
        n_called += int((alleles >= 0).all(axis=1).sum())
        n_calls += len(alleles)
        for alt in record.ALT:
            types[allele_type(record.REF, alt)] += 1
            single = record.REF in set("ACGT") and alt in set("ACGT")
            n_snvs += single
            n_transitions += single and {record.REF, alt} in ({"A", "G"}, {"C", "T"})
    assert facts["build"] == "GRCh37"
    assert facts["contigs"] == dict(contigs)
    assert facts["n_variants"] == sum(contigs.values())
    assert facts["variants_by_type"] == dict(types)
    assert facts["call_rate"] == pytest.approx(n_called / n_calls, abs=1e-12)
    assert facts["ti_tv"] == pytest.approx(n_transitions / (n_snvs - n_transitions), abs=1e-12)
