"""Quality of samples and variants against bcftools and plink2, on made-up and on real genotypes.

Where definitions differ (core.genotypes.sample_quality has the table), what is compared here is
made of calls on which they agree.
"""

import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.genotypes.quality_summary import SAMPLES_KEY, variants_key
from core.genotypes.store_writer import StoreTarget
from core.storage.objects import ObjectsLocation
from jobs.run_shards import Executor
from jobs.summarise_cohort import summarise_cohort
from tests.builders.vcf import FORMATS, Record, sample_names, vcf_text, write_vcf

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed"),
]
needs_plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")

N_PEOPLE, N_RECORDS = 130, 400
CONTIGS = {"1": 248956422, "X": 156040895, "Y": 57227415}
META = [*(f"##contig=<ID={name},length={size}>" for name, size in CONTIGS.items()), *FORMATS]
ONE_ALT = [("A", "G"), ("C", "T"), ("A", "C"), ("G", "C"), ("A", "AT"), ("ATT", "A"), ("A", "*")]
SEVERAL = [("A", "G,C"), ("A", "G,AT"), ("AT", "A,ATT"), ("C", "T,*"), ("A", "C,G,AT")]


@dataclass(frozen=True)
class Quality:
    samples: pa.Table
    variants: pa.Table
    facts: dict


def quality_of(path: str, folder: Path) -> Quality:
    """Of a file that is read as several shards, from what is stored."""
    target = StoreTarget(ObjectsLocation(root=folder), "f.cgstore")
    facts = summarise_cohort(
        [path],
        executor=Executor.INLINE,
        on_progress=lambda _done, _total: None,
        shard_bytes=1 << 16,
        store=target,
    )
    store = folder / "f.cgstore"
    parts: list[pa.Table] = []
    while (part := store / variants_key(len(parts))).exists():
        parts.append(pq.read_table(part))
    return Quality(pq.read_table(store / SAMPLES_KEY), pa.concat_tables(parts), facts)


MISSING, HALF_CALLS = ("./.", ".|."), ("./1", "0|.")


def call_of(
    rng: random.Random, n_alts: int, frequency: float, ploidy: int, missing: Sequence[str]
) -> str:
    if rng.random() < 0.03:
        return rng.choice(missing) if ploidy == 2 else "."
    alleles = [
        str(rng.randint(1, n_alts)) if rng.random() < frequency else "0" for _ in range(ploidy)
    ]
    return rng.choice("/|").join(alleles)


def made_up(
    alleles: Sequence[tuple[str, str]],
    ploidy_of: Callable[[str, int], int],
    seed: int,
    missing: Sequence[str] = (*MISSING, *HALF_CALLS),
) -> bytes:
    """Every other person is male; ploidy depends on the contig and on that."""
    rng = random.Random(seed)
    records: list[Record] = []
    for contig, start in {"1": 1000, "X": 5_000_000, "Y": 5_000_000}.items():
        for i in range(N_RECORDS):
            ref, alt = rng.choice(alleles)
            frequency = rng.choice([0.0, 0.002, 0.01, 0.3, 0.5, 0.97])
            n_alts = alt.count(",") + 1
            calls = [
                call_of(rng, n_alts, frequency, ploidy_of(contig, person), missing)
                for person in range(N_PEOPLE)
            ]
            site = {"id": f"{contig}_{i}", "ref": ref, "alt": alt}
            records.append(Record(contig, start + 10 * i, calls, **site))
    return vcf_text(records, samples=sample_names(N_PEOPLE), meta=META)


def haploid_men(contig: str, person: int) -> int:
    return 1 if contig != "1" and person % 2 else 2


def psc_of(path: str) -> dict[str, list[int]]:
    """The counts of bcftools, in the order of the file's samples."""
    run = subprocess.run(
        ["bcftools", "stats", "-s", "-", path], check=True, capture_output=True, text=True
    )
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    header = next(line for line in lines if line[0] == "# PSC")
    names = [name.partition("]")[2] for name in header]
    rows = [line for line in lines if line[0] == "PSC"]
    return {
        name: [int(row[i]) for row in rows] for i, name in enumerate(names) if name.startswith("n")
    }


PSC_CLASSES = {
    "n_hom_ref": "nRefHom",
    "n_snv_hom_alt": "nNonRefHom",
    "n_snv_het": "nHets",
    "n_hap_ref": "nHapRef",
    "n_hap_alt": "nHapAlt",
    "n_missing": "nMissing",
}
PSC_CARRIED = {
    "n_transitions": "nTransitions",
    "n_transversions": "nTransversions",
    "n_indels": "nIndels",
}


