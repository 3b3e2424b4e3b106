"""The scan gives the same, whoever inflates and however small the window; damage is an error."""

import contextlib
import os
import random
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from core.errors import GenotypeFileError
from core.genotypes import inflate
from core.genotypes.block import DosageBlock
from core.genotypes.source import plan_shards
from core.genotypes.vcf import ShardReader, Wanted, open_cohort
from tests.builders.call_lines import damage
from tests.builders.vcf import DS_FORMAT, FORMATS, Record, bgzip, sample_names, vcf_text, write_vcf

ENGINES = [("zlib-ng",), ("libdeflate",), ()]
"""The last one is Python's."""

engines = pytest.mark.parametrize("names", ENGINES, ids=["zlib-ng", "libdeflate", "Python"])


def read(uri: str, names: tuple[str, ...], *, shard_bytes: int = 1 << 40, **options):
    """(blocks, the records that the shards own)."""
    blocks: list[DosageBlock] = []
    counts: dict[str, int] = {}
    with mock.patch.object(inflate, "working_engines", return_value=names):
        for shard in plan_shards(open_cohort([uri]), shard_bytes):
            reader = ShardReader(shard, **options)
            blocks += reader
            for contig, n_records in reader.contig_records.items():
                counts[contig] = counts.get(contig, 0) + n_records
    return blocks, counts


def rows(blocks: list[DosageBlock]) -> list[tuple]:
    found: list[tuple] = []
    for block in blocks:
        columns = [block.column(name).to_pylist() for name in ("contig", "position", "id", "alt")]
        dosage = block.dosage
        ploidy = np.full(dosage.shape, 2, np.uint8) if block.ploidy is None else block.ploidy
        found += [
            (*site, dosage[i].tobytes(), ploidy[i].tobytes())
            for i, site in enumerate(zip(*columns, strict=True))
        ]
    return found


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> str:
    rng = np.random.default_rng(5)
    calls = ["0|0", "0|0", "0|0", "0|1", "1|1", "./.", "1"]
    records = [
        Record(
            "1" if i < 1200 else "chr2", 10 + i // 2, rng.choice(calls, 100).tolist(), id=f"r{i}"
        )
        for i in range(2000)
    ]
    path = tmp_path_factory.mktemp("scan") / "f.vcf.gz"
    return write_vcf(path, vcf_text(records, samples=sample_names(100)))


@engines
@pytest.mark.parametrize("shard_bytes", [1 << 40, 20_000])
def test_every_engine_gives_identical_blocks(cohort, names, shard_bytes):
    expected, expected_counts = read(cohort, ("zlib-ng", "libdeflate"), shard_bytes=shard_bytes)
    blocks, counts = read(cohort, names, shard_bytes=shard_bytes)
    assert counts == expected_counts == {"1": 1200, "2": 800}
    assert len(blocks) == len(expected)
    assert all(
        ours.batch.equals(theirs.batch) for ours, theirs in zip(blocks, expected, strict=True)
    )


@engines
def test_a_flipped_bit_of_a_block_is_an_error_that_names_its_byte(tmp_path, cohort, names):
    content = Path(cohort).read_bytes()
    expected = rows(read(cohort, ENGINES[0])[0])
    path = tmp_path / "f.vcf.gz"
    rng = random.Random(7)
    n_errors = 0
    for _ in range(40):
        bit = rng.randrange(8 * 30_000, 8 * (len(content) - 28))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            assert rows(read(str(path), names)[0]) == expected
        except GenotypeFileError as error:
            n_errors += "byte " in error.what
    assert n_errors > 30


def test_a_block_that_a_consumer_keeps_does_not_change(cohort):
    reader = ShardReader(plan_shards(open_cohort([cohort]), 1 << 40)[0], block_bytes=10_000)
    kept = [(block, block.dosage.copy()) for block in reader]
    assert len(kept) > 10
    assert all((block.dosage == copy).all() for block, copy in kept)


def test_a_view_or_a_column_keeps_a_block_as_it_is(cohort):
    reader = ShardReader(plan_shards(open_cohort([cohort]), 1 << 40)[0], block_bytes=10_000)
    kept = [
        (b.dosage[1:, 3], b.dosage[1:, 3].copy(), b.column("dosage"), b.dosage.copy())
        for b in reader
    ]
    for view, copied, column, dosage in kept:
        assert (view == copied).all()
        assert (column.flatten().to_numpy().reshape(dosage.shape) == dosage).all()


def test_memory_is_used_again_when_a_block_is_dropped(cohort):
    reader = ShardReader(plan_shards(open_cohort([cohort]), 1 << 40)[0], block_bytes=10_000)
    addresses = [block.dosage.ctypes.data for block in reader]
    assert len(set(addresses)) < len(addresses) / 2


def fuzz(n_files: int, folder: Path) -> None:
    """Damaged files, read whole and in any pieces: the same rows, or an error both times."""
    rng = random.Random(21)
    for i in range(n_files):
        n_samples = rng.randrange(1, 40)
        content = bytearray(_random_lines(rng, n_samples))
        for _ in range(rng.randrange(3)):
            damage(content, rng)
        meta = (*FORMATS, DS_FORMAT) if i % 2 else FORMATS
        text = vcf_text([], samples=sample_names(n_samples), meta=meta) + bytes(content)
        path = folder / "f.vcf.gz"
        path.write_bytes(bgzip(text, block_bytes=rng.randrange(20, 500), level=rng.randrange(10)))
        wanted = rng.choice([None, Wanted({"1": np.arange(0, 20, 3)}, frozenset({"rs1"}))])
        whole = _rows_or_error(str(path), ENGINES[0], wanted)
        options = {
            "shard_bytes": rng.randrange(1, 2000),
            "window_bytes": rng.randrange(1, 300),
            "block_bytes": rng.randrange(1, 3000),
        }
        parts = _rows_or_error(str(path), rng.choice(ENGINES), wanted, **options)
        assert parts == whole


def _rows_or_error(uri: str, names: tuple[str, ...], wanted: Wanted | None, **options):
    with contextlib.suppress(GenotypeFileError):
        return rows(read(uri, names, wanted=wanted, **options)[0])
    return None


def _random_lines(rng: random.Random, n_samples: int) -> bytes:
    calls = ["0/0", "0|1", "./.", ".", "1", "0/1/2", "./1", "0/1:0.5", "0:1e-5,.", ".:.", ""]
    if rng.randrange(2):
        calls = ["0|0", "0|1", "1|1", "./."]
    records = [
        Record(
            rng.choice(["1", "1", "chr1", "2"]),
            rng.randrange(20),
            [rng.choice(calls) for _ in range(n_samples)],
            id=rng.choice([".", "rs1", "rs2;rs1", "é"]),
            alt=rng.choice(["G", "G", "G,T", ".", "<DEL>,*"]),
            format=rng.choice(["GT", "GT", "GT:DS", "DS", "DP"]),
        )
        for _ in range(rng.randrange(1, 12))
    ]
    line_end = rng.choice(["\n", "\r\n"])
    return "".join(f"{record}{line_end}" for record in records).encode()


def test_damaged_files_read_the_same_in_any_pieces(tmp_path):
    fuzz(1500, tmp_path)


@pytest.mark.timeout(900)  # numba compiles everything anew, with checks
def test_no_load_leaves_an_array_whatever_the_bytes_are(tmp_path):
    """Under NUMBA_BOUNDSCHECK a load outside an array raises IndexError."""
    program = (
        "from pathlib import Path; from tests.core.genotypes.test_vcf_scan import fuzz;"
        f"fuzz(1500, Path({str(tmp_path)!r}))"
    )
    environment = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
