"""What comes out of a store is what went in: rows, dosages and ploidies, bit for bit."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import (
    GenotypeFileError,
    InfrastructureError,
    NotStoredError,
    UnsupportedFormatError,
)
from core.genotypes import store_load, store_writer
from core.genotypes.block import DosageBlock
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.source import plan_shards
from core.genotypes.store import StoreFile, StoreReader, open_store
from core.genotypes.store_writer import ShardWriter, StoreTarget
from core.genotypes.vcf import ShardReader, Wanted, open_cohort
from core.storage.byte_ranges import S3Access
from core.storage.objects import ObjectsLocation
from tests.builders.blocks import block_of
from tests.builders.s3_server import running_s3_server
from tests.builders.store import local_target, store_of_vcf, write_store
from tests.builders.vcf import Record, sample_names, vcf_text, write_vcf


class Row(NamedTuple):
    """One ALT of one record; `record` counts over everything read."""

    record: int
    contig: str
    position: int
    id: str
    ref: str
    alt: str
    n_alts: int
    dosages: bytes
    ploidies: bytes


def rows_of(blocks: Iterable[DosageBlock]) -> list[Row]:
    rows: list[Row] = []
    for block in blocks:
        columns = [block.column(name).to_pylist() for name in ("contig", "position", "id")]
        columns += [block.column(name).to_pylist() for name in ("ref", "alt", "n_alts")]
        assert block.record[0] == 0
        record = block.record + (rows[-1].record + 1 if rows else 0)
        dosage = block.dosage.copy()
        if dosage.dtype == np.float32:
            dosage[np.isnan(dosage)] = np.nan  # NaN has many patterns, of which one is stored
        ploidy = np.full(dosage.shape, 2, np.uint8) if block.ploidy is None else block.ploidy
        calls = ([row.tobytes() for row in dosage], [row.tobytes() for row in ploidy])
        rows += [Row(*row) for row in zip(record.tolist(), *columns, *calls, strict=True)]
    return rows


def read(file: StoreFile, shard_bytes: int = 1 << 30, **options: Any) -> list[DosageBlock]:
    shards = file.shards(shard_bytes, 0)
    return [block for shard in shards for block in StoreReader(shard, **options)]


def hard_row(draw: st.DrawFn, n_samples: int) -> list[float]:
    usual = draw(st.sampled_from([0, 1, 2, 255]))
    others = draw(st.sampled_from([st.sampled_from([0, 1, 2, 255]), st.integers(0, 255)]))
    row: list[float] = [usual] * n_samples
    for _ in range(draw(st.integers(0, n_samples))):
        row[draw(st.integers(0, n_samples - 1))] = draw(others)
    return row


def imputed_row(draw: st.DrawFn, n_samples: int) -> list[float]:
    decimals = draw(st.integers(0, 6))
    usual = draw(st.sampled_from([0.0, 2.0, float("nan")]))
    written = st.integers(0, 2 * 10**decimals).map(lambda k: k / 10**decimals)
    anything = st.one_of(written, st.floats(width=32), st.just(-0.0))
    others = draw(st.sampled_from([written, anything]))
    row = [usual] * n_samples
    for _ in range(draw(st.integers(0, n_samples))):
        row[draw(st.integers(0, n_samples - 1))] = draw(others)
    return row


@st.composite
def blocks_of_shards(draw: st.DrawFn, *, imputed: bool) -> list[list[DosageBlock]]:
    """Blocks of one cohort; positions need not ascend, contigs may come back."""
    n_samples = draw(st.integers(1, 200))
    make_row = imputed_row if imputed else hard_row
    alleles = st.text(st.sampled_from("ACGTN"), min_size=1, max_size=5)

    def block() -> DosageBlock:
        sites, dosage, ids = [], [], []
        for _ in range(draw(st.integers(1, 6))):
            n_alts = draw(st.integers(1, 3))
            alts = [
                draw(st.one_of(alleles, st.sampled_from(["*", "<DEL>", "."])))
                for _ in range(n_alts)
            ]
            contig, position = draw(st.sampled_from(["1", "X", "Gerät"])), draw(st.integers(1, 9))
            sites.append((contig, position, draw(alleles), ",".join(alts)))
            ids.append(draw(st.sampled_from([".", "rs1", "rs1;rs2", "ä"])))
            dosage += [make_row(draw, n_samples) for _ in range(n_alts)]
        ploidy = None
        if draw(st.booleans()):
            seed = draw(st.integers(0, 9))
            ploidy = np.random.default_rng(seed).integers(0, 4, (len(dosage), n_samples))
            ploidy[:: draw(st.integers(1, 3))] = 2
        return block_of(sites, dosage, ploidy=ploidy, ids=ids, imputed=imputed)

    return [
        [block() for _ in range(draw(st.integers(0, 3)))] for _ in range(draw(st.integers(1, 3)))
    ]


def round_trip(shards: list[list[DosageBlock]], *, imputed: bool) -> None:
    n_samples = next((block.n_samples for blocks in shards for block in blocks), 1)
    samples = sample_names(n_samples)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_writer, "TILE_SAMPLES", 64)
        patch.setattr(store_writer, "CHUNK_BYTES", 600)
        write_store(local_target(Path(folder)), shards, samples, is_imputed=imputed)
        file = open_store(f"{folder}/genotypes.cgstore")
        assert file.samples == tuple(samples)
        expected = rows_of(block for blocks in shards for block in blocks)
        assert rows_of(read(file)) == expected
        assert rows_of(read(file, shard_bytes=1, block_bytes=500)) == expected


@settings(deadline=None, max_examples=60)
@given(blocks_of_shards(imputed=False))
def test_hard_calls_of_any_ploidy_come_back(shards: list[list[DosageBlock]]) -> None:
    round_trip(shards, imputed=False)


@settings(deadline=None, max_examples=60)
@given(blocks_of_shards(imputed=True))
def test_imputed_dosages_come_back_bit_for_bit(shards: list[list[DosageBlock]]) -> None:
    round_trip(shards, imputed=True)


def test_a_vcf_and_its_store_give_the_same_rows_and_counts(tmp_path: Path) -> None:
    calls = ["0/0", "0/1", "1|1", "./.", "./1", "2/1", ".", "1", "0/1/2", "0/0"]
    lines = [
        Record(contig, 100 + i // 2, [calls[(i * j) % len(calls)] for j in range(30)], alt="G,T")
        for contig in ("1", "X", "22")
        for i in range(40)
    ]
    text = vcf_text(lines, samples=sample_names(30))
    uri = write_vcf(tmp_path / "f.vcf.gz", text, block_bytes=500)
    file = store_of_vcf(tmp_path, uri, shard_bytes=600)
    readers = [ShardReader(shard) for shard in plan_shards(open_cohort([uri]), 600)]
    expected = rows_of(block for reader in readers for block in reader)
    stored = [StoreReader(shard) for shard in file.shards(300, 0)]
    assert len(stored) > 1
    assert rows_of(block for reader in stored for block in reader) == expected
    assert sum(reader.n_records for reader in stored) == 120
    counts = [reader.contig_records for reader in stored]
    total = {c: sum(part.get(c, 0) for part in counts) for c in ("1", "X", "22")}
    assert total == {"1": 40, "X": 40, "22": 40}


def test_blocks_have_whole_position_groups_and_their_size(tmp_path: Path) -> None:
    blocks = [
        block_of([("1", 10 + i // 3, "A", "C") for i in range(30)], [[0, 1]] * 30),
    ]
    write_store(local_target(tmp_path), [blocks], ["S1", "S2"])
    file = open_store(str(tmp_path / "genotypes.cgstore"))
    sizes = [block.n_rows for block in read(file, block_bytes=5 * (2 + 64))]
    assert sizes == [3] * 10
    assert [block.n_rows for block in read(file, block_bytes=7 * (2 + 64))] == [6] * 5


def numbered(contig: str, first: int, n: int, value: int = 1) -> DosageBlock:
    sites = [(contig, first + i, "A", "C") for i in range(n)]
    return block_of(sites, [[value, 0, 2]] * n, ids=[f"rs{first + i}" for i in range(n)])


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreFile:
    """A chunk for each block: 1:100-109, 1:200-209, 2:100-109, X:100-109."""
    monkeypatch.setattr(store_writer, "CHUNK_BYTES", 1)
    first = [numbered("1", 100, 10), numbered("1", 200, 10)]
    write_store(
        local_target(tmp_path),
        [first, [numbered("2", 100, 10), numbered("X", 100, 10)]],
        ["S1", "S2", "S3"],
    )
    return open_store(str(tmp_path / "genotypes.cgstore"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are opened from here on."""
    names: list[str] = []
    really_open = store_load.open_byte_ranges

    def noting(uri: str, *, s3: S3Access | None = None) -> object:
        names.append(uri.rpartition("/")[2])
        return really_open(uri, s3=s3)

    monkeypatch.setattr(store_load, "open_byte_ranges", noting)
    return names


