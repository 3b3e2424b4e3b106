"""The kernels say of every row what the pairwise oracle says, on records in any order."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.genotypes.block import DosageBlock
from core.scoring.alleles import UNKNOWN_ALLELE, allele_codes, alleles_of, long_alleles_of
from core.scoring.join import join_rows
from core.scoring.matching import match_block
from core.scoring.policy import Compat, ScoringPolicy, policy_for
from core.scoring.rows import ScoreRows
from core.scoring.scoring_file import ScoringFile, read_scoring_file
from tests.builders.blocks import Site, block_of
from tests.builders.pairwise_matching import Fate, fates
from tests.builders.scoring_file import Row, write_scoring_file

LONG, LONGER = "ACGTACGTAC", "ACGTACGTACC"
ALLELES = ["A", "C", "G", "T", "AT", "TA", "GCC", "N", LONG, LONGER]
POLICY = st.fixed_dictionaries(
    {
        "ambiguous": st.sampled_from(["drop", "keep"]),
        "strand_flip": st.sampled_from(["allow", "ignore", "basewise"]),
        "multiallelic": st.sampled_from(["every_alt", "drop"]),
        "duplicate_target": st.sampled_from(["drop_all", "keep_first"]),
        "match_by": st.sampled_from(["position", "rsid"]),
    }
)
RSID = st.sampled_from(["rs1", "rs2", "rs3", "rs4"])


@st.composite
def sites(draw: st.DrawFn) -> tuple[list[Site], list[str]]:
    """Records in any order, several of them at a place, with none, one or two IDs."""
    found: list[Site] = []
    ids: list[str] = []
    for _ in range(draw(st.integers(1, 8))):
        alleles = draw(st.permutations([*ALLELES, "<DEL>", "*"]))[: draw(st.integers(2, 4))]
        contig = draw(st.sampled_from(["1", "1", "2", "X", "other"]))
        found.append((contig, draw(st.integers(1, 4)), alleles[0], ",".join(alleles[1:])))
        ids.append(draw(st.one_of(st.just("."), RSID, st.tuples(RSID, RSID).map(";".join))))
    return found, ids


def rows() -> st.SearchStrategy[list[Row]]:
    row = st.builds(
        Row,
        contig=st.sampled_from(["1", "1", "2", "X"]),
        position=st.integers(1, 4),
        effect_allele=st.sampled_from(ALLELES),
        other_allele=st.one_of(st.none(), st.sampled_from(ALLELES)),
        effect_weight=st.just(0.5),
        rsid=RSID,
    )
    return st.lists(row, min_size=1, max_size=10)


def files_of(scores: list[list[Row]]) -> list[ScoringFile]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            read_scoring_file(write_scoring_file(Path(folder) / f"{k}.txt", row, accession=f"S{k}"))
            for k, row in enumerate(scores)
        ]


def fates_of_kernels(
    joined: ScoreRows, block: DosageBlock, policy: ScoringPolicy, settled: list[int]
) -> set[Fate]:
    matches = match_block(joined, block, policy, np.array(settled, np.int64))
    assert (np.diff(matches.row) > 0).all()
    of = np.repeat(np.arange(len(matches.row)), matches.n_rows)
    found = zip(matches.row.tolist(), matches.n_rows.tolist(), strict=True)
    row = [at for first, n_rows in found for at in range(first, first + n_rows)]
    columns = (matches.variant[of], matches.match_type[of], matches.reason[of])
    numbers = (joined.score[row], joined.row_number[row], *columns)
    return set(zip(*(column.tolist() for column in numbers), strict=True))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sites(), st.lists(rows(), min_size=1, max_size=5), POLICY, st.data())
def test_every_row_has_the_fate_that_the_oracle_gives_it(records, scores, fields, data):
    policy = policy_for(Compat.DEFAULT, n_samples=1, has_frequencies=False, overrides=fields)
    files = files_of(scores)
    joined = join_rows(files, policy)
    block = block_of(
        records[0], [[0]] * sum(a.count(",") + 1 for *_, a in records[0]), ids=records[1]
    )
    some_rows = st.lists(st.sampled_from(range(len(joined))), max_size=3, unique=True)
    settled = data.draw(some_rows) if len(joined) else []
    names = frozenset((int(joined.score[row]), int(joined.row_number[row])) for row in settled)
    expected = fates(files, block, policy, names)
    assert fates_of_kernels(joined, block, policy, settled) == expected


@given(st.lists(st.text("ACGT", max_size=12), max_size=20))
def test_allele_codes_are_equal_where_the_alleles_are(alleles):
    column = pa.array(alleles, pa.string())
    codes = allele_codes(alleles_of(column), long_alleles_of(column)).tolist()
    for one, left in zip(codes, alleles, strict=True):
        assert [one == two for two in codes] == [left == right for right in alleles]
    others = allele_codes(alleles_of(column), {})
    assert (others == UNKNOWN_ALLELE).tolist() == [len(allele) > 7 for allele in alleles]
