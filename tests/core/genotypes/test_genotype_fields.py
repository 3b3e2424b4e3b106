"""Genotype fields of files: against cyvcf2 where a file is well-formed, messages elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from cyvcf2 import VCF
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import GenotypeFileError
from core.genotypes.calls import GenotypeField
from core.genotypes.source import plan_shards
from core.genotypes.vcf import ShardReader, open_cohort
from tests.builders.vcf import FORMATS, GRCH37_CONTIGS, Record, sample_names, vcf_text, write_vcf

META = (
    *GRCH37_CONTIGS,
    *FORMATS,
    '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">',
    '##FORMAT=<ID=HDS,Number=.,Type=Float,Description="Dosage of each haplotype">',
    '##FORMAT=<ID=GP,Number=G,Type=Float,Description="Genotype probabilities">',
)
N_SAMPLES = 35


def write(path: Path, records: list[Record]) -> str:
    n_samples = len(records[0].calls)
    text = vcf_text(records, samples=sample_names(n_samples), meta=META)
    return write_vcf(path / "f.vcf.gz", text)


def dosages_of(uri: str, field: GenotypeField) -> np.ndarray:
    (shard,) = plan_shards(open_cohort([uri]), 1 << 30)
    return np.concatenate([block.dosage for block in ShardReader(shard, field=field)])


calls = st.sampled_from(["0|0"] * 9 + ["0|1", "1|1", "0/1", "./.", "1|0", ".|.", "0", "1", ".|1"])
call_columns = st.lists(calls, min_size=N_SAMPLES, max_size=N_SAMPLES)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(call_columns, st.sampled_from(["GT", "GT:DP"]), st.sampled_from(["G", "G,T"])),
        min_size=1,
        max_size=4,
    )
)
def test_gt_is_what_cyvcf2_reads(tmp_path_factory, lines):
    records = [
        Record(
            "1", i + 1, [call if f == "GT" else f"{call}:9" for call in column], alt=alt, format=f
        )
        for i, (column, f, alt) in enumerate(lines)
    ]
    uri = write(tmp_path_factory.mktemp("gt"), records)
    rows = []
    for variant in VCF(uri):
        alleles = variant.genotype.array()[:, :-1]
        is_missing = (alleles == -1).any(axis=1)
        for i in range(len(variant.ALT)):
            rows.append(np.where(is_missing, 255, (alleles == i + 1).sum(axis=1)))
    np.testing.assert_array_equal(dosages_of(uri, GenotypeField.GT), rows)


@st.composite
def imputed_columns(draw) -> str:
    """GT:HDS:GP:DS of one sample, as imputation servers write it, some of it missing."""
    first, second = draw(st.integers(0, 1000)), draw(st.integers(0, 1000))
    both, none = first * second // 1000, (1000 - first) * (1000 - second) // 1000
    gp = ",".join(f"{p / 1000:g}" for p in (none, 1000 - none - both, both))
    call = f"{first // 501}|{second // 501}"
    hds = f"{first / 1000:g},{second / 1000:g}"
    words = [call, hds, gp, f"{(first + second) / 1000:g}"]
    dropped = draw(st.sampled_from([None] * 9 + [1, 2, 3]))
    if dropped:
        words[dropped] = "."
    return ":".join(words)


@settings(max_examples=100, deadline=None)
@given(st.lists(imputed_columns(), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_imputed_dosages_are_what_cyvcf2_reads(tmp_path_factory, pool, rng):
    column = [rng.choice(pool) for _ in range(N_SAMPLES)]
    column[0] = "0|1:0,1:0,1,0:1"  # cyvcf2 gives fewer columns where nobody has a value
    record = Record("1", 1, column, format="GT:HDS:GP:DS")
    uri = write(tmp_path_factory.mktemp("imputed"), [record])
    (variant,) = VCF(uri)
    called = (variant.genotype.array()[:, :-1] == 1).sum(axis=1)
    gp = variant.format("GP").astype(np.float64)
    theirs = {
        GenotypeField.DS: variant.format("DS")[:, 0],
        GenotypeField.HDS: variant.format("HDS").astype(np.float64).sum(axis=1),
        GenotypeField.GP: gp[:, 1] + 2 * gp[:, 2],
    }
    for field, values in theirs.items():
        expected = np.where(np.isnan(values), called, values)
        (ours,) = dosages_of(uri, field)
        np.testing.assert_allclose(ours, expected, rtol=3e-7, atol=1e-9)


@pytest.mark.parametrize("field", ["HDS", "GP"])
def test_a_record_without_the_field_gives_its_calls(tmp_path, field):
    other = Record("1", 1, ["0/1:0.1", "1/1:0.2"], format="GT:DS")
    dosages = dosages_of(write(tmp_path, [other]), GenotypeField(field))
    assert (dosages.dtype, dosages.tolist()) == (np.float32, [[1, 2]])


@pytest.mark.parametrize("field", ["DS", "HDS", "GP"])
def test_a_field_that_is_not_declared_is_an_error(tmp_path, field):
    uri = write_vcf(tmp_path / "f.vcf", vcf_text([Record("1", 5, ["0/1", "1/1"])]))
    with pytest.raises(GenotypeFileError, match=rf"f\.vcf, {field}: the header declares no"):
        dosages_of(uri, GenotypeField(field))


@pytest.mark.parametrize(
    ("field", "column", "problem"),
    [
        ("HDS", "0|1:x,1", "'0|1:x,1' (GT:HDS) has an HDS that is no number"),
        ("HDS", "0|1:0.1,1.5", "is outside 0 to 1"),
        ("HDS", "0|1:1", "has not one HDS for each allele of its GT"),
        ("HDS", "1:0.5,0.5", "has not one HDS for each allele of its GT"),
        ("GP", "0|1:0,1,", "has a GP that is no number"),
        ("GP", "0|1:0,30,255", "is outside 0 to 1"),
        ("GP", "0|1:0,1", "has not one GP for each genotype of ALT (G)"),
        ("GP", "0|1:0,0,0", "do not add up to 1"),
    ],
)
def test_an_error_names_the_line_the_field_and_the_sample(tmp_path, field, column, problem):
    good = {"HDS": "0|1:0,1", "GP": "0|1:0,1,0"}[field]
    lines = [[good, good], [good, column]]
    records = [Record("1", i, calls, format=f"GT:{field}") for i, calls in enumerate(lines)]
    with pytest.raises(GenotypeFileError) as raised:
        dosages_of(write(tmp_path, records), GenotypeField(field))
    where = raised.value.where
    assert where is not None
    assert (where.line, where.field) == (len(META) + 4, f"{field} of sample S2")
    assert problem in str(raised.value)
