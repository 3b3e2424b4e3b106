"""PLINK filesets as blocks: calls, ploidies, shards, wanted variants, and what is refused."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.errors import CohortError, GenotypeFileError, UnsupportedFormatError
from core.genotypes import plink, plink_ploidy, vcf_blocks
from core.genotypes.bed import open_bed
from core.genotypes.calls import GenotypeField
from core.genotypes.formats import content_uris, open_cohort, stated_sexes
from core.genotypes.pgen import open_pgen
from core.genotypes.plink import PlinkReader, PlinkShard
from core.genotypes.plink_ploidy import place_calls
from core.genotypes.vcf_wanted import Wanted
from core.samples import FEMALE, MALE
from tests.builders.plink import MISSING, plink2, read_blocks, rows_of, write_bed, write_pgen
from tests.builders.vcf import DS_FORMAT, Record, vcf_text, write_vcf

PEOPLE = [("m", "1"), ("f", "2"), ("u", "0")]
needs_plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")


def shards_of(uri: str, shard_bytes: int) -> tuple[PlinkShard, ...]:
    file = open_bed(uri) if uri.endswith(".bed") else open_pgen(uri)
    return file.shards(shard_bytes, 0)


def test_a_bed_counts_a1_as_alt(tmp_path):
    variants = [("1", 5, "rs1", "A", "G"), ("1", 6, "rs2", "c", "t")]
    uri = write_bed(tmp_path / "f", variants, PEOPLE, [[0, 1, 2], [2, MISSING, 0]])
    assert rows_of(read_blocks(uri)) == [
        ("1", 5, "rs1", "A", "G", 1, [0, 1, 2], [2, 2, 2]),
        ("1", 6, "rs2", "C", "T", 1, [2, None, 0], [2, 2, 2]),
    ]


def test_a_missing_allele_is_a_dot(tmp_path):
    variants = [("1", 5, "rs1", "A", "0"), ("1", 6, "rs2", "0", "T")]
    uri = write_bed(tmp_path / "f", variants, PEOPLE, [[0, 0, 0], [2, 2, 2]])
    assert [row[3:5] for row in rows_of(read_blocks(uri))] == [("A", "."), (".", "T")]


def test_every_alt_of_a_record_is_a_row_of_its_own_copies(tmp_path):
    variants = [
        ("1", 5, "rs1", "A", "G"),
        ("1", 6, "rs2", "C", "T,<DEL>,ca"),
        ("1", 7, "v", "A", "T"),
    ]
    alleles = [
        [[0, 1], [1, 1], [0, 0]],
        [[0, 3], [1, 2], [2, 2]],
        [[MISSING, MISSING], [0, 0], [1, 0]],
    ]
    rows = rows_of(read_blocks(write_pgen(tmp_path / "f", variants, PEOPLE, alleles)))
    assert [(row[2], row[4], row[5], row[6]) for row in rows] == [
        ("rs1", "G", 1, [1, 2, 0]),
        ("rs2", "T", 3, [0, 1, 0]),
        ("rs2", "<DEL>", 3, [0, 1, 2]),
        ("rs2", "CA", 3, [1, 0, 0]),
        ("v", "T", 1, [None, 0, 1]),
    ]


HOM, HET, REF, NONE = 2, 1, 0, MISSING
# Dosages and ploidies of a male, a female and a sample of unknown sex
PLOIDIES = {
    "autosome": ("1", 5_000_000, [2, 2, 2], [2, 2, 2], [2, 2, 2]),
    "X": ("X", 5_000_000, [2, 2, 2], [1, 2, 2], [1, 2, 2]),
    "X as chrX": ("chrX", 5_000_000, [2, 1, 1], [1, 1, 1], [1, 2, 2]),
    "X as 23": ("23", 5_000_000, [0, 0, 0], [0, 0, 0], [1, 2, 2]),
    "X, heterozygous male": ("X", 5_000_000, [1, 1, 1], [1, 1, 1], [2, 2, 2]),
    "X, missing": ("X", 5_000_000, [NONE, NONE, NONE], [None, None, None], [1, 2, 2]),
    "PAR of X by its position": ("X", 60_500, [2, 2, 2], [2, 2, 2], [2, 2, 2]),
    "PAR of GRCh38 alone, build unknown": ("X", 2_700_000, [2, 2, 2], [2, 2, 2], [2, 2, 2]),
    "PAR as XY": ("XY", 5_000_000, [2, 2, 2], [2, 2, 2], [2, 2, 2]),
    "PAR as 25": ("25", 5_000_000, [2, 2, 2], [2, 2, 2], [2, 2, 2]),
    "PAR as PAR1": ("PAR1", 5_000_000, [2, 2, 2], [2, 2, 2], [2, 2, 2]),
    "Y": ("Y", 5_000_000, [2, 2, 2], [1, None, 1], [1, 1, 1]),
    "Y as 24, heterozygous": ("24", 5_000_000, [1, 1, 1], [1, None, 1], [2, 1, 2]),
    "MT": ("MT", 500, [2, 0, 2], [1, 0, 1], [1, 1, 1]),
    "MT as 26, heterozygous": ("26", 500, [1, 2, 1], [1, 1, 1], [2, 1, 2]),
    "unknown contig": ("GL1", 500, [2, 2, 2], [2, 2, 2], [2, 2, 2]),
}


@pytest.mark.parametrize("name", PLOIDIES)
def test_the_ploidy_follows_the_place_and_the_sex(name, tmp_path):
    contig, position, calls, dosages, ploidies = PLOIDIES[name]
    variants = [("1", 1, "first", "A", "G"), (contig, position, "rs", "A", "G")]
    uri = write_bed(tmp_path / "f", variants, PEOPLE, [[0, 0, 0], calls])
    assert rows_of(read_blocks(uri))[1][6:] == (dosages, ploidies)


def test_a_blocks_ploidies_are_left_out_where_all_are_diploid(tmp_path):
    variants = [("X", 5_000_000, "rs", "A", "G")]
    (block,) = read_blocks(write_bed(tmp_path / "f", variants, [("a", "2")], [[1]]))
    assert block.ploidy is None


def test_two_alts_of_a_male_are_one_heterozygous_call(tmp_path):
    variants = [("X", 5_000_000, "rs", "A", "G,T")]
    alleles = [[[1, 2], [1, 2], [0, 0]]]
    rows = rows_of(read_blocks(write_pgen(tmp_path / "f", variants, PEOPLE, alleles)))
    assert [row[6:] for row in rows] == [([1, 1, 0], [2, 2, 2])] * 2


def test_the_kernel_keeps_records_apart():
    calls = np.array([[2], [0], [1], [1], [0]], np.uint8)
    ploidy = np.zeros_like(calls)
    place = np.full(5, plink_ploidy.X_NON_PAR, np.uint8)
    copies = plink_ploidy.copies_in_places(np.array([MALE], np.uint8))
    place_calls(calls, np.array([0, 0, 1, 1, 2], np.int32), place, copies, ploidy)
    assert calls.ravel().tolist() == [1, 0, 1, 1, 0]
    assert ploidy.ravel().tolist() == [1, 1, 2, 2, 1]


@pytest.fixture
def large(tmp_path):
    """300 variants of 3 people, some at one position, on three contigs; the calls are random."""
    chance = random.Random(5)
    places = sorted((chance.choice("1X"), chance.randrange(1, 90)) for _ in range(299))
    variants = [(c, p, f"v{n}", "A", "G") for n, (c, p) in enumerate(places)]
    variants.append(("2", variants[-1][1], "last", "A", "G"))
    calls = [[chance.choice([0, 1, 2, MISSING]) for _ in PEOPLE] for _ in variants]
    return write_bed(tmp_path / "large", variants, PEOPLE, calls)


@pytest.mark.parametrize("shard_bytes", [1, 20, 100, 10_000])
def test_rows_do_not_depend_on_the_shards(large, shard_bytes):
    shards = shards_of(large, shard_bytes)
    assert len(shards) == 1 or shard_bytes < 10_000
    assert rows_of(read_blocks(large, shard_bytes)) == rows_of(read_blocks(large))
    groups = [{row[:2] for row in rows_of([*PlinkReader(shard)])} for shard in shards]
    assert sum(map(len, groups)) == len(set().union(*groups))


@pytest.mark.parametrize("block_bytes", [1, 500, 1 << 20])
def test_no_position_is_cut_by_a_block(large, block_bytes):
    (shard,) = shards_of(large, 1 << 30)
    reader = PlinkReader(shard, block_bytes=block_bytes)
    blocks = [*reader]
    assert rows_of(blocks) == rows_of(read_blocks(large))
    groups = [{row[:2] for row in rows_of([block])} for block in blocks]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert all(block.record[0] == 0 for block in blocks)
    assert reader.n_records == 300
    assert sum(reader.contig_records.values()) == 300


def test_shards_are_cut_by_genotypes_too(large, monkeypatch):
    monkeypatch.setattr(plink, "SHARD_GENOTYPES", 90)
    assert len(shards_of(large, 1 << 30)) > 5


WANTED = {
    "positions": Wanted({"1": np.array([3, 4, 50, 900]), "X": np.array([7])}),
    "a contig": Wanted(whole_contigs=frozenset({"2"})),
    "IDs": Wanted(ids=frozenset({"v10", "last", "nobody"})),
    "nothing": Wanted(),
}


@pytest.mark.parametrize("name", WANTED)
@pytest.mark.parametrize("shard_bytes", [30, 1 << 30])
def test_wanted_variants_come_in_whole_positions(large, name, shard_bytes):
    wanted, everything = WANTED[name], rows_of(read_blocks(large))
    places = {
        row[:2]
        for row in everything
        if row[1] in wanted.positions.get(str(row[0]), ())
        or row[0] in wanted.whole_contigs
        or row[2] in wanted.ids
    }
    expected = [row for row in everything if row[:2] in places]
    assert rows_of(read_blocks(large, shard_bytes, wanted=wanted)) == expected
    shards = shards_of(large, shard_bytes)
    readers = [PlinkReader(shard, wanted=wanted) for shard in shards]
    assert rows_of([block for reader in readers for block in reader]) == expected
    assert sum(reader.n_records for reader in readers) == 300


VARIANTS = [("1", 5, "rs1", "A", "G"), ("1", 6, "rs2", "C", "T")]
CALLS = [[0, 1, 2], [2, 1, 0]]


@pytest.mark.parametrize("field", [GenotypeField.DS, GenotypeField.HDS, GenotypeField.GP])
def test_fields_that_a_file_does_not_have_are_refused(field, tmp_path):
    uri = write_bed(tmp_path / "f", VARIANTS, PEOPLE, CALLS)
    with pytest.raises(GenotypeFileError, match="dosages" if field is GenotypeField.DS else field):
        read_blocks(uri, field=field)


def test_sexes_and_content_are_those_of_the_three_files(tmp_path):
    uri = write_bed(tmp_path / "f", VARIANTS, PEOPLE, CALLS)
    assert stated_sexes(open_cohort([uri])) == {"m": MALE, "f": FEMALE}
    assert [Path(part).suffix for part in content_uris(uri)] == [".bed", ".bim", ".fam"]
    vcf = write_vcf(tmp_path / "f.vcf.gz", vcf_text([Record("1", 5, ["0/1", "1/1"])]))
    assert content_uris(vcf) == (vcf,)


def test_files_that_contradict_each_others_sexes_make_no_cohort(tmp_path):
    uris = [
        write_bed(tmp_path / name, VARIANTS, [("a", sex)], [[0], [1]])
        for name, sex in (("f", "1"), ("g", "2"))
    ]
    with pytest.raises(CohortError, match="different sexes"):
        stated_sexes(open_cohort(uris))


def test_a_fileset_is_local(tmp_path):
    for name in ("f.pgen", "f.bed"):
        with pytest.raises(UnsupportedFormatError, match="s3://") as caught:
            open_cohort([f"s3://bucket/{name}"])
        assert "store" in (caught.value.fix or "")
    uri = write_bed(tmp_path / "a b", VARIANTS, PEOPLE, CALLS)
    assert open_cohort([Path(uri).as_uri()]).samples == ("m", "f", "u")


@pytest.mark.parametrize("suffix", [".bim", ".fam", ".pvar", ".psam"])
def test_a_missing_sibling_is_named(suffix, tmp_path):
    write_bed(tmp_path / "f", VARIANTS, PEOPLE, CALLS)
    write_pgen(tmp_path / "f", VARIANTS, PEOPLE, [[[0, 0]] * 3] * 2)
    (tmp_path / f"f{suffix}").unlink()
    name = "f.bed" if suffix in (".bim", ".fam") else "f.pgen"
    with pytest.raises(GenotypeFileError, match=f"f{suffix}") as caught:
        open_cohort([str(tmp_path / name)])
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("suffix", "table"),
    [(".bed", ".bim"), (".bed", ".fam"), (".pgen", ".pvar"), (".pgen", ".psam")],
)
@pytest.mark.parametrize("change", ["one less", "one more"])
def test_counts_that_contradict_each_other_name_both_files(suffix, table, change, tmp_path):
    people = [*PEOPLE, ("four", "1"), ("last", "1")]
    people = people if change == "one less" else people[:4]  # four fill a byte of a .bed
    write_bed(tmp_path / "f", VARIANTS, people, [[0] * len(people)] * 2)
    write_pgen(tmp_path / "f", VARIANTS, people, [[[0, 0]] * len(people)] * 2)
    path = tmp_path / f"f{table}"
    lines = path.read_text().splitlines(keepends=True)
    added = [lines[-1].replace("four", "more")]
    path.write_text("".join(lines[:-1] if change == "one less" else lines + added))
    with pytest.raises(GenotypeFileError) as caught:
        open_cohort([str(tmp_path / f"f{suffix}")])
    assert str(path) in str(caught.value)
    assert f"f{suffix}" in str(caught.value)


def test_a_file_that_changed_since_it_was_opened_is_refused(tmp_path):
    for uri in (
        write_bed(tmp_path / "f", VARIANTS, PEOPLE, CALLS),
        write_pgen(tmp_path / "f", VARIANTS, PEOPLE, [[[0, 0]] * 3] * 2),
    ):
        (shard,) = shards_of(uri, 1 << 30)
        with Path(uri).open("ab") as file:
            file.write(b"\0")
        with pytest.raises(GenotypeFileError, match="changed"):
            list(PlinkReader(shard))


def test_a_position_of_more_dosages_than_memory_should_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(vcf_blocks, "MAX_GROUP_DOSAGE_BYTES", 5)
    variants = [("1", 5, f"rs{n}", "A", "G") for n in range(3)]
    uri = write_bed(tmp_path / "f", variants, PEOPLE, [[0, 1, 2]] * 3)
    (shard,) = shards_of(uri, 1 << 30)
    with pytest.raises(GenotypeFileError, match="1:5"):
        list(PlinkReader(shard, block_bytes=1))


IN_PAR = {("X", position) for position in range(70_000, 70_100)}
META = [
    "##contig=<ID=1,length=249250621>",
    "##contig=<ID=X,length=155270560>",
    "##contig=<ID=Y,length=59373566>",
    "##contig=<ID=MT,length=16569>",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
]


def random_vcf(folder: Path, seed: int, *, has_ds: bool) -> None:
    """c.vcf of 70 people: multiallelics, indels and records without ALT on all kinds of contig; and
    sex.tsv. Females have no Y; males are haploid or, some of them, heterozygous on X."""
    chance = random.Random(seed)
    samples = [f"s{n}" for n in range(70)]
    sexes = [chance.choice("120") for _ in samples]
    lines = [f"{name}\t{sex}\n" for name, sex in zip(samples, sexes, strict=True)]
    (folder / "sex.tsv").write_text("#IID\tSEX\n" + "".join(lines))
    records: list[Record] = []
    kinds = ["G", "G", "GT", "."] if has_ds else ["G", "G,T", "AT,G,<DEL>", "."]
    starts = (("1", 1000), ("X", 70_000), ("X", 5_000_000), ("Y", 5_000_000), ("MT", 9))
    for contig, first in starts:
        for number in range(30):
            alts, name = chance.choice(kinds), f"{contig}v{first + number}"
            calls = [
                _random_call(chance, contig, sex, alts.count(",") + (alts != "."), has_ds=has_ds)
                for sex in sexes
            ]
            fields = "GT:DS" if has_ds else "GT"
            records.append(Record(contig, first + number // 2, calls, name, "A", alts, fields))
    meta = [*META, DS_FORMAT] if has_ds else META
    (folder / "c.vcf").write_bytes(vcf_text(records, samples=samples, meta=meta))


def _random_call(chance: random.Random, contig: str, sex: str, n_alts: int, *, has_ds: bool) -> str:
    if (contig == "Y" and sex == "2") or chance.random() < 0.05:
        return "./.:." if has_ds else "./."
    drawn = sorted(chance.choices(range(n_alts + 1), k=2))
    if contig in ("Y", "MT") and chance.random() < 0.9:
        drawn = [drawn[0]] * 2
    call = f"{drawn[0]}/{drawn[1]}"
    if not has_ds:
        return call
    dosage = min(max(sum(drawn) + chance.uniform(-0.4, 0.4) * n_alts, 0), 2)
    return f"{call}:{chance.choice([f'{dosage:.4f}', '.'])}"


@needs_plink2
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("import_options", [(), ("--split-par", "b37")], ids=["X", "PAR split"])
def test_a_pgen_reads_as_the_vcf_that_plink2_makes_of_it(seed, import_options, tmp_path):
    """But for the PAR, which plink2 takes for any part of X unless it was told to split it."""
    random_vcf(tmp_path, seed, has_ds=False)
    source = ("--vcf", "c.vcf", "--update-sex", "sex.tsv", *import_options)
    plink2(tmp_path, *source, "--make-pgen", "--out", "c")
    plink2(tmp_path, "--pfile", "c", "--export", "vcf", "--out", "exported")
    ours, theirs = (
        [
            row
            for row in rows_of(read_blocks(str(tmp_path / name)))
            if import_options or row[:2] not in IN_PAR
        ]
        for name in ("c.pgen", "exported.vcf")
    )
    assert len(ours) > 150
    assert ours == theirs


@needs_plink2
@pytest.mark.parametrize("seed", [1, 2])
def test_dosages_of_a_pgen_are_those_that_plink2_imported(seed, tmp_path):
    """Kept in steps of 1/16384; a call without DS counts as its GT."""
    random_vcf(tmp_path, seed, has_ds=True)
    source = ("--vcf", "c.vcf", "dosage=DS", "--update-sex", "sex.tsv")
    plink2(tmp_path, *source, "--make-pgen", "--out", "c")
    (ours,) = read_blocks(str(tmp_path / "c.pgen"))
    (theirs,) = read_blocks(str(tmp_path / "c.vcf"))
    assert ours.dosage.dtype == np.float32
    assert ours.batch.column("id").equals(theirs.batch.column("id"))
    ploidy = ours.ploidy
    assert ploidy is not None
    has_copy = ~np.isnan(ours.dosage)
    halved = np.where(ploidy == 1, theirs.dosage / 2, theirs.dosage)
    assert np.abs(ours.dosage - halved)[has_copy].max() < 1 / 16384
    assert ((ours.dosage * 32768) % 1 == 0)[has_copy].all()
    assert (np.isnan(theirs.dosage) == ~has_copy).all()


@needs_plink2
def test_hard_calls_of_a_file_with_dosages_can_be_asked_for(tmp_path):
    random_vcf(tmp_path, 1, has_ds=True)
    plink2(tmp_path, "--vcf", "c.vcf", "dosage=DS", "--make-pgen", "--out", "c")
    plink2(tmp_path, "--pfile", "c", "--make-bed", "--out", "b")
    field = GenotypeField.GT
    ours = rows_of(read_blocks(str(tmp_path / "c.pgen"), field=field))
    assert ours == rows_of(read_blocks(str(tmp_path / "b.bed"), field=field))


@needs_plink2
def test_every_way_that_plink2_packs_a_variant_is_read(tmp_path):
    """Rare, common, missing and LD-compressed variants, one after another, of 1,000 people."""
    chance = np.random.default_rng(3)
    base = chance.integers(0, 3, 1000)
    rows = [base, 2 - base, np.full(1000, 2), np.full(1000, MISSING), np.zeros(1000, int)]
    rows += [np.where(chance.random(1000) < share, 1, 0) for share in (0.001, 0.01, 0.2, 0.5)]
    rows += [np.where(chance.random(1000) < 0.01, 2 - base, base) for _ in range(20)]
    variants = [("1", n + 1, f"v{n}", "A", "G") for n in range(len(rows))]
    people = [(f"s{n}", "2") for n in range(1000)]
    bed = write_bed(tmp_path / "f", variants, people, [row.tolist() for row in rows])
    plink2(tmp_path, "--bfile", "f", "--make-pgen", "vzs", "--out", "g")
    expected = [[None if call == MISSING else call for call in row.tolist()] for row in rows]
    assert [row[6] for row in rows_of(read_blocks(bed))] == expected
    assert rows_of(read_blocks(str(tmp_path / "g.pgen"))) == rows_of(read_blocks(bed))
