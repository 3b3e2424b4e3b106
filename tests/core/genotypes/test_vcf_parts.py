"""Reading parts of shards: the same blocks as reading everything, and damage elsewhere unseen."""

import gzip
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import GenotypeFileError
from core.genotypes.block import DosageBlock
from core.genotypes.seeking import Sought, WantedPieces, find_in_directory, find_in_index
from core.genotypes.source import plan_shards
from core.genotypes.tabix import parse_index
from core.genotypes.vcf import Shard, ShardReader, Wanted, open_cohort
from tests.builders.block_directory import directory_of, plain_file
from tests.builders.tabix import write_index
from tests.builders.vcf import Record, sample_names, vcf_text, write_vcf
from tests.core.genotypes.test_block_directory import sorted_records
from tests.core.genotypes.test_seeking import GAPS, seeking_always, wishes
from tests.core.genotypes.test_tabix import TREES, indexed_records


def narrowed(shards: tuple[Shard, ...], pieces: WantedPieces) -> list[Shard]:
    return [
        replace(
            shard,
            sought=Sought(
                pieces.parts(shard.start, shard.stop), pieces.n_records(shard.start, shard.stop)
            ),
        )
        for shard in shards
    ]


def blocks_of(shard: Shard, **options) -> list[bytes]:
    """The content of every block."""
    return [content(block) for block in ShardReader(shard, **options)]


def content(block: DosageBlock) -> bytes:
    sink = block.batch.schema.to_string().encode()
    for column in block.batch.columns:
        sink += repr(column.to_pylist()).encode()
    return sink


def assert_same_blocks(uri: str, pieces: WantedPieces, shard_bytes: int, **options) -> None:
    shards = plan_shards(open_cohort([uri]), shard_bytes)
    for whole, parts in zip(shards, narrowed(shards, pieces), strict=True):
        assert blocks_of(parts, **options) == blocks_of(whole, **options)


READING = {
    "shard_bytes": st.integers(20, 3000),
    "window_bytes": st.integers(1, 500),
    "block_rows_bytes": st.integers(1, 600),
    "block_bytes": st.integers(15, 500),
    "gap_bytes": GAPS,
}


@settings(max_examples=100, deadline=None)
@given(records=sorted_records(), data=st.data(), **READING)
def test_parts_by_a_directory_give_the_same_blocks_as_everything(
    tmp_path_factory,
    records,
    data,
    block_bytes,
    shard_bytes,
    window_bytes,
    block_rows_bytes,
    gap_bytes,
):
    path = tmp_path_factory.mktemp("parts") / "f.vcf.gz"
    uri = write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    wanted = data.draw(wishes(plain_file(path)))
    with seeking_always():
        pieces = find_in_directory(
            directory_of(path), wanted, path.stat().st_size, gap_bytes=gap_bytes
        )
    if pieces is not None:
        options = {"window_bytes": window_bytes, "block_bytes": block_rows_bytes}
        assert_same_blocks(uri, pieces, shard_bytes, wanted=wanted, **options)


@settings(max_examples=100, deadline=None)
@given(records=indexed_records(), tree=TREES, data=st.data(), **READING)
def test_parts_by_an_index_give_the_same_blocks_as_everything(
    tmp_path_factory,
    records,
    tree,
    data,
    block_bytes,
    shard_bytes,
    window_bytes,
    block_rows_bytes,
    gap_bytes,
):
    path = tmp_path_factory.mktemp("parts") / "f.vcf.gz"
    uri = write_vcf(path, vcf_text(records), block_bytes=block_bytes)
    file = plain_file(path)
    wanted = data.draw(wishes(file))
    kind, min_shift, depth = tree
    written = write_index(path, kind=kind, min_shift=min_shift, depth=depth)
    index = parse_index(gzip.decompress(written.read_bytes()))
    with seeking_always():
        pieces = find_in_index(
            index, wanted, file.first_record, file.size_bytes, gap_bytes=gap_bytes
        )
    if pieces is not None:
        options = {"window_bytes": window_bytes, "block_bytes": block_rows_bytes}
        assert_same_blocks(uri, pieces, shard_bytes, wanted=wanted, **options)


