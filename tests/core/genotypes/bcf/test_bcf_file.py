"""A BCF gives the rows of the VCF that it was made from, for every shard, and hostile ones do no
harm. htslib writes the BCFs; the VCF reader, itself checked against cyvcf2, says what they hold."""

import struct
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import GenotypeFileError
from core.genome_build import GenomeBuild
from core.genotypes.bcf import reader
from core.genotypes.bcf.file import BcfFile, BcfReader
from core.genotypes.bcf.header import read_header
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.source import plan_shards
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access
from tests.builders.bcf import (
    blocked_bcf,
    blocks_of,
    gzipped_bcf,
    packed_bcf,
    packed_record,
    plain_bcf,
    rows_of,
    write_bcf,
)
from tests.builders.bounds_checks import run_with_bounds_checks
from tests.builders.s3_server import running_s3_server
from tests.builders.vcf import FORMATS, GRCH37_CONTIGS, Record, sample_names, vcf_text, write_vcf

META = (
    *GRCH37_CONTIGS,
    "##contig=<ID=chr1>",
    "##contig=<ID=HLA-A*01:01>",
    *FORMATS,
    '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">',
    '##FORMAT=<ID=HDS,Number=.,Type=Float,Description="Dosage of each haplotype">',
    '##FORMAT=<ID=GP,Number=G,Type=Float,Description="Genotype probabilities">',
    '##INFO=<ID=TEXT,Number=1,Type=String,Description="Anything">',
)
N_SAMPLES = 3
CONTIGS = ["1", "chr1", "22", "HLA-A*01:01"]
ALTS = ["G", "g", "G,T", ".", "*", "<DEL>", "G,<INS>", "GT,*,C"]
IDS = [".", "rs1", "rs2;rs3", "rsé"]


def both(folder: Path, records: Sequence[Record | str]) -> tuple[str, Path]:
    """(the VCF, the BCF in BGZF) of some records."""
    text = vcf_text(records, samples=sample_names(N_SAMPLES), meta=META)
    vcf = write_vcf(folder / "f.vcf", text)
    return vcf, Path(write_bcf(Path(vcf), folder / "f.bcf"))


@st.composite
def calls_of(draw, n_alts: int) -> str:
    """A call: any ploidy from 1 to 3, half of them half-calls or missing."""
    allele = st.sampled_from([".", *(str(number) for number in range(n_alts + 1))])
    alleles = draw(st.lists(allele, min_size=1, max_size=3))
    return draw(st.sampled_from("/|")).join(alleles)


def count_alts(alt: str) -> int:
    return 0 if alt == "." else alt.count(",") + 1


@st.composite
def sites(draw) -> dict:
    return {
        "contig": draw(st.sampled_from(CONTIGS)),
        "position": draw(st.integers(1, 4)),
        "id": draw(st.sampled_from(IDS)),
        "ref": draw(st.sampled_from(["A", "acg", "N"])),
        "alt": draw(st.sampled_from(ALTS)),
    }


@st.composite
def called_records(draw) -> list[Record]:
    records = []
    for site in draw(st.lists(sites(), min_size=1, max_size=12)):
        calls = [draw(calls_of(count_alts(site["alt"]))) for _ in range(N_SAMPLES)]
        has_depth = draw(st.booleans())
        columns = [f"{call}:{n}" for n, call in enumerate(calls)] if has_depth else calls
        records.append(Record(**site, calls=columns, format="GT:DP" if has_depth else "GT"))
    return records


SHARDING = {
    "shard_bytes": st.integers(1, 400),
    "block_bytes": st.integers(20, 400),
    "window_bytes": st.integers(1, 400),
}


def reading(uri: str, shard_bytes: int, **options) -> list[tuple[object, ...]]:
    shards: Any = plan_shards(open_cohort([uri]), shard_bytes)
    return rows_of([block for shard in shards for block in BcfReader(shard, **options)])