def positions(blocks: Iterable[DosageBlock]) -> list[tuple[str, int]]:
    return [(row.contig, row.position) for row in rows_of(blocks)]


@pytest.mark.parametrize(
    ("wanted", "found", "files"),
    [
        ({"positions": {"1": [205]}}, [("1", 205)], ["00000-00001-sites", "00000-00001-tile-000"]),
        ({"positions": {"1": [5, 150, 300]}}, [], []),
        ({"positions": {"3": [105]}}, [], []),
        ({}, [], []),
        (
            {"positions": {"1": [109, 201], "2": [100, 104]}},
            [("1", 109), ("1", 201), ("2", 100), ("2", 104)],
            [f"{chunk}-{kind}" for chunk in ("00000-00000", "00000-00001", "00001-00000")
             for kind in ("sites", "tile-000")],
        ),
        (
            {"whole_contigs": ["X"]},
            [("X", 100 + i) for i in range(10)],
            ["00001-00001-sites", "00001-00001-tile-000"],
        ),
        (
            {"ids": ["rs203"]},
            [("1", 203)],
            ["00000-00000-sites", "00000-00001-sites", "00000-00001-tile-000",
             "00001-00000-sites", "00001-00001-sites"],
        ),
    ],
    ids=["one", "between", "other contig", "nothing", "several", "whole contig", "by ID"],
)  # fmt: skip
def test_only_chunks_that_hold_wanted_positions_are_read(
    stored: StoreFile,
    opened: list[str],
    wanted: dict[str, Any],
    found: list[tuple[str, int]],
    files: list[str],
) -> None:
    asked = Wanted(
        positions={
            contig: np.array(at, np.int64) for contig, at in wanted.get("positions", {}).items()
        },
        ids=frozenset(wanted.get("ids", ())),
        whole_contigs=frozenset(wanted.get("whole_contigs", ())),
    )
    (shard,) = stored.shards(1 << 30, 0)
    reader = StoreReader(shard, wanted=asked)
    assert positions(reader) == found
    assert opened == [f"{file}.arrow" for file in files]
    assert reader.n_records == 40
    assert reader.contig_records == {"1": 20, "2": 10, "X": 10}


