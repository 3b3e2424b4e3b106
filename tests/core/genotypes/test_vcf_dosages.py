"""DS, HDS and GP against what a plain reading of the text says."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.genotypes import vcf_dosages
from core.genotypes.simd import PADDING
from core.genotypes.vcf_calls import HALF_CALL_MISSING, OK
from core.genotypes.vcf_dosages import FIELD_DS, FIELD_GP, FIELD_HDS, decode_dosages
from tests.builders.bounds_checks import run_with_bounds_checks
from tests.builders.call_lines import damage, decode, expected_call
from tests.builders.vcf import Record

FIELDS = {"DS": FIELD_DS, "HDS": FIELD_HDS, "GP": FIELD_GP}
CALLS = ["0|0", "0|1", "1/1", "./.", "0|0", "1|0", ".", "1", "0", "./1", "0|1|1", "2|0", "x"]
NUMBERS = ["0", "1", "0.5", "0.973", "0.027", ".5", "1.", "1e-05", "0.33333333333333331", "-0.001"]
ODD = [".", "", "x", "1.2", "2", "1.999", "2.02", "-1", "nan", "0.0.1", "1e", "99999999"]

Expected = tuple[list[float], int]


def value_of(text: str) -> float | None:
    """None for what is no decimal number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text and text == text.strip() else None


def expected_ds(words: list[str], called: Expected, n_alts: int) -> Expected | int:
    dosages, ploidy = list(called[0]), called[1]
    if len(words) == 1 and len(dosages) > 1:
        return called
    for i, word in enumerate(words):
        if (i == len(dosages) - 1) != (i == len(words) - 1):
            return vcf_dosages.WRONG_DS_COUNT
        value = value_of(word)
        if word == ".":
            continue
        if value is None:
            return vcf_dosages.MALFORMED_DS
        if not -0.01 <= value <= max(ploidy, 2) + 0.01:
            return vcf_dosages.DS_OUT_OF_RANGE
        dosages[i] = value
    return dosages, ploidy


def expected_hds(words: list[str], called: Expected, n_alts: int) -> Expected | int:
    if n_alts != 1:
        return called
    values = [value_of(word) for word in words if word != "."]
    for value in values:
        if value is None:
            return vcf_dosages.MALFORMED_HDS
        if not -0.01 <= value <= 1.01:
            return vcf_dosages.HDS_OUT_OF_RANGE
    if not math.isnan(called[0][0]) and len(words) != called[1]:
        return vcf_dosages.WRONG_HDS_COUNT
    numbers = [value for value in values if value is not None]
    return called if len(numbers) < len(words) else ([sum(numbers)], len(words))


def expected_gp(words: list[str], called: Expected, n_alts: int) -> Expected | int:
    ploidy = 0 if math.isnan(called[0][0]) else called[1]
    alleles = range(n_alts + 1)
    haploid = [(j,) for j in alleles]
    diploid = [(j, k) for k in alleles for j in range(k + 1)]
    genotypes = haploid if len(words) == len(haploid) and n_alts else diploid
    is_wrong_ploidy = n_alts > 0 and ploidy not in (0, len(genotypes[0]))
    if len(words) != len(genotypes) or is_wrong_ploidy:
        return vcf_dosages.WRONG_GP_COUNT
    values = [value_of(word) for word in words if word != "."]
    for value in values:
        if value is None:
            return vcf_dosages.MALFORMED_GP
        if not -0.01 <= value <= 1.01:
            return vcf_dosages.GP_OUT_OF_RANGE
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(words):
        return called
    if not abs(sum(numbers) - 1) <= 0.15:
        return vcf_dosages.GP_NOT_ONE
    pairs = list(zip(numbers, genotypes, strict=True))
    copies = [sum(p * g.count(i + 1) for p, g in pairs) for i in range(max(1, n_alts))]
    return copies, len(genotypes[0]) if n_alts else ploidy or 2