def assert_same(table: pa.Table, theirs: dict[str, list], names: dict[str, str]) -> None:
    for ours, their in names.items():
        assert table.column(ours).to_pylist() == theirs[their], ours


@pytest.mark.parametrize(
    ("alleles", "ploidy_of", "names"),
    [
        (ONE_ALT, lambda *_: 2, PSC_CLASSES | PSC_CARRIED),
        (ONE_ALT, haploid_men, PSC_CLASSES),
        ([*ONE_ALT, *SEVERAL], haploid_men, PSC_CLASSES),
        ([*ONE_ALT, *SEVERAL], lambda *_: 2, PSC_CLASSES | {"n_indels": "nIndels"}),
    ],
    ids=["one alt, diploid", "one alt, haploid men", "several alts, haploid men", "several alts"],
)
@pytest.mark.parametrize("seed", range(3))
def test_genotypes_of_people_are_those_of_bcftools(tmp_path, alleles, ploidy_of, names, seed):
    path = write_vcf(tmp_path / "f.vcf.gz", made_up(alleles, ploidy_of, seed))
    assert_same(quality_of(path, tmp_path).samples, psc_of(path), names)


SAMPLE_COUNTS = {
    "n_hom_ref": "HOM_REF_CT",
    "n_hom_alt": "HOM_ALT_CT",
    "n_snv_hom_alt": "HOM_ALT_SNP_CT",
    "n_het": "HET_CT",
    "n_snv_het": "HET_SNP_CT",
    "n_transitions": "TRANSITION_CT",
    "n_transversions": "TRANSVERSION_CT",
    "n_singletons": "SINGLETON_CT",
    "n_missing": "MISSING_CT",
}


def plink2(path: str, folder: Path, *options: str) -> Path:
    output = folder / "plink2"
    command = ["plink2", "--threads", "1", "--vcf", path, "--vcf-half-call", "missing"]
    subprocess.run(
        [*command, "--double-id", *options, "--out", str(output)],
        check=True,
        capture_output=True,
    )
    return output


def columns_of(path: Path) -> dict[str, list[str]]:
    header, *rows = [line.split() for line in path.read_text().splitlines()]
    return {name.lstrip("#"): [row[i] for row in rows] for i, name in enumerate(header)}


@needs_plink2
def test_genotypes_of_people_are_those_of_plink2(tmp_path):
    # plink2 takes * for a base
    sequences = [(ref, alt) for ref, alt in ONE_ALT if alt != "*"]
    path = write_vcf(tmp_path / "f.vcf.gz", autosomes(made_up(sequences, lambda *_: 2, 7)))
    names = "cols=homref,homalt,homaltsnp,het,hetsnp,ts,tv,single,missing"
    out = plink2(path, tmp_path, "--sample-counts", names)
    theirs = {
        name: [int(n) for n in column]
        for name, column in columns_of(out.with_suffix(".scount")).items()
        if name.endswith("_CT")
    }
    assert_same(quality_of(path, tmp_path).samples, theirs, SAMPLE_COUNTS)


def autosomes(text: bytes) -> bytes:
    return b"".join(line for line in text.splitlines(True) if line[:1] in b"#1")


@needs_plink2
def test_variants_have_the_rates_and_p_values_of_plink2(tmp_path):
    path = write_vcf(tmp_path / "f.vcf.gz", autosomes(made_up(ONE_ALT, lambda *_: 2, 8)))
    assert_variants_like_plink2(path, quality_of(path, tmp_path).variants, tmp_path)


def assert_variants_like_plink2(path: str, ours: pa.Table, folder: Path) -> None:
    out = plink2(path, folder, "--hardy", "--freq", "counts", "--missing")
    hardy = columns_of(out.with_suffix(".hardy"))
    counts = columns_of(out.with_suffix(".acount"))
    missing = columns_of(out.with_suffix(".vmiss"))
    assert ours.column("allele_count").to_pylist() == [float(n) for n in counts["ALT_CTS"]]
    assert ours.column("allele_number").to_pylist() == [int(n) for n in counts["OBS_CT"]]
    assert ours.column("n_missing").to_pylist() == [int(n) for n in missing["MISSING_CT"]]
    assert ours.column("n_het").to_pylist() == [int(n) for n in hardy["HET_A1_CT"]]
    theirs = np.array([float(p) for p in hardy["P"]])
    assert ours.column("hwe_p").to_numpy() == pytest.approx(theirs, rel=1e-5)  # six digits


