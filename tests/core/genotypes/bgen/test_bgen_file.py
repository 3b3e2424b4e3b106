"""A BGEN gives the dosages of its probabilities: against arithmetic with fractions, the `bgen`
package, and VCFs that the installed plink2 exported; hostile files do no harm."""

import shutil
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bgen import BgenReader as BgenPackage
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import GenotypeFileError, UnsupportedFormatError
from core.genotypes.bgen import header, sites
from core.genotypes.bgen.file import BgenReader
from core.genotypes.calls import GenotypeField
from core.genotypes.formats import content_uris, open_cohort
from core.genotypes.source import plan_shards
from core.genotypes.vcf_wanted import Wanted
from tests.builders.bcf import blocks_of, rows_of
from tests.builders.bgen import (
    NONE,
    ZLIB,
    ZSTD,
    BgenVariant,
    bgen_bytes,
    write_bgen,
    write_sample_file,
)
from tests.builders.bounds_checks import run_with_bounds_checks
from tests.builders.plink import plink2
from tests.builders.vcf import GRCH37_CONTIGS, Record, sample_names, vcf_text, write_vcf

PEOPLE = ("a", "b", "c")


def genotypes_of(copies: int, n_alleles: int) -> list[tuple[int, ...]]:
    """In the order of the specification: by their last allele, then the one before it, …"""
    every = combinations_with_replacement(range(n_alleles), copies)
    return sorted(every, key=lambda genotype: genotype[::-1])


@st.composite
def distributions(draw, n: int, bits: int) -> list[int]:
    """n whole numbers that add up to no more than 2**bits - 1."""
    left, numbers = (1 << bits) - 1, []
    for _ in range(n):
        numbers.append(draw(st.integers(0, left)))
        left -= numbers[-1]
    return numbers


@st.composite
def variants(draw, most_ploidy: int = 4, most_alleles: int = 4) -> BgenVariant:
    bits = draw(st.sampled_from([1, 2, 3, 7, 8, 9, 13, 16, 31, 32]))
    n_alleles, is_phased = draw(st.integers(1, most_alleles)), draw(st.booleans())
    ploidies, missing, stored = [], [], []
    for _ in PEOPLE:
        copies = draw(st.integers(0, most_ploidy))
        missing.append(draw(st.integers(0, 4)) == 0)
        n_sets = copies if is_phased else 1
        n_each = n_alleles - 1 if is_phased else len(genotypes_of(copies, n_alleles)) - 1
        sets = [draw(distributions(n_each, bits)) for _ in range(n_sets)]
        flat = [number for one in sets for number in one]
        stored.append([0] * len(flat) if missing[-1] else flat)
        ploidies.append(copies)
    return BgenVariant(
        contig=draw(st.sampled_from(["01", "1", "chrX", "22"])),
        position=draw(st.integers(0, 5)),
        alleles=["A", "g", "<DEL>", "GT"][:n_alleles],
        stored=stored,
        ploidies=ploidies,
        missing=missing,
        rsid=draw(st.sampled_from(["", "rs1"])),
        varid=draw(st.sampled_from(["", "snp1"])),
        bits=bits,
        is_phased=is_phased,
    )


def exact_dosages(variant: BgenVariant, sample: int) -> list[Fraction] | None:
    """Expected copies of each allele, from the definition."""
    copies, n_alleles = variant.ploidies[sample], len(variant.alleles)
    if variant.missing[sample] or copies == 0:
        return None
    numbers, one = list(variant.stored[sample]), (1 << variant.bits) - 1
    expected = [Fraction(0)] * n_alleles
    kinds = [(a,) for a in range(n_alleles)] if variant.is_phased else None
    kinds = kinds or genotypes_of(copies, n_alleles)
    for _ in range(copies if variant.is_phased else 1):
        part, numbers = numbers[: len(kinds) - 1], numbers[len(kinds) - 1 :]
        for number, kind in zip([*part, one - sum(part)], kinds, strict=True):
            for allele in kind:
                expected[allele] += Fraction(number, one)
    return expected


