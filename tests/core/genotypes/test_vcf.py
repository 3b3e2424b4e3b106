import contextlib
import os
import pickle
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cyvcf2 import VCF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import CohortError, CuraGenieError, GenomeBuildError, GenotypeFileError
from core.genome_build import GenomeBuild, canonical_contig
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.source import plan_shards
from core.genotypes.vcf import (
    ShardReader,
    Wanted,
    open_cohort,
    open_vcf,
)
from core.genotypes.vcf_blocks import Decoding
from core.genotypes.vcf_input import TextRange
from core.genotypes.vcf_shard import ShardScan
from core.storage.byte_ranges import S3Access, open_byte_ranges
from tests.builders.s3_server import running_s3_server
from tests.builders.vcf import (
    DS_FORMAT,
    FORMATS,
    GRCH37_CONTIGS,
    Record,
    bgzip,
    sample_names,
    vcf_text,
    write_vcf,
)
from tests.builders.vcf_rows import (
    Row,
    cyvcf2_rows,
    read_blocks,
    read_rows,
    records,
    rows_of_block,
)

DATA = Path(os.environ.get("CURAGENIE_ACCEPTANCE_DATA", ""))
needs_data = pytest.mark.skipif(
    not os.environ.get("CURAGENIE_ACCEPTANCE_DATA"), reason="CURAGENIE_ACCEPTANCE_DATA is not set"
)

IMPUTED = (*GRCH37_CONTIGS, *FORMATS, DS_FORMAT)


@pytest.fixture
def calls_of(tmp_path):
    """The rows of one record."""

    def calls_of(calls, *, alt="G", format="GT", meta=None, **options) -> list[Row]:  # noqa: A002
        record = Record("1", 100, calls, alt=alt, format=format)
        meta = meta or (IMPUTED if "DS" in format else (*GRCH37_CONTIGS, *FORMATS))
        text = vcf_text([record], samples=sample_names(len(calls)), meta=meta)
        return read_rows(write_vcf(tmp_path / "f.vcf", text), **options)

    return calls_of


# Oracles


def expected_rows(records: list[Record], half_call: HalfCall = HalfCall.MISSING) -> list[Row]:
    """What GT says, read in the plainest way."""
    rows: list[Row] = []
    for record in records:
        alts = [] if record.alt == "." else record.alt.split(",")
        gt = record.format.split(":").index("GT") if "GT" in record.format.split(":") else None
        calls = [expected_call(call, gt, half_call) for call in record.calls]
        for i, alt in enumerate(alts or ["."], start=1):
            rows.append(
                Row(
                    canonical_contig(record.contig),
                    int(record.position),
                    record.id,
                    record.ref.upper(),
                    alt.upper(),
                    max(1, len(alts)),
                    tuple(None if alleles is None else alleles.count(i) for alleles, _ in calls),
                    tuple(ploidy for _, ploidy in calls),
                )
            )
    return rows


def expected_call(call: str, gt: int | None, half_call: HalfCall) -> tuple[list[int] | None, int]:
    fields = call.split(":")
    if gt is None or gt >= len(fields):
        return None, 2
    alleles = fields[gt].replace("|", "/").split("/")
    seen = [int(allele) for allele in alleles if allele != "."]
    if len(seen) < len(alleles):
        if half_call is HalfCall.HAPLOID and len(set(seen)) == 1:
            return seen[:1] * len(alleles), len(alleles)
        if half_call is HalfCall.REFERENCE and seen:
            return seen + [0] * (len(alleles) - len(seen)), len(alleles)
        return None, len(alleles)
    return seen, len(alleles)