def cohort_of(tmp_path, n_samples: int, n_records: int = 3000) -> tuple[str, list[Record]]:
    rng = np.random.default_rng(17)
    gts = np.array(["0|0", "0|1", "1|1", "./."])
    positions = np.sort(rng.integers(1, 4_000_000, n_records))
    records = [
        Record(
            "22",
            int(at),
            gts[rng.choice(4, n_samples, p=[0.9, 0.05, 0.04, 0.01])].tolist(),
            id=f"rs{i}",
        )
        for i, at in enumerate(positions)
    ]
    path = tmp_path / "f.vcf.gz"
    return write_vcf(path, vcf_text(records, samples=sample_names(n_samples))), records


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
@pytest.mark.parametrize("option", ["-t", "-c"])
@pytest.mark.parametrize("shard_bytes", [1 << 40, 200_000])
def test_what_is_found_by_bcftools_index_is_what_bcftools_finds(tmp_path, option, shard_bytes):
    uri, records = cohort_of(tmp_path, 300)
    positions = sorted({records[i].position for i in range(7, 3000, 211)} | {1, 3_999_999})
    subprocess.run(["bcftools", "index", option, uri], check=True)
    (written,) = (path for path in tmp_path.iterdir() if str(path) != uri)
    index = parse_index(gzip.decompress(written.read_bytes()))
    wanted = Wanted(positions={"22": np.array(positions)})
    cohort = open_cohort([uri])
    file = plain_file(tmp_path / "f.vcf.gz")
    with seeking_always():
        pieces = find_in_index(index, wanted, file.first_record, file.size_bytes, gap_bytes=100)
    assert pieces is not None
    found = [
        row
        for shard in narrowed(plan_shards(cohort, shard_bytes), pieces)
        for block in ShardReader(shard, wanted=wanted)
        for row in zip(block.column("id").to_pylist(), block.dosage.tolist(), strict=True)
    ]
    targets = tmp_path / "regions"
    targets.write_text("".join(f"22\t{position}\n" for position in positions))
    query = ["bcftools", "query", "-R", str(targets), "-f", "%ID[\t%GT]\n", uri]
    lines = subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()
    copies = {"0|0": 0, "0|1": 1, "1|1": 2, "./.": 255}
    expected = [line.split("\t") for line in lines]
    assert found == [(name, [copies[gt] for gt in calls]) for name, *calls in expected]
    assert len(found) >= 15


@pytest.mark.parametrize("n_samples", [300, 30_000], ids=["many lines in a block", "wide lines"])
def test_what_is_not_wanted_is_not_inflated(tmp_path, n_samples):
    uri, records = cohort_of(tmp_path, n_samples, n_records=3000 if n_samples == 300 else 60)
    path = tmp_path / "f.vcf.gz"
    directory = directory_of(path)
    wanted = Wanted(positions={"22": np.array([records[len(records) // 2].position])})
    pieces = find_in_directory(directory, wanted, path.stat().st_size)
    assert pieces is not None
    (shard,) = plan_shards(open_cohort([uri]), 1 << 40)
    (sought,) = narrowed((shard,), pieces)
    (expected,) = blocks_of(shard, wanted=wanted)
    damaged = bytearray(path.read_bytes())
    for at in range(len(directory) // 4):
        damaged[directory.offsets[at] + 30] ^= 0xFF
    path.write_bytes(damaged)
    assert blocks_of(sought, wanted=wanted) == [expected]
    with pytest.raises(GenotypeFileError):
        blocks_of(shard, wanted=wanted)


def test_a_shard_that_is_read_in_parts_counts_what_its_plan_says(tmp_path):
    uri, _ = cohort_of(tmp_path, 3, n_records=50)
    (shard,) = plan_shards(open_cohort([uri]), 1 << 40)
    reader = ShardReader(replace(shard, sought=Sought((), n_records=50)))
    assert list(reader) == []
    assert (reader.n_records, reader.contig_records, reader.directory) == (50, {}, None)


def test_an_error_in_a_part_names_the_line_of_the_file(tmp_path):
    records = [Record("1", 10 * i, ["0/1", "1/1"], id="r" * 90) for i in range(1, 200)]
    records[150] = replace(records[150], calls=["0/1", "0/7"])
    path = tmp_path / "f.vcf.gz"
    uri = write_vcf(path, vcf_text(records), block_bytes=200)
    wanted = Wanted(positions={"1": np.array([30, 1510])})
    pieces = find_in_directory(directory_of(path), wanted, path.stat().st_size, gap_bytes=0)
    assert pieces is not None
    (shard,) = plan_shards(open_cohort([uri]), 1 << 40)
    errors = []
    for read in (shard, *narrowed((shard,), pieces)):
        with pytest.raises(GenotypeFileError) as error:
            list(ShardReader(read, wanted=wanted))
        errors.append(error.value.as_dict())
    assert errors[0] == errors[1]
    assert errors[0]["line"] == vcf_text([]).count(b"\n") + 151
