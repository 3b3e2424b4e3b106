"""The build of real files: by their headers, and by positions alone where headers say nothing."""

import gzip
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from liftover import ChainFile

from core.errors import GenomeBuildError
from core.genome_build import GenomeBuild
from core.genotypes import known_sites
from core.genotypes.formats import open_cohort
from core.genotypes.store_writer import StoreTarget
from core.storage.objects import ObjectsLocation
from jobs.run_shards import Executor
from jobs.summarise_cohort import summarise_cohort
from tests.builders.cohort_run import run_scoring

pytestmark = pytest.mark.acceptance

PEOPLE = ("HG00096", "HG00403", "HG01879", "NA12878")
PANEL = "1000g_panel/1kg_p3_2504.peddy23k.{}.vcf.gz"
SCORE = "scoring_files/pgs_catalog/PGS000002_hmPOS_{}.txt.gz"
TABLE = Path(known_sites.__file__).with_name("known_sites.tsv")
WGS = "wgs_single/corpas_chr20.GRCh37.vcf.gz"


def without_build(path: Path, copy: Path, meta: str = "", *, only_carried: bool = False) -> Path:
    """The records of the first sample under a header that has no word of the build; `only_carried`
    leaves out those that it has no ALT in."""
    with gzip.open(path, "rt") as lines, copy.open("w") as out:
        for line in lines:
            if line.startswith("##"):
                if line.startswith(("##fileformat", "##FORMAT")):
                    out.write(line)
                continue
            cells = line.rstrip("\n").split("\t", 10)[:10]
            if line.startswith("#CHROM"):
                out.write(meta)
            elif only_carried and "1" not in cells[9].split(":")[0]:
                continue
            out.write("\t".join(cells) + "\n")
    return copy


def facts_of(path: Path, store: StoreTarget | None = None) -> Mapping[str, Any]:
    return summarise_cohort(
        [str(path)],
        executor=Executor.INLINE,
        on_progress=lambda _done, _total: None,
        shard_bytes=1 << 20,
        store=store,
    )


def n_snps(facts: Mapping[str, Any]) -> tuple[int, int]:
    """(at the positions of the build, at those of the other)."""
    words = facts["build_evidence"].split()
    return int(words[0]), int(words[7])


def test_a_whole_genome_is_told_by_its_header(acceptance_data):
    facts = facts_of(acceptance_data / "genotypes" / WGS)
    assert (facts["build"], facts["build_source"]) == ("GRCh37", "genotype header")
    assert facts["build_evidence"] == "contig chr1 is 249250621 bases long"


def test_one_chromosome_that_lists_variants_only_is_told_by_positions(acceptance_data, tmp_path):
    facts = facts_of(without_build(acceptance_data / "genotypes" / WGS, tmp_path / "f.vcf"))
    assert (facts["build"], facts["build_source"]) == ("GRCh37", "known positions")
    assert n_snps(facts) == (18, 0)


@pytest.mark.parametrize("build", GenomeBuild)
def test_the_panel_is_told_by_positions(build, acceptance_data, tmp_path):
    panel = acceptance_data / "genotypes" / PANEL.format(build)
    facts = facts_of(without_build(panel, tmp_path / "f.vcf"))
    assert (facts["build"], facts["build_source"]) == (build, "known positions")
    assert n_snps(facts) == (425, 0)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("build", GenomeBuild)
def test_what_a_person_carries_tells_the_build(build, person, acceptance_data, tmp_path):
    single = acceptance_data / f"genotypes/1000g_singles/{person}.{build}.vcf.gz"
    facts = facts_of(without_build(single, tmp_path / "f.vcf", only_carried=True))
    assert (facts["build"], facts["build_source"]) == (build, "known positions")
    n_agreeing, n_other = n_snps(facts)
    assert n_agreeing > 250
    assert n_other == 0


@pytest.mark.parametrize("suffix", [".bed", ".pgen", ".bgen"])
def test_files_of_plink_are_told_by_positions_before_they_are_scored(
    suffix, acceptance_data, tmp_path
):
    panel = acceptance_data / "genotypes" / PANEL.format("GRCh38")
    export = {
        ".bed": ["--make-bed"],
        ".pgen": ["--make-pgen", "pvar-cols="],
        ".bgen": ["--export", "bgen-1.2"],
    }
    plink2 = ["plink2", "--vcf", str(panel), "--chr", "1-22", *export[suffix]]
    subprocess.run([*plink2, "--out", str(tmp_path / "panel")], check=True, capture_output=True)
    genotypes = tmp_path / f"panel{suffix}"
    with pytest.raises(GenomeBuildError) as raised:
        run_scoring(genotypes, acceptance_data / SCORE.format("GRCh37"), tmp_path / "37")
    assert "says GRCh37, the genotypes are on GRCh38 (known positions: 425" in str(raised.value)
    found = run_scoring(genotypes, acceptance_data / SCORE.format("GRCh38"), tmp_path / "38")
    assert found.summary["build_source"] == "known positions"


def test_a_whole_genome_without_a_header_is_scored_on_its_own_build_only(acceptance_data, tmp_path):
    wgs = without_build(acceptance_data / "genotypes" / WGS, tmp_path / "f.vcf")
    found = run_scoring(wgs, acceptance_data / SCORE.format("GRCh37"), tmp_path / "37")
    assert (found.summary["build"], found.summary["build_source"]) == ("GRCh37", "known positions")
    with pytest.raises(GenomeBuildError, match=r"says GRCh38, the genotypes are on GRCh37"):
        run_scoring(wgs, acceptance_data / SCORE.format("GRCh38"), tmp_path / "38")


@pytest.mark.parametrize("chain", ["hg19ToHg38", "hg38ToHg19"])
def test_chains_lead_every_known_snp_from_build_to_build(chain, acceptance_data):
    places = ChainFile(str(acceptance_data / f"liftover/{chain}.over.chain.gz"), one_based=True)
    for line in TABLE.read_text().splitlines()[2:]:
        contig, *positions = line.split("\t")[:3]
        source, target = positions if chain == "hg19ToHg38" else reversed(positions)
        led_to = [place[:3] for place in places.convert_coordinate(f"chr{contig}", int(source))]
        assert led_to == [(f"chr{contig}", int(target), "+")]


def test_the_store_of_such_a_file_states_the_build(acceptance_data, tmp_path):
    single = acceptance_data / "genotypes/1000g_singles/NA12878.GRCh38.vcf.gz"
    store = tmp_path / "f.cgstore"
    facts_of(
        without_build(single, tmp_path / "f.vcf"), StoreTarget(ObjectsLocation(root=store), "")
    )
    assert open_cohort([str(store)]).build is GenomeBuild.GRCH38


def test_a_header_that_says_another_build_than_the_positions_is_refused(acceptance_data, tmp_path):
    single = acceptance_data / "genotypes/1000g_singles/NA12878.GRCh38.vcf.gz"
    wrong = without_build(single, tmp_path / "f.vcf", "##reference=human_g1k_v37.fasta\n")
    with pytest.raises(GenomeBuildError) as raised:
        facts_of(wrong)
    assert "GRCh37 (genotype header: ##reference=human_g1k_v37.fasta)" in str(raised.value)
    assert "GRCh38 (known positions: 425 well-known SNPs have" in str(raised.value)
