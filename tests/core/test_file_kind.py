"""Uploads are taken or refused by their first bytes."""

import gzip

import pytest

from core.errors import UnsupportedFormatError
from core.file_kind import FileKind, accept_upload, kind_of_key

VCF = b"##fileformat=VCFv4.2\n#CHROM\tPOS\n"
FASTQ = b"@read1\nACGT\n+\nIIII\n"


def test_a_plain_vcf_is_accepted() -> None:
    assert accept_upload(VCF, filename="a.vcf").suffix == ".vcf"


def test_a_gzip_vcf_is_accepted_whatever_its_name_says() -> None:
    assert accept_upload(gzip.compress(VCF), filename="a.txt").suffix == ".vcf.gz"


@pytest.mark.parametrize(
    "head",
    [
        FASTQ,
        FASTQ.replace(b"\n", b"\r\n"),
        b"@r\n\n+\n\n",
        b"@wrapped\nACGT\nACGT\n+\nIIIIIIII\n",
        b"@long" + b"x" * 9000,
        b"@r\n" + b"ACGN" * 4000,
        b"@",
    ],
    ids=["plain", "crlf", "empty read", "wrapped", "long title", "long read", "one byte"],
)
def test_a_fastq_is_accepted_plain_and_gzip(head: bytes) -> None:
    plain = accept_upload(head[:4096], filename="a.vcf")
    assert (plain.kind, plain.suffix) == (FileKind.FASTQ, ".fastq")
    packed = accept_upload(gzip.compress(head)[:4096], filename="a.vcf")
    assert (packed.kind, packed.suffix) == (FileKind.FASTQ, ".fastq.gz")
    assert kind_of_key(f"genomic_data/1/reads{packed.suffix}") is FileKind.FASTQ


@pytest.mark.parametrize("head", [b"", b"hello\n", b"\x1f\x8b", b"\x1f\x8b\x08\x00rubbish"])
def test_what_only_a_reader_can_judge_is_left_to_it(head: bytes) -> None:
    accept_upload(head, filename="a.vcf")


@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"@read1\n>chr1\n", "FASTQ"),
        (b"@read1\nACGT\n=\nIIII\n", "FASTQ"),
        (b"@read1\n<html>\n", "FASTQ"),
        (b"@HD\tVN:1.6\n", "SAM"),
        (b"BAM\x01\x00\x00", "BAM"),
        (b"BCF\x02\x02", "BCF"),
        (b">chr1\nACGT", "FASTA"),
        (b"\x6c\x1b\x01", "PLINK binary"),
        (b"\x00\x01\x02", "unknown kind"),
    ],
    ids=["fasta-like", "no separator", "markup", "sam", "bam", "bcf", "fasta", "plink", "binary"],
)
def test_another_kind_of_file_is_refused_with_its_name_and_a_way_out(
    head: bytes, name: str, wrap: type
) -> None:
    with pytest.raises(UnsupportedFormatError, match=name) as refused:
        accept_upload(wrap(head), filename="reads.vcf")
    assert refused.value.fix
    assert refused.value.where is not None
    assert refused.value.where.file == "reads.vcf"


def test_a_head_cut_in_the_middle_of_a_gzip_stream_is_enough() -> None:
    whole = gzip.compress(FASTQ * 10_000, compresslevel=1)
    assert accept_upload(whole[:200], filename="reads.fastq.gz").kind is FileKind.FASTQ
