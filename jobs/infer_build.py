"""The build of a cohort whose files do not state one: told from a pass over well-known SNPs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from core.build_evidence import BuildEvidence
from core.errors import Where
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.known_sites import KnownSites, known_positions
from core.genotypes.source import Cohort, GenotypeShard
from core.genotypes.vcf_wanted import Wanted
from core.storage.byte_ranges import S3Access
from jobs.run_shards import Executor, run_shards
from jobs.sought_shards import Seeking


@dataclass(frozen=True, slots=True)
class FindKnownSites:
    """Shard work of the pass: which of the SNPs its records agree with."""

    wanted: Wanted
    genotype_field: GenotypeField
    s3: S3Access | None

    def __call__(self, shard: GenotypeShard) -> pa.Table:
        reader = shard.reader(
            field=self.genotype_field,
            half_call=HalfCall.MISSING,
            wanted=self.wanted,
            s3=self.s3,
        )
        found = KnownSites()
        for block in reader:
            found.add(block)
        return pa.table({"found": [json.dumps(found.to_json())]})


def build_evidence_of(
    cohort: Cohort[GenotypeShard],
    shards: Sequence[GenotypeShard],
    *,
    genotype_field: GenotypeField,
    executor: Executor,
    s3: S3Access | None,
) -> BuildEvidence | None:
    """What the files state, else what the positions of their records tell; None where neither does.

    Raises GenomeBuildError where records are on both builds.
    """
    if cohort.build_evidence is not None:
        return cohort.build_evidence
    wanted = Wanted(positions=known_positions())
    near, _ = Seeking({}, None, s3).sought(shards, wanted)
    known_sites = KnownSites()
    for _, table, _ in run_shards(near, FindKnownSites(wanted, genotype_field, s3), executor):
        known_sites |= KnownSites(json.loads(table.column("found")[0].as_py()))
    return known_sites.evidence(Where(cohort.files[0].uri))
