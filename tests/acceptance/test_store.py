"""A VCF and its store give the same dosages, and so the same scores, on real files."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import GenotypeFileError
from core.genotypes.block import DosageBlock
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import open_cohort
from core.genotypes.source import plan_shards
from core.genotypes.store_writer import StoreTarget
from core.storage.objects import ObjectsLocation
from jobs.run_shards import Executor
from jobs.summarise_cohort import summarise_cohort
from tests.builders.cohort_run import run_scoring
from tests.builders.panel_score import write_score_over

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

DATA = Path(os.environ.get("CURAGENIE_ACCEPTANCE_DATA", ""))
PANEL = DATA / "genotypes" / "1000g_panel" / "1kg_p3_2504.peddy23k.GRCh37.vcf.gz"
REAL = [
    PANEL,
    *sorted((DATA / "genotypes" / "1000g_singles").glob("*.vcf.gz")),
    DATA / "genotypes" / "1000g_chr22" / "cineca_synthetic_subset.vcf.gz",
    DATA / "genotypes" / "wgs_single" / "corpas_chr20.GRCh37.vcf.gz",
    *sorted((DATA / "semantics_micro").glob("*.vcf")),
]
CONFORMANCE = sorted((DATA / "conformance" / "vcf").glob("*/passed/*.vcf"))
SHARD_BYTES = 1 << 20


def store_of(vcf: Path, folder: Path) -> str:
    """The URI of the store that an upload of `vcf` would get."""
    summarise_cohort(
        [str(vcf)],
        executor=Executor.INLINE,
        on_progress=lambda _done, _total: None,
        shard_bytes=SHARD_BYTES,
        store=StoreTarget(ObjectsLocation(root=folder), "genotypes.cgstore"),
    )
    return str(folder / "genotypes.cgstore")


def blocks_of(uri: str) -> Iterator[DosageBlock]:
    for shard in plan_shards(open_cohort([uri]), SHARD_BYTES):
        yield from shard.reader(
            field=GenotypeField.AUTO, half_call=HalfCall.MISSING, wanted=None, s3=None
        )


def float64_dosages(blocks: Iterable[DosageBlock]) -> Iterator[tuple[object, ...]]:
    """Each row's site, its dosages as the numbers that are summed, and its ploidies."""
    for block in blocks:
        sites = [block.column(name).to_pylist() for name in ("contig", "position", "id")]
        sites += [block.column(name).to_pylist() for name in ("ref", "alt", "n_alts")]
        ploidy = block.ploidy
        for row, site in enumerate(zip(*sites, strict=True)):
            copies = b"" if ploidy is None or (ploidy[row] == 2).all() else ploidy[row].tobytes()
            yield *site, block.dosage[row].astype(np.float64).tobytes(), copies


@pytest.mark.parametrize("vcf", REAL + CONFORMANCE, ids=lambda path: path.name[:40])
def test_a_vcf_and_its_store_give_the_same_dosages(vcf: Path, tmp_path: Path) -> None:
    try:
        store = store_of(vcf, tmp_path)
    except GenotypeFileError:
        assert not (tmp_path / "genotypes.cgstore" / "manifest.json").exists()
        pytest.skip("the reader refuses the file")
    stored, read = float64_dosages(blocks_of(store)), float64_dosages(blocks_of(str(vcf)))
    n_rows = 0
    for ours, theirs in zip(stored, read, strict=True):
        assert ours == theirs
        n_rows += 1
    assert n_rows > 0 or vcf in CONFORMANCE


@pytest.mark.parametrize("missing", ["mean_cohort", "drop"])
def test_a_panel_and_its_store_give_the_same_scores_and_matches(
    tmp_path: Path, missing: str
) -> None:
    score = write_score_over(PANEL, tmp_path / "PGS900001.txt", build="GRCh37")
    store = store_of(PANEL, tmp_path)
    policy = {"missing": missing}
    direct = run_scoring(PANEL, score, tmp_path / "vcf", policy=policy)
    stored = run_scoring(store, score, tmp_path / "store", policy=policy)
    assert stored.matches.equals(direct.matches)
    for name in direct.scores.column_names:
        ours, theirs = stored.column(name), direct.column(name)
        if name == "score_sum":  # blocks may be cut elsewhere, and so sums added in another order
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
        else:
            assert ours == theirs or np.allclose(ours, theirs, rtol=1e-12)
    n_records = (stored.summary["n_records"], direct.summary["n_records"])
    assert n_records[0] == n_records[1]
    assert stored.summary["build"] == direct.summary["build"] == "GRCh37"