# Shards


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    records=records(n_samples=2),
    suffix=st.sampled_from([".vcf", ".vcf.gz", ".vcf.gzip"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    bgzf_bytes=st.integers(3, 300),
    n_shards=st.integers(1, 60),
    window_bytes=st.integers(1, 500),
    block_bytes=st.integers(1, 1000),
)
def test_rows_do_not_depend_on_how_a_file_is_cut(
    tmp_path_factory, records, suffix, line_end, bgzf_bytes, n_shards, window_bytes, block_bytes
):
    path = tmp_path_factory.mktemp("cut") / f"file{suffix}"
    uri = write_vcf(path, vcf_text(records, line_end=line_end), block_bytes=bgzf_bytes)
    rows: list[Row] = []
    groups: list[tuple[str, int]] = []
    n_records = 0
    shard_bytes = path.stat().st_size // n_shards + 1
    for shard in plan_shards(open_cohort([uri]), shard_bytes):
        reader = ShardReader(shard, window_bytes=window_bytes, block_bytes=block_bytes)
        for block in reader:
            block_rows = rows_of_block(block)
            rows += block_rows
            groups.append((block_rows[0].contig, block_rows[0].position))
            groups.append((block_rows[-1].contig, block_rows[-1].position))
        n_records += reader.n_records
    assert rows == expected_rows(records)
    assert n_records == len(records)
    for last, first in zip(groups[1::2], groups[2::2], strict=False):
        assert last != first, "a position stands in two blocks"


@pytest.mark.parametrize("suffix", [".vcf", ".vcf.gz"])
@pytest.mark.parametrize("n_bytes", [1_000_000, 100_000, 7_001])
def test_a_file_of_many_large_blocks_reads_the_same_in_any_shards(tmp_path, suffix, n_bytes):
    rng = np.random.default_rng(3)
    samples = sample_names(300)
    lines = [
        Record(
            "1", 10 + i // 3, rng.choice(["0|0", "0|1", "1|1", "./."], 300).tolist(), id=f"rs{i}"
        )
        for i in range(1500)
    ]
    uri = write_vcf(tmp_path / f"f{suffix}", vcf_text(lines, samples=samples))
    whole = read_rows(uri)
    assert len(whole) == 1500
    assert read_rows(uri, n_bytes) == whole
    assert whole == expected_rows(lines)


def test_every_shard_counts_the_records_that_it_owns(tmp_path):
    lines = [
        Record(contig, 5 + i // 2, ["0/1", "."]) for contig in ("1", "chr22") for i in range(99)
    ]
    cohort = open_cohort([write_vcf(tmp_path / "f.vcf.gz", vcf_text(lines), block_bytes=100)])
    shards = plan_shards(cohort, 500)
    assert len(shards) > 5
    assert [shard.index for shard in shards] == list(range(len(shards)))
    counts: Counter[str] = Counter()
    for shard in shards:
        reader = ShardReader(shard, wanted=Wanted())
        assert list(reader) == []
        assert sum(reader.contig_records.values()) == reader.n_records
        counts.update(reader.contig_records)
    assert counts == {"1": 99, "22": 99}


@pytest.mark.parametrize(
    ("length", "contig"), [(16571, "NC_001807.4"), (16569, "MT"), (None, "MT")]
)
def test_mitochondria_of_hg19_are_a_contig_of_their_own(tmp_path, length, contig):
    stated = f",length={length}" if length is not None else ""
    text = vcf_text(
        [Record("chrM", 73, ["1", "0"])], meta=(f"##contig=<ID=chrM{stated}>", *FORMATS)
    )
    cohort = open_cohort([write_vcf(tmp_path / "f.vcf.gz", text)])
    assert [row.contig for block in read_blocks(cohort) for row in rows_of_block(block)] == [contig]
    (shard,) = plan_shards(cohort, 1 << 20)
    reader = ShardReader(shard, wanted=Wanted(positions={"MT": np.array([73])}))
    assert sum(block.n_rows for block in reader) == (contig == "MT")
    assert reader.contig_records == {contig: 1}


def test_gzip_is_one_shard(tmp_path):
    text = vcf_text([Record("1", i, ["0/1", "1/1"]) for i in range(1, 200)])
    cohort = open_cohort([write_vcf(tmp_path / "f.vcf.gzip", text)])
    (shard,) = plan_shards(cohort, 10)
    assert (shard.start, shard.stop) == (0, cohort.files[0].size_bytes)
    assert len(read_blocks(cohort, 10)) == 1


def test_shards_number_through_all_files(tmp_path):
    uris = [
        write_vcf(tmp_path / f"{contig}.vcf", vcf_text([Record(contig, 1, ["0/1", "0/0"])]))
        for contig in ("1", "22")
    ]
    shards = plan_shards(open_cohort(uris), 1 << 20)
    assert [(shard.index, shard.file.uri) for shard in shards] == [(0, uris[0]), (1, uris[1])]


def test_a_shard_survives_pickling(tmp_path):
    uri = write_vcf(tmp_path / "f.vcf", vcf_text([Record("1", 5, ["0/1", "1/1"])]))
    (shard,) = plan_shards(open_cohort([uri]), 1 << 20)
    (block,) = ShardReader(pickle.loads(pickle.dumps(shard)))
    assert block.dosage.tolist() == [[1, 2]]


def test_several_threads_read_the_same_file(tmp_path):
    lines = [Record("1", i, ["0/1"] * 50) for i in range(1, 3000)]
    text = vcf_text(lines, samples=sample_names(50))
    cohort = open_cohort([write_vcf(tmp_path / "f.vcf.gz", text)])
    with ThreadPoolExecutor(4) as threads:
        shards = plan_shards(cohort, 2000)
        sums = threads.map(lambda shard: sum(b.dosage.sum() for b in ShardReader(shard)), shards)
    assert sum(sums) == 2999 * 50


# Blocks


def test_blocks_hold_at_most_their_bytes_unless_one_position_needs_more(tmp_path):
    positions = [1, 2, 3, 4, 4, 4, 4, 4, 5, 6]
    lines = [Record("1", position, ["0/1"] * 1000) for position in positions]
    uri = write_vcf(tmp_path / "f.vcf", vcf_text(lines, samples=sample_names(1000)))
    blocks = read_blocks(open_cohort([uri]), block_bytes=3500)
    assert [block.position.tolist() for block in blocks] == [[1, 2, 3], [4] * 5, [5, 6]]


def test_alt_rows_of_a_record_share_its_ordinal_in_the_block(tmp_path):
    lines = [Record("1", 5, ["1/2", "0/3"], alt="C,G,T"), Record("1", 6, ["0/1", "0/0"])]
    (block,) = read_blocks(open_cohort([write_vcf(tmp_path / "f.vcf", vcf_text(lines))]))
    assert block.record.tolist() == [0, 0, 0, 1]
    assert block.column("n_alts").to_pylist() == [3, 3, 3, 1]
    assert block.dosage.tolist() == [[1, 0], [1, 0], [0, 1], [1, 0]]
    assert block.ploidy is None


def test_ploidy_stands_only_in_blocks_with_a_call_that_is_not_diploid(tmp_path):
    lines = [Record("1", i, ["0/1", "1/1"]) for i in range(1, 10)]
    lines[4] = Record("1", 5, ["0/1", "1"])
    uri = write_vcf(tmp_path / "f.vcf", vcf_text(lines))
    (block,) = read_blocks(open_cohort([uri]))
    assert block.ploidy is not None
    assert block.ploidy.tolist() == [[2, 2]] * 4 + [[2, 1]] + [[2, 2]] * 4
    blocks = read_blocks(open_cohort([uri]), block_bytes=1)
    assert [block.ploidy is None for block in blocks] == [i != 4 for i in range(9)]


# Calls


@pytest.mark.parametrize(
    ("call", "alt", "dosages", "ploidy"),
    [
        ("0/0", "G", [0], 2),
        ("1|0", "G", [1], 2),
        ("1/1:9", "G", [2], 2),
        ("./.", "G", [None], 2),
        (".", "G", [None], 1),
        ("1", "G", [1], 1),
        ("0|1|1", "G", [2], 3),
        ("/".join(["1"] * 254), "G", [254], 254),
        ("2|10", "A,C,G,T,AA,AC,AG,AT,CA,CC", [0, 1, 0, 0, 0, 0, 0, 0, 0, 1], 2),
        ("0/0", ".", [0], 2),
        ("./.", ".", [None], 2),
        ("|0|1", "G", [1], 2),
        ("0/1", "<DEL>", [1], 2),
        ("01/0", "G", [1], 2),
    ],
)
def test_a_dosage_counts_the_alleles_that_are_alt(calls_of, call, alt, dosages, ploidy):
    rows = calls_of([call, "0/0"], alt=alt)
    assert [row.dosages[0] for row in rows] == dosages
    assert {row.ploidies[0] for row in rows} == {ploidy}


@pytest.mark.parametrize(
    ("call", "mode", "dosage"),
    [
        ("./1", HalfCall.MISSING, None),
        ("0|.", HalfCall.MISSING, None),
        ("./1", HalfCall.HAPLOID, 2),
        ("0|.", HalfCall.HAPLOID, 0),
        ("./1/.", HalfCall.HAPLOID, 3),
        ("0/1/.", HalfCall.HAPLOID, None),
        ("./1", HalfCall.REFERENCE, 1),
        ("0|.", HalfCall.REFERENCE, 0),
        *(("./.", mode, None) for mode in HalfCall),
        *((".", mode, None) for mode in HalfCall),
    ],
)
def test_a_half_call_means_what_the_mode_says(calls_of, call, mode, dosage):
    (row,) = calls_of([call, "0/0"], half_call=mode)
    assert row.dosages[0] == dosage
    assert row.ploidies[0] == len(call.replace("|", "/").split("/"))


@settings(max_examples=100, deadline=None)
@given(records=records(n_samples=3), half_call=st.sampled_from(list(HalfCall)[:3]))
def test_calls_are_what_their_text_says(tmp_path_factory, records, half_call):
    path = tmp_path_factory.mktemp("calls") / "f.vcf"
    uri = write_vcf(path, vcf_text(records, samples=sample_names(3)))
    assert read_rows(uri, half_call=half_call) == expected_rows(records, half_call)


@settings(max_examples=100, deadline=None)
@given(records=records(n_samples=3))
def test_calls_are_what_cyvcf2_reads(tmp_path_factory, records):
    contigs = ("##contig=<ID=chr1>", *GRCH37_CONTIGS)
    path = tmp_path_factory.mktemp("oracle") / "f.vcf"
    text = vcf_text(records, samples=sample_names(3), meta=(*contigs, *FORMATS))
    uri = write_vcf(path, text)
    assert read_rows(uri) == cyvcf2_rows(uri)


def test_a_record_without_gt_is_missing_for_every_sample(calls_of):
    (row,) = calls_of(["7", "."], format="DP")
    assert row.dosages == (None, None)
    assert row.ploidies == (2, 2)


def test_alleles_are_upper_case_and_symbolic_alleles_are_kept(tmp_path):
    line = Record("chrX", 5, ["0/1", "0/1"], ref="acg", alt="a,*,<DUP:Tandem>,g]chr2:9]")
    rows = read_rows(write_vcf(tmp_path / "f.vcf", vcf_text([line])))
    assert [row.alt for row in rows] == ["A", "*", "<DUP:Tandem>", "g]chr2:9]"]
    assert {(row.contig, row.ref) for row in rows} == {("X", "ACG")}


def test_the_last_line_may_lack_its_line_end(tmp_path):
    text = vcf_text([Record("1", 5, ["0/1", "1/1"])])[:-1]
    assert len(read_rows(write_vcf(tmp_path / "f.vcf", text))) == 1


def test_empty_lines_are_no_records(tmp_path):
    text = vcf_text([Record("1", 5, ["0/1", "1/1"])]) + b"\n\r\n"
    assert len(read_rows(write_vcf(tmp_path / "f.vcf", text))) == 1


def test_a_text_of_line_ends_needs_no_memory(tmp_path):
    text = vcf_text([]) + b"\n" * 10_000_000 + str(Record("1", 5, ["0/1", "0/x"])).encode()
    uri = write_vcf(tmp_path / "f.vcf.gz", text)
    tracemalloc.start()
    with pytest.raises(GenotypeFileError, match="line 10000007, GT of sample S2"):
        read_rows(uri)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 200 << 20


def test_an_id_may_have_any_letters(tmp_path):
    text = vcf_text([Record("1", 5, ["0/1", "1/1"], id="größe;日本")])
    wanted = Wanted(ids=frozenset({"日本"}))
    (row,) = read_rows(write_vcf(tmp_path / "f.vcf", text), wanted=wanted)
    assert row.id == "größe;日本"


@pytest.mark.parametrize("suffix", [".vcf", ".vcf.gz", ".vcf.gzip"])
def test_a_header_alone_is_a_valid_file(tmp_path, suffix):
    cohort = open_cohort([write_vcf(tmp_path / f"f{suffix}", vcf_text([]))])
    (shard,) = plan_shards(cohort, 10)
    reader = ShardReader(shard)
    assert list(reader) == []
    assert (reader.n_records, reader.contig_records) == (0, {})


# Imputed dosages


@pytest.mark.parametrize(
    ("format_", "call", "alt", "dosages", "ploidy"),
    [
        ("GT:DS", "0/1:0.973", "G", [0.973], 2),
        ("DS", "1.5", "G", [1.5], 2),
        ("DS:GT", "0.25:1", "G", [0.25], 1),
        ("GT:DS", "0/1:.", "G", [1], 2),
        ("GT:DS", "0/1", "G", [1], 2),
        ("GT:DS", "./.:0.5", "G", [0.5], 2),
        ("GT:DS", "./.:.", "G", [None], 2),
        ("DS", ".", "G", [None], 2),
        ("GT:DS", "1/2:0.1,1.25", "G,T", [0.1, 1.25], 2),
        ("GT:DS", "1/2:.,1.25", "G,T", [1, 1.25], 2),
        ("GT:DS", "1/2:0.75", "G,T", [1, 1], 2),
        ("DS", "0.75", "G,T", [None, None], 2),
        ("GT", "1/1", "G", [2], 2),
        ("DS", "1e-05", "G", [1e-05], 2),
        ("DS", "0.33333333333333331", "G", [1 / 3], 2),
    ],
)
def test_ds_is_taken_and_gt_where_it_is_missing(calls_of, format_, call, alt, dosages, ploidy):
    rows = calls_of([call, "."], alt=alt, format=format_, meta=IMPUTED)
    expected = [None if value is None else float(np.float32(value)) for value in dosages]
    assert [row.dosages[0] for row in rows] == expected
    assert {row.ploidies[0] for row in rows} == {ploidy}


def test_gt_can_be_chosen_where_there_is_ds(calls_of):
    (row,) = calls_of(["0/1:0.1", "1/1:1.1"], format="GT:DS", field=GenotypeField.GT)
    assert row.dosages == (1, 2)


def test_ds_without_a_declaration_is_an_error(tmp_path):
    uri = write_vcf(tmp_path / "f.vcf", vcf_text([Record("1", 5, ["0/1", "1/1"])]))
    with pytest.raises(GenotypeFileError, match=r"f\.vcf, DS: the header declares no"):
        read_rows(uri, field=GenotypeField.DS)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(0, 2, width=32).map(str),
            st.floats(0, 2).map(repr),
            st.decimals(0, 2, places=4).map(str),
            st.just("."),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_ds_is_bit_equal_to_cyvcf2(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("ds") / "f.vcf"
    lines = [Record("1", i + 1, [value, "0"], format="DS") for i, value in enumerate(values)]
    uri = write_vcf(path, vcf_text(lines, meta=IMPUTED))
    ours = np.concatenate([b.dosage for b in read_blocks(open_cohort([uri]))])
    theirs = np.stack([variant.format("DS")[:, 0] for variant in VCF(uri)])
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    is_called = ~np.isnan(ours)
    assert ours[is_called].tobytes() == theirs[is_called].tobytes()


# Wanted records


@pytest.fixture
def sites(tmp_path) -> str:
    lines = [
        Record("1", 5, ["0/1", "0/1"], id="rs1"),
        Record("1", 7, ["0/1", "0/1"], id="rs2;rs3"),
        Record("1", 7, ["0/1", "0/1"], id="rs4", alt="T"),
        Record("chr22", 5, ["0/1", "0/1"], id="rs5"),
        Record("X", 5, ["0/1", "0/1"]),
    ]
    return write_vcf(tmp_path / "f.vcf.gz", vcf_text(lines), block_bytes=50)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (None, ["rs1", "rs2;rs3", "rs4", "rs5", "."]),
        (Wanted(), []),
        (Wanted(positions={"1": np.array([1, 5, 6])}), ["rs1"]),
        (Wanted(positions={"1": np.array([7]), "22": np.array([5])}), ["rs2;rs3", "rs4", "rs5"]),
        (Wanted(positions={"1": np.array([], np.int64)}), []),
        (Wanted(ids=frozenset({"rs1", "rs5", "rs"})), ["rs1", "rs5"]),
        (Wanted(ids=frozenset({"rs3"})), ["rs2;rs3", "rs4"]),
        (Wanted(whole_contigs=frozenset({"22", "X"})), ["rs5", "."]),
        (
            Wanted({"1": np.array([5])}, frozenset({"rs5"}), frozenset({"X"})),
            ["rs1", "rs5", "."],
        ),
    ],
)
@pytest.mark.parametrize("shard_bytes", [50, 1 << 20])
def test_the_position_groups_with_a_wanted_record_are_decoded(sites, wanted, ids, shard_bytes):
    assert [row.id for row in read_rows(sites, shard_bytes, wanted=wanted)] == ids


def test_lines_that_are_not_wanted_are_not_decoded(tmp_path):
    lines = [Record("1", 5, ["nonsense", "0/1"]), Record("1", 6, ["0/1", "0/1"])]
    uri = write_vcf(tmp_path / "f.vcf", vcf_text(lines))
    assert len(read_rows(uri, wanted=Wanted(positions={"1": np.array([6])}))) == 1


# Errors


GOOD = Record("1", 5, ["0/1", "1/1"])


@pytest.mark.parametrize(
    ("line", "place", "problem"),
    [
        ("1\t5\t.\tA", "columns", "fewer than ten columns"),
        (Record("1", 6, ["0/1"]), "samples", "fewer samples than the header, which has 2"),
        (Record("1", 6, ["0/1"] * 3), "samples", "more samples than the header"),
        (Record("1", 6, ["0/1:9"] * 3, format="GT:DP"), "samples", "more samples"),
        (Record("1", "x5", ["0/1"] * 2), "POS", "'x5' is no integer"),
        (Record("1", "-5", ["0/1"] * 2), "POS", "'-5' is no integer"),
        (Record("1", 2**31, ["0/1"] * 2), "POS", "is no integer of 0 to 2147483647"),
        (Record("1", "", ["0/1"] * 2), "POS", "'' is no integer"),
        (Record("", 5, ["0/1"] * 2), "CHROM", "CHROM is empty"),
        (Record("1", 6, ["0/1"] * 2, ref=""), "REF", "REF is empty"),
        (Record("1", 6, ["0/1"] * 2, alt="A,,C"), "ALT", "ALT is empty"),
        (Record("1", 6, ["0/1"] * 2, id=""), "ID", "ID is empty"),
        (Record("1", 6, ["0/1", "0/2"]), "GT of sample S2", "'0/2' names an allele that ALT (G)"),
        (Record("1", 6, ["0/1", "1/0"], alt="."), "GT of sample S1", "'0/1' names an allele"),
        (Record("1", 6, ["0/1", "0/1/"]), "GT of sample S2", "'0/1/' is no genotype call"),
        (Record("1", 6, ["0/1", "0\\1"]), "GT of sample S2", "is no genotype call"),
        (Record("1", 6, ["0/1", ""]), "GT of sample S2", "'' is no genotype call"),
        (Record("1", 6, ["-1", "0/1"]), "GT of sample S1", "is no genotype call"),
        (Record("1", 6, ["0/1", "/".join("0" * 255)]), "GT of sample S2", "more than 254 alleles"),
        (Record("1", 6, ["0/1", "0/99999999999"]), "GT of sample S2", "'0/99999999999' names an"),
        (
            Record("1", 6, ["x", "1"], format="DS"),
            "DS of sample S1",
            "'x' (DS) has a DS that is no",
        ),
        (Record("1", 6, ["1", "1,2"], format="DS"), "DS of sample S2", "'1,2' (DS) has not one DS"),
        (Record("1", 6, ["1", "nan"], format="DS"), "DS of sample S2", "is no number"),
        (Record("1", 6, ["2", "2.5"], format="DS"), "DS of sample S2", "outside 0 to 2"),
        (Record("1", 6, ["-0.5", "0"], format="DS"), "DS of sample S1", "outside 0 to 2"),
        ("#CHROM\tPOS", "CHROM", "a header line stands among the records"),
    ],
)
@pytest.mark.parametrize(
    ("suffix", "shard_bytes"), [(".vcf", 40), (".vcf.gz", 90), (".vcf.gzip", 1)]
)
def test_a_bad_line_is_named_with_its_field_and_a_fix(
    tmp_path, line, place, problem, suffix, shard_bytes
):
    meta = (*GRCH37_CONTIGS, *FORMATS, DS_FORMAT) if "DS" in str(line) else FORMATS
    text = vcf_text([GOOD, GOOD, line, GOOD], meta=meta)
    uri = write_vcf(tmp_path / f"f{suffix}", text, block_bytes=30)
    with pytest.raises(GenotypeFileError) as raised:
        read_rows(uri, shard_bytes)
    error = raised.value
    assert error.where is not None
    assert (error.where.file, error.where.line) == (uri, len(meta) + 5)
    assert error.where.field == place
    assert problem in error.what
    assert error.fix


def test_the_line_number_counts_every_line_before_the_shard(tmp_path):
    lines = [Record("1", i, ["0/1", "1/1"]) for i in range(1, 5000)]
    lines[4321] = Record("1", 4322, ["0/1", "0/7"])
    uri = write_vcf(tmp_path / "f.vcf.gz", vcf_text(lines), block_bytes=1000)
    cohort = open_cohort([uri])
    shards = plan_shards(cohort, 300)
    failures = []
    for shard in shards:
        try:
            list(ShardReader(shard))
        except GenotypeFileError as error:
            failures.append((shard.index, error.where))
    ((index, where),) = failures
    assert index > 10
    assert where.line == open_vcf(uri).header.n_lines + 4322


def test_a_half_call_can_be_an_error(calls_of):
    with pytest.raises(GenotypeFileError, match=r"line 7, GT of sample S2: './1' is a half-call"):
        calls_of(["0/1", "./1"], half_call=HalfCall.ERROR)


@pytest.mark.parametrize("column", ["id", "ref", "alt", "contig"])
def test_text_that_is_not_utf8_is_refused(tmp_path, column):
    line = Record(**{"contig": "1", "position": 6, "calls": ["0/1", "0/1"], column: "@@"})
    text = vcf_text([GOOD, line]).replace(b"@@", b"\xff\xfe")
    uri = write_vcf(tmp_path / "f.vcf", text)
    with pytest.raises(GenotypeFileError, match=r"line 8, (ID|REF|ALT|CHROM): .* not UTF-8"):
        read_rows(uri)


@pytest.mark.parametrize("n_bytes", [1, 28, 29, 1000])
def test_truncated_bgzip_is_refused_when_it_is_opened(tmp_path, n_bytes):
    path = tmp_path / "f.vcf.gz"
    path.write_bytes(bgzip(vcf_text([GOOD] * 1000), block_bytes=2000)[:-n_bytes])
    with pytest.raises(GenotypeFileError, match="truncated"):
        open_cohort([str(path)])


def test_damage_inside_bgzip_is_found_by_the_shard_that_reads_it(tmp_path):
    text = vcf_text([Record("1", i, ["0/1", "1/1"]) for i in range(1, 3000)])
    content = bytearray(bgzip(text, block_bytes=5000))
    content[len(bgzip(text[:30_000], block_bytes=5000)) + 100] ^= 0x10  # within a block's body
    path = tmp_path / "f.vcf.gz"
    path.write_bytes(content)
    with pytest.raises(GenotypeFileError, match="the block does not inflate|is not as long"):
        read_rows(str(path), 1000)


def test_a_file_that_changes_between_planning_and_reading_is_an_error(tmp_path):
    uri = write_vcf(tmp_path / "f.vcf", vcf_text([GOOD]))
    (shard,) = plan_shards(open_cohort([uri]), 1000)
    write_vcf(tmp_path / "f.vcf", vcf_text([GOOD, GOOD]))
    with pytest.raises(GenotypeFileError, match="changed after it was opened"):
        list(ShardReader(shard))


def test_a_line_longer_than_the_limit_is_refused(tmp_path):
    record = Record("1", 5, ["0/1", "0/1"], id="x" * 300_000)
    uri = write_vcf(tmp_path / "f.vcf", vcf_text([GOOD, record, GOOD]))
    file = open_vcf(uri)
    text_range = TextRange(
        open_byte_ranges(uri), file.compression, file.first_record, file.size_bytes, 0
    )
    decoding = Decoding(file.header.samples, GenotypeField.GT, HalfCall.MISSING, 1000)
    scan = ShardScan(
        [text_range],
        decoding,
        None,
        contig_lengths={},
        window_bytes=1000,
        max_group_bytes=100_000,
    )
    with pytest.raises(GenotypeFileError, match="longer than"):
        list(scan)


def test_more_alleles_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("core.genotypes.vcf_blocks.MAX_GROUP_DOSAGE_BYTES", 100)
    record = Record("1", 5, ["0/1", "0/1"], alt=",".join("G" * 60))
    uri = write_vcf(tmp_path / "f.vcf", vcf_text([GOOD, record]))
    with pytest.raises(GenotypeFileError, match=r"ALT: 61 alleles at one position need more than"):
        read_rows(uri)


@settings(max_examples=200, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=5))
@pytest.mark.parametrize("suffix", [".vcf", ".vcf.gz"])
def test_any_damage_is_rows_or_an_error(tmp_path_factory, suffix, damage):
    path = tmp_path_factory.mktemp("damage") / f"f{suffix}"
    text = vcf_text(
        [Record("1", i, ["0/1:0.5", "1|1"], format="GT:DS") for i in range(9)], meta=IMPUTED
    )
    uri = write_vcf(path, text, block_bytes=120)
    content = bytearray(path.read_bytes())
    for at, value in damage:
        content[at % len(content)] = value
    path.write_bytes(content)
    with contextlib.suppress(GenotypeFileError, GenomeBuildError):
        assert all(len(row.dosages) == 2 for row in read_rows(uri, 200))


