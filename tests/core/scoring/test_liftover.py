"""Scoring files lifted over by small chains; the acceptance test has the real ones."""

import gzip
from pathlib import Path

import pytest

from core.errors import ChainFileError, GenomeBuildError, ScoringFileError
from core.genome_build import GenomeBuild
from core.scoring.liftover import Chain, lift_over, open_chain
from core.scoring.scoring_file import ScoringFile, read_scoring_file
from tests.builders.scoring_file import Row, write_bytes, write_scoring_file

LENGTH_37, LENGTH_38 = 249250621, 248956422
X_37, X_38 = 155270560, 156040895

# Chains are 0-based and half-open. Chromosome 1: 1000 bases 500 further on, a gap of 10, 1000 bases
# 490 further on; 1000 bases that turn; 100 bases that lead to X. All of X stays in place.
CHAINS = f"""chain 9000 chr1 {LENGTH_37} + 1000 3010 chr1 {LENGTH_38} + 1500 3500 1
1000 10 0
1000

chain 800 chr1 {LENGTH_37} + 5000 6000 chr1 {LENGTH_38} - {LENGTH_38 - 8000} {LENGTH_38 - 7000} 2
1000

chain 700 chr1 {LENGTH_37} + 9000 9100 chrX {X_38} + 100 200 3
100

chain 600 chr1 {LENGTH_37} + 9500 9600 chr1_KI270706v1_random 175055 + 0 100 4
100

chain 900 chrX {X_37} + 0 100000 chrX {X_38} + 0 100000 5
100000

"""
FILLING = [Row("X", position, "A", "G", 1.0) for position in range(1000, 1100)]
"""Rows that are lifted, so that a few others may fail."""


@pytest.fixture(params=["x.chain", "x.chain.gz"])
def chain(tmp_path: Path, request: pytest.FixtureRequest) -> Chain:
    return open_chain(write_bytes(tmp_path / request.param, CHAINS.encode()))


def lifted(tmp_path: Path, chain: Chain, *rows: Row) -> tuple[ScoringFile, list[dict[str, object]]]:
    file = read_scoring_file(write_scoring_file(tmp_path / "score.txt", [*rows, *FILLING]))
    moved = lift_over(file, chain)
    return moved, moved.rows.slice(0, len(rows)).to_pylist()


def test_the_contigs_lengths_tell_from_where_to_where(chain: Chain) -> None:
    assert (chain.source, chain.target) == (GenomeBuild.GRCH37, GenomeBuild.GRCH38)


@pytest.mark.parametrize(
    ("position", "there"), [(1001, 1501), (2000, 2500), (2011, 2501), (3010, 3500)]
)
def test_positions_count_from_one(tmp_path: Path, chain: Chain, position: int, there: int) -> None:
    moved, (row,) = lifted(tmp_path, chain, Row("1", position, "A", "G", 0.5))
    assert (row["contig"], row["position"], row["problem"]) == ("1", there, None)
    assert (row["effect_allele"], row["other_allele"]) == ("A", "G")
    assert moved.build is GenomeBuild.GRCH38


@pytest.mark.parametrize(("position", "there"), [(5001, 8000), (6000, 7001)])
def test_a_base_on_the_other_strand_is_read_there(
    tmp_path: Path, chain: Chain, position: int, there: int
) -> None:
    moved, (row,) = lifted(tmp_path, chain, Row("1", position, "A", "G", 0.5))
    assert (row["position"], row["effect_allele"], row["other_allele"]) == (there, "T", "C")
    assert moved.lifted is not None
    assert (moved.lifted.n_lifted, moved.lifted.n_strand_changed) == (101, 1)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(Row("1", 500, "A", "G", 1), id="no place"),
        pytest.param(Row("1", 2005, "A", "G", 1), id="in a gap"),
        pytest.param(Row("1", 1999, "A", "ACGT", 1), id="bases on both sides of a gap"),
        pytest.param(Row("1", 5500, "A", "AT", 1), id="an indel that turns"),
        pytest.param(Row("1", 5500, "AC", "GT", 1), id="two bases that turn"),
        pytest.param(Row("1", 9050, "A", "G", 1), id="another chromosome"),
        pytest.param(Row("1", 9550, "A", "G", 1), id="a contig beside the chromosomes"),
        pytest.param(Row("7", 1500, "A", "G", 1), id="no chain"),
        pytest.param(Row("GL000192.1", 1500, "A", "G", 1), id="no chromosome"),
    ],
)
def test_what_has_no_one_place_fails_and_is_counted(tmp_path: Path, chain: Chain, row: Row) -> None:
    moved, (found,) = lifted(tmp_path, chain, row)
    assert (found["contig"], found["position"]) == (None, None)
    assert found["problem"] == "liftover_failed"
    assert moved.lifted is not None
    assert (moved.lifted.n_lifted, moved.lifted.n_failed) == (100, 1)


def test_an_indel_within_a_block_moves_with_its_bases(tmp_path: Path, chain: Chain) -> None:
    _, (row,) = lifted(tmp_path, chain, Row("1", 1200, "A", "ACGT", 1))
    assert (row["position"], row["effect_allele"], row["other_allele"]) == (1700, "A", "ACGT")


def test_rows_without_coordinates_keep_their_own_problem(tmp_path: Path, chain: Chain) -> None:
    rows = Row("1", None, "A", "G", 1), Row("1", 500, "P", "N", 1)
    moved, found = lifted(tmp_path, chain, *rows)
    assert [row["problem"] for row in found] == [None, "unsupported_complex"]
    assert moved.lifted is not None
    assert moved.lifted.n_failed == 1


def test_a_file_of_which_too_little_is_lifted_is_refused(tmp_path: Path, chain: Chain) -> None:
    rows = [Row("1", 500 + n, "A", "G", 1) for n in range(6)]
    with pytest.raises(ScoringFileError, match="only 100 of 106 positions"):
        lifted(tmp_path, chain, *rows)


def test_a_chain_that_starts_elsewhere_is_refused(tmp_path: Path, chain: Chain) -> None:
    path = write_scoring_file(tmp_path / "score.txt", FILLING, build="GRCh38")
    with pytest.raises(GenomeBuildError, match=r"on GRCh38, .* leads from GRCh37 to GRCh38"):
        lift_over(read_scoring_file(path), chain)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no chain\n",
        gzip.compress(CHAINS.encode())[:-40],
        CHAINS.replace(str(LENGTH_37), "5").replace(str(X_37), "6").encode(),
        CHAINS.replace(str(LENGTH_37), "247249719").encode(),
        CHAINS.replace(str(LENGTH_38), str(LENGTH_37)).replace(str(X_38), str(X_37)).encode(),
        b"chain x chr1 y\n",
        b"chain 1000 chr1\n",
    ],
    ids=[
        *("empty", "text", "cut short", "other builds", "hg18", "one build", "a damaged header"),
        "a short header",
    ],
)
def test_what_is_no_chain_file_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.chain"
    path.write_bytes(content)
    with pytest.raises(ChainFileError) as error:
        open_chain(path)
    assert error.value.where is not None
    assert error.value.where.file == str(path)


def test_a_file_larger_than_any_chain_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.chain"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # a hole, which takes no room
    with pytest.raises(ChainFileError, match="more than 1024 MiB"):
        open_chain(path)
