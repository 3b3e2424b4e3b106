"""What a genotype file holds: every record is read and checked, and its quality counted."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.quality import QualityCounts, count_quality
from core.genotypes.vcf import Cohort, Shard, ShardReader, open_cohort
from core.storage.byte_ranges import S3Access
from jobs.run_shards import Executor, choose_executor, run_shards
from jobs.shard_plan import plan_cut


@dataclass(frozen=True, slots=True)
class SummariseShard:
    """The work of one task: read a shard, return its counts as one row of JSON."""

    s3: S3Access | None

    def __call__(self, shard: Shard) -> pa.Table:
        reader = ShardReader(
            shard, field=GenotypeField.AUTO, half_call=HalfCall.MISSING, wanted=None, s3=self.s3
        )
        counts = asdict(count_quality(reader))
        facts = {"quality": counts, "contigs": dict(reader.contig_records)}
        return pa.table({"facts": [json.dumps(facts)]})


def summarise_cohort(
    uris: Sequence[str],
    *,
    executor: Executor,
    on_progress: Callable[[int, int], None],
    shard_bytes: int | None,
    s3: S3Access | None = None,
) -> dict[str, object]:
    """Facts about one cohort, ready for JSON: build, n_samples, n_variants, n_multiallelic,
    variants_by_type (ALT alleles), ti_tv, call_rate, contigs (records by canonical name).

    `on_progress(done, total)` counts shards. Raises GenotypeFileError with the line for a file that
    cannot be read to its end, CohortError where files do not belong together.
    """
    cohort = open_cohort(uris, s3=s3)
    shards = plan_cut(cohort, shard_bytes, n_scores=0).shards
    quality, contigs = QualityCounts(), Counter[str]()
    executor = choose_executor(executor, cohort)
    on_progress(0, len(shards))
    for done, (_, table) in enumerate(run_shards(shards, SummariseShard(s3), executor), start=1):
        facts = json.loads(table.column("facts")[0].as_py())
        quality += QualityCounts(**facts["quality"])
        contigs.update(facts["contigs"])
        on_progress(done, len(shards))
    return _facts(cohort, quality, contigs)


def _facts(cohort: Cohort, quality: QualityCounts, contigs: Mapping[str, int]) -> dict[str, object]:
    return {
        "build": cohort.build,
        "n_samples": len(cohort.samples),
        "n_variants": quality.n_records,
        "n_multiallelic": quality.n_multiallelic,
        "variants_by_type": dict(quality.alts_by_type),
        "ti_tv": quality.ti_tv,
        "call_rate": quality.call_rate,
        "contigs": dict(contigs),
    }