def expected_sample(
    column: str, format_: str, name: str, n_alts: int, half_call: int
) -> Expected | int:
    """(dosages with NaN for missing, ploidy), or the problem."""
    words = dict(zip(format_.split(":"), column.split(":"), strict=False))
    called: Expected = ([math.nan] * max(1, n_alts), 2)
    if "GT" in words:
        call = expected_call(words["GT"], n_alts, half_call)
        if isinstance(call, int):
            return call
        called = [math.nan if copies == 255 else float(copies) for copies in call[0]], call[1]
    if words.get(name, ".") == ".":
        return called
    read = {"DS": expected_ds, "HDS": expected_hds, "GP": expected_gp}[name]
    return read(words[name].split(","), called, n_alts)


def probabilities(n_values: int) -> st.SearchStrategy[str]:
    """GPs that add up to 1, to three decimals."""
    weights = st.lists(st.integers(0, 50), min_size=n_values, max_size=n_values)
    return weights.filter(any).map(
        lambda parts: ",".join(f"{part / sum(parts):.3f}" for part in parts)
    )


@st.composite
def values(draw, name: str, n_alts: int) -> str:
    if draw(st.integers(0, 15)) == 0:
        words = st.lists(st.sampled_from(NUMBERS + ODD), min_size=1, max_size=4)
        return ",".join(draw(words))
    if name == "GP":
        diploid, haploid = (n_alts + 1) * (n_alts + 2) // 2, n_alts + 1
        return draw(probabilities(draw(st.sampled_from([diploid, diploid, diploid, haploid]))))
    n_values = max(1, n_alts) if name == "DS" else draw(st.sampled_from([2, 2, 2, 1]))
    number = st.one_of(st.sampled_from(NUMBERS), st.decimals(0, 1, places=3).map(str))
    return ",".join(draw(number) for _ in range(n_values))


@st.composite
def columns(draw, format_: str, n_alts: int) -> str:
    calls = st.one_of(st.sampled_from(CALLS[:6]), st.sampled_from(CALLS[:6] + CALLS))
    words = [
        draw(calls) if key == "GT" else draw(values(key, n_alts)) for key in format_.split(":")
    ]
    n_words = draw(st.sampled_from([len(words)] * 9 + [1]))
    return ":".join(words[:n_words])


@st.composite
def lines(draw) -> tuple[list[str], str, str, str]:
    """(columns, format, alt, name): a few texts that come again, as in a file."""
    format_ = draw(
        st.sampled_from(
            ["GT:DS", "GT:HDS:GP:DS", "GT:DS:GP", "GT:GP", "DS", "GP", "HDS:GT", "DS:GT", "GT"]
        )
    )
    alt = draw(st.sampled_from(["G", "G", "G", "G,T", ".", "G,T,C"]))
    n_alts = 0 if alt == "." else alt.count(",") + 1
    pool = draw(st.lists(columns(format_, n_alts), min_size=1, max_size=5))
    picks = draw(st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=20))
    name = draw(st.sampled_from([key for key in FIELDS if key in format_] or ["DS"]))
    return [pool[i] for i in picks], format_, alt, name


@settings(max_examples=1000, deadline=None)
@given(
    line=lines(),
    half_call=st.integers(0, 3),
    line_end=st.sampled_from(["\n", "\r\n"]),
    padding=st.sampled_from([b"0" * 64, b":" * 64, b"\t" * 64, b"," * 64, bytes(64)]),
)
def test_dosages_are_what_their_text_says(line, half_call, line_end, padding):
    cells, format_, alt, name = line
    n_alts = 0 if alt == "." else alt.count(",") + 1
    expected = [expected_sample(cell, format_, name, n_alts, half_call) for cell in cells]
    content = f"{Record('1', 6, cells, alt=alt, format=format_)}{line_end}".encode()
    codes = (half_call, FIELDS[name])
    found = decode(decode_dosages, content, len(cells), np.float32, *codes, padding=padding)
    problems = [i for i, sample in enumerate(expected) if isinstance(sample, int)]
    if problems:
        assert (found.status, found.line, found.sample) == (expected[problems[0]], 0, problems[0])
        return
    assert (found.status, found.line, found.sample) == (OK, 1, 0)
    called = [sample for sample in expected if not isinstance(sample, int)]
    dosages = np.array([dosages for dosages, _ in called], np.float32).T
    np.testing.assert_array_equal(found.dosage, dosages)
    assert [set(ploidies) for ploidies in found.ploidy.T] == [{p} for _, p in called]


