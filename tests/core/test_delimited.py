"""Text tables: separators, comments, lines, and the numbers in them."""

import gzip
import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest

from core import delimited
from core.delimited import DelimitedText, first_true, parse_numbers, read_delimited
from core.errors import SampleSheetError


def read(folder: Path, data: bytes) -> DelimitedText:
    (folder / "table").write_bytes(data)
    landmarks = {"name", "size"}
    return read_delimited(folder / "table", error_type=SampleSheetError, landmarks=landmarks)


def test_comments_are_kept_as_written_and_apart(tmp_path: Path) -> None:
    text = read(tmp_path, b"##one\n\n#two = 2\nname\tsize\na\t1\n")
    assert text.comments == ("##one", "#two = 2")
    assert (text.column_names, text.column_line) == (("name", "size"), 4)


def test_only_the_last_comment_can_be_the_column_line(tmp_path: Path) -> None:
    text = read(tmp_path, b"#name size\n##more\n#name\tsize\na\t1\n")
    assert text.comments == ("#name size", "##more")
    assert text.columns(["size"])["size"].to_pylist() == ["1"]


def test_a_comment_of_other_words_is_no_column_line(tmp_path: Path) -> None:
    assert read(tmp_path, b"#the name is a\nname\tsize\na\t1\n").column_line == 2


def test_values_are_trimmed_text_and_null_where_they_say_none(tmp_path: Path) -> None:
    text = read(tmp_path, b"name\tsize\n a b \t001\n.\tNA\n\t-\n")
    assert text.columns(["name", "size"]) == {
        "name": pa.array(["a b", None, None]),
        "size": pa.array(["001", None, "-"]),
    }


def test_lines_are_the_files_own(tmp_path: Path) -> None:
    text = read(tmp_path, b"#x\r\n\r\nname\tsize\r\n\r\na\t1\r\n\r\n\r\nb\t2")
    assert [text.line_of(0), text.line_of(1)] == [5, 8]
    with pytest.raises(IndexError):
        text.line_of(2)


def test_an_error_is_the_callers_and_carries_the_place(tmp_path: Path) -> None:
    text = read(tmp_path, b"name\tsize\na\t1\n")
    error = text.error("too big.", row=0, field="size", fix="Shrink it.")
    assert isinstance(error, SampleSheetError)
    assert str(error) == f"{tmp_path / 'table'}, line 2, size: too big. Shrink it."
    assert str(text.error("bad.", fix="Mend it.")).startswith(f"{tmp_path / 'table'}, line 1: bad.")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(SampleSheetError, match="cannot be read"):
        read_delimited(tmp_path, error_type=SampleSheetError, landmarks=())


def test_numbers_are_read_as_python_reads_them() -> None:
    words = ["1", "-2.5e-3", "+.5", "5.", "1E5", "007"]
    assert parse_numbers(pa.array(words)).to_pylist() == [float(word) for word in words]


def test_what_is_no_number_is_null() -> None:
    words = ["1", "one", "1,5", "0x1", "1_0", "", "e5", None]
    assert parse_numbers(pa.array(words)).to_pylist() == [1.0, *[None] * 7]


def test_the_first_true_is_found() -> None:
    assert first_true(pa.array([False, None, True, True])) == 2
    assert first_true(pa.array([False, None])) is None


def test_a_row_of_many_megabytes_is_refused(tmp_path: Path) -> None:
    text = read(tmp_path, b"name\tsize\na\t" + b"1" * (17 << 20) + b"\nb\t2\n")
    with pytest.raises(SampleSheetError, match="line 1: the rows cannot be read"):
        text.columns(["size"])


def test_a_gzip_bomb_is_refused_at_once_and_never_unpacked(tmp_path: Path) -> None:
    member = gzip.compress(b"\n" * (10 << 20))
    bomb = member * 1000  # 10 MB that stand for 10 GB
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(SampleSheetError, match="unpacks to more") as caught:
        read(tmp_path, bomb)
    assert time.perf_counter() - start < 5
    assert tracemalloc.get_traced_memory()[1] < len(bomb) + (200 << 20)
    tracemalloc.stop()
    assert caught.value.where is not None
    assert caught.value.where.file == str(tmp_path / "table")


def test_a_bomb_behind_a_table_is_refused_too(tmp_path: Path) -> None:
    table = b"name\tsize\n" + b"".join(b"a%d\t%d\n" % (n, n * n) for n in range(100_000))
    with pytest.raises(SampleSheetError, match="unpacks to more"):
        read(tmp_path, gzip.compress(table) + gzip.compress(b"\n" * (200 << 20)))


def test_a_large_table_that_repeats_itself_is_no_bomb(tmp_path: Path) -> None:
    row = b"rs123456\t10\t123456789\tA\tG\t0.000123\tENSEMBL\n"
    rows = b"".join(b"%d\t%d\t" % (n, n * 7919 % 1000) + row for n in range(1_500_000))
    packed = gzip.compress(b"name\tsize\tc\td\te\tf\tg\th\ti\n" + rows, compresslevel=1)
    assert len(rows) > 64 << 20
    assert len(rows) > 10 * len(packed)
    assert len(read(tmp_path, packed).columns(["size"])["size"]) == 1_500_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_table_larger_than_any_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack
) -> None:
    table = b"name\tsize\na\t1\n"
    monkeypatch.setattr(delimited, "MAX_UNPACKED_BYTES", len(table) - 1)
    with pytest.raises(SampleSheetError, match="larger"):
        read(tmp_path, pack(table))
    monkeypatch.setattr(delimited, "MAX_UNPACKED_BYTES", max(len(table), len(pack(table))))
    assert read(tmp_path, pack(table)).columns(["size"])["size"].to_pylist() == ["1"]


@pytest.mark.parametrize("n_lost", [1, 4, 8, 20])
def test_a_gzip_that_is_cut_short_is_refused(tmp_path: Path, n_lost: int) -> None:
    packed = gzip.compress(b"name\tsize\n" + b"a\t1\n" * 1000)
    with pytest.raises(SampleSheetError, match="damaged or cut short"):
        read(tmp_path, packed[:-n_lost])


def test_all_members_of_a_gzip_are_read(tmp_path: Path) -> None:
    packed = gzip.compress(b"name\tsize\n") + gzip.compress(b"a\t1\n") + gzip.compress(b"")
    assert read(tmp_path, packed).columns(["name"])["name"].to_pylist() == ["a"]