def test_unsorted_positions_are_found_with_their_groups(tmp_path: Path) -> None:
    order = [7, 3, 3, 9, 3, 1]
    block = block_of([("1", p, "A", "C") for p in order], [[i] for i in range(6)])
    write_store(local_target(tmp_path), [[block]], ["S1"])
    file = open_store(str(tmp_path / "genotypes.cgstore"))
    wanted = Wanted(positions={"1": np.array([1, 3, 8], np.int64)})
    (found,) = read(file, wanted=wanted)
    assert found.position.tolist() == [3, 3, 3, 1]
    assert found.dosage[:, 0].tolist() == [1, 2, 4, 5]
    assert found.record.tolist() == [0, 1, 2, 3]


def test_an_id_brings_its_whole_position_group(tmp_path: Path) -> None:
    sites = [("1", p, "A", "C") for p in (5, 6, 6, 7)]
    block = block_of(sites, [[0]] * 4, ids=["rs5", "rs6", "rs60;rs61", "rs7"])
    write_store(local_target(tmp_path), [[block]], ["S1"])
    file = open_store(str(tmp_path / "genotypes.cgstore"))
    (found,) = read(file, wanted=Wanted(ids=frozenset({"rs61", "rs8"})))
    assert found.column("id").to_pylist() == ["rs6", "rs60;rs61"]


