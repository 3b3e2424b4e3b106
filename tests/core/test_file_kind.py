"""Uploads are taken or refused by their first bytes."""

import gzip

import pytest

from core.errors import UnsupportedFormatError
from core.file_kind import accept_genotypes

VCF = b"##fileformat=VCFv4.2\n#CHROM\tPOS\n"
FASTQ = b"@read1\nACGT\n+\nIIII\n"


def test_a_plain_vcf_is_accepted() -> None:
    assert accept_genotypes(VCF, filename="a.vcf").suffix == ".vcf"


def test_a_gzip_vcf_is_accepted_whatever_its_name_says() -> None:
    assert accept_genotypes(gzip.compress(VCF), filename="a.txt").suffix == ".vcf.gz"


@pytest.mark.parametrize("head", [b"", b"hello\n", b"\x1f\x8b", b"\x1f\x8b\x08\x00rubbish"])
def test_what_only_a_reader_can_judge_is_left_to_it(head: bytes) -> None:
    accept_genotypes(head, filename="a.vcf")


@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("head", "name"),
    [
        (FASTQ, "FASTQ"),
        (b"@HD\tVN:1.6\n", "SAM"),
        (b"BAM\x01\x00\x00", "BAM"),
        (b"BCF\x02\x02", "BCF"),
        (b">chr1\nACGT", "FASTA"),
        (b"\x6c\x1b\x01", "PLINK binary"),
        (b"\x00\x01\x02", "unknown kind"),
    ],
    ids=["fastq", "sam", "bam", "bcf", "fasta", "plink", "binary"],
)
def test_another_kind_of_file_is_refused_with_its_name_and_a_way_out(
    head: bytes, name: str, wrap: type
) -> None:
    with pytest.raises(UnsupportedFormatError, match=name) as refused:
        accept_genotypes(wrap(head), filename="reads.vcf")
    assert refused.value.fix
    assert refused.value.where is not None
    assert refused.value.where.file == "reads.vcf"


def test_a_head_cut_in_the_middle_of_a_gzip_stream_is_enough() -> None:
    whole = gzip.compress(FASTQ * 10_000, compresslevel=1)
    with pytest.raises(UnsupportedFormatError, match="FASTQ"):
        accept_genotypes(whole[:200], filename="reads.fastq.gz")
