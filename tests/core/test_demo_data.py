"""The demonstration data: seeded, in real formats, with rows of every kind."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from cyvcf2 import VCF

from core.demo_data import (
    demo_score_rows,
    demo_sites,
    write_demo_scoring_file,
    write_demo_vcf,
)
from core.variants import complement


@pytest.fixture(scope="module")
def demo_vcf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.vcf.gz"
    write_demo_vcf(path, demo_sites(600), n_samples=40)
    return path


def test_the_same_seed_makes_the_same_bytes(demo_vcf: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.vcf.gz"
    write_demo_vcf(again, demo_sites(600), n_samples=40)
    assert gzip.decompress(again.read_bytes()) == gzip.decompress(demo_vcf.read_bytes())
    assert demo_score_rows(demo_sites(600)) == demo_score_rows(demo_sites(600))


def test_another_seed_makes_other_sites() -> None:
    assert demo_sites(50, seed=1) != demo_sites(50, seed=2)


def test_the_cohort_is_a_bgzip_vcf_with_grch38_contigs(demo_vcf: Path) -> None:
    assert demo_vcf.read_bytes()[:4] == b"\x1f\x8b\x08\x04"
    vcf = VCF(str(demo_vcf))
    assert dict(zip(vcf.seqnames, vcf.seqlens, strict=True))["chr20"] == 64444167
    assert len(vcf.samples) == 40
    assert sum(1 for _ in vcf) == 600


def test_htslib_reads_back_every_site_in_order(demo_vcf: Path) -> None:
    read = [(v.CHROM, v.POS, v.REF, tuple(v.ALT)) for v in VCF(str(demo_vcf))]
    assert read == [(s.contig, s.position, s.ref, s.alts) for s in demo_sites(600)]


def test_the_cohort_has_missing_calls_multiallelics_and_indels(demo_vcf: Path) -> None:
    variants = list(VCF(str(demo_vcf)))
    missing = np.mean([np.mean(np.array(v.gt_types) == 2) for v in VCF(str(demo_vcf))])
    assert 0.002 < missing < 0.03
    assert sum(len(v.ALT) > 1 for v in variants) > 5
    assert sum(v.is_indel for v in variants) > 10


def test_the_genotypes_follow_the_stated_frequencies(demo_vcf: Path) -> None:
    stated, seen = [], []
    for variant in VCF(str(demo_vcf)):
        if len(variant.ALT) == 1:
            stated.append(variant.INFO["AF"])
            seen.append(variant.aaf)
    assert np.corrcoef(stated, seen)[0, 1] > 0.9


def test_the_rows_are_matched_flipped_ambiguous_and_absent() -> None:
    sites = demo_sites(5000)
    by_locus = {(site.contig, site.position): site for site in sites}
    kinds = {"altref": 0, "refalt": 0, "flip": 0, "ambiguous": 0, "absent": 0, "mismatch": 0}
    for row in demo_score_rows(sites):
        site = by_locus.get((row.contig, row.position))
        named = (row.effect_allele, row.other_allele)
        flipped = tuple(complement(allele) for allele in named)
        if site is None:
            kinds["absent"] += 1
        elif complement(named[0]) == named[1]:
            kinds["ambiguous"] += 1
        elif named == (site.alts[0], site.ref):
            kinds["altref"] += 1
        elif named == (site.ref, site.alts[0]):
            kinds["refalt"] += 1
        elif set(flipped) == {site.ref, site.alts[0]}:
            kinds["flip"] += 1
        else:
            kinds["mismatch"] += 1
    assert min(kinds.values()) >= 5, kinds
    assert kinds["altref"] == max(kinds.values())


def test_a_large_cohort_has_rows_for_its_multiallelic_sites_too() -> None:
    sites = [site for site in demo_sites(20_000) if len(site.alts) > 1]
    assert len(demo_score_rows(sites)) == len(sites) // 10


def test_a_row_names_the_frequency_of_its_effect_allele() -> None:
    sites = {(s.contig, s.position): s for s in demo_sites(500)}
    for row in demo_score_rows(tuple(sites.values())):
        site = sites.get((row.contig, row.position))
        if site is None or site.is_ambiguous:
            continue
        if (row.effect_allele, row.other_allele) == (site.ref, site.alts[0]):
            assert row.frequency == pytest.approx(1 - site.frequencies[0])


@pytest.mark.parametrize("name", ["DEMO000001.txt", "DEMO000001.txt.gz"])
def test_the_scoring_file_states_its_rows_and_build(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = demo_score_rows(demo_sites(300))
    write_demo_scoring_file(path, rows)
    content = path.read_bytes()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    lines = text.decode().splitlines()
    assert f"#variants_number={len(rows)}" in lines
    assert "#genome_build=GRCh38" in lines
    assert sum(not line.startswith("#") for line in lines) == len(rows) + 1