def test_more_samples_than_a_tile_can_number_come_back(tmp_path: Path) -> None:
    n_samples = 70_001
    rng = np.random.default_rng(1)
    dosage = rng.choice(
        np.array([0, 1, 2, 255], np.uint8), (6, n_samples), p=[0.7, 0.2, 0.09, 0.01]
    )
    dosage[:2] = 0
    dosage[0, [0, 35_000, 35_001, 70_000]] = 1
    ploidy = np.full(dosage.shape, 2, np.uint8)
    ploidy[5, 40_000:] = 1
    block = block_of([("1", i + 1, "A", "C") for i in range(6)], dosage, ploidy=ploidy)
    write_store(local_target(tmp_path), [[block]], sample_names(n_samples))
    file = open_store(str(tmp_path / "genotypes.cgstore"))
    assert [tile.n_samples for tile in file.manifest.tiles] == [35_000, 35_001]
    assert file.samples == tuple(sample_names(n_samples))
    assert rows_of(read(file)) == rows_of([block])


def arrow_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.arrow"))


def test_a_damaged_chunk_is_named(stored: StoreFile) -> None:
    for path in arrow_files(Path(stored.uri) / "chunks"):
        whole = path.read_bytes()
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        with pytest.raises(InfrastructureError, match=f"{path.name}.*sha256"):
            read(stored)
        path.unlink()
        with pytest.raises(InfrastructureError, match=f"{path.name}.*no such file"):
            read(stored)
        path.write_bytes(whole)
    read(stored)


def test_a_store_without_its_manifest_is_not_there(tmp_path: Path) -> None:
    target = local_target(tmp_path)
    writer = ShardWriter(target, 0)
    writer.write(numbered("1", 1, 5))
    writer.finish()
    with pytest.raises(GenotypeFileError, match="no such file"):
        open_store(str(tmp_path / "genotypes.cgstore"))


def altered(file: StoreFile, **changes: Any) -> None:
    path = Path(file.uri) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": 2}, UnsupportedFormatError),
        ({"format": "other"}, UnsupportedFormatError),
        ({"chunks": [{}]}, GenotypeFileError),
        ({"chunks": 5}, GenotypeFileError),
        ({"tiles": []}, GenotypeFileError),
        ({"half_call": "sometimes"}, GenotypeFileError),
        ({"build": "hg17"}, GenotypeFileError),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(
    stored: StoreFile, changes: dict[str, Any], error: type[Exception]
) -> None:
    altered(stored, **changes)
    with pytest.raises(error, match=r"manifest\.json"):
        open_store(stored.uri)


def test_a_chunk_cannot_be_named_outside_of_the_store(stored: StoreFile) -> None:
    chunk = json.loads((Path(stored.uri) / "manifest.json").read_text())["chunks"][0]
    chunk["name"]["shard"] = "../../../../etc/passwd"
    altered(stored, chunks=[chunk])
    with pytest.raises(GenotypeFileError, match=r"manifest\.json"):
        open_store(stored.uri)


