import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import GenomeBuildError, GenotypeFileError
from core.genome_build import GenomeBuild
from core.genotypes import vcf_header
from core.genotypes.bcf.header import read_header as read_bcf_header
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
    assert header.build_evidence is None


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
        (["##reference=file:///ref/Homo_sapiens_assembly38.fasta"], GenomeBuild.GRCH38),
        (["##reference=GCA_000001405.15_GRCh38_no_alt_analysis_set.fna"], GenomeBuild.GRCH38),
        (["##assembly=GCF_000001405.25"], GenomeBuild.GRCH37),
        (["##contig=<ID=20,assembly=b37>"], GenomeBuild.GRCH37),
        (["##contig=<ID=NC_000020.11>"], GenomeBuild.GRCH38),
        (["##contig=<ID=CM000682.1>"], GenomeBuild.GRCH37),
        (["##contig=<ID=20,length=63025520>", "##reference=hg19_to_hg38.fa"], GenomeBuild.GRCH37),
        (["##contig=<ID=chrM,length=16571>"], None),
    ],
)
def test_the_build_is_told_by_contigs_else_by_names(meta, build):
    evidence = header_of(vcf_text([], meta=meta)).build_evidence
    assert (evidence.build if evidence is not None else None) is build


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (["##contig=<ID=chr20,length=63025520>"], "contig chr20 is 63025520 bases long"),
        (["##contig=<ID=NC_000020.11>"], "contig NC_000020.11 is named so"),
        (["##reference=hs37d5.fa"], "##reference=hs37d5.fa"),
        (["##reference=" + 500 * "/" + "hg19"], "##reference=" + 188 * "/" + "…"),
        (["##contig=<ID=20,assembly=b37>"], "##contig assembly=b37"),
        (["##contig=<ID=1,length=249250621>", "##reference=hg19.fa"], "contig 1 is 249250621"),
    ],
)
def test_what_tells_the_build_is_said(meta, words):
    evidence = header_of(vcf_text([], meta=meta)).build_evidence
    assert evidence is not None
    assert evidence.words.startswith(words)


@pytest.mark.parametrize(
    "meta",
    [
        ["##contig=<ID=20,length=63025520>", "##reference=hg38.fa"],
        ["##contig=<ID=20,length=63025520,assembly=GRCh38>"],
        ["##contig=<ID=NC_000020.10>", "##reference=hg38.fa"],
        ["##reference=hg19.fa", "##contig=<ID=20,assembly=hg38>"],
    ],
)
def test_a_header_that_contradicts_itself_is_an_error_that_repeats_both(meta):
    with pytest.raises(GenomeBuildError) as raised:
        header_of(vcf_text([], meta=meta))
    message = str(raised.value)
    assert message.startswith("f.vcf, header: the genotypes are on GRCh37 (genotype header: ")
    assert "but they are on GRCh38 (genotype header: ##" in message


def test_accessions_of_two_builds_are_an_error():
    meta = ["##contig=<ID=NC_000020.10,length=63025520>", "##contig=<ID=NC_000021.9>"]
    with pytest.raises(GenomeBuildError, match=r"contig NC_000020\.10 .*contig NC_000021\.9"):
        header_of(vcf_text([], meta=meta))


def test_an_accession_may_not_contradict_its_length():
    meta = ["##contig=<ID=NC_000020.10,length=64444167>"]
    message = r"named as in GRCh37, and 64444167 bases long as in GRCh38"
    with pytest.raises(GenomeBuildError, match=message):
        header_of(vcf_text([], meta=meta))


def test_contigs_of_two_builds_are_an_error_at_the_file():
    meta = ["##contig=<ID=1,length=249250621>", "##contig=<ID=2,length=242193529>"]
    with pytest.raises(GenomeBuildError, match=r"f\.vcf, header: contig 1 has its GRCh37 length"):
        header_of(vcf_text([], meta=meta))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("##reference=1000GenomesPilot-NCBI36.fasta", "##reference=1000GenomesPilot-NCBI36.fasta"),
        ("##reference=file:///hg18.fa", "##reference=file:///hg18.fa names a genome build"),
        ("##contig=<ID=chr20,assembly=hg18>", "##contig assembly=hg18 names a genome build"),
        ("##contig=<ID=chr1,length=247249719>", "contig chr1 is 247249719 bases long as in NCBI36"),
        ("##contig=<ID=chr1,length=248387328>", "248387328 bases long as in T2T-CHM13v2.0"),
    ],
)
def test_a_build_that_nobody_can_place_is_an_error_at_the_file(meta, message):
    with pytest.raises(GenomeBuildError) as raised:
        header_of(vcf_text([], meta=[meta]))
    assert str(raised.value).startswith("f.vcf, header: ")
    assert message in str(raised.value)
    assert str(raised.value).endswith("is not supported. " + (raised.value.fix or "-"))


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=40)))
def test_any_meta_lines_are_read_or_refused_with_the_file(lines):
    content = vcf_text([], meta=[f"##{line}" for line in lines])
    try:
        header = header_of(content)
    except GenomeBuildError:
        return
    assert header.n_lines == content.count(b"\n")


CONTIG_LINES = st.builds(
    "##contig=<ID={}{},length={}{}>".format,
    st.sampled_from(["", "chr", "NC_", "CM"]),
    st.sampled_from(["1", "20", "X", "M", "000020.10", "000682.2", "1_random"]),
    st.sampled_from([249250621, 248956422, 247249719, 63025520, 64444167, 16571, 5]),
    st.sampled_from(["", ",assembly=b37", ",assembly=hg38", ",assembly=hg18"]),
)


@given(st.lists(CONTIG_LINES, max_size=4))
def test_a_build_is_stated_only_where_no_line_says_another(lines):
    try:
        evidence = header_of(vcf_text([], meta=lines)).build_evidence
    except GenomeBuildError:
        return
    text = "".join(lines)
    builds = {"GRCh37": ("249250621", "b37"), "GRCh38": ("248956422", "hg38")}
    for build, signs in builds.items():
        said = signs[1] in text or any(f"ID={p}1,length={signs[0]}" in text for p in ("", "chr"))
        if said:
            assert evidence is not None
            assert evidence.build == build
    assert "hg18" not in text


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


def test_a_header_of_millions_of_lines_is_refused(monkeypatch):
    """256 MiB of empty lines took gigabytes."""
    monkeypatch.setattr(vcf_header, "MAX_HEADER_LINES", 10)
    text = vcf_text([], meta=["##"] * 10)
    with pytest.raises(GenotypeFileError, match="more than 10 lines"):
        read_header_text([text], "f.vcf")
    bcf = b"BCF\x02\x02" + len(text).to_bytes(4, "little") + text
    with pytest.raises(GenotypeFileError, match="more than 10 lines"):
        read_bcf_header([bcf], "f.bcf")
