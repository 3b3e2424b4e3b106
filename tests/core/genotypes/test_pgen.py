"""Hostile .pgen and .bed files: errors of ours, never the end of the process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import GenotypeFileError
from core.genotypes.formats import open_cohort
from core.genotypes.pgen import PgenReader
from core.genotypes.plink_sites import SitesFile, load_sites
from tests.builders.plink import read_blocks, write_bed, write_pgen, write_tables

PEOPLE = [(f"s{n}", "0") for n in range(9)]
VARIANTS = [("1", n + 1, f"v{n}", "A", "G,T" if n == 2 else "G") for n in range(5)]


@pytest.fixture
def pgen(tmp_path):
    alleles = np.random.default_rng(1).integers(0, 2, (len(VARIANTS), len(PEOPLE), 2))
    alleles[2] += 1
    return Path(write_pgen(tmp_path / "f", VARIANTS, PEOPLE, np.sort(alleles, axis=2)))


def with_bytes(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


U32 = (0xFFFFFFFF).to_bytes(4, "little")
# The header of five variants: 12 bytes, an offset of 8, three of types, five of lengths or more
HOSTILE = {
    "nothing": lambda c: b"",
    "a magic number alone": lambda c: c[:2],
    "a mode alone": lambda c: c[:3],
    "half a header": lambda c: c[:10],
    "no index": lambda c: c[:14],
    "half an index": lambda c: c[:22],
    "cut short": lambda c: c[:-1],
    "text": lambda c: b"#CHROM\tPOS\n" * 10,
    "a bed": lambda c: with_bytes(c, 2, b"\x01"),
    "an unknown mode": lambda c: with_bytes(c, 2, b"\x7f"),
    "a mode with an index of its own": lambda c: with_bytes(c, 2, b"\x11"),
    "dosages of fixed width": lambda c: with_bytes(c, 2, b"\x03"),
    "the plain mode": lambda c: with_bytes(c, 2, b"\x02"),
    "no variants": lambda c: with_bytes(c, 3, bytes(4)),
    "no samples": lambda c: with_bytes(c, 7, bytes(4)),
    "4 billion variants": lambda c: with_bytes(c, 3, U32),
    "4 billion samples": lambda c: with_bytes(c, 7, U32),
    "one variant more": lambda c: with_bytes(c, 3, b"\x06"),
    "one sample more": lambda c: with_bytes(c, 7, b"\x0a"),
    "a reserved form of the index": lambda c: with_bytes(c, 11, b"\x48"),
    "allele counts in the index": lambda c: with_bytes(c, 11, b"\x50"),
    "records that begin elsewhere": lambda c: with_bytes(c, 12, b"\xff"),
    "records that begin behind the file": lambda c: with_bytes(c, 12, b"\xff" * 8),
    "a record of a reserved type": lambda c: with_bytes(c, 20, b"\x05"),
    "a first record that leans on another": lambda c: with_bytes(c, 20, b"\x02"),
    "several ALTs in every record": lambda c: with_bytes(c, 20, b"\x88\x88\x08"),
    "records without length": lambda c: with_bytes(c, 23, bytes(5)),
    "records that end behind the file": lambda c: with_bytes(c, 23, b"\xff" * 5),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_that_lies_is_refused(name, pgen):
    pgen.write_bytes(HOSTILE[name](pgen.read_bytes()))
    with pytest.raises(GenotypeFileError) as caught:
        read_blocks(str(pgen))
    assert caught.value.fix
    assert str(pgen) in str(caught.value)


def test_the_file_itself_is_read(pgen):
    assert sum(block.n_rows for block in read_blocks(str(pgen))) == 6


def test_dosages_that_are_marked_behind_the_last_sample_stay_inside(tmp_path):
    """pgenlib wrote them behind the row, over whatever stood there, and the process ended."""
    marks, dosages = b"\xff\xff", (16384).to_bytes(2, "little") * 16  # of nine people, all 1
    record = bytes(3) + marks + dosages
    write_tables(tmp_path / "f", VARIANTS[:1], PEOPLE)
    path = tmp_path / "f.pgen"
    fixed = b"\x6c\x1b\x10" + (1).to_bytes(4, "little") + (9).to_bytes(4, "little") + b"\x44"
    index = (22).to_bytes(8, "little") + b"\x60" + bytes([len(record)])
    path.write_bytes(fixed + index + record)
    memory = np.full(2 * len(PEOPLE), 7, np.float32)
    row = memory[: len(PEOPLE)].reshape(1, -1)
    sites = load_sites(SitesFile.of(tmp_path / "f.pvar", 1))
    PgenReader(str(path), sites).read(np.array([0], np.uint32), np.array([1]), row)
    assert (row == 1).all()
    assert (memory[len(PEOPLE) :] == 7).all()


def test_a_record_of_several_alts_needs_several_in_the_table(pgen):
    table = pgen.with_suffix(".pvar")
    table.write_text(table.read_text().replace("G,T", "G"))
    with pytest.raises(GenotypeFileError, match="variant 3 has calls of several ALT"):
        open_cohort([str(pgen)])


def test_more_alts_than_pgenlib_counts_are_refused(pgen):
    table = pgen.with_suffix(".pvar")
    table.write_text(table.read_text().replace("G,T", ",".join(f"G{'T' * n}" for n in range(255))))
    with pytest.raises(GenotypeFileError, match="254 ALT"):
        open_cohort([str(pgen)])


BED_PEOPLE = PEOPLE[:5]
HOSTILE_BEDS = {
    "nothing": lambda c: b"",
    "a magic number alone": lambda c: c[:3],
    "cut short": lambda c: c[:-1],
    "a byte too long": lambda c: c + b"\0",
    "text": lambda c: b"chr1\t100\t200\n",
    "sample-major": lambda c: with_bytes(c, 2, b"\x00"),
}


@pytest.mark.parametrize("name", HOSTILE_BEDS)
def test_a_bed_of_another_size_or_kind_is_refused(name, tmp_path):
    path = Path(write_bed(tmp_path / "f", VARIANTS[:2], BED_PEOPLE, [[0] * 5] * 2))
    path.write_bytes(HOSTILE_BEDS[name](path.read_bytes()))
    with pytest.raises(GenotypeFileError) as caught:
        read_blocks(str(path))
    assert str(path) in str(caught.value)
    assert caught.value.fix


def test_a_bed_of_several_alts_is_refused(tmp_path):
    path = write_bed(tmp_path / "f", VARIANTS[2:3], BED_PEOPLE, [[0] * 5])
    with pytest.raises(GenotypeFileError, match="comma"):
        read_blocks(path)


FUZZ = """
import random, sys
from pathlib import Path
from core.errors import CuraGenieError
from tests.builders.plink import read_blocks

