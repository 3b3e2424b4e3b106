import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes import vcf_kernels as kernels
from tests.builders.vcf import Record


def as_text(content: bytes) -> np.ndarray:
    return np.frombuffer(bytearray(content), np.uint8)


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_a_line_end_is_found_where_it_is(content, start):
    start = min(start, len(content))
    found = content.find(b"\n", start)
    expected = found if found >= 0 else len(content)
    assert kernels.find_newline(as_text(content), start, len(content)) == expected
    assert kernels.count_newlines(as_text(content)) == content.count(b"\n")
    assert kernels.end_of_lines(as_text(content)) == content.rfind(b"\n") + 1


columns = st.tuples(
    st.sampled_from(["1", "1", "chr1", "22", ""]),
    st.sampled_from(["1", "11", "111", "2147483647", "2147483648", "1" * 30]),
    st.lists(st.text("ab1\r", max_size=3), min_size=6, max_size=12).map("\t".join),
).map("\t".join)


@settings(deadline=None)
@given(st.lists(st.one_of(columns, columns, st.text("a\t1\r", max_size=20)), max_size=20))
def test_lines_are_indexed_as_python_splits_them(rows):
    content = "".join(row + "\n" for row in rows).encode()
    lines, positions, same_contig = index(content)
    expected = [row.removesuffix("\r") for row in rows if row.removesuffix("\r")]
    assert len(lines) == len(expected) or positions[-1] < 0
    assert not (positions[:-1] < 0).any()
    for i, row in enumerate(expected[: len(lines)]):
        columns = row.split("\t")
        start, end = lines[i, kernels.LINE_START], lines[i, kernels.LINE_END]
        assert content[start:end].decode() == row
        tabs = [
            at - start for at in lines[i, kernels.FIRST_TAB : kernels.NINTH_TAB + 1] if at < end
        ]
        assert tabs == [j for j, letter in enumerate(row) if letter == "\t"][:9]
        if len(columns) < 10:
            assert positions[i] == kernels.TOO_FEW_COLUMNS
        elif columns[1].isdigit() and int(columns[1]) <= kernels.MAX_POSITION:
            assert positions[i] == int(columns[1])
        else:
            assert positions[i] == kernels.BAD_POSITION
        before = expected[i - 1].split("\t")[0] if i else None
        assert same_contig[i] == (columns[0] == before)


def index(content: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = min(content.count(b"\n"), len(content) // kernels.MIN_LINE_BYTES + 1)
    lines = np.empty((n, kernels.N_LINE_COLUMNS), np.int64)
    positions, same_contig = np.empty(n, np.int64), np.empty(n, np.bool_)
    n = kernels.index_lines(as_text(content), lines, positions, same_contig)
    return lines[:n], positions[:n], same_contig[:n]


@pytest.mark.parametrize(
    ("alleles", "expected"),
    [
        (["acgt", "ACGT"], ["ACGT", "ACGT"]),
        (
            ["<dup:tandem>", "*", "t]chr1:5]", "[c:1[a"],
            ["<dup:tandem>", "*", "t]chr1:5]", "[c:1[a"],
        ),
    ],
)
def test_bases_are_upper_case_and_names_are_kept(alleles, expected):
    assert gathered(alleles, fold_case=True) == (expected, True)


def test_other_letters_than_ascii_are_noticed():
    assert gathered(["é"], fold_case=True) == (["é"], False)


def gathered(texts: list[str], *, fold_case: bool) -> tuple[list[str], bool]:
    encoded = [text.encode() for text in texts]
    lengths = np.array([len(text) for text in encoded], np.int64)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    offsets, out = np.empty(len(texts) + 1, np.int32), np.empty(ends[-1], np.uint8)
    is_ascii = kernels.gather(as_text(b"".join(encoded)), starts, ends, fold_case, offsets, out)
    parts = [bytes(out[offsets[i] : offsets[i + 1]]).decode() for i in range(len(texts))]
    return parts, is_ascii


def index_everything(content: bytes) -> None:
    """Every kernel over the complete lines of some bytes."""
    text = as_text(content)[: kernels.end_of_lines(as_text(content))]
    lines, positions, _ = index(bytes(text))
    lines = np.ascontiguousarray(lines[positions >= 0])
    n_alts = np.empty(len(lines), np.int64)
    kernels.count_alts(text, lines, n_alts)
    n_rows = int(np.maximum(n_alts, 1).sum())
    starts, ends = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    kernels.alt_spans(text, lines, starts, ends)
    offsets = np.empty(n_rows + 1, np.int32)
    out = np.empty(int((ends - starts).sum()), np.uint8)
    kernels.gather(text, starts, ends, True, offsets, out)


def fuzz(n_files: int) -> None:
    """Damaged VCF lines; under NUMBA_BOUNDSCHECK a load outside an array raises IndexError."""
    rng = random.Random(20)
    for _ in range(n_files):
        n_samples = rng.randrange(1, 5)
        content = bytearray(_random_lines(rng, n_samples))
        for _ in range(rng.randrange(4)):
            _damage(content, rng)
        index_everything(bytes(content))


def _random_lines(rng: random.Random, n_samples: int) -> bytes:
    calls = [
        "0/0",
        "0|1",
        "./.",
        ".",
        "1",
        "0/1/2",
        "./1",
        "12/0",
        "0/1:0.5",
        "0:1e-5,.",
        "1e",
        "0:1e",
        "-",
        ".:.",
        "",
    ]
    formats = ["GT", "GT:DS", "DS:GT", "DP", "DS", "."]
    alts = ["G", "G,T", ".", "<DEL>,*", "A,C,G,T,AA,AC,AG,AT,CA,CC,CG,CT"]
    records = [
        Record(
            "1",
            rng.randrange(1000),
            [rng.choice(calls) for _ in range(n_samples)],
            alt=rng.choice(alts),
            format=rng.choice(formats),
        )
        for _ in range(rng.randrange(1, 4))
    ]
    return "".join(f"{record}\n" for record in records).encode()


def _damage(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content))
    match rng.randrange(4):
        case 0:
            content[at] = rng.randrange(256)
        case 1:
            content[at] = rng.choice(b"\t\n\r,.:/|0e-")
        case 2:
            del content[at : at + rng.randrange(20)]
        case 3:
            content[at:at] = bytes(content[at : at + rng.randrange(20)])
    content += b"\n"


@pytest.mark.parametrize("jit", ["checked", "interpreted"])
def test_no_load_leaves_the_text_whatever_the_bytes_are(jit, tmp_path):
    """Compiled with numba's bounds checks, and as plain Python (where numpy checks)."""
    settings = {"checked": {"NUMBA_BOUNDSCHECK": "1"}, "interpreted": {"NUMBA_DISABLE_JIT": "1"}}
    root = Path(__file__).parents[3]
    n_files = {"checked": 20_000, "interpreted": 300}[jit]
    program = f"from tests.core.genotypes.test_vcf_kernels import fuzz; fuzz({n_files})"
    environment = {**os.environ, **settings[jit], "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
