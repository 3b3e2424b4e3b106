import pytest

from core.errors import GenomeBuildError, GenotypeFileError
from core.genome_build import GenomeBuild
from core.genotypes.vcf_header import (
    MAX_FIRST_LINE_BYTES,
    VcfHeader,
    parse_header,
    read_header_text,
)
from tests.builders.vcf import Record, vcf_text


def header_of(content: bytes, *, piece_bytes: int = 100) -> VcfHeader:
    pieces = (content[i : i + piece_bytes] for i in range(0, len(content), piece_bytes))
    return parse_header(read_header_text(pieces, "f.vcf"), "f.vcf")


def test_samples_contigs_and_formats_are_read():
    meta = [
        '##contig=<ID=chr1,assembly="a, ID=x",length=5>',
        "##contig=<length=7,ID=HLA*01:01>",
        "##contig=<ID=2>",
        '##FORMAT=<ID=DS,Number=A,Type=Float,Description="ID=no, \\"quoted\\"">',
        '##INFO=<ID=AF,Number=A,Type=Float,Description="">',
    ]
    header = header_of(vcf_text([], samples=["a b", "ü"], meta=meta, version="4.3"))
    assert header.version == "4.3"
    assert header.samples == ("a b", "ü")
    assert header.contigs == {"chr1": 5, "HLA*01:01": 7, "2": None}
    assert header.formats == {"DS"}
    assert header.n_lines == 7
    assert header.build is None


@pytest.mark.parametrize("piece_bytes", [1, 7, 1 << 20])
def test_the_header_ends_with_the_column_line(piece_bytes):
    content = vcf_text([Record("1", 5, ["0/1", "0/0"])], line_end="\r\n")
    pieces = (content[i : i + piece_bytes] for i in range(0, len(content), piece_bytes))
    text = read_header_text(pieces, "f.vcf")
    assert content[text.n_bytes :].startswith(b"1\t5\t")
    assert parse_header(text, "f.vcf").samples == ("S1", "S2")


def test_the_column_line_may_lack_its_line_end():
    assert header_of(vcf_text([])[:-1]).samples == ("S1", "S2")


@pytest.mark.parametrize(
    ("meta", "build"),
    [
        (["##contig=<ID=chr20,length=63025520>"], GenomeBuild.GRCH37),
        (["##contig=<ID=20,length=64444167>"], GenomeBuild.GRCH38),
        (["##reference=file:///x/human_g1k_v37.fasta"], GenomeBuild.GRCH37),
        (["##reference=GRCh38.p14"], GenomeBuild.GRCH38),
        (["##reference=hs37d5.fa"], GenomeBuild.GRCH37),
        (["##reference=/data/ab38ef.fa"], None),
        (["##reference=hg19_to_hg38.fa"], None),
        (["##reference=hg18_to_hg19.fa"], GenomeBuild.GRCH37),
        (["##contig=<ID=20,length=63025520>", "##reference=hg38.fa"], GenomeBuild.GRCH37),
    ],
)
def test_the_build_is_told_by_lengths_else_by_the_reference(meta, build):
    assert header_of(vcf_text([], meta=meta)).build is build


def test_contigs_of_two_builds_are_an_error_at_the_file():
    meta = ["##contig=<ID=1,length=249250621>", "##contig=<ID=2,length=242193529>"]
    with pytest.raises(GenomeBuildError, match=r"f\.vcf, header: contig 1 has its GRCh37 length"):
        header_of(vcf_text([], meta=meta))


def test_a_retired_build_is_an_error_at_the_file():
    with pytest.raises(GenomeBuildError, match=r"f\.vcf, header: genome build NCBI36"):
        header_of(vcf_text([], meta=["##reference=1000GenomesPilot-NCBI36.fasta"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f.vcf: the file is empty"),
        (b"PK\x03\x04", "f.vcf, line 1: the file is not a VCF"),
        (b"@read\nACGT\n+\nIIII\n", "line 1: the file is not a VCF"),
        (b"##fileformat=VCFv3.3\n", "line 1, ##fileformat: VCF version 3.3 is not supported"),
        (b"##fileformat=VCFv4.2\n##x=y\n", "line 2: the header does not end with the #CHROM"),
        (b"##fileformat=VCFv4.2\n1\t5\t.\tA\n", "line 2: the header does not end with the #CHROM"),
        (vcf_text([]).replace(b"POS", b"Pos"), "line 6, #CHROM: the columns are not"),
        (vcf_text([], samples=[]), "#CHROM: the file has no samples"),
        (vcf_text([]).split(b"\tFORMAT")[0], "#CHROM: the file has no samples"),
        (vcf_text([], samples=["a", "b", "a"]), "sample a stands there 2 times"),
        (vcf_text([], samples=["a", ""]), "the name of sample 2 is empty"),
        (vcf_text([], samples=["a"]).replace(b"a\n", b"\xff\n"), "not UTF-8"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(content, message):
    with pytest.raises(GenotypeFileError) as raised:
        header_of(content)
    assert message in str(raised.value)
    assert raised.value.fix


def test_text_without_a_line_end_is_refused_early():
    n_read = 0

    def endless():
        nonlocal n_read
        while True:
            n_read += 1 << 16
            yield bytes(1 << 16)

    with pytest.raises(GenotypeFileError, match="not a VCF"):
        read_header_text(endless(), "f.vcf")
    assert n_read <= 2 * MAX_FIRST_LINE_BYTES


def test_a_header_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("core.genotypes.vcf_header.MAX_HEADER_BYTES", 2 << 20)

    def endless():
        yield b"##fileformat=VCFv4.2\n"
        while True:
            yield b"##x=y\n" * 1000

    with pytest.raises(GenotypeFileError, match="longer than 2 MiB"):
        read_header_text(endless(), "f.vcf")
