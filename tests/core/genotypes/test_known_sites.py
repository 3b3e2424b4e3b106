"""Well-known SNPs tell the build of records; the panel that they were chosen from is the oracle."""

import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.build_evidence import BuildSource
from core.errors import GenomeBuildError, Where
from core.genome_build import GenomeBuild
from core.genotypes import known_sites
from core.genotypes.known_sites import KnownSites
from core.variants import reverse_complement
from tests.builders.blocks import Site, block_of

GRCH37, GRCH38 = GenomeBuild
COLUMN = {GRCH37: 1, GRCH38: 2}
TABLE = Path(known_sites.__file__).with_name("known_sites.tsv")
SITES = [tuple(line.split("\t")) for line in TABLE.read_text().splitlines()[2:]]
HERE = Where("f.vcf")


def site_of(number: int, build: GenomeBuild) -> Site:
    contig, *_, ref, alt = SITES[number]
    return contig, int(SITES[number][COLUMN[build]]), ref, alt


def found_in(numbers: Iterable[int], build: GenomeBuild, *, swapped: bool = False) -> KnownSites:
    """Of a block that has the SNPs of those numbers at the positions of `build`."""
    sites = [site_of(number, build) for number in sorted(numbers)]
    if swapped:
        sites = [(contig, position, alt, ref) for contig, position, ref, alt in sites]
    found = KnownSites()
    if sites:
        found.add(block_of(sites, [[0]] * len(sites)))
    return found


def test_the_table_has_snps_of_every_autosome_that_tell_builds_and_strands_apart() -> None:
    contigs = [site[0] for site in SITES]
    assert {contig: contigs.count(contig) for contig in contigs}.keys() == {
        str(n) for n in range(1, 23)
    }
    assert min(contigs.count(contig) for contig in contigs) >= 10
    places = [(site[0], site[column]) for site in SITES for column in (1, 2)]
    assert len(set(places)) == len(places)
    assert all(reverse_complement(ref) != alt for *_, ref, alt in SITES)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("build", GenomeBuild)
def test_five_snps_at_the_positions_of_a_build_tell_it(build: GenomeBuild, swapped: bool) -> None:
    assert found_in(range(4), build, swapped=swapped).evidence(HERE) is None
    evidence = found_in(range(5), build, swapped=swapped).evidence(HERE)
    assert evidence is not None
    assert (evidence.build, evidence.source) == (build, BuildSource.POSITIONS)
    assert evidence.words.startswith(f"5 well-known SNPs have their {build} positions, 0 their")


def test_other_alleles_at_the_position_are_no_evidence() -> None:
    found = KnownSites()
    sites = [(site[0], int(site[1]), site[3], reverse_complement(site[4]) or "") for site in SITES]
    found.add(block_of(sites, [[0]] * len(sites)))
    assert not any(found.found.values())


def test_a_snp_is_counted_once_however_often_it_is_there() -> None:
    found = KnownSites()
    found.add(block_of([site_of(0, GRCH37)] * 9, [[0]] * 9))
    assert found.evidence(HERE) is None


@pytest.mark.parametrize(("n_other", "is_told"), [(4, True), (5, True), (6, False)])
def test_a_few_by_chance_on_the_other_build_do_not_matter(n_other: int, is_told: bool) -> None:
    found = found_in(range(100), GRCH38) | found_in(range(200, 200 + n_other), GRCH37)
    if is_told:
        evidence = found.evidence(HERE)
        assert evidence is not None
        assert evidence.build is GRCH38
    else:
        with pytest.raises(GenomeBuildError, match=r"f\.vcf: the records are on two genome builds"):
            found.evidence(HERE)


def test_few_of_each_tell_nothing() -> None:
    assert (found_in(range(6), GRCH38) | found_in(range(9, 12), GRCH37)).evidence(HERE) is None


MISSING = 255


@pytest.mark.parametrize(
    ("dosage", "is_counted"),
    [
        ([1] + [0] * 18, True),
        ([1] + [0] * 19, False),
        ([1, 2] + [0] * 18, True),
        ([1, MISSING] + [0] * 18, False),
        ([1] + [2] * 19, False),
        ([0, 1] + [2] * 18, True),
        ([MISSING] * 20, False),
        ([0], True),
        ([2], True),
        ([0] * 9, True),
    ],
)
@pytest.mark.parametrize("imputed", [False, True])
def test_one_person_in_ten_must_have_each_allele(
    dosage: list[int], is_counted: bool, imputed: bool
) -> None:
    found = KnownSites()
    row = [np.nan if imputed and one == MISSING else one for one in dosage]
    found.add(block_of([site_of(0, GRCH37)], [row], imputed=imputed))
    assert found.found[GRCH37] == ({0} if is_counted else set())


def test_rare_variants_of_a_great_cohort_do_not_contradict_its_build() -> None:
    people, n_by_chance = 1000, len(SITES) // 8
    sites = [site_of(number, GRCH38) for number in range(len(SITES))]
    rare = [site_of(number, GRCH37) for number in range(n_by_chance)]
    carriers = np.zeros((len(sites) + len(rare), people), np.uint8)
    carriers[: len(sites), ::2] = 1
    carriers[len(sites) :, :3] = 1
    found = KnownSites()
    found.add(block_of([*sites, *rare], carriers))
    evidence = found.evidence(HERE)
    assert evidence is not None
    assert evidence.words.startswith(f"{len(SITES)} well-known SNPs have their GRCh38 positions, 0")


@pytest.mark.acceptance
def test_by_chance_a_genome_has_one_in_two_thousand_of_the_snps(acceptance_data: Path) -> None:
    path = acceptance_data / "genotypes/wgs_single/corpas_chr20.GRCh37.vcf.gz"
    with gzip.open(path, "rt") as lines:
        cells = [line.split("\t", 5)[1:5] for line in lines if not line.startswith("#")]
    snps = [(int(c[0]), frozenset(c[2:4])) for c in cells if len(c[2]) == len(c[3]) == 1]
    n_of_alleles = Counter(alleles for _, alleles in snps)
    share = np.mean([n_of_alleles[frozenset(site[3:5])] for site in SITES]) / len(snps)
    n_bases = snps[-1][0] - snps[0][0]
    assert share == pytest.approx(0.31, abs=0.01)
    assert 1 / 3000 < share * len(snps) / n_bases < 1 / 2000


NUMBERS = st.sets(st.integers(0, len(SITES) - 1), max_size=30)


@given(NUMBERS, NUMBERS, st.sampled_from(GenomeBuild))
def test_shards_add_up_and_survive_json(a: set[int], b: set[int], build: GenomeBuild) -> None:
    apart = found_in(a, build) | KnownSites(found_in(b, build).to_json())
    together = found_in(a | b, build)
    assert (
        apart.found
        == together.found
        == {one: a | b if one is build else set() for one in GenomeBuild}
    )


@pytest.mark.parametrize("build", GenomeBuild)
def test_the_table_is_what_the_panel_says(build: GenomeBuild, acceptance_data: Path) -> None:
    name = f"genotypes/1000g_panel/1kg_p3_2504.peddy23k.{build}.vcf.gz"
    with gzip.open(acceptance_data / name, "rt") as lines:
        cells = [line.split("\t", 5)[:5] for line in lines if not line.startswith("#")]
    panel = {(c[0].removeprefix("chr"), c[1], c[3], c[4]) for c in cells}
    assert all((s[0], s[COLUMN[build]], s[3], s[4]) in panel for s in SITES)