@settings(max_examples=60, deadline=None)
@given(
    records=called_records(),
    half_call=st.sampled_from([HalfCall.MISSING, HalfCall.HAPLOID, HalfCall.REFERENCE]),
    **SHARDING,
)
def test_calls_are_those_of_the_vcf_however_it_is_cut(
    tmp_path_factory, records, half_call, shard_bytes, block_bytes, window_bytes
):
    folder = tmp_path_factory.mktemp("bcf")
    vcf, bcf = both(folder, records)
    expected = rows_of(blocks_of(vcf, field=GenotypeField.GT, half_call=half_call))
    options = {"field": GenotypeField.GT, "half_call": half_call, "window_bytes": window_bytes}
    for uri in (
        str(bcf),
        blocked_bcf(bcf, folder / "blocked.bcf", block_bytes),
        plain_bcf(bcf, folder / "plain.bcf"),
        gzipped_bcf(bcf, folder / "gzip.bcf"),
    ):
        assert reading(uri, shard_bytes, **options) == expected
        assert reading(uri, 1 << 40, block_bytes=1, **options) == expected


@settings(max_examples=60, deadline=None)
@given(records=called_records(), data=st.data(), shard_bytes=st.integers(1, 400))
def test_what_is_wanted_and_the_counts_are_those_of_the_vcf(
    tmp_path_factory, records, data, shard_bytes
):
    folder = tmp_path_factory.mktemp("bcf")
    vcf, bcf = both(folder, records)
    positions = data.draw(st.dictionaries(st.sampled_from(["1", "22"]), st.sets(st.integers(1, 5))))
    wanted = Wanted(
        positions={name: np.array(sorted(some), np.int64) for name, some in positions.items()},
        ids=data.draw(st.frozensets(st.sampled_from(["rs1", "rs3"]))),
        whole_contigs=data.draw(st.frozensets(st.sampled_from(["22", "HLA-A*01:01"]))),
    )
    plain = plain_bcf(bcf, folder / "plain.bcf")
    assert reading(plain, shard_bytes, wanted=wanted) == rows_of(blocks_of(vcf, wanted=wanted))
    counts: dict[str, int] = {}
    shards: Any = plan_shards(open_cohort([plain]), shard_bytes)
    for shard in shards:
        of_shard = BcfReader(shard, wanted=wanted)
        list(of_shard)
        assert of_shard.n_records == sum(of_shard.contig_records.values())
        for name, count in of_shard.contig_records.items():
            counts[name] = counts.get(name, 0) + count
    (shard,) = plan_shards(open_cohort([vcf]), 1 << 40)
    of_vcf = shard.reader(
        field=GenotypeField.AUTO, half_call=HalfCall.MISSING, wanted=wanted, s3=None
    )
    list(of_vcf)
    assert counts == of_vcf.contig_records


thousandths = st.integers(0, 1000).map(lambda n: f"{n / 1000:g}")


@st.composite
def imputed_cells(draw, field: str, n_alts: int) -> str:
    """A call and its values, whole, missing, in part, or too few for several ALTs."""
    haploid = draw(st.booleans())
    call = draw(st.sampled_from(["0", "1", "."] if haploid else ["0|1", "1|1", "./.", "./1"]))
    if n_alts == 0:
        call = call.replace("1", "0")
    rows = max(1, n_alts)
    copies = 1 if haploid else 2
    if field == "DS":
        some = draw(st.lists(thousandths, min_size=rows, max_size=rows))
    elif field == "HDS":
        some = draw(st.lists(thousandths, min_size=copies, max_size=copies))
    else:
        n = n_alts + 1 if haploid else (n_alts + 1) * (n_alts + 2) // 2
        place = draw(st.integers(0, n - 1))
        some = ["1" if at == place else "0" for at in range(n)]
    if draw(st.integers(0, 5)) == 0:
        some[draw(st.integers(0, len(some) - 1))] = "."
    values = draw(st.sampled_from([",".join(some)] * 4 + [".", None, "0.5" if rows > 1 else "."]))
    if field == "GP" and values == "0.5":
        values = "."
    if field == "HDS" and values == "0.5":
        values = ",".join(some)
    return call if values is None else f"{call}:{values}"