# Cohorts


def test_several_files_make_one_cohort(tmp_path):
    uris = [
        write_vcf(tmp_path / "1.vcf", vcf_text([Record("1", 1, ["0/1", "0/0"])])),
        write_vcf(tmp_path / "2.vcf.gz", vcf_text([Record("2", 1, ["0/1", "0/0"])], meta=FORMATS)),
    ]
    cohort = open_cohort(uris)
    assert cohort.samples == ("S1", "S2")
    assert cohort.build is GenomeBuild.GRCH37
    rows = [row for block in read_blocks(cohort) for row in rows_of_block(block)]
    assert [row.contig for row in rows] == ["1", "2"]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (["S1", "S3"], r"2\.vcf, samples: sample 2 is S3, in .*1\.vcf it is S2"),
        (["S2", "S1"], r"2\.vcf, samples: sample 1 is S2, in .*1\.vcf it is S1"),
        (["S1"], r"2\.vcf, samples: the file has 1 samples, .*1\.vcf has 2"),
    ],
)
def test_the_first_difference_of_samples_is_named(tmp_path, samples, message):
    uris = [
        write_vcf(tmp_path / "1.vcf", vcf_text([])),
        write_vcf(tmp_path / "2.vcf", vcf_text([], samples=samples)),
    ]
    with pytest.raises(CohortError, match=message):
        open_cohort(uris)