def expected_rows(some: list[BgenVariant]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for variant in some:
        contig = {"01": "1", "chrX": "X"}.get(variant.contig, variant.contig)
        exact = [exact_dosages(variant, sample) for sample in range(len(PEOPLE))]
        alts = [alt.upper() for alt in variant.alleles[1:]] or ["."]
        ploidy = [max(copies, 1) for copies in variant.ploidies]
        for number, alt in enumerate(alts, start=1):
            dosages = [
                None if one is None else float(np.float32(float(one[number]) if one[1:] else 0.0))
                for one in exact
            ]
            site = (contig, variant.position, variant.rsid or variant.varid or ".", "A", alt)
            rows.append((*site, len(alts), dosages, ploidy))
    return rows


@settings(max_examples=150, deadline=None)
@given(
    some=st.lists(variants(), min_size=1, max_size=6),
    compression=st.sampled_from([NONE, ZLIB, ZSTD]),
    shard_bytes=st.integers(1, 300),
)
def test_dosages_are_those_of_the_probabilities(tmp_path_factory, some, compression, shard_bytes):
    path = tmp_path_factory.mktemp("bgen") / "f.bgen"
    uri = write_bgen(path, some, samples=PEOPLE, compression=compression)
    expected = expected_rows(some)
    found = rows_of(blocks_of(uri, shard_bytes))
    assert [row[:6] + row[7:] for row in found] == [row[:6] + row[7:] for row in expected]
    for row, other in zip(found, expected, strict=True):
        # float64 divides whole numbers, and rounds once before it is rounded to float32
        np.testing.assert_allclose(
            np.array(row[6], float), np.array(other[6], float), rtol=1e-7, atol=0
        )


@settings(max_examples=60, deadline=None)
@given(some=st.lists(variants(most_ploidy=2, most_alleles=2), min_size=1, max_size=4))
def test_dosages_are_those_of_the_bgen_package(tmp_path_factory, some):
    path = tmp_path_factory.mktemp("bgen") / "f.bgen"
    some = [v for v in some if len(v.alleles) == 2 and min(v.ploidies) > 0 and v.bits > 1]
    if not some:
        return
    uri = write_bgen(path, some, samples=PEOPLE)
    ours = np.concatenate([block.dosage for block in blocks_of(uri)])
    package = BgenPackage(uri)
    theirs = np.array([variant.alt_dosage for variant in package])
    package.close()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def simple(position: int, **options) -> BgenVariant:
    arguments = {
        "stored": [[255, 0], [0, 255], [51, 102]],
        "ploidies": [2, 2, 2],
        "missing": [False] * 3,
    }
    return BgenVariant("1", position, ["A", "G"], **(arguments | options))


def test_only_the_probabilities_of_wanted_variants_are_inflated(tmp_path):
    damaged = simple(7, extra=b"more")
    uri = write_bgen(tmp_path / "f.bgen", [simple(5), damaged, simple(9)], samples=PEOPLE)
    wanted = Wanted(positions={"1": np.array([5, 9])})
    assert [row[1] for row in rows_of(blocks_of(uri, wanted=wanted))] == [5, 9]
    shards: Any = plan_shards(open_cohort([uri]), 1 << 40)
    reader = BgenReader(shards[0], wanted=wanted)
    list(reader)
    assert (reader.n_records, reader.contig_records) == (3, {"1": 3})
    with pytest.raises(GenotypeFileError, match="at 1:7 are not as long"):
        blocks_of(uri)


def test_large_data_and_long_alleles_are_passed_over(tmp_path):
    people = [f"s{number}" for number in range(9000)]
    drawn = np.random.default_rng(1).integers(0, 128, (3, len(people), 2)).tolist()
    some = [
        BgenVariant(
            "1",
            number,
            ["A" * 5000, "G"],
            drawn[number],
            [2] * len(people),
            [False] * len(people),
        )
        for number in range(3)
    ]
    uri = write_bgen(tmp_path / "f.bgen", some * 20, samples=people)
    blocks = blocks_of(uri)
    assert sum(block.n_rows for block in blocks) == 60
    numbers = np.array(drawn[2])
    expected = (numbers[:, 1] + 2 * (255 - numbers.sum(axis=1))) / 255
    np.testing.assert_allclose(blocks[-1].dosage[-1], expected, rtol=1e-6)


@pytest.mark.parametrize("field", [GenotypeField.AUTO, GenotypeField.DS, GenotypeField.GP])
def test_fields_of_dosages_are_read(tmp_path, field):
    uri = write_bgen(tmp_path / "f.bgen", [simple(5)], samples=PEOPLE)
    (row,) = rows_of(blocks_of(uri, field=field))
    assert row[6] == [0, 1, pytest.approx(1.2)]


@pytest.mark.parametrize("field", [GenotypeField.GT, GenotypeField.HDS])
def test_fields_that_it_does_not_have_are_refused(tmp_path, field):
    uri = write_bgen(tmp_path / "f.bgen", [simple(5)], samples=PEOPLE)
    with pytest.raises(GenotypeFileError, match=f"no {field}") as raised:
        blocks_of(uri, field=field)
    assert raised.value.fix


def test_names_come_from_the_sample_file_where_the_file_has_none(tmp_path):
    uri = write_bgen(tmp_path / "f.bgen", [simple(5)], n_samples=3)
    with pytest.raises(GenotypeFileError) as raised:
        open_cohort([uri])
    assert "f.sample" in (raised.value.fix or "")
    write_sample_file(tmp_path / "f.sample", ["x", "y", "z"])
    assert open_cohort([uri]).samples == ("x", "y", "z")
    assert content_uris(uri) == (uri, str(tmp_path / "f.sample"))
    write_sample_file(tmp_path / "f.sample", ["x", "y"])
    with pytest.raises(GenotypeFileError, match=r"lists 2 samples, f\.bgen has 3"):
        open_cohort([uri])


def test_the_names_in_the_file_come_first(tmp_path):
    uri = write_bgen(tmp_path / "f.bgen", [simple(5)], samples=PEOPLE)
    write_sample_file(tmp_path / "f.sample", ["x", "y", "z"])
    cohort = open_cohort([uri])
    assert (cohort.samples, cohort.build) == (PEOPLE, None)
    assert content_uris(uri) == (uri,)


def test_layout_1_and_remote_files_are_refused(tmp_path):
    content = bytearray(bgen_bytes([simple(5)], samples=PEOPLE))
    content[20] = ZLIB | 1 << 2
    path = tmp_path / "f.bgen"
    path.write_bytes(content)
    with pytest.raises(UnsupportedFormatError, match="layout 1"):
        open_cohort([str(path)])
    with pytest.raises(UnsupportedFormatError, match="s3://") as raised:
        open_cohort(["s3://bucket/f.bgen"])
    assert "local folder" in (raised.value.fix or "")


def with_bytes(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


MANY = struct.pack("<I", 0xFFFFFFFF)
FIRST = 24 + 8 + 3 * 3
"""Where the variants begin: the header, and the names of three people."""

HOSTILE = {
    "half a header": lambda c: c[:20],
    "another magic number": lambda c: with_bytes(c, 16, b"BGEN"),
    "an offset of 4 GiB": lambda c: with_bytes(c, 0, MANY),
    "a header of 4 GiB": lambda c: with_bytes(c, 4, MANY),
    "4 billion variants": lambda c: with_bytes(c, 8, MANY),
    "one variant more": lambda c: with_bytes(c, 8, b"\x03"),
    "one variant less": lambda c: with_bytes(c, 8, b"\x01"),
    "4 billion samples": lambda c: with_bytes(c, 12, MANY),
    "no samples": lambda c: with_bytes(c, 12, bytes(4)),
    "an unknown compression": lambda c: with_bytes(c, 20, b"\x0b"),
    "names of another number": lambda c: with_bytes(c, 28, b"\x02"),
    "a name of 64 KiB": lambda c: with_bytes(c, 32, b"\xff\xff"),
    "an ID of 64 KiB": lambda c: with_bytes(c, FIRST, b"\xff\xff"),
    "a position of 4 billion": lambda c: with_bytes(c, FIRST + 10, MANY),
    "no alleles": lambda c: with_bytes(c, FIRST + 14, b"\0\0"),
    "65535 alleles": lambda c: with_bytes(c, FIRST + 14, b"\xff\xff"),
    "an allele of 4 GiB": lambda c: with_bytes(c, FIRST + 16, MANY),
    "an allele with a comma": lambda c: with_bytes(c, FIRST + 20, b","),
    "data of 4 GiB": lambda c: with_bytes(c, FIRST + 26, MANY),
    "data that inflates to 4 GiB": lambda c: with_bytes(c, FIRST + 30, MANY),
    "data that inflates to more": lambda c: with_bytes(c, FIRST + 30, b"\x01"),
    "data that do not inflate": lambda c: with_bytes(c, FIRST + 34, b"\xff"),
    "half a variant": lambda c: c[:-1],
    "more behind the variants": lambda c: c + b"more",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_lies_is_refused(name, tmp_path):
    path = tmp_path / "f.bgen"
    content = bgen_bytes([simple(5), simple(6)], samples=PEOPLE)
    path.write_bytes(content)
    assert len(rows_of(blocks_of(str(path)))) == 2
    path.write_bytes(HOSTILE[name](content))
    with pytest.raises(GenotypeFileError) as raised:
        blocks_of(str(path))
    assert raised.value.fix
    assert str(path) in str(raised.value)


def test_data_that_state_gigabytes_get_no_memory(tmp_path):
    """Zstandard's was allocated as stated."""
    content = bgen_bytes([simple(5)], samples=PEOPLE, compression=ZSTD)
    path = tmp_path / "f.bgen"
    path.write_bytes(with_bytes(content, FIRST + 30, struct.pack("<I", 1 << 29)))
    tracemalloc.start()
    try:
        with pytest.raises(GenotypeFileError, match="lengths that cannot be"):
            blocks_of(str(path))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_a_long_ref_of_many_alts_is_refused_before_it_is_repeated(tmp_path):
    many = simple(5, stored=[[0] * (101 * 102 // 2 - 1)] * 3)
    some = replace(many, alleles=["A" * (3 << 20), *(f"G{'C' * n}" for n in range(100))])
    uri = write_bgen(tmp_path / "f.bgen", [some], samples=PEOPLE)
    with pytest.raises(GenotypeFileError, match="need more than 256 MiB"):
        blocks_of(uri)


def test_names_and_alleles_have_a_limit(tmp_path, monkeypatch):
    uri = write_bgen(
        tmp_path / "f.bgen", [replace(simple(5), alleles=["A" * (2 << 20), "G"])], samples=PEOPLE
    )
    monkeypatch.setattr(sites, "MAX_VARIANT_BYTES", 1 << 20)
    with pytest.raises(GenotypeFileError, match="variant 1 is cut short"):
        blocks_of(uri)
    monkeypatch.setattr(header, "MAX_BYTES", 10)
    with pytest.raises(GenotypeFileError, match="identifiers are longer"):
        open_cohort([uri])


# The genotype data of `simple`: 4 bytes of samples, 2 of alleles, 2 of ploidies, one for each
# sample, phased, bits, numbers
HOSTILE_DATA = {
    "another number of samples": (0, b"\x02"),
    "another number of alleles": (4, b"\x03"),
    "a ploidy of 64": (8, b"\x42"),
    "half phased": (11, b"\x02"),
    "numbers of no bits": (12, b"\x00"),
    "numbers of 33 bits": (12, b"\x21"),
    "numbers of more bits than there are": (12, b"\x09"),
    "numbers of fewer bits than there are": (12, b"\x07"),
    "probabilities of more than 1": (13, b"\xff\xff"),
}


@pytest.mark.parametrize("name", HOSTILE_DATA)
def test_probabilities_that_lie_are_refused(name, tmp_path):
    at, new = HOSTILE_DATA[name]
    content = bgen_bytes([simple(5)], samples=PEOPLE, compression=NONE)
    start = content.index(struct.pack("<IHBB", 3, 2, 2, 2))
    path = tmp_path / "f.bgen"
    path.write_bytes(with_bytes(content, start + at, new))
    with pytest.raises(GenotypeFileError, match="the probabilities at 1:5"):
        blocks_of(str(path))


FUZZ = """
import random
from pathlib import Path
from core.errors import CuraGenieError
from tests.builders.bcf import blocks_of

path = Path(PATH)
content, chance = path.read_bytes(), random.Random(1)
n_read = 0
for _ in range(400):
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8])):
        value = chance.choice([0, 1, 127, 255, chance.randrange(256)])
        damaged[chance.randrange(len(damaged))] = value
    path.write_bytes(damaged)
    try:
        blocks_of(str(path))
        n_read += 1
    except CuraGenieError:
        pass
print(n_read)
"""


def fuzz_program(folder: Path, compression: int) -> str:
    some = [simple(5), simple(6, ploidies=[1, 2, 3], stored=[[9], [9, 9], [9, 9, 9]])]
    uri = write_bgen(folder / "f.bgen", some, samples=PEOPLE, compression=compression)
    return FUZZ.replace("PATH", repr(uri))


@pytest.mark.parametrize("compression", [NONE, ZLIB, ZSTD])
def test_damaged_bytes_never_end_the_process(compression, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", fuzz_program(tmp_path, compression)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 0 < int(done.stdout) < 400


@pytest.mark.acceptance
def test_no_kernel_leaves_its_arrays_whatever_the_bytes_are(tmp_path):
    run_with_bounds_checks(fuzz_program(tmp_path, NONE), tmp_path / "cache")


needs_plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")

DOSAGE_META = (
    *GRCH37_CONTIGS,
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">',
    '##FORMAT=<ID=HDS,Number=.,Type=Float,Description="Haplotype dosages">',
)


def imputed_vcf(path: Path, n_records: int = 40, n_people: int = 30) -> str:
    """Random DS and HDS, a twentieth missing."""
    chance = np.random.default_rng(3)
    records = []
    for number in range(n_records):
        cells = []
        for _ in range(n_people):
            left, right = np.round(chance.random(2), 3)
            ds = f"{left + right:.4f}:{left:.3f},{right:.3f}"
            is_missing = chance.random() < 0.05
            cells.append("./.:.:." if is_missing else f"{round(left)}|{round(right)}:{ds}")
        alt = ["G", "GTC", "T"][number % 3]
        records.append(
            Record("1", 100 + number, cells, id=f"rs{number}", alt=alt, format="GT:DS:HDS")
        )
    return write_vcf(path, vcf_text(records, samples=sample_names(n_people), meta=DOSAGE_META))


@needs_plink2
@pytest.mark.parametrize("version", ["bgen-1.2", "bgen-1.3"])
@pytest.mark.parametrize("field", ["DS", "HDS"])
@pytest.mark.parametrize("bits", [8, 16])
def test_what_plink2_exports_has_the_vcfs_dosages(tmp_path, version, field, bits):
    vcf = imputed_vcf(tmp_path / "f.vcf")
    plink2(tmp_path, "--vcf", "f.vcf", f"dosage={field}", "--export", version, f"bits={bits}",
           "ref-first", "--out", "f")  # fmt: skip
    ours = rows_of(blocks_of(str(tmp_path / "f.bgen"), 3000))
    theirs = rows_of(blocks_of(vcf, field=GenotypeField.DS))
    assert [row[:6] for row in ours] == [row[:6] for row in theirs]
    # two probabilities are rounded to the bits, and plink2 keeps dosages in steps of 1/16384
    step = 2 / ((1 << bits) - 1) + 2 / 16384
    for row, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            np.array(row[6], float), np.array(other[6], float), rtol=0, atol=step
        )
        assert row[7] == other[7]


@needs_plink2
def test_haploid_calls_that_plink2_exports_are_the_vcfs(tmp_path):
    """Its BGENs hold no variants of several ALTs yet."""
    records = [
        Record("1", 6, ["0/0", "0/1", "1/1", "./.", "0/0", "0/1"], id="rs2"),
        Record("X", 5_000_000, ["0", "1", ".", "0/1", "1/1", "0/0"], id="rs3"),
    ]
    meta = (*DOSAGE_META, "##contig=<ID=X,length=155270560>")
    vcf = write_vcf(tmp_path / "f.vcf", vcf_text(records, samples=sample_names(6), meta=meta))
    sexes = [f"S{n}\t{1 if n <= 3 else 2}\n" for n in range(1, 7)]
    (tmp_path / "sex.tsv").write_text("#IID\tSEX\n" + "".join(sexes))
    plink2(tmp_path, "--vcf", "f.vcf", "--update-sex", "sex.tsv", "--split-par", "b37",
           "--export", "bgen-1.2", "bits=8", "ref-first", "--out", "f")  # fmt: skip
    ours = rows_of(blocks_of(str(tmp_path / "f.bgen")))
    assert ours == rows_of(blocks_of(vcf, field=GenotypeField.GT))
