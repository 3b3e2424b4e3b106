"""The rows that a gVCF gives for wanted positions, however it is cut into shards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.vcf import open_vcf
from core.genotypes.vcf_wanted import Wanted
from tests.builders.vcf import vcf_text, write_vcf

META = (
    "##contig=<ID=1,length=248956422>",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##ALT=<ID=NON_REF,Description="Any other allele">',
)
LAST = 60
CALLS = {
    "0/0:9:50:9": 0,
    "0/0:9:3:9": 255,
    "0|0:0:30:0": 255,
    "./.:.:.:.": 255,
    "0/1:9:50:9": 255,
    "0:9:20:1": 0,
}
VARIANT_CALLS = {"0/1": 1, "1/1": 2, "./.": 255, "0/0": 0}
Line = tuple[int, int, str, list[str]]


def written(line: Line) -> str:
    first, last, alt, calls = line
    info = f"END={last}" if last > first else "."
    columns = ("chr1", str(first), ".", "A", alt, ".", ".", info, "GT:DP:GQ:MIN_DP", *calls)
    return "\t".join(columns)


REFERENCE = st.tuples(
    st.integers(0, 3),
    st.integers(0, 9),
    st.sampled_from(["<NON_REF>", "<*>", "."]),
    st.lists(st.sampled_from(list(CALLS)), min_size=2, max_size=2),
)
VARIANT = st.tuples(
    st.integers(0, 3),
    st.just(0),
    st.just("G,<NON_REF>"),
    st.lists(st.sampled_from(list(VARIANT_CALLS)), min_size=2, max_size=2),
)


def lines_of(steps: list[tuple[int, int, str, list[str]]]) -> list[Line]:
    """(gap, further positions, ALT, calls) in order; positions repeat where there is no gap."""
    lines: list[Line] = [(1, 1, "<NON_REF>", ["0/0:9:50:9"] * 2)]  # so that it is a gVCF
    for gap, length, alt, calls in steps:
        first = lines[-1][1] + gap
        lines.append((first, first + length, alt, calls))
    return lines


def expected_rows(lines: list[Line], wanted: set[int]) -> list[tuple[object, ...]]:
    """Line by line, position by position."""
    rows: list[tuple[object, ...]] = []
    for first, last, alt, calls in lines:
        if "," in alt:
            if first in wanted:
                dosage = [VARIANT_CALLS[call] for call in calls]
                none = [255 if call == "./." else 0 for call in calls]
                rows += [(first, "A", "G", *dosage), (first, "A", "<NON_REF>", *none)]
            continue
        dosage = [CALLS[call] for call in calls]
        for position in range(first, last + 1):
            if position in wanted:
                rows.append((position, "A" if position == first else "N", ".", *dosage))
    return rows


def read_rows(uri: str, wanted: set[int], shard_bytes: int) -> tuple[list[tuple[object, ...]], int]:
    """(the rows of all shards, how many records they own)."""
    rows, n_records = [], 0
    positions = {"1": np.array(sorted(wanted), np.int64)}
    for shard in open_vcf(uri).shards(shard_bytes, 0):
        reader = shard.reader(
            field=GenotypeField.AUTO,
            half_call=HalfCall.MISSING,
            wanted=Wanted(positions, min_reference_gq=20.0),
            s3=None,
        )
        for block in reader:
            columns = [block.column(name).to_pylist() for name in ("position", "ref", "alt")]
            rows += zip(*columns, *block.dosage.T.tolist(), strict=True)
        n_records += reader.n_records
    return rows, n_records


@given(
    lines=st.lists(REFERENCE | VARIANT, max_size=15).map(lines_of),
    wanted=st.sets(st.integers(1, LAST + 12)),
    shard_bytes=st.integers(40, 3000),
    block_bytes=st.integers(30, 400),
)
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("name", ["g.vcf", "g.vcf.gz", "g.vcf.gzip"])
def test_a_wanted_position_has_the_call_of_its_block(
    name, lines, wanted, shard_bytes, block_bytes, tmp_path_factory
):
    wanted = wanted | {1}
    path = tmp_path_factory.mktemp("gvcf") / name
    uri = write_vcf(path, vcf_text(map(written, lines), meta=META), block_bytes=block_bytes)
    rows, n_records = read_rows(uri, wanted, shard_bytes)
    assert rows == expected_rows(lines, wanted)
    assert n_records == len(lines)


def test_more_answers_than_a_buffer_holds_are_all_given(tmp_path, monkeypatch):
    monkeypatch.setattr("core.genotypes.reference_blocks._OUT_BYTES", 100)
    lines: list[Line] = [(1, 5000, "<NON_REF>", ["0/0:9:50:9", "0/0:9:3:9"])]
    uri = write_vcf(tmp_path / "g.vcf", vcf_text(map(written, lines), meta=META))
    wanted = set(range(1, 5001))
    assert read_rows(uri, wanted, 10**6) == (expected_rows(lines, wanted), 1)


def test_a_vcf_made_of_a_gvcf_is_none_though_its_header_still_speaks_of_blocks(tmp_path):
    line = "chr1\t5\t.\tA\tG\t.\t.\t.\tGT\t0/1\t0/0"
    assert not open_vcf(write_vcf(tmp_path / "v.vcf", vcf_text([line], meta=META))).is_gvcf
    block = "chr1\t5\t.\tA\t.\t.\t.\tEND=9\tGT\t0/0\t0/0"
    assert open_vcf(write_vcf(tmp_path / "g.vcf", vcf_text([block], meta=META))).is_gvcf
