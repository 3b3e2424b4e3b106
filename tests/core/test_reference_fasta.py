"""Bases of a FASTA by position, as a string has them."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import GenotypeFileError, ReferenceFastaError
from core.genome_build import GenomeBuild
from core.reference_fasta import open_reference_fasta
from tests.builders.reference_fasta import write_fasta


@given(
    sequences=st.lists(st.text("ACGTacgtNnRy", max_size=40), min_size=1, max_size=4),
    positions=st.lists(st.integers(-2, 45)),
)
@settings(max_examples=80, deadline=None)
def test_every_base_is_the_one_of_the_text(sequences, positions, tmp_path_factory):
    named = {f"chr{n}": bases for n, bases in enumerate(sequences, start=1)}
    path = write_fasta(tmp_path_factory.mktemp("fasta") / "ref.fa", named)
    fasta, asked = open_reference_fasta(str(path)), np.sort(np.array(positions, np.int64))
    for number, bases in enumerate(sequences, start=1):
        found = fasta.bases(str(number), asked).tolist()
        letters = [bases[at - 1].upper() if 1 <= at <= len(bases) else "" for at in asked.tolist()]
        assert found == [ord(letter) if letter and letter in "ACGT" else 0 for letter in letters]


def test_bases_far_apart_are_read_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("core.reference_fasta._GAP_BYTES", 3)
    bases = "ACGT" * 50
    fasta = open_reference_fasta(str(write_fasta(tmp_path / "ref.fa", {"1": bases})))
    positions = np.array([1, 2, 3, 50, 120, 121, 200])
    assert bytes(fasta.bases("1", positions)).decode() == "".join(bases[p - 1] for p in positions)
    assert fasta.bases("2", positions).tolist() == [0] * 7


def test_the_build_is_that_of_the_lengths(tmp_path):
    path = write_fasta(tmp_path / "ref.fa", {"22": "A"})
    path.with_name("ref.fa.fai").write_text("22\t51304566\t4\t60000000\t60000001\n")
    path.write_bytes(b">22\n" + bytes(51304600))
    assert open_reference_fasta(str(path)).build is GenomeBuild.GRCH37


@pytest.mark.parametrize("index", ["1\t10\t3\n", "1\t10\t3\t0\t1\n", "1\tten\t3\t7\t8\n"])
def test_what_is_no_index_is_refused_with_its_line(index, tmp_path):
    path = write_fasta(tmp_path / "ref.fa", {"1": "ACGTACGTAC"})
    path.with_name("ref.fa.fai").write_text(index)
    with pytest.raises(ReferenceFastaError, match=r"line 1: .*samtools faidx"):
        open_reference_fasta(str(path))


def test_an_index_of_another_fasta_is_refused(tmp_path):
    path = write_fasta(tmp_path / "ref.fa", {"1": "ACGTACGTAC"})
    path.with_name("ref.fa.fai").write_text("1\t100\t3\t7\t8\n")
    with pytest.raises(ReferenceFastaError, match="Index the FASTA again"):
        open_reference_fasta(str(path))


def test_a_compressed_fasta_and_one_without_index_are_refused_with_what_to_do(tmp_path):
    path: Path = tmp_path / "ref.fa.gz"
    path.write_bytes(gzip.compress(b">1\nACGT\n"))
    with pytest.raises(ReferenceFastaError, match="bgzip -d"):
        open_reference_fasta(str(path))
    bare = tmp_path / "bare.fa"
    bare.write_bytes(b">1\nACGT\n")
    with pytest.raises(GenotypeFileError, match="bare.fa.fai"):
        open_reference_fasta(str(bare))