def test_files_of_two_builds_are_no_cohort(tmp_path):
    uris = [
        write_vcf(tmp_path / "1.vcf", vcf_text([])),
        write_vcf(tmp_path / "2.vcf", vcf_text([], meta=["##reference=GRCh38.fa"])),
    ]
    with pytest.raises(GenomeBuildError, match=r"2\.vcf, header: the header states GRCh38"):
        open_cohort(uris)


def test_a_cohort_needs_a_file():
    with pytest.raises(CohortError, match="no genotype file"):
        open_cohort([])


def test_an_object_of_an_s3_store_reads_like_a_file(tmp_path):
    lines = [Record("1", i, ["0/1", "1/1"]) for i in range(1, 2000)]
    (tmp_path / "bucket").mkdir()
    uri = write_vcf(tmp_path / "bucket" / "f.vcf.gz", vcf_text(lines), block_bytes=5000)
    with running_s3_server(tmp_path) as server:
        s3 = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
        shards = plan_shards(open_cohort(["s3://bucket/f.vcf.gz"], s3=s3), 1000)
        assert len(shards) > 2
        blocks = [block for shard in shards for block in ShardReader(shard, s3=s3)]
    assert [row for block in blocks for row in rows_of_block(block)] == read_rows(uri)


# Real files


@needs_data
@pytest.mark.parametrize("shard_bytes", [1 << 40, 20_000])
def test_1000_genomes_chr22_is_what_cyvcf2_reads(shard_bytes):
    (path,) = (DATA / "genotypes" / "1000g_chr22").glob("*.vcf.gz")
    rows = read_rows(str(path), shard_bytes)
    assert len(rows) == 829
    assert rows == cyvcf2_rows(str(path))


