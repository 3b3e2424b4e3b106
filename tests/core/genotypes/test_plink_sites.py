"""The tables of variants: .pvar and .bim, in every layout that PLINK writes, and hostile ones."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CuraGenieError, GenotypeFileError
from core.genome_build import GenomeBuild
from core.genotypes import plink_sites, vcf_header
from core.genotypes.plink_sites import SitesFile, load_sites, read_sites

COLUMNS = ("CHROM", "POS", "ID", "REF", "ALT")
ROWS = [("1", 100, "rs1", "A", "G"), ("X", 7, "rs2", "C", "T,<DEL>"), ("1", 9, ".", "AT", ".")]


def rows_of(sites):
    return list(zip(*(sites.table.column(name).to_pylist() for name in COLUMNS), strict=True))


@pytest.fixture
def rows_in(tmp_path):
    """The rows of a file with this text."""

    def rows_in(text, name="f.pvar"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return rows_of(read_sites(path))

    return rows_in


LAYOUTS = {
    "pvar": "##source=x\n#CHROM\tPOS\tID\tREF\tALT\n"
    "1\t100\trs1\tA\tG\nX\t7\trs2\tC\tT,<DEL>\n1\t9\t.\tAT\t.\n",
    "pvar with more columns": "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tCM\n"
    "1\t100\trs1\tA\tG\t.\tPASS\tAN=2;X=a b\t0\nX\t7\trs2\tC\tT,<DEL>\t9\t.\t.\t0\n"
    "1\t9\t.\tAT\t.\t.\t.\tPR\t1\n",
    "pvar in another order": "#CHROM\tID\tALT\tREF\tPOS\n"
    "1\trs1\tG\tA\t100\nX\trs2\tT,<DEL>\tC\t7\n1\t.\t.\tAT\t9\n",
    "pvar with spaces": "#CHROM POS  ID REF ALT\n"
    "1 100 rs1 A  G\n X 7 rs2 C T,<DEL> \n1\t9 . AT .\n",
    "bim": "1\trs1\t0\t100\tG\tA\nX\trs2\t0\t7\tT,<DEL>\tC\n1\t.\t0.5\t9\t.\tAT\n",
    "bim with spaces": "1 rs1 0 100 G A\n  X rs2 0 7 T,<DEL> C\n1 . 0 9 . AT\n",
    "bim without centimorgans": "1\trs1\t100\tG\tA\nX\trs2\t7\tT,<DEL>\tC\n1\t.\t9\t.\tAT\n",
    "line ends of Windows": "1\trs1\t0\t100\tG\tA\r\n"
    "X\trs2\t0\t7\tT,<DEL>\tC\r\n1\t.\t0\t9\t.\tAT\r\n",
    "no last line end": "1\trs1\t0\t100\tG\tA\nX\trs2\t0\t7\tT,<DEL>\tC\n1\t.\t0\t9\t.\tAT",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_has_the_same_variants(name, rows_in):
    assert rows_in(LAYOUTS[name]) == ROWS


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("chunk_bytes", [1, 7, 64])
def test_the_pieces_that_text_is_read_in_change_nothing(name, chunk_bytes, rows_in, monkeypatch):
    monkeypatch.setattr(plink_sites, "_CHUNK_BYTES", chunk_bytes)
    assert rows_in(LAYOUTS[name]) == ROWS


def test_a_zstd_file_is_read_as_its_text(tmp_path):
    path = tmp_path / "f.pvar.zst"
    with pa.output_stream(str(path), compression="zstd") as out:
        out.write(LAYOUTS["pvar"].encode())
    assert rows_of(read_sites(path)) == ROWS
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(GenotypeFileError, match="damaged or cut short"):
        read_sites(path)


def test_the_build_is_that_of_the_contig_lines(tmp_path):
    path = tmp_path / "f.pvar"
    path.write_text(f"##contig=<ID=1,length=248956422>\n{LAYOUTS['pvar']}")
    assert read_sites(path).build is GenomeBuild.GRCH38
    path.write_text(LAYOUTS["pvar"])
    assert read_sites(path).build is None


def test_alts_are_counted(tmp_path):
    path = tmp_path / "f.pvar"
    path.write_text(LAYOUTS["pvar"])
    assert read_sites(path).n_alts.tolist() == [1, 2, 1]


HEADER = "#CHROM\tPOS\tID\tREF\tALT\n"
GOOD = "1\t100\trs1\tA\tG\n"
HOSTILE = {
    "nothing": (b"", None),
    "a header alone": (HEADER.encode(), None),
    "a word as position": (f"{HEADER}{GOOD}1\tten\trs\tA\tG\n".encode(), 3),
    "no position": (f"{HEADER}{GOOD}{GOOD}1\t\trs\tA\tG\n".encode(), 4),
    "a position below 0": (f"{HEADER}1\t-1\trs\tA\tG\n".encode(), 2),
    "a position behind PLINK's last": (f"{HEADER}1\t2147483648\trs\tA\tG\n".encode(), 2),
    "a position of 30 digits": (f"{HEADER}1\t{'9' * 30}\trs\tA\tG\n".encode(), 2),
    "no chromosome": (f"{HEADER}{GOOD}\t1\trs\tA\tG\n".encode(), 3),
    "no ID": (f"{HEADER}1\t1\t\tA\tG\n".encode(), 2),
    "no REF": (f"{HEADER}1\t1\trs\t\tG\n".encode(), 2),
    "no ALT": (f"{HEADER}1\t1\trs\tA\t\n".encode(), 2),
    "an empty second ALT": (f"{HEADER}1\t1\trs\tA\tG,\n".encode(), 2),
    "a row too short": (f"{HEADER}{GOOD}1\t1\trs\tA\n".encode(), 3),
    "a row too long": (f"{HEADER}{GOOD}1\t1\trs\tA\tG\tT\n".encode(), 3),
    "another encoding": (HEADER.encode() + b"1\t1\trs\xff\tA\tG\n", None),
    "no ALT column": (b"#CHROM\tPOS\tID\tREF\n1\t1\trs\tA\n", 1),
    "two POS columns": (b"#CHROM\tPOS\tID\tREF\tALT\tPOS\n1\t1\trs\tA\tG\t1\n", 1),
    "binary": (bytes(range(256)) * 40, None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_that_cannot_be_used_is_refused_with_its_line(name, tmp_path):
    content, line = HOSTILE[name]
    path = tmp_path / "f.pvar"
    path.write_bytes(content)
    with pytest.raises(GenotypeFileError) as caught:
        read_sites(path)
    where = caught.value.where
    assert where is not None
    assert where.file == str(path)
    assert caught.value.fix
    if line is not None:
        assert where.line == line


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(plink_sites, "_CHUNK_BYTES", 1000)
    monkeypatch.setattr(plink_sites, "MAX_LINE_BYTES", 5000)
    path = tmp_path / "f.pvar"
    path.write_text(f"{HEADER}1\t1\trs\tA\t{'G' * 20_000}\n")
    with pytest.raises(GenotypeFileError, match="a line is longer"):
        read_sites(path)


def test_a_header_of_millions_of_lines_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(vcf_header, "MAX_HEADER_LINES", 10)
    path = tmp_path / "f.pvar"
    path.write_text("#\n" * 10 + LAYOUTS["pvar"])
    with pytest.raises(GenotypeFileError, match="more than 10 lines"):
        read_sites(path)


def test_reading_stops_behind_the_variants_that_the_calls_have(tmp_path, monkeypatch):
    monkeypatch.setattr(plink_sites, "_CHUNK_BYTES", 100)
    path = tmp_path / "f.pvar"
    path.write_text(HEADER + GOOD * 1000)
    assert 2 < read_sites(path, 2).table.num_rows < 100


def test_a_file_that_changed_since_it_was_opened_is_refused(tmp_path):
    path = tmp_path / "f.pvar"
    path.write_text(HEADER + GOOD)
    file = SitesFile.of(path)
    assert load_sites(file) is load_sites(file)
    path.write_text(HEADER + GOOD + GOOD)
    with pytest.raises(GenotypeFileError, match="changed"):
        load_sites(file)


WORD = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r ,#"), min_size=1, max_size=8)
ROW = st.tuples(WORD, st.integers(0, 2**31 - 1), WORD, WORD, st.lists(WORD, min_size=1, max_size=3))


@given(rows=st.lists(ROW, min_size=1, max_size=20), chunk_bytes=st.integers(1, 80))
def test_what_is_written_is_read(rows, chunk_bytes, tmp_path_factory):
    expected = [(c, p, i, r, ",".join(alts)) for c, p, i, r, alts in rows]
    path = tmp_path_factory.mktemp("sites") / "f.pvar"
    text = "".join("\t".join(map(str, row)) + "\n" for row in expected)
    path.write_text(HEADER + text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plink_sites, "_CHUNK_BYTES", chunk_bytes)
        assert rows_of(read_sites(path)) == expected


@given(content=st.binary(max_size=300), is_pvar=st.booleans())
def test_any_bytes_are_a_table_or_an_error_of_ours(content, is_pvar, tmp_path_factory):
    path = tmp_path_factory.mktemp("sites") / "f.pvar"
    path.write_bytes(HEADER.encode() + content if is_pvar else content)
    try:
        sites = read_sites(path)
    except CuraGenieError:
        return
    assert sites.table.num_rows > 0