@pytest.mark.parametrize(
    ("name", "format_", "column", "dosages", "ploidy"),
    [
        ("HDS", "GT:HDS", "0|1:0.1,0.75", [0.85], 2),
        ("HDS", "GT:HDS", "1:0.75", [0.75], 1),
        ("HDS", "HDS", "0.25", [0.25], 1),
        ("HDS", "GT:HDS", "0|1:.", [1], 2),
        ("HDS", "GT:HDS", "0|1:0.1,.", [1], 2),
        ("HDS", "GT:HDS", "0|1", [1], 2),
        ("GP", "GT:GP", "0/1:0.25,0.5,0.25", [1], 2),
        ("GP", "GT:GP", "1/1:0,0.125,0.875", [1.875], 2),
        ("GP", "GT:GP", "1:0.125,0.875", [0.875], 1),
        ("GP", "GP", "0.125,0.875", [0.875], 1),
        ("GP", "GT:GP", "1/1:.,.,.", [2], 2),
        ("GP", "GT:GP", "0/0:0,0,0,0.5,0.25,0.25", [0.25, 1.25], 2),
    ],
)
def test_dosages_of_haplotypes_and_probabilities(name, format_, column, dosages, ploidy):
    alt = ",".join("GTC"[: len(dosages)])
    content = f"{Record('1', 6, [column], alt=alt, format=format_)}\n".encode()
    codes = (HALF_CALL_MISSING, FIELDS[name])
    found = decode(decode_dosages, content, 1, np.float32, *codes)
    assert found.status == OK
    np.testing.assert_array_equal(found.dosage[:, 0], np.array(dosages, np.float32))
    assert set(found.ploidy[:, 0]) == {ploidy}


def fuzz(n_files: int) -> None:
    """Damaged lines; under NUMBA_BOUNDSCHECK a load outside an array raises IndexError."""
    rng = random.Random(21)
    for i, field in zip(range(n_files), itertools.cycle(FIELDS.values()), strict=False):
        n_samples = rng.choice([1, 2, 3, 17])
        content = bytearray(_random_lines(rng, n_samples))
        for _ in range(rng.randrange(4)):
            damage(content, rng)
        padding = rng.randbytes(PADDING)
        decode(decode_dosages, bytes(content), n_samples, np.float32, i % 4, field, padding=padding)


def _random_lines(rng: random.Random, n_samples: int) -> bytes:
    words = rng.choice([NUMBERS, NUMBERS, NUMBERS + ODD])

    def column(format_: str) -> str:
        keys = format_.split(":")[: rng.choice([9, 9, 9, 1])]
        numbers = ",".join(rng.choice(words) for _ in range(rng.choice([1, 2, 3, 30])))
        return ":".join(rng.choice(CALLS[:-1]) if key == "GT" else numbers for key in keys)

    formats = ["GT:DS", "DS:GT", "DS", "GP", "GT:HDS:GP:DS", "HDS", "GT:GP", "."]
    records = [
        Record(
            "1",
            rng.randrange(1000),
            [column(format_) for _ in range(n_samples)],
            alt=rng.choice(["G", "G,T", ".", "A,C,G,T,AA,AC,AG,AT,CA,CC,CG,CT"]),
            format=format_,
        )
        for format_ in rng.choices(formats, k=rng.randrange(1, 4))
    ]
    return "".join(f"{record}\n" for record in records).encode()


def test_no_load_leaves_the_text_whatever_the_bytes_are(tmp_path):
    """Compiled with numba's bounds checks, hence with the plain forms of vector loads."""
    program = "from tests.core.genotypes.test_vcf_dosages import fuzz; fuzz(10_000)"
    run_with_bounds_checks(program, tmp_path)