def test_calls_that_the_store_does_not_have_are_refused(stored: StoreFile, tmp_path: Path) -> None:
    (shard,) = stored.shards(1 << 30, 0)
    StoreReader(shard, field=GenotypeField.GT, half_call=HalfCall.MISSING)
    with pytest.raises(NotStoredError, match="stored as GT gave them, not DS"):
        StoreReader(shard, field=GenotypeField.DS)
    with pytest.raises(NotStoredError, match="half-calls are stored as missing, not as haploid"):
        StoreReader(shard, half_call=HalfCall.HAPLOID)
    block = block_of([("1", 1, "A", "C")], [[0.5]], imputed=True)
    write_store(local_target(tmp_path / "imputed"), [[block]], ["S1"], is_imputed=True)
    file = open_store(str(tmp_path / "imputed" / "genotypes.cgstore"))
    (shard,) = file.shards(1 << 30, 0)
    StoreReader(shard, field=GenotypeField.AUTO)
    with pytest.raises(NotStoredError, match="stored as auto gave them, not GT"):
        StoreReader(shard, field=GenotypeField.GT)


def test_a_cohort_without_records_is_one_empty_shard(tmp_path: Path) -> None:
    write_store(local_target(tmp_path), [[]], ["S1"])
    file = open_store(str(tmp_path / "genotypes.cgstore"))
    (shard,) = file.shards(10, 0)
    reader = StoreReader(shard)
    assert list(reader) == []
    assert (reader.n_records, reader.contig_records) == (0, {})


def test_shards_follow_from_the_store_and_the_bytes_alone(stored: StoreFile) -> None:
    sizes = [chunk.size_bytes for chunk in stored.manifest.chunks]
    shards = stored.shards(sizes[0] + 1, 7)
    assert [(s.index, s.first, s.stop) for s in shards] == [(7, 0, 2), (8, 2, 4)]
    assert [(s.first, s.stop) for s in stored.shards(1, 0)] == [(i, i + 1) for i in range(4)]
    assert [(s.first, s.stop) for s in stored.shards(1 << 30, 0)] == [(0, 4)]


def test_statistics_are_those_of_the_dosages(tmp_path: Path) -> None:
    block = block_of(
        [("1", 1, "A", "C"), ("1", 2, "A", "C"), ("X", 9, "A", "C"), ("X", 9, "A", "G")],
        [[0, 1, 2, 255], [2, 2, 2, 2], [1, 0, 255, 1], [3, 0, 0, 255]],
        ploidy=[[2, 2, 2, 2], [2, 2, 2, 2], [1, 2, 2, 2], [3, 2, 2, 1]],
    )
    write_store(local_target(tmp_path), [[block]], sample_names(4))
    folder = tmp_path / "genotypes.cgstore" / "chunks"
    tables = [pa.ipc.open_file(path).read_all() for path in sorted(folder.glob("*-tile-000.arrow"))]
    table = pa.concat_tables(tables).to_pydict()
    assert table["n_missing"] == [1, 0, 1, 1]
    assert table["allele_sum"] == [3.0, 8.0, 2.0, 3.0]
    assert table["allele_number"] == [6, 8, 5, 7]
    sites = pa.ipc.open_file(folder / "00000-00001-sites.arrow").read_all()
    assert sites.column("contig").to_pylist() == ["X", "X"]
    assert sites.schema.metadata == {b"format": b"curagenie-genotype-store", b"version": b"1"}


def test_a_store_in_a_bucket_is_written_and_read_there(tmp_path: Path) -> None:
    (tmp_path / "genomes").mkdir()
    block = numbered("1", 1, 50)
    with running_s3_server(tmp_path) as server:
        access = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
        objects = ObjectsLocation(root=tmp_path, bucket="genomes", s3=access)
        write_store(StoreTarget(objects, "genomic_data/1/f.cgstore"), [[block]], sample_names(3))
        file = open_store("s3://genomes/genomic_data/1/f.cgstore", s3=access)
        assert rows_of(read(file, s3=access)) == rows_of([block])


def test_a_store_at_the_root_of_a_folder_needs_no_prefix(tmp_path: Path) -> None:
    block = numbered("1", 1, 5)
    write_store(
        StoreTarget(ObjectsLocation(root=tmp_path / "A store"), ""), [[block]], sample_names(3)
    )
    file = open_store((tmp_path / "A store").as_uri() + "/")
    assert rows_of(read(file)) == rows_of([block])