@needs_plink2
def test_heterozygosity_is_that_of_plink2(tmp_path):
    path = write_vcf(tmp_path / "f.vcf.gz", autosomes(made_up(ONE_ALT[:4], lambda *_: 2, 9)))
    out = plink2(path, tmp_path, "--het", "small-sample")
    theirs = [float(f) for f in columns_of(out.with_suffix(".het"))["F"]]
    ours = quality_of(path, tmp_path).samples.column("heterozygosity_f").to_pylist()
    assert ours == pytest.approx(theirs, abs=2e-5)  # six digits of a number about 1


def test_variants_have_the_counts_and_p_values_of_bcftools(tmp_path):
    # bcftools counts the allele of a half-call
    text = made_up([*ONE_ALT, *SEVERAL], haploid_men, 10, MISSING)
    path = write_vcf(tmp_path / "f.vcf.gz", text)
    tags = "%AN\t%AC\t%F_MISSING\t%HWE\n"
    filled = subprocess.run(
        ["bcftools", "+fill-tags", path, "--", "-t", "AN,AC,F_MISSING,HWE"],
        check=True,
        capture_output=True,
    )
    query = subprocess.run(
        ["bcftools", "query", "-f", tags], input=filled.stdout, check=True, capture_output=True
    )
    rows = quality_of(path, tmp_path).variants.to_pylist()
    n_tested = 0
    for line in query.stdout.decode().splitlines():
        number, counts, missing, p_values = line.split("\t")
        for count in counts.split(","):
            row = rows.pop(0)
            assert (row["allele_number"], row["allele_count"]) == (int(number), int(count))
            assert 1 - row["call_rate"] == pytest.approx(float(missing), abs=1e-6)
            if row["hwe_p"] is not None:
                n_tested += 1
                assert row["hwe_p"] == pytest.approx(float(p_values), rel=2e-5)
    assert rows == []
    assert n_tested > 100


def test_the_panel_is_counted_as_bcftools_counts_it(tmp_path, acceptance_data):
    path = acceptance_data / "genotypes/1000g_panel/1kg_p3_2504.peddy23k.GRCh37.vcf.gz"
    found = quality_of(str(path), tmp_path)
    assert_same(found.samples, psc_of(str(path)), PSC_CLASSES | PSC_CARRIED)
    # Everybody, of any ancestry, is within the range that a person alone is held against
    ratios = found.samples.column("het_hom_ratio").to_numpy()
    assert (ratios.min() > 1.0, ratios.max() < 3.0) == (True, True)


@needs_plink2
def test_the_panels_variants_are_those_of_plink2(tmp_path, acceptance_data):
    path = acceptance_data / "genotypes/1000g_panel/1kg_p3_2504.peddy23k.GRCh37.vcf.gz"
    found = quality_of(str(path), tmp_path)
    assert_variants_like_plink2(str(path), found.variants, tmp_path)


def test_a_whole_genomes_chromosome_is_counted_as_bcftools_counts_it(tmp_path, acceptance_data):
    path = acceptance_data / "genotypes/wgs_single/corpas_chr20.GRCh37.vcf.gz"
    found = quality_of(str(path), tmp_path)
    assert_same(found.samples, psc_of(str(path)), PSC_CLASSES | {"n_indels": "nIndels"})
    # Of two ALTs in one call bcftools takes one
    one_alt = tmp_path / "one_alt.vcf.gz"
    subprocess.run(["bcftools", "view", "-M2", "-Oz", "-o", one_alt, path], check=True)
    (tmp_path / "one").mkdir()
    of_one_alt = quality_of(str(one_alt), tmp_path / "one").samples
    assert_same(of_one_alt, psc_of(str(one_alt)), PSC_CLASSES | PSC_CARRIED)
    person = found.facts["quality"]["person"]
    # qc_summary.json has 1.63 and 2.03 of the whole genome
    assert person["het_hom_ratio"] == pytest.approx(59716 / 25204)
    assert person["ti_tv"] == pytest.approx(2.03, abs=0.3)
    assert person["contamination_hint"] == "none"
    assert person["inferred_sex"] == "unknown"
