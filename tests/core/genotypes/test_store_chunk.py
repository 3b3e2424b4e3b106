"""Files of chunks: what is refused, and that no content makes a kernel leave its arrays."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.errors import InfrastructureError
from core.genotypes.store_calls import BYTES, CARRIERS, TWO_BIT, encode_calls
from core.genotypes.store_chunk import SITES_SCHEMA, TILE_SCHEMA, Tile, TileRows, from_file, to_file
from core.genotypes.store_dosages import DECIMALS, FLOATS, LISTED_DECIMALS, encode_dosages

NAME = "chunks/00000-00000-tile-000.arrow"


def tile_batch(dosage: np.ndarray, ploidy: np.ndarray | None = None) -> pa.RecordBatch:
    rows = TileRows(0, dosage.shape[1])
    rows.add(dosage, ploidy)
    return rows.to_batch()


def calls_of(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


def test_hard_calls_take_the_smallest_encoding() -> None:
    row = np.zeros(100, np.uint8)
    rare, common, triploid, reference_is_rare = row.copy(), row.copy(), row.copy(), row + 2
    rare[:12] = 1
    common[:13] = 1
    triploid[50] = 3
    reference_is_rare[7] = 255
    dosage = np.stack([row, rare, common, triploid, reference_is_rare, row + 255])
    encoded = encode_calls(dosage, 0, 100)
    assert encoded.encoding.tolist() == [CARRIERS, CARRIERS, TWO_BIT, BYTES, CARRIERS, CARRIERS]
    assert encoded.base.tolist() == [0, 0, 0, 0, 2, 3]
    assert encoded.listed.tolist() == [*range(12), 7]
    assert np.diff(encoded.payload_at).tolist() == [0, 0, 25, 100, 0, 0]


def test_dosages_take_the_smallest_exact_encoding() -> None:
    exact = np.array([0.0, 0.001, 1.999, 2.0], np.float32)
    dosage = np.zeros((5, 100), np.float32)
    dosage[1] = np.resize(exact, 100)
    dosage[2] = 2.0
    dosage[2, :3] = [0.1234, np.nan, 1.5]
    dosage[3, 9] = 1 / 3
    dosage[4, 9] = -0.0
    encoded = encode_dosages(dosage, 0, 100)
    assert encoded.encoding.tolist() == [LISTED_DECIMALS, DECIMALS, LISTED_DECIMALS, FLOATS, FLOATS]
    assert encoded.decimals.tolist() == [3, 3, 4, 0, 0]
    assert encoded.base.tolist() == [0, 0, 20_000, 0, 0]
    assert encoded.values.tolist() == [1234, 65_535, 15_000]
    assert np.diff(encoded.payload_at).tolist() == [0, 200, 0, 400, 400]


@pytest.mark.parametrize(
    "content",
    [b"", b"ARROW1", b"no Arrow" * 100, to_file(tile_batch(calls_of([0])), None).to_pybytes()[:-8]],
    ids=["empty", "magic alone", "text", "cut"],
)
def test_what_is_no_arrow_file_is_refused(content: bytes) -> None:
    with pytest.raises(InfrastructureError, match="damaged: it is no Arrow file") as caught:
        from_file(content, TILE_SCHEMA, NAME)
    assert caught.value.where is not None
    assert caught.value.where.file == NAME


def test_a_file_with_other_columns_is_refused() -> None:
    content = to_file(tile_batch(calls_of([0])), None).to_pybytes()
    with pytest.raises(InfrastructureError, match="columns"):
        from_file(content, SITES_SCHEMA, NAME)


def replaced(batch: pa.RecordBatch, name: str, values: Any) -> pa.RecordBatch:
    at = TILE_SCHEMA.get_field_index(name)
    column = (
        values if isinstance(values, pa.Array) else pa.array(values, TILE_SCHEMA.field(at).type)
    )
    return batch.set_column(at, TILE_SCHEMA.field(at), column)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("encoding", [3, 0, 0]),
        ("encoding", [9, 0, 0]),
        ("encoding", [0, 2, 0]),
        ("base", [4, 0, 0]),
        ("base", [1, 0, 0]),
        ("n_one", [2, 0, 0]),
        ("n_missing", [4_294_967_295, 0, 0]),
        ("listed", [[], [], []]),
        ("listed", [[1, 2], [], []]),
        ("listed", [[20], [], []]),
        ("payload", [b"", b"", b""]),
        ("payload", [b"", b"12345678", b""]),
        ("n_one", [None, 0, 0]),
        (
            "ploidy",
            pa.DictionaryArray.from_arrays(pa.array([0, 0, 0], pa.int32()), pa.array([b"\2\2"])),
        ),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(name: str, values: Any) -> None:
    calls = np.zeros((3, 20), np.uint8)
    calls[0, 5] = 1
    calls[1, :8] = 1
    content = to_file(replaced(tile_batch(calls), name, values), None).to_pybytes()
    with pytest.raises(InfrastructureError, match="damaged"):
        decode_all(content, 20, np.uint8)


def decode_all(content: bytes, n_samples: int, dtype: type[np.uint8] | type[np.float32]) -> None:
    tile = Tile.of(from_file(content, TILE_SCHEMA, NAME), n_samples, NAME)
    rows = np.arange(len(tile.rows.encoding))
    shape = (len(rows), n_samples)
    out = np.empty(shape, np.float32) if dtype is np.float32 else np.empty(shape, np.uint8)
    tile.decode(rows, out, 0, 0)
    tile.decode_ploidy(rows, np.empty((len(rows), n_samples), np.uint8), 0, 0)


def fuzz(n_files: int) -> None:
    """Altered tiles; under NUMBA_BOUNDSCHECK a load outside an array raises IndexError."""
    rng = np.random.default_rng(3)
    for number in range(n_files):
        n_samples = int(rng.integers(1, 90))
        batch = tile_batch(_random_dosages(rng, n_samples, imputed=number % 2 == 1))
        for _ in range(int(rng.integers(0, 3))):
            batch = _altered(batch, rng)
        content = to_file(batch, None).to_pybytes()
        for dtype in (np.uint8, np.float32):
            try:
                decode_all(content, n_samples, dtype)
            except InfrastructureError:
                continue


def _random_dosages(rng: np.random.Generator, n_samples: int, *, imputed: bool) -> np.ndarray:
    shape = (4, n_samples)
    if imputed:
        return rng.choice(np.array([0, 0, 2, np.nan, 0.5, 0.1234, 1 / 3], np.float32), shape)
    return rng.choice(np.array([0, 0, 0, 0, 1, 2, 255], np.uint8), shape)


def _altered(batch: pa.RecordBatch, rng: np.random.Generator) -> pa.RecordBatch:
    numbers = ("encoding", "decimals", "base", "n_one", "n_two", "n_missing")
    lists = ("listed", "values")
    name = random.Random(int(rng.integers(1 << 30))).choice((*numbers, *lists, "payload"))
    if name in numbers:
        return replaced(batch, name, rng.integers(0, 6, batch.num_rows).tolist())
    if name in lists:
        some = [rng.integers(0, 90, rng.integers(0, 5)).tolist() for _ in range(batch.num_rows)]
        return replaced(batch, name, some)
    return replaced(batch, name, [rng.bytes(int(rng.integers(200))) for _ in range(batch.num_rows)])


def test_no_load_leaves_its_array_whatever_a_tile_says(tmp_path: Path) -> None:
    program = "from tests.core.genotypes.test_store_chunk import fuzz; fuzz(5000)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
