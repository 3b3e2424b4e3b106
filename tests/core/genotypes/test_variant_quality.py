"""Quality of variants: what a table of theirs says, and when it says nothing."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.genotypes.block import DosageBlock
from core.genotypes.quality import QualityCounter
from core.genotypes.variant_quality import VARIANT_SCHEMA, VariantFile
from tests.builders.blocks import block_of

SITES = [("1", 1, "A", "G"), ("1", 2, "A", "G,C"), ("X", 5_000_000, "A", "G")]
CALLS = [[0, 1, 2, 255], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 2, 2]]


def variants_of(*blocks: DosageBlock) -> pa.Table:
    file = VariantFile()
    counter = QualityCounter(blocks[0].n_samples, None, file)
    for block in blocks:
        counter.add(block)
    return pq.read_table(pa.BufferReader(file.finish()))


def test_a_row_says_what_its_calls_are():
    table = variants_of(block_of(SITES, CALLS))
    assert table.schema.equals(VARIANT_SCHEMA)
    assert table.to_pylist()[0] == {
        "contig": "1",
        "position": 1,
        "id": ".",
        "ref": "A",
        "alt": "G",
        "n_missing": 1,
        "call_rate": 0.75,
        "n_het": 1,
        "n_hom_alt": 1,
        "allele_count": 3.0,
        "allele_number": 6,
        "allele_frequency": 0.5,
        "hwe_p": 1.0,  # 1 of 3 is expected most
        "r2": None,
    }
    assert table.column("allele_count").to_pylist() == [3, 1, 1, 5]
    assert table.column("n_het").to_pylist() == [1, 2, 2, 1]


def test_only_diploid_records_with_one_alt_on_autosomes_are_tested_for_equilibrium():
    assert variants_of(block_of(SITES, CALLS)).column("hwe_p").to_pylist()[1:] == [None] * 3
    one_haploid = block_of(SITES[:1], CALLS[:1], ploidy=[[1, 2, 2, 2]])
    assert variants_of(one_haploid).column("hwe_p").to_pylist() == [None]
    lone_dot = block_of(SITES[:1], CALLS[:1], ploidy=[[2, 2, 2, 1]])
    assert variants_of(lone_dot).column("hwe_p").to_pylist() == [1.0]


def test_a_haploid_call_is_one_allele():
    block = block_of([("X", 5_000_000, "A", "G")], [[1, 1, 255, 0]], ploidy=[[1, 2, 1, 2]])
    (row,) = variants_of(block).to_pylist()
    assert (row["allele_count"], row["allele_number"], row["allele_frequency"]) == (2, 5, 0.4)


def test_nobody_called_and_no_alt_have_no_frequency():
    block = block_of([("1", 1, "A", "G"), ("1", 2, "A", ".")], [[255, 255], [0, 0]])
    first, second = variants_of(block).to_pylist()
    assert (first["call_rate"], first["allele_frequency"], first["hwe_p"]) == (0, None, None)
    assert (second["call_rate"], second["allele_frequency"]) == (1, None)


def test_imputed_dosages_have_r2_and_no_genotypes():
    rng = np.random.default_rng(3)
    dosage = rng.random((2, 200)).astype(np.float32) * 2
    dosage[1, :50] = np.nan
    first, second = variants_of(block_of(SITES[:1] * 2, dosage, imputed=True)).to_pylist()
    known = dosage[1, 50:].astype(float)
    p = known.mean() / 2
    assert second["allele_frequency"] == pytest.approx(p, rel=1e-12)
    assert second["r2"] == pytest.approx(known.var() / (2 * p * (1 - p)), rel=1e-9)
    assert (second["n_missing"], second["allele_number"]) == (50, 300)
    assert [first[name] for name in ("n_het", "n_hom_alt", "hwe_p")] == [None] * 3


def test_best_guesses_as_dosages_have_an_r2_of_one_in_equilibrium():
    dosage = np.repeat([0.0, 1.0, 2.0], [25, 50, 25])[np.newaxis]
    (row,) = variants_of(block_of(SITES[:1], dosage, imputed=True)).to_pylist()
    assert row["r2"] == pytest.approx(1.0)
    (row,) = variants_of(block_of(SITES[:1], np.zeros((1, 9)), imputed=True)).to_pylist()
    assert row["r2"] is None


def test_histograms_count_records_or_alts():
    counter = QualityCounter(4, None)
    counter.add(block_of(SITES, CALLS))
    histograms = counter.histograms
    assert sum(histograms.call_rate.counts) == 3
    assert sum(histograms.allele_frequency.counts) == 4
    assert (sum(histograms.hwe_p.counts), histograms.hwe_p.n_undefined) == (1, 2)
    assert (sum(histograms.r2.counts), histograms.r2.n_undefined) == (0, 4)


def test_many_blocks_are_one_file():
    block = block_of([("1", i + 1, "A", "G") for i in range(1000)], [[0, 1]] * 1000)
    assert len(variants_of(*[block] * 70)) == 70_000
