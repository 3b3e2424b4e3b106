"""Files that state no build: the positions of their records speak before any score is computed."""

from pathlib import Path

import pytest

from core.errors import GenomeBuildError
from core.genome_build import GenomeBuild
from core.genotypes import known_sites
from tests.builders.cohort_run import run_scoring
from tests.builders.scoring_file import Row, write_scoring_file
from tests.builders.vcf import FORMATS, Record, vcf_text, write_vcf

GRCH37, GRCH38 = GenomeBuild
COLUMN = {GRCH37: 1, GRCH38: 2}
TABLE = Path(known_sites.__file__).with_name("known_sites.tsv")
SITES = [tuple(line.split("\t")) for line in TABLE.read_text().splitlines()[2:]]

SCORED = Record("22", 50_000_000, ("0/1", "1/1"))
ROWS = [Row("22", 50_000_000, "G", "A", 0.5)]


def known(number: int, build: GenomeBuild) -> Record:
    contig, *places, ref, alt = SITES[number]
    return Record(contig, int(places[COLUMN[build] - 1]), ("0/1", "0/0"), ref=ref, alt=alt)


def without_build(folder: Path, records: list[Record]) -> str:
    return write_vcf(folder / "f.vcf", vcf_text(records, meta=FORMATS))


def genotypes(folder: Path, build: GenomeBuild, n_known: int) -> str:
    """A VCF without a word of the build, with `n_known` well-known SNPs and one that is scored."""
    return without_build(folder, [*(known(n, build) for n in range(n_known)), SCORED])


def score(folder: Path, build: GenomeBuild | None) -> Path:
    return write_scoring_file(folder / "s.txt", ROWS, accession="S1", build=build)


@pytest.mark.parametrize("build", GenomeBuild)
def test_positions_tell_the_build_and_nothing_else_changes(tmp_path, build):
    file = score(tmp_path, build)
    found = run_scoring(genotypes(tmp_path, build, 5), file, tmp_path / "out")
    assert found.summary["build"] == build
    assert found.summary["build_source"] == "known positions"
    assert found.summary["build_evidence"].startswith("5 well-known SNPs have their")
    assert found.summary["n_records"] == 6
    assert found.column("score_sum") == [0.5, 1.0]
    assert found.matches.num_rows == 1


def test_a_score_on_the_other_build_is_refused_with_both_builds_named(tmp_path):
    vcf, file = genotypes(tmp_path, GRCH38, 5), score(tmp_path, GRCH37)
    with pytest.raises(GenomeBuildError) as raised:
        run_scoring(vcf, file, tmp_path / "out")
    assert "says GRCh37, the genotypes are on GRCh38 (known positions: 5 well-known" in str(
        raised.value
    )
    assert not (tmp_path / "out").exists()


def test_rows_matched_by_rsid_do_not_excuse_the_other_build(tmp_path):
    vcf, file = genotypes(tmp_path, GRCH38, 5), score(tmp_path, GRCH37)
    with pytest.raises(GenomeBuildError, match=r"says GRCh37, the genotypes are on GRCh38"):
        run_scoring(vcf, file, tmp_path / "out", policy={"match_by": "rsid"})


def test_a_build_on_the_command_line_that_positions_contradict_is_refused(tmp_path):
    vcf, file = genotypes(tmp_path, GRCH38, 5), score(tmp_path, GRCH37)
    with pytest.raises(GenomeBuildError, match=r"--build says GRCh37, the genotypes are on GRCh38"):
        run_scoring(vcf, file, tmp_path / "out", build=GRCH37)


def test_too_few_known_snps_leave_the_word_to_the_scoring_file(tmp_path):
    found = run_scoring(genotypes(tmp_path, GRCH38, 4), score(tmp_path, GRCH37), tmp_path / "out")
    assert found.summary["build"] == "GRCh37"
    assert found.summary["build_source"] == "scoring files"


def test_records_on_both_builds_are_refused(tmp_path):
    records = [known(number, build) for number in range(9) for build in GenomeBuild]
    vcf = without_build(tmp_path, [*records, SCORED])
    with pytest.raises(GenomeBuildError, match="on two genome builds"):
        run_scoring(vcf, score(tmp_path, None), tmp_path / "out")
