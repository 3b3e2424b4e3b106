"""Stores in a folder, from blocks in memory or from a VCF."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from core.genotypes.block import DosageBlock
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.source import plan_shards
from core.genotypes.store import StoreFile, open_store
from core.genotypes.store_manifest import Chunk, Manifest
from core.genotypes.store_writer import ShardWriter, StoreTarget, publish, put_samples
from core.genotypes.vcf import ShardReader, open_cohort
from core.storage.objects import ObjectsLocation


def write_store(
    target: StoreTarget,
    shards: Iterable[Iterable[DosageBlock]],
    samples: Sequence[str],
    *,
    is_imputed: bool = False,
) -> None:
    """Each item of `shards` are the blocks of one shard."""
    chunks: list[Chunk] = []
    for number, blocks in enumerate(shards):
        writer = ShardWriter(target, number)
        for block in blocks:
            writer.write(block)
        chunks += writer.finish()
    publish(
        target,
        Manifest(
            build=None,
            genotype_field=GenotypeField.AUTO,
            half_call=HalfCall.MISSING,
            is_imputed=is_imputed,
            tiles=put_samples(target, samples, 0),
            chunks=tuple(chunks),
        ),
    )


def local_target(folder: Path) -> StoreTarget:
    return StoreTarget(ObjectsLocation(root=folder), "genotypes.cgstore")


def store_of_vcf(folder: Path, uri: str, shard_bytes: int = 1 << 20) -> StoreFile:
    """The VCF's store in `folder`, opened."""
    cohort = open_cohort([uri])
    shards = [[*ShardReader(shard)] for shard in plan_shards(cohort, shard_bytes)]
    is_imputed = any(block.dosage.dtype == np.float32 for blocks in shards for block in blocks)
    write_store(local_target(folder), shards, cohort.samples, is_imputed=is_imputed)
    return open_store(str(folder / "genotypes.cgstore"))
