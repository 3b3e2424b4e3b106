"""GT against what a plain reading of the text says; on damaged text, that no load leaves it."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes import vcf_calls
from core.genotypes.simd import PADDING
from core.genotypes.vcf_calls import decode_gt
from tests.builders.bounds_checks import run_with_bounds_checks
from tests.builders.call_lines import damage, decode, expected_call
from tests.builders.vcf import Record

COMMON = ["0|0", "0|1", "1|0", "1|1", "0/0", "0/1", "1/1", "./.", ".|."]
OTHER = [".", "0", "1", "./1", "0|.", "0|1|1", "|0|1", "/1", "10|1", "0/12", "01/0", "./.|."]
WRONG = ["", "0/", "0//1", "1|x", "-", "0/1/", "0\\1", "99|0", "4|0", "0|4"]


calls = st.one_of(
    st.sampled_from(COMMON),
    st.sampled_from(COMMON),
    st.sampled_from(COMMON),
    st.sampled_from(COMMON + OTHER),
    st.sampled_from(OTHER + WRONG),
)
rests = st.sampled_from(["", ":3,4:7:99:0,30,255", ":.", ":.:.", ":" + "9" * 70])


@st.composite
def samples(draw) -> list[str]:
    """Many alike, as in a file, with some others among them."""
    common = draw(st.lists(st.sampled_from(COMMON), min_size=1, max_size=5))
    n_samples = draw(st.sampled_from([1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 65]))
    cells = [common[i % len(common)] for i in range(n_samples)]
    for call in draw(st.lists(calls, max_size=3)):
        cells[draw(st.integers(0, n_samples - 1))] = call
    return cells


@settings(max_examples=1000, deadline=None)
@given(
    cells=samples(),
    alt=st.sampled_from(["G", "G", "G,T", "G,T,C", ".", "A,C,G,T,AA,AC,AG,AT,CA,CC,CG,CT"]),
    half_call=st.integers(0, 3),
    format_=st.sampled_from(["GT", "GT", "GT:AD:DP:GQ:PL", "DP:GT:AD"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    padding=st.sampled_from([b"\t0|1" * 16, b":" * 64, b"1" * 64, b"\t" * 64, bytes(64)]),
    data=st.data(),
)
def test_calls_are_what_their_text_says(cells, alt, half_call, format_, line_end, padding, data):
    columns = cells
    if format_ == "GT:AD:DP:GQ:PL":
        rest = [data.draw(rests) for _ in range(3)]
        columns = [call + rest[i % 3] for i, call in enumerate(cells)]
    elif format_ == "DP:GT:AD":
        columns = [f"{i}:{call}:1,2" for i, call in enumerate(cells)]
    n_alts = 0 if alt == "." else alt.count(",") + 1
    expected = [expected_call(call, n_alts, half_call) for call in cells]
    # A line of another shape stands before and behind: nothing of it may be seen.
    around = Record("1", 5, ["1|1"] * len(cells))
    line = Record("1", 6, columns, alt=alt, format=format_)
    content = f"{around}\n{line}{line_end}{around}\n".encode()
    found = decode(decode_gt, content, len(cells), np.uint8, half_call, padding=padding)
    problems = [i for i, call in enumerate(expected) if isinstance(call, int)]
    if problems:
        assert (found.status, found.line, found.sample) == (expected[problems[0]], 1, problems[0])
        return
    assert (found.status, found.line, found.sample) == (vcf_calls.OK, 3, 0)
    called = [call for call in expected if not isinstance(call, int)]
    assert found.dosage[1:-1].T.tolist() == [copies for copies, _ in called]
    assert [set(ploidies) for ploidies in found.ploidy[1:-1].T] == [{p} for _, p in called]
    assert (found.dosage[[0, -1]] == 2).all()


@pytest.mark.parametrize("format_", ["GT", "GT:DP", "DP", "DP:GT"])
@pytest.mark.parametrize("n_samples", [1, 15, 16, 33])
@pytest.mark.parametrize("n_columns", [-1, 1, 16, 40])
def test_a_line_of_more_or_fewer_samples_is_noticed(format_, n_samples, n_columns):
    n_columns = max(1, n_samples + n_columns)
    call = {"GT": "0|1", "GT:DP": "0|1:7", "DP": "7", "DP:GT": "7:0|1"}[format_]
    content = f"{Record('1', 5, [call] * n_columns, format=format_)}\n".encode()
    found = decode(decode_gt, content, n_samples, np.uint8, 0)
    status = {-1: vcf_calls.TOO_FEW_SAMPLES, 0: vcf_calls.OK, 1: vcf_calls.TOO_MANY_SAMPLES}
    assert found.status == status[int(np.sign(n_columns - n_samples))]


def fuzz(n_files: int) -> None:
    """Damaged lines; under NUMBA_BOUNDSCHECK a load outside an array raises IndexError."""
    rng = random.Random(20)
    for i in range(n_files):
        n_samples = rng.choice([1, 2, 3, 16, 17, 40])
        content = bytearray(_random_lines(rng, n_samples))
        for _ in range(rng.randrange(4)):
            damage(content, rng)
        padding = rng.randbytes(PADDING)
        decode(decode_gt, bytes(content), n_samples, np.uint8, i % 4, padding=padding)


def _random_lines(rng: random.Random, n_samples: int) -> bytes:
    pool = rng.choice([COMMON, COMMON + OTHER, COMMON + OTHER + WRONG])
    rest = rng.choice(["", ":1,2:3", ":" + "9" * 70])
    records = [
        Record(
            "1",
            rng.randrange(1000),
            [rng.choice(pool) + rest for _ in range(n_samples)],
            alt=rng.choice(["G", "G", "G,T", ".", "<DEL>,*", "A,C,G,T,AA,AC,AG,AT,CA,CC,CG,CT"]),
            format=rng.choice(["GT", "GT:AD:DP", "DP:GT", "DP", "."]),
        )
        for _ in range(rng.randrange(1, 4))
    ]
    return "".join(f"{record}\n" for record in records).encode()


def test_no_load_leaves_the_text_whatever_the_bytes_are(tmp_path):
    """Compiled with numba's bounds checks, hence with the plain forms of vector loads."""
    program = "from tests.core.genotypes.test_vcf_calls import fuzz; fuzz(10_000)"
    run_with_bounds_checks(program, tmp_path)
