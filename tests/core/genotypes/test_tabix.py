import gzip
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes.block_directory import KEY_SHIFT
from core.genotypes.tabix import TabixIndex, parse_index
from tests.builders.block_directory import plain_file
from tests.builders.tabix import virtual_offset, write_index
from tests.builders.vcf import Record, vcf_text, write_vcf

needs_bcftools = pytest.mark.skipif(
    shutil.which("bcftools") is None, reason="bcftools is not installed"
)
TREES = st.sampled_from([("tbi", 14, 5), ("csi", 14, 5), ("csi", 4, 9), ("csi", 20, 4)])


@st.composite
def indexed_records(draw) -> list[Record]:
    """Sorted, some with a long REF; positions are far enough apart for many bins."""
    records: list[Record] = []
    for contig in draw(st.sampled_from([["chr1"], ["2", "1"], ["22", "weird", "X"]])):
        position = draw(st.sampled_from([1, 16384, 500_000_000]))
        for step in draw(st.lists(st.sampled_from([0, 1, 300, 16384, 2_000_000]), max_size=15)):
            position += step
            ref = "A" * draw(st.sampled_from([1, 1, 1, 60]))
            name = "r" * draw(st.sampled_from([1, 1, 30, 400]))
            records.append(Record(contig, position, ["0/1", "1/1"], id=name, ref=ref))
    return records


def assert_true_of(index: TabixIndex, path) -> None:
    """Every fact is about a line that starts there, and its key is within the bounds."""
    file = plain_file(path)
    keys = {}
    for line in file.lines:
        key = index.contigs.index(line.contig) << KEY_SHIFT | line.position
        keys[virtual_offset(file, line.start)] = key
    found = np.array([keys[start] for start in index.starts.tolist()], np.int64)
    assert (index.low_keys <= found).all()
    assert (found <= index.high_keys).all()
    assert (np.diff(index.starts) >= 0).all()
    assert (np.diff(index.low_keys) >= 0).all()
    assert (np.diff(index.high_keys) >= 0).all()
    assert index.end == (virtual_offset(file, file.lines[-1].end) if file.lines else 0)


@settings(deadline=None)
@given(indexed_records(), st.integers(20, 400), TREES)
def test_an_index_says_what_is_true_of_the_file(tmp_path_factory, records, block_bytes, tree):
    path = tmp_path_factory.mktemp("tabix") / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    kind, min_shift, depth = tree
    content = gzip.decompress(
        write_index(path, kind=kind, min_shift=min_shift, depth=depth).read_bytes()
    )
    index = parse_index(content)
    assert_true_of(index, path)
    assert sum(index.contig_records.values()) == len(records)


@needs_bcftools
@pytest.mark.parametrize("options", [("-t",), ("-c",), ("-c", "-m", "12")], ids=str)
@pytest.mark.parametrize("block_bytes", [300, 65280])
def test_an_index_by_bcftools_says_what_is_true_of_the_file(tmp_path, options, block_bytes):
    rng = np.random.default_rng(11)
    records = [
        Record(contig, int(position), ["0/1", "."], ref="A" * int(rng.choice([1, 1, 1, 500])))
        for contig in ("1", "22")
        for position in np.sort(rng.integers(1, 9_000_000, 700))
    ]
    path = tmp_path / "f.vcf.gz"
    write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    subprocess.run(["bcftools", "index", *options, str(path)], check=True)
    (index_file,) = (p for p in tmp_path.iterdir() if p != path)
    index = parse_index(gzip.decompress(index_file.read_bytes()))
    assert_true_of(index, path)
    assert len(index.starts) > 50
    assert index.contig_records == {"1": 700, "22": 700}


def test_an_index_that_does_not_count_is_refused(tmp_path):
    write_vcf(tmp_path / "f.vcf.gz", vcf_text([Record("1", 5, ["0/1", "1/1"])]))
    content = write_index(tmp_path / "f.vcf.gz", counts=False).read_bytes()
    with pytest.raises(ValueError, match="does not count"):
        parse_index(gzip.decompress(content))


def small_index(tmp_path, kind: str = "tbi", contigs=("1", "22")) -> bytes:
    records = [
        Record(contig, position, ["0/1", "1/1"]) for contig in contigs for position in (5, 9)
    ]
    write_vcf(tmp_path / "f.vcf.gz", vcf_text(records))
    return gzip.decompress(write_index(tmp_path / "f.vcf.gz", kind=kind).read_bytes())


def test_two_names_of_one_contig_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two of its contigs are one"):
        parse_index(small_index(tmp_path, contigs=("X", "PAR1")))


def test_the_index_of_another_format_is_refused(tmp_path):
    content = bytearray(small_index(tmp_path))
    content[8] = 0
    with pytest.raises(ValueError, match="not the index of a VCF"):
        parse_index(bytes(content))


@pytest.mark.parametrize("kind", ["tbi", "csi"])
def test_a_cut_index_is_refused(tmp_path, kind):
    content = small_index(tmp_path, kind)
    parse_index(content)
    for n_bytes in range(len(content)):
        with pytest.raises(
            ValueError, match="cut or damaged|neither|names|not possible|not the|count"
        ):
            parse_index(content[:n_bytes])


@settings(deadline=None)
@given(data=st.data(), kind=st.sampled_from(["tbi", "csi"]))
def test_any_bytes_are_an_index_or_refused(tmp_path_factory, data, kind):
    content = bytearray(small_index(tmp_path_factory.mktemp("fuzz"), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        index = parse_index(bytes(content))
    except ValueError:
        return
    assert len(index.starts) == len(index.low_keys) == len(index.high_keys)
