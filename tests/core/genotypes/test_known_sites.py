"""Well-known SNPs tell the build of records; the panel that they were chosen from is the oracle."""

import gzip
from collections.abc import Iterable
from pathlib import Path

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
