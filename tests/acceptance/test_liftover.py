"""Liftover by UCSC's chains, on sites whose positions and alleles are known on both builds."""

from pathlib import Path
from typing import NamedTuple

import pytest
from cyvcf2 import VCF

from core.genome_build import GenomeBuild, canonical_contig
from core.scoring.liftover import lift_over, open_chain
from core.scoring.scoring_file import ScoringFile, read_scoring_file
from tests.builders.cohort_run import Results, run_scoring

pytestmark = pytest.mark.acceptance

CHAINS = {
    GenomeBuild.GRCH37: "hg19ToHg38.over.chain.gz",
    GenomeBuild.GRCH38: "hg38ToHg19.over.chain.gz",
}


def panel_of(data: Path, build: GenomeBuild) -> Path:
    return data / f"genotypes/1000g_panel/1kg_p3_2504.peddy23k.{build}.vcf.gz"


class Site(NamedTuple):
    contig: str
    position: int
    ref: str
    alt: str
    calls: bytes  # of everyone

    @property
    def place(self) -> tuple[str, int]:
        return canonical_contig(self.contig), self.position


@pytest.fixture(scope="module")
def sites(acceptance_data: Path) -> dict[GenomeBuild, list[Site]]:
    """The same sites on both builds, each in its own order.

    Two mistakes of the panel itself are in the file of GRCh38: where REF is another base there (96
    sites) the calls still count GRCh37's ALT, and where the strand turns (142) REF does, ALT does
    not. So alleles are compared at the other sites only, and positions by everyone's calls.
    """
    return {
        build: [
            Site(v.CHROM, v.POS, v.REF, v.ALT[0], v.gt_types.tobytes())
            for v in VCF(str(panel_of(acceptance_data, build)), gts012=True)
        ]
        for build in GenomeBuild
    }


def score_over(sites: list[Site], build: GenomeBuild, path: Path) -> Path:
    header = f"#pgs_id=PANEL\n#genome_build={build}\n"
    header += "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
    rows = [
        f"{contig}\t{position}\t{alt}\t{ref}\t{(n % 7 - 3) / 8}\n"
        for n, (contig, position, ref, alt, _) in enumerate(sites)
    ]
    path.write_text(header + "".join(rows))
    return path


def lifted_panel(
    sites: dict[GenomeBuild, list[Site]],
    build: GenomeBuild,
    data: Path,
    folder: Path,
) -> ScoringFile:
    chain = open_chain(data / "liftover" / CHAINS[build])
    return lift_over(read_scoring_file(score_over(sites[build], build, folder / "s.txt")), chain)


def test_everyone_has_the_same_calls_at_every_lifted_position(sites, acceptance_data, tmp_path):
    there = {site.place: site for site in sites[GenomeBuild.GRCH38]}
    file = lifted_panel(sites, GenomeBuild.GRCH37, acceptance_data, tmp_path)
    assert file.lifted is not None
    assert (file.lifted.n_lifted, file.lifted.n_failed) == (23_770, 0)
    assert file.lifted.n_strand_changed == 142
    other_alleles = 0
    for row, site in zip(file.rows.to_pylist(), sites[GenomeBuild.GRCH37], strict=True):
        found = there[row["contig"], row["position"]]
        assert found.calls == site.calls
        other_alleles += (row["other_allele"], row["effect_allele"]) != (found.ref, found.alt)
    assert other_alleles == 96 + 120  # 22 of those that turn are G and C


def test_sites_of_grch38_come_back(sites, acceptance_data, tmp_path):
    """But for those where the way back leads to another copy of a repeated region."""
    there = {site.place: site for site in sites[GenomeBuild.GRCH37]}
    file = lifted_panel(sites, GenomeBuild.GRCH38, acceptance_data, tmp_path)
    assert file.lifted is not None
    assert (file.lifted.n_failed, file.lifted.n_strand_changed) == (10, 130)
    n_back = 0
    for row, site in zip(file.rows.to_pylist(), sites[GenomeBuild.GRCH38], strict=True):
        found = there.get((row["contig"], row["position"]))
        n_back += found is not None and found.calls == site.calls
    assert n_back >= 23_770 - 10 - 56


def test_people_have_the_same_scores_on_both_builds(sites, acceptance_data, tmp_path):
    """The same people were called at the same sites: what both runs match must sum to the same."""
    there, here = GenomeBuild.GRCH37, GenomeBuild.GRCH38
    chain = acceptance_data / "liftover" / CHAINS[there]

    def run(build: GenomeBuild, rows: list[Site], name: str) -> Results:
        score = score_over(rows, there, tmp_path / f"{name}.txt")
        genotypes = panel_of(acceptance_data, build)
        return run_scoring(genotypes, score, tmp_path / f"{name}-{build}", chain=chain)

    def matched(results: Results) -> set[int]:
        rows = results.matches.to_pylist()
        return {row["row_number"] for row in rows if row["status"] == "matched"}

    both = set.intersection(*(matched(run(build, sites[there], "all")) for build in GenomeBuild))
    alleles = {site.place: (site.ref, site.alt) for site in sites[here]}
    moved = lifted_panel(sites, there, acceptance_data, tmp_path).rows.to_pylist()
    common = [
        site
        for number, (site, row) in enumerate(zip(sites[there], moved, strict=True))
        if number in both
        and alleles[row["contig"], row["position"]] == (row["other_allele"], row["effect_allele"])
    ]
    assert len(common) > 20_000
    direct, lifted = run(there, common, "common"), run(here, common, "common")
    facts = lifted.summary["scores"]["PANEL"]
    assert (facts["n_matched"], facts["build"]) == (len(common), here)
    assert facts["liftover"]["source_build"] == there
    assert facts["liftover"]["n_lifted"] == len(common)
    assert lifted.summary["chain"]["sha256"] == facts["liftover"]["chain_sha256"]
    assert direct.summary["scores"]["PANEL"]["liftover"] is None
    assert lifted.sums() == pytest.approx(direct.sums(), abs=1e-9)


def test_the_pair_of_example_files_is_one_score(acceptance_data):
    folder = acceptance_data / "scoring_files/custom"
    chain = open_chain(acceptance_data / "liftover" / CHAINS[GenomeBuild.GRCH37])
    moved = lift_over(read_scoring_file(folder / "customgrch37.txt"), chain).rows
    expected = read_scoring_file(folder / "customgrch38.txt").rows
    for name in ("contig", "position", "effect_allele", "other_allele", "effect_weight"):
        assert moved.column(name).to_pylist() == expected.column(name).to_pylist()
