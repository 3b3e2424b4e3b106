"""New samples join a store over the same sites, and over no others."""

from pathlib import Path

import numpy as np
import pytest

from core.build_evidence import BuildEvidence, BuildSource
from core.errors import CohortError, GenomeBuildError
from core.genome_build import GenomeBuild
from core.genotypes import store_writer
from core.genotypes.block import DosageBlock
from core.genotypes.source import Cohort
from core.genotypes.store import StoreFile, StoreReader, open_store
from core.genotypes.store_append import append_samples, check_joins
from core.genotypes.vcf import open_cohort
from tests.builders.blocks import Site, block_of
from tests.builders.store import local_target, write_store
from tests.builders.vcf import Record, sample_names, vcf_text, write_vcf

SITES: list[Site] = [
    ("1", 10, "A", "C,G"),
    ("1", 10, "AT", "A"),
    ("1", 20, "A", "C"),
    ("X", 5, "G", "T"),
    ("X", 6, "G", "T"),
]
N_ROWS = 6


def block(seed: int, n_samples: int, sites: list[Site] = SITES, *, first: int = 0) -> DosageBlock:
    rng = np.random.default_rng(seed)
    dosage = rng.choice([0, 0, 1, 2, 255], (N_ROWS, n_samples))
    ploidy = rng.choice([1, 2], (N_ROWS, n_samples))
    n_rows = sum(alts.count(",") + 1 for *_, alts in sites)
    return block_of(sites, dosage[first : first + n_rows], ploidy=ploidy[first : first + n_rows])


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreFile:
    """Chunks of 3, 1 and 2 rows."""
    monkeypatch.setattr(store_writer, "CHUNK_BYTES", 1)
    parts = [block(1, 40, SITES[:2]), block(1, 40, SITES[2:3], first=3)]
    last = block(1, 40, SITES[3:], first=4)
    write_store(local_target(tmp_path), [parts, [last]], sample_names(40))
    return open_store(str(tmp_path / "genotypes.cgstore"))


def new_names(n_samples: int) -> list[str]:
    return [f"N{i}" for i in range(n_samples)]


def append(stored: StoreFile, n_samples: int, blocks: list[DosageBlock]) -> StoreFile:
    target = local_target(Path(stored.uri).parent)
    append_samples(target, stored, new_names(n_samples), blocks)
    return open_store(stored.uri)


def read(file: StoreFile) -> DosageBlock:
    (shard,) = file.shards(1 << 30, 0)
    (whole,) = StoreReader(shard)
    return whole


def test_new_samples_stand_behind_the_old_ones(stored: StoreFile) -> None:
    grown = append(stored, 30, [block(2, 30, SITES[:1]), block(2, 30, SITES[1:], first=2)])
    assert grown.samples == (*sample_names(40), *new_names(30))
    whole, old, new = read(grown), block(1, 40), block(2, 30)
    assert np.array_equal(whole.dosage, np.hstack([old.dosage, new.dosage]))
    assert whole.ploidy is not None
    assert old.ploidy is not None
    assert new.ploidy is not None
    assert np.array_equal(whole.ploidy, np.hstack([old.ploidy, new.ploidy]))
    assert [chunk.n_rows for chunk in grown.manifest.chunks] == [3, 1, 2]
    assert whole.column("alt") == old.column("alt")


def test_samples_append_again_and_readers_of_the_old_manifest_go_on(stored: StoreFile) -> None:
    once = append(stored, 3, [block(2, 3)])
    target = local_target(Path(stored.uri).parent)
    append_samples(target, once, ["last"], [block(3, 1)])
    assert read(open_store(stored.uri)).n_samples == 44
    assert np.array_equal(read(stored).dosage, block(1, 40).dosage)
    assert np.array_equal(read(once).dosage[:, 40:], block(2, 3).dosage)


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (SITES[:4], "end before X:6:G:T of the store"),
        ([*SITES, ("X", 7, "G", "T")], "X:7:G:T is behind the store's last row"),
        ([*SITES[:4], ("X", 6, "G", "A")], "X:6:G:A stands where the store has X:6:G:T"),
        ([*SITES[:2], *SITES[3:]], "X:5:G:T stands where the store has 1:20:A:C"),
        (
            [("1", 10, "A", "C"), ("1", 10, "A", "G"), *SITES[1:]],
            "1:10:A:C stands where the store has 1:10:A:C, or in another record",
        ),
        ([], "end before 1:10:A:C of the store"),
    ],
)
def test_other_sites_are_refused(stored: StoreFile, sites: list[Site], message: str) -> None:
    n_rows = sum(alts.count(",") + 1 for *_, alts in sites)
    blocks = [block_of(sites, [[0]] * n_rows)] if sites else []
    with pytest.raises(CohortError, match=message):
        append(stored, 1, blocks)
    assert open_store(stored.uri).samples == stored.samples


def test_imputed_dosages_do_not_join_hard_calls(stored: StoreFile) -> None:
    with pytest.raises(CohortError, match="imputed"):
        append(stored, 1, [block_of(SITES, [[0.5]] * N_ROWS, imputed=True)])


def test_names_and_builds_are_checked(stored: StoreFile, tmp_path: Path) -> None:
    text = vcf_text([Record("1", 10, ["0/1", "0/0"])], samples=("N1", "S7"))
    cohort = open_cohort([write_vcf(tmp_path / "f.vcf", text)])
    with pytest.raises(CohortError, match="sample S7 is in the store already"):
        check_joins(stored, cohort)
    on_37 = BuildEvidence(GenomeBuild.GRCH37, BuildSource.HEADER, "contig 1 is its length")
    renamed = Cohort(cohort.files, ("N1", "N2"), on_37)
    check_joins(stored, renamed)
    manifest = stored.manifest
    on_38 = StoreFile(
        stored.uri,
        type(manifest)(
            GenomeBuild.GRCH38,
            manifest.genotype_field,
            manifest.half_call,
            manifest.is_imputed,
            manifest.tiles,
            manifest.chunks,
        ),
        stored.samples,
    )
    with pytest.raises(GenomeBuildError, match="GRCh37, the store is on GRCh38"):
        check_joins(on_38, renamed)