@needs_data
@pytest.mark.parametrize(
    "name", ["1000g_singles/HG00096.GRCh37.vcf.gz", "wgs_single/corpas_chr20.GRCh37.vcf.gz"]
)
def test_a_single_genome_is_what_cyvcf2_reads(name):
    path = str(DATA / "genotypes" / name)
    assert read_rows(path, 100_000) == cyvcf2_rows(path)


@needs_data
@pytest.mark.parametrize("name", ["micro.vcf", "micro_halfcall.vcf"])
def test_the_semantics_files_are_what_cyvcf2_reads(name):
    (path,) = (DATA / "semantics_micro").rglob(name)
    assert read_rows(str(path)) == cyvcf2_rows(str(path))


@needs_data
def test_valid_files_of_the_specification_are_read_or_refused_with_a_reason():
    paths = sorted((DATA / "conformance" / "vcf").glob("*/passed/*.vcf"))
    assert paths
    for path in paths:
        try:
            rows = read_rows(str(path), 100, field=GenotypeField.GT)
        except CuraGenieError as error:
            gives_alleles_without_alt = path.name == "passed_body_alt.vcf"
            expected = "names an allele" if gives_alleles_without_alt else "file has no samples"
            if expected not in error.what:
                raise
        else:
            assert rows == cyvcf2_rows(str(path))


@needs_data
def test_a_file_that_the_specification_refuses_is_rows_or_an_error():
    for path in sorted((DATA / "conformance" / "vcf").glob("*/failed/*.vcf")):
        with contextlib.suppress(GenotypeFileError):
            read_rows(str(path), 100)
