"""Formats are known by their first bytes; a name speaks where those say nothing."""

from pathlib import Path

import pytest

from core.errors import GenotypeFileError
from core.genotypes.bcf.file import BcfFile
from core.genotypes.bgen.file import BgenFile
from core.genotypes.formats import open_cohort
from core.genotypes.plink import PlinkFile
from core.genotypes.vcf import VcfFile
from tests.builders.bcf import gzipped_bcf, plain_bcf, write_bcf
from tests.builders.bgen import BgenVariant, write_bgen
from tests.builders.plink import write_bed, write_pgen
from tests.builders.vcf import Record, vcf_text, write_vcf

PEOPLE = [("S1", "0"), ("S2", "0")]
VARIANTS = [("1", 5, "rs1", "A", "G")]


def vcf(folder: Path) -> str:
    return write_vcf(folder / "f.vcf.gz", vcf_text([Record("1", 5, ["0/1", "1/1"])]))


def bcf(folder: Path) -> str:
    return write_bcf(Path(vcf(folder)), folder / "f.bcf")


def bgen(folder: Path) -> str:
    variant = BgenVariant("1", 5, ["A", "G"], [[0, 255], [0, 0]], [2, 2], [False, False])
    return write_bgen(folder / "f.bgen", [variant], samples=["S1", "S2"])


WRITTEN = {
    "VCF": (vcf, VcfFile),
    "BCF": (bcf, BcfFile),
    "plain BCF": (lambda folder: plain_bcf(Path(bcf(folder)), folder / "p"), BcfFile),
    "gzipped BCF": (lambda folder: gzipped_bcf(Path(bcf(folder)), folder / "g"), BcfFile),
    "BGEN": (bgen, BgenFile),
    ".bed": (lambda folder: write_bed(folder / "f", VARIANTS, PEOPLE, [[1, 2]]), PlinkFile),
    ".pgen": (
        lambda folder: write_pgen(folder / "f", VARIANTS, PEOPLE, [[[0, 1], [1, 1]]]),
        PlinkFile,
    ),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_file_of_any_name_is_what_its_bytes_say(kind, tmp_path):
    write, opened_as = WRITTEN[kind]
    uri = write(tmp_path)
    renamed = str(Path(uri).rename(Path(uri).with_suffix(".other")))
    (file,) = open_cohort([renamed]).files
    assert isinstance(file, opened_as)
    assert file.samples == ("S1", "S2")


@pytest.mark.parametrize("suffix", [".bed", ".pgen", ".bgen"])
def test_a_damaged_file_is_refused_as_what_its_name_says(suffix, tmp_path):
    path = tmp_path / f"f{suffix}"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(GenotypeFileError) as raised:
        open_cohort([str(path)])
    assert "VCF" not in str(raised.value)


def test_files_of_several_formats_make_one_cohort(tmp_path):
    cohort = open_cohort([bcf(tmp_path), bgen(tmp_path)])
    assert cohort.samples == ("S1", "S2")
    assert len(cohort.files) == 2