@st.composite
def imputed_records(draw, field: str) -> list[Record]:
    records = []
    for site in draw(st.lists(sites(), min_size=1, max_size=8)):
        cells = [draw(imputed_cells(field, count_alts(site["alt"]))) for _ in range(N_SAMPLES)]
        records.append(Record(**site, calls=cells, format=f"GT:{field}"))
    return records


@pytest.mark.parametrize("field", ["DS", "HDS", "GP"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_imputed_dosages_are_those_of_the_vcf(tmp_path_factory, field, data):
    vcf, bcf = both(tmp_path_factory.mktemp("bcf"), data.draw(imputed_records(field)))
    expected = blocks_of(vcf, field=GenotypeField(field))
    found = blocks_of(str(bcf), 200, field=GenotypeField(field))
    ours, theirs = rows_of(found), rows_of(expected)
    assert [row[:6] + row[7:] for row in ours] == [row[:6] + row[7:] for row in theirs]
    for row, other in zip(ours, theirs, strict=True):
        if field == "DS":
            assert row[6] == other[6]
        else:
            np.testing.assert_allclose(
                np.array(row[6], float), np.array(other[6], float), rtol=3e-7, atol=1e-7
            )


def test_records_without_calls_and_with_other_types_are_read_as_text_is(tmp_path):
    meta = [line for line in META if "ID=DS" not in line]
    meta.append('##FORMAT=<ID=DS,Number=A,Type=Integer,Description="Dosage, whole">')
    records = [
        Record("1", 1, ["2", "1", "."], format="DS"),
        Record("1", 2, ["7", "8", "9"], format="DP"),
        Record("1", 3, ["0/200", "1/1", "."], alt=",".join(["G" * n for n in range(1, 201)])),
    ]
    text = vcf_text(records, samples=sample_names(N_SAMPLES), meta=meta)
    vcf = write_vcf(tmp_path / "f.vcf", text)
    bcf = write_bcf(Path(vcf), tmp_path / "f.bcf")
    for field in (GenotypeField.GT, GenotypeField.DS):
        expected = rows_of(blocks_of(vcf, field=field))
        assert rows_of(blocks_of(bcf, field=field)) == expected
        assert len(expected) == 202


def test_the_header_tells_samples_build_and_contigs(tmp_path):
    _, bcf = both(tmp_path, [Record("chr1", 5, ["0/1", "1/1", "."])])
    cohort = open_cohort([str(bcf)])
    assert cohort.samples == ("S1", "S2", "S3")
    assert cohort.build is GenomeBuild.GRCH37
    (file,) = cohort.files
    assert isinstance(file, BcfFile)
    assert file.header.contigs == ("1", "22", "1", "HLA-A*01:01")


@pytest.mark.parametrize(
    ("half_call", "field", "cell", "problem"),
    [
        (HalfCall.ERROR, "GT", "./1", "at 1:7, './1' is a half-call."),
        (HalfCall.MISSING, "DS", "0/1:2.5", "at 1:7, '0/1:2.5' (GT:DS) has a DS that is no dosage"),
        (HalfCall.MISSING, "HDS", "0/1:0.5,1.5", "has an HDS that is no haplotype's dosage"),
        (HalfCall.MISSING, "HDS", "1:0.5,0.5", "has not one HDS for each allele"),
        (HalfCall.MISSING, "GP", "0/1:0,30,255", "has a GP that is no probability"),
        (HalfCall.MISSING, "GP", "0/1:0.1,0.1,0.1", "GPs that do not add up to 1"),
    ],
)
def test_a_call_that_cannot_be_read_is_refused_by_its_place(
    tmp_path, half_call, field, cell, problem
):
    key = "GT" if field == "GT" else f"GT:{field}"
    records = [
        Record("1", 6, ["0/1", "0/0", "1/1"]),
        Record("1", 7, ["0/1", cell, "1/1"], format=key),
    ]
    _, bcf = both(tmp_path, records)
    with pytest.raises(GenotypeFileError) as raised:
        blocks_of(str(bcf), field=GenotypeField(field), half_call=half_call)
    assert problem in raised.value.what
    assert raised.value.where is not None
    assert raised.value.where.field == f"{field} of sample S2"
    assert raised.value.fix


def test_a_field_that_is_not_declared_is_refused(tmp_path):
    text = vcf_text([Record("1", 5, ["0/1", "1/1"])])
    bcf = write_bcf(Path(write_vcf(tmp_path / "f.vcf", text)), tmp_path / "f.bcf")
    with pytest.raises(GenotypeFileError, match="declares no FORMAT field DS"):
        blocks_of(bcf, field=GenotypeField.DS)


def planted(tmp_path) -> tuple[str, str, int]:
    """(VCF, plain BCF, where a copy of two whole records stands inside INFO of another)."""
    records = [Record("1", n, ["0/1", "1/1", "0/0"], id="rs1") for n in (5, 6)]
    _, bcf = both(tmp_path, records)
    content = Path(plain_bcf(bcf, tmp_path / "plain.bcf")).read_bytes()
    body = content[9 + int.from_bytes(content[5:9], "little") :]
    room = "x" * len(body)
    host = Record("1", 4, ["0/0", "0/0", "0/0"])
    line = str(host).split("\t")
    line[7] = f"TEXT={room}"
    vcf, bcf = both(tmp_path, ["\t".join(line), *records])
    path = Path(plain_bcf(bcf, tmp_path / "plain.bcf"))
    content = path.read_bytes()
    at = content.index(room.encode())
    path.write_bytes(content.replace(room.encode(), body))
    return vcf, str(path), at


def rows_or_problem(uri: str, shard_bytes: int) -> list[tuple[object, ...]] | str:
    try:
        return rows_of(blocks_of(uri, shard_bytes))
    except GenotypeFileError as error:
        return error.what


def test_records_inside_of_a_record_are_found_out_or_change_nothing(tmp_path):
    vcf, bcf, at = planted(tmp_path)
    (file,) = open_cohort([bcf]).files
    assert isinstance(file, BcfFile)
    assert at > file.first_record
    expected = rows_of(blocks_of(vcf))
    found = [rows_or_problem(bcf, size) for size in range(1, file.size_bytes - file.first_record)]
    refused = [what for what in found if what != expected]
    assert set(map(str, refused)) == {"what begins at 1:5 looks like two records."}
    assert len(refused) < len(found)


def test_records_at_the_end_of_the_last_record_are_found_out(tmp_path):
    """A shard that began with them gave their rows; nobody came to the true record behind them."""
    header = vcf_text([], samples=["S1"], meta=SMALL_META)
    fakes = [packed_record(0, n, ["A", "G"], [(1, CALL_1)]) for n in (6, 7, 8)]
    payload = b"".join(fakes)
    text = bytes([0xF7, 0x12]) + struct.pack("<h", len(payload)) + payload
    host = packed_record(0, 5, ["A", "G"], [(1, CALL_1), (2, text)])
    content = packed_bcf(header, [host])
    path = tmp_path / "f.bcf"
    path.write_bytes(content)
    expected = rows_of(blocks_of(str(path)))
    assert [row[1] for row in expected] == [5]
    n_records_bytes = len(content) - body_at(content)
    found = [rows_or_problem(str(path), size) for size in range(1, n_records_bytes)]
    refused = [what for what in found if what != expected]
    assert set(map(str, refused)) == {"what looks like a record stands inside of the last one."}
    assert len(refused) < len(found)


SMALL_META = (
    "##contig=<ID=1,IDX=0>",
    "##contig=<ID=2,IDX=2>",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="",IDX=1>',
    '##FORMAT=<ID=TX,Number=1,Type=String,Description="",IDX=2>',
)
CALL_1 = b"\x21\x02\x04"
CALL_2 = b"\x21\x04\x04"


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (packed_record(1, 5, ["A", "G"], [(1, CALL_1)]), "on a contig that the header"),
        (packed_record(0, 5, ["A", "G"], [(1, CALL_1), (1, CALL_2)]), "FORMAT fields that do not"),
        (packed_record(0, 5, ["A" * 100_000, *["G"] * 60_000], [(1, CALL_1)]), "1:5 has more than"),
    ],
    ids=["a contig number without a name", "two GTs", "6 GB of alleles in 160 KB"],
)
def test_a_record_that_htslib_does_not_write_is_refused(record, problem, tmp_path):
    """The first came out on contig "", the second with its last GT, the third ended the process."""
    good = packed_record(0, 4, ["A", "G"], [(1, CALL_1)])
    path = tmp_path / "f.bcf"
    path.write_bytes(packed_bcf(vcf_text([], samples=["S1"], meta=SMALL_META), [good, record]))
    with pytest.raises(GenotypeFileError, match=problem):
        blocks_of(str(path))


