"""What a genotype file holds: every record is read and checked, and its quality counted."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from core.build_evidence import BuildEvidence, agreed, build_facts
from core.errors import CohortError, Where
from core.genome_build import GenomeBuild
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.formats import has_reference_blocks, open_cohort
from core.genotypes.known_sites import KnownSites
from core.genotypes.quality import QualityCounter, QualityCounts
from core.genotypes.quality_summary import (
    SAMPLES_KEY,
    SUMMARY_KEY,
    parquet_of,
    summarise_quality,
    variants_key,
)
from core.genotypes.sample_quality import SampleCounts, sample_table
from core.genotypes.source import Cohort, GenotypeShard
from core.genotypes.store_manifest import Manifest, chunk_of
from core.genotypes.store_writer import ShardWriter, StoreTarget, publish, put_samples
from core.genotypes.variant_quality import VariantFile, VariantHistograms
from core.storage.byte_ranges import S3Access
from jobs.checkpoint import StoredSnapshot
from jobs.run_shards import Executor, choose_executor, run_shards
from jobs.shard_plan import plan_cut

logger = logging.getLogger(__name__)

FIELD, HALF_CALL = GenotypeField.AUTO, HalfCall.MISSING
"""How calls are read and stored: what scores do unless they are told otherwise."""


@dataclass(frozen=True, slots=True)
class SummariseShard:
    """The work of one task: read a shard; store it, and the quality of its variants, where `store`
    says so; return its counts as one row, those of the samples in binary columns."""

    build: GenomeBuild | None
    s3: S3Access | None
    store: StoreTarget | None = None

    def __call__(self, shard: GenotypeShard) -> pa.Table:
        reader = shard.reader(field=FIELD, half_call=HALF_CALL, wanted=None, s3=self.s3)
        n_samples = len(shard.file.samples)
        facts: dict[str, object] = {}
        known_sites = KnownSites()
        if self.store is None:
            quality = QualityCounter(n_samples, self.build)
            for block in reader:
                quality.add(block)
                known_sites.add(block)
        else:
            variants = VariantFile()
            quality = QualityCounter(n_samples, self.build, variants)
            writer = ShardWriter(self.store, shard.index)
            for block in writer.passing(reader):
                quality.add(block)
                known_sites.add(block)
            facts["chunks"] = [asdict(chunk) for chunk in writer.finish()]
            facts["is_imputed"] = writer.is_imputed
            self.store.put(variants_key(shard.index), variants.finish())
        facts |= {
            "quality": asdict(quality.counts),
            "histograms": asdict(quality.histograms),
            "contigs": dict(reader.contig_records),
            "known_sites": known_sites.to_json(),
        }
        samples = quality.finish()
        return pa.table({"facts": pa.array([json.dumps(facts)]), **samples.columns()})


def summarise_cohort(
    uris: Sequence[str],
    *,
    executor: Executor,
    on_progress: Callable[[int, int], None],
    shard_bytes: int | None,
    s3: S3Access | None = None,
    store: StoreTarget | None = None,
    snapshot: StoredSnapshot | None = None,
) -> dict[str, object]:
    """Facts about one cohort, ready for JSON: build, build_source and build_evidence (who names the
    build, and by what), is_gvcf (reference blocks are among the records), n_samples, n_variants,
    n_multiallelic, variants_by_type (ALT alleles), ti_tv, call_rate, contigs (records by canonical
    name), and quality (core.genotypes.quality_summary.QualitySummary).

    The same pass writes the cohort's genotype store, where `store` is given, and these facts and
    the tables of quality_summary in it. `on_progress(done, total)` counts shards. What `snapshot`
    has of the same work, of these files into this store, is not done again. Raises
    GenotypeFileError with the line for a file that cannot be read to its end, CohortError where
    files do not belong together, GenomeBuildError where headers and positions tell different
    builds.
    """
    cohort = open_cohort(uris, s3=s3)
    shards = plan_cut(cohort, shard_bytes, n_scores=0).shards
    executor = choose_executor(executor, cohort)
    on_progress(0, len(shards))
    logger.info("reading %d samples in %d shards (%s)", len(cohort.samples), len(shards), executor)
    so_far = _Finished.none(len(cohort.samples))
    if snapshot is not None and (kept := snapshot.load()) is not None:
        so_far = _Finished.from_table(kept)
        logger.info("%d shards had been read before", len(so_far.facts_of))
        on_progress(len(so_far.facts_of), len(shards))
    missing = [shard for shard in shards if shard.index not in so_far.facts_of]
    for number, table, _ in run_shards(missing, SummariseShard(cohort.build, s3, store), executor):
        so_far.add(missing[number].index, table)
        on_progress(len(so_far.facts_of), len(shards))
        if snapshot is not None:
            snapshot.keep(so_far.to_table)
    in_order = [so_far.facts_of[shard.index] for shard in shards]
    build = _build_evidence(cohort, in_order)
    samples = sample_table(cohort.samples, so_far.counts)
    facts = {
        **build_facts(build),
        "is_gvcf": has_reference_blocks(cohort),
        **_facts(cohort, in_order),
        "quality": _quality(samples, in_order),
    }
    logger.info("read %d records", facts["n_variants"])
    if store is not None:
        store.put(SAMPLES_KEY, parquet_of(samples))
        store.put(SUMMARY_KEY, json.dumps(facts).encode())
        _publish(store, cohort, build, in_order)
    return facts


@dataclass(slots=True)
class _Finished:
    """What is known of the shards that have been read: facts by their index, the counts of samples
    of all together, which are whole numbers, so that their order does not matter."""

    facts_of: dict[int, dict[str, Any]]
    counts: SampleCounts

    @classmethod
    def none(cls, n_samples: int) -> "_Finished":
        return cls({}, SampleCounts.none(n_samples))

    @classmethod
    def from_table(cls, table: pa.Table) -> "_Finished":
        facts = json.loads(table.column("facts")[0].as_py())
        return cls(
            {int(index): of for index, of in facts.items()}, SampleCounts.from_columns(table)
        )

    def to_table(self) -> pa.Table:
        facts = pa.array([json.dumps(self.facts_of)], pa.large_string())
        return pa.table({"facts": facts, **self.counts.columns()})

    def add(self, index: int, table: pa.Table) -> None:
        """A row of SummariseShard."""
        self.facts_of[index] = json.loads(table.column("facts")[0].as_py())
        self.counts += SampleCounts.from_columns(table)


def _build_evidence(
    cohort: Cohort[GenotypeShard], facts: Sequence[Mapping[str, Any]]
) -> BuildEvidence | None:
    """What headers state, else what positions tell."""
    known_sites = KnownSites()
    for shard in facts:
        known_sites |= KnownSites(shard["known_sites"])
    where = Where(cohort.files[0].uri)
    return agreed([cohort.build_evidence, known_sites.evidence(where)], where)


def _publish(
    store: StoreTarget,
    cohort: Cohort[GenotypeShard],
    build: BuildEvidence | None,
    facts: Sequence[Mapping[str, Any]],
) -> None:
    kinds = {shard["is_imputed"] for shard in facts} - {None}
    if len(kinds) > 1:
        raise CohortError(
            "some files have DS and others have not.", fix="Store each file by itself."
        )
    publish(
        store,
        Manifest(
            build=build.build if build is not None else None,
            genotype_field=FIELD,
            half_call=HALF_CALL,
            is_imputed=True in kinds,
            tiles=put_samples(store, cohort.samples, 0),
            chunks=tuple(chunk_of(chunk) for shard in facts for chunk in shard["chunks"]),
        ),
    )


def _facts(cohort: Cohort[GenotypeShard], facts: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    quality, contigs = QualityCounts(), Counter[str]()
    for shard in facts:
        quality += QualityCounts(**shard["quality"])
        contigs.update(shard["contigs"])
    return {
        "n_samples": len(cohort.samples),
        "n_variants": quality.n_records,
        "n_multiallelic": quality.n_multiallelic,
        "variants_by_type": dict(quality.alts_by_type),
        "ti_tv": quality.ti_tv,
        "call_rate": quality.call_rate,
        "contigs": dict(contigs),
    }


def _quality(samples: pa.Table, facts: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    histograms = VariantHistograms.none()
    for shard in facts:
        histograms += VariantHistograms.from_dict(shard["histograms"])
    return asdict(summarise_quality(samples, histograms))