path, seed = Path(sys.argv[1]), int(sys.argv[2])
content, chance = path.read_bytes(), random.Random(seed)
n_read = 0
for _ in range(500):
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8])):
        value = chance.choice([0, 1, 127, 255, chance.randrange(256)])
        damaged[chance.randrange(len(damaged))] = value
    path.write_bytes(damaged)
    try:
        read_blocks(str(path))
        n_read += 1
    except CuraGenieError:
        pass
print(n_read)
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_bytes_never_end_the_process(seed, tmp_path):
    chance = np.random.default_rng(seed)
    people = [(f"s{n}", "0") for n in range(300)]
    shares = [0.5, 0.001, 0.01, 0.02, 0.3, 0.999, 0.01]
    drawn = [chance.random((300, 2)) < share for share in shares]
    alleles = np.stack(drawn).astype(np.int32)
    alleles[chance.random((7, 300)) < 0.02] = -9
    alleles[4] *= chance.integers(1, 3, (300, 2))
    alleles[4][(alleles[4] < 0).any(axis=1)] = -9
    variants = [("1", n + 1, f"v{n}", "A", "G,T" if n == 4 else "G") for n in range(7)]
    uri = write_pgen(tmp_path / "f", variants, people, np.sort(alleles, axis=2))
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, uri, str(seed)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 0