@settings(max_examples=30, deadline=None)
@given(records=called_records(), string_bytes=st.integers(1, 60))
def test_blocks_that_are_cut_for_their_alleles_have_the_same_rows(
    tmp_path_factory, records, string_bytes
):
    vcf, bcf = both(tmp_path_factory.mktemp("bcf"), records)
    expected = rows_of(blocks_of(vcf))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reader, "STRING_BYTES", string_bytes)
        blocks = blocks_of(str(bcf))
    assert rows_of(blocks) == expected
    sites = [[row[:2] for row in rows_of([block])] for block in blocks]
    assert all(one[-1] != other[0] for one, other in pairwise(sites))


@pytest.fixture
def plain(tmp_path) -> Path:
    records = [Record("1", n, ["0/1", "1/1", "."], id=f"rs{n}") for n in range(5, 9)]
    _, bcf = both(tmp_path, records)
    return Path(plain_bcf(bcf, tmp_path / "plain.bcf"))


def body_at(content: bytes) -> int:
    return 9 + int.from_bytes(content[5:9], "little")


def with_bytes(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


MANY = struct.pack("<I", 0xFFFFFFF0)
HOSTILE = {
    "a magic number alone": lambda c: c[:3],
    "half a header": lambda c: c[:200],
    "another version": lambda c: with_bytes(c, 3, b"\x02\x01"),
    "a header of 4 GiB": lambda c: with_bytes(c, 5, MANY),
    "a header that is no VCF's": lambda c: with_bytes(c, 9, b"##fileformat=XXX"),
    "half a record": lambda c: c[:-1],
    "a length of 4 GiB": lambda c: with_bytes(c, body_at(c), MANY),
    "a contig that is not there": lambda c: with_bytes(c, body_at(c) + 8, b"\x63"),
    "a contig below 0": lambda c: with_bytes(c, body_at(c) + 8, MANY),
    "a position below 0": lambda c: with_bytes(c, body_at(c) + 12, MANY),
    "the last position but one": lambda c: with_bytes(c, body_at(c) + 12, b"\xff\xff\xff\x7f"),
    "no alleles": lambda c: with_bytes(c, body_at(c) + 26, b"\0\0"),
    "65535 alleles": lambda c: with_bytes(c, body_at(c) + 26, b"\xff\xff"),
    "another number of samples": lambda c: with_bytes(c, body_at(c) + 28, b"\x04"),
    "more FORMAT keys": lambda c: with_bytes(c, body_at(c) + 31, b"\xff"),
    "an ID of no type": lambda c: with_bytes(c, body_at(c) + 32, b"\x3e"),
    "an ID with a tab": lambda c: with_bytes(c, body_at(c) + 33, b"\t"),
    "an ID that is not UTF-8": lambda c: with_bytes(c, body_at(c) + 33, b"\xff"),
    "an allele with a comma": lambda c: with_bytes(c, body_at(c) + 37, b","),
    "an allele that ALT does not have": lambda c: with_bytes(c, c.rindex(b"\x04\x04"), b"\x08"),
    "no allele's number": lambda c: with_bytes(c, c.rindex(b"\x04\x04"), b"\x90"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_lies_is_refused(name, plain):
    assert len(rows_of(blocks_of(str(plain)))) == 4
    plain.write_bytes(HOSTILE[name](plain.read_bytes()))
    with pytest.raises(GenotypeFileError) as raised:
        blocks_of(str(plain))
    assert raised.value.fix
    assert str(plain) in str(raised.value)


def test_a_bgzf_file_that_was_cut_is_refused(tmp_path):
    _, bcf = both(tmp_path, [Record("1", 5, ["0/1", "1/1", "."])])
    bcf.write_bytes(bcf.read_bytes()[:-28])
    with pytest.raises(GenotypeFileError, match="truncated"):
        open_cohort([str(bcf)])


@pytest.mark.parametrize("idx", ["0", "99999999999", "-1", "x"])
def test_numbers_that_are_not_a_files_are_refused(idx):
    text = vcf_text(
        [], meta=["##contig=<ID=1,IDX=0>", f"##contig=<ID=2,IDX={idx}>"], samples=["S1"]
    )
    content = b"BCF\x02\x02" + struct.pack("<I", len(text) + 1) + text + b"\0"
    with pytest.raises(GenotypeFileError, match="the IDX of"):
        read_header([content], "f.bcf")


def test_an_object_of_an_s3_store_reads_like_a_file(tmp_path):
    records = [Record("1", n, ["0/1", "1/1", "."]) for n in range(1, 200)]
    _, bcf = both(tmp_path, records)
    (tmp_path / "bucket").mkdir()
    blocked_bcf(bcf, tmp_path / "bucket" / "f.bcf", 100)
    with running_s3_server(tmp_path) as server:
        s3 = S3Access(server.endpoint_url, server.access_key_id, server.secret_access_key)
        cohort = open_cohort(["s3://bucket/f.bcf"], s3=s3)
        shards: Any = plan_shards(cohort, 1000)
        blocks = [block for shard in shards for block in BcfReader(shard, s3=s3)]
    assert len(shards) > 3
    assert rows_of(blocks) == rows_of(blocks_of(str(bcf)))


FUZZ = """
import random
from pathlib import Path
from core.errors import CuraGenieError
from core.genotypes.calls import GenotypeField
from tests.builders.bcf import blocks_of

path = Path(PATH)
content, chance = path.read_bytes(), random.Random(SEED)
first = 9 + int.from_bytes(content[5:9], "little")
n_read = 0
for number in range(400):
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8])):
        value = chance.choice([0, 1, 127, 255, chance.randrange(256)])
        damaged[chance.randrange(first if number % 4 else 0, len(damaged))] = value
    path.write_bytes(damaged)
    try:
        field = GenotypeField.GT if number % 2 else GenotypeField.DS
        blocks_of(str(path), chance.choice([1 << 40, 300]), field=field)
        n_read += 1
    except CuraGenieError:
        pass
print(n_read)
"""


def fuzz_program(folder: Path, seed: int) -> str:
    records = [
        Record("1", n, ["0/1:0.9", "./1:.", "1:1"], alt="G,T" if n == 3 else "G", format="GT:DS")
        for n in range(1, 9)
    ]
    _, bcf = both(folder, records)
    path = plain_bcf(bcf, folder / "plain.bcf")
    return FUZZ.replace("PATH", repr(path)).replace("SEED", str(seed))


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_bytes_never_end_the_process(seed, tmp_path):
    program = fuzz_program(tmp_path, seed)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 0 < int(done.stdout) < 400


@pytest.mark.acceptance
def test_no_kernel_leaves_its_arrays_whatever_the_bytes_are(tmp_path):
    run_with_bounds_checks(fuzz_program(tmp_path, 3), tmp_path / "cache")
