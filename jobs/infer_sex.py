"""The sexes that a scoring needs: stated ones, else told from a pass over the calls on X."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.genome_build import GenomeBuild
from core.genotypes import sex as ploidy
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.source import GenotypeShard
from core.genotypes.vcf_wanted import Wanted
from core.samples import sexes_of
from core.scoring.policy import Absent, MatchBy, Missing, Ploidy
from core.scoring.rows import ScoreRows
from core.storage.byte_ranges import S3Access
from jobs.run_shards import Executor, run_shards
from jobs.scoring_inputs import CohortScoring, Inputs
from jobs.sought_shards import Seeking

X_RECORDS = Wanted(whole_contigs=frozenset({"X"}))


@dataclass(frozen=True, slots=True)
class CountXPloidy:
    """Shard work of the pass that infers sex."""

    n_samples: int
    build: GenomeBuild | None
    s3: S3Access | None

    def __call__(self, shard: GenotypeShard) -> pa.Table:
        reader = shard.reader(
            field=GenotypeField.GT, half_call=HalfCall.MISSING, wanted=X_RECORDS, s3=self.s3
        )
        return ploidy.to_table(ploidy.count_x_ploidy(reader, self.n_samples, self.build))


def sexes_for(
    request: CohortScoring,
    inputs: Inputs,
    rows: ScoreRows,
    seeking: Seeking,
    shards: Sequence[GenotypeShard],
    executor: Executor,
) -> npt.NDArray[np.int8]:
    """(samples,) from the sample sheet, else from a pass over X where some row depends on it."""
    samples = inputs.cohort.samples
    if inputs.sex_sheet is not None or not _depends_on_sex(rows, inputs):
        return sexes_of(samples, inputs.sex_sheet)
    work = CountXPloidy(len(samples), inputs.build, request.s3)
    counts = np.zeros((2, len(samples)), np.int64)
    on_x, _ = seeking.sought(shards, X_RECORDS)
    for _, table, _ in run_shards(on_x, work, executor, room_for=(rows, rows.wanted())):
        counts += ploidy.from_table(table)
    return ploidy.infer_sex(counts)


def _depends_on_sex(rows: ScoreRows, inputs: Inputs) -> bool:
    """Whether some row lies on Y, or on X where not every call counts as it is written.

    Rows matched by rsID may lie anywhere.
    """
    contigs = rows.contigs_with_rows()
    if inputs.policy.match_by is MatchBy.RSID or "Y" in contigs:
        return True
    by_contig = inputs.policy.ploidy is Ploidy.BY_CONTIG
    by_contig |= inputs.policy.absent is not Absent.UNMATCHED
    return "X" in contigs and (by_contig or _keeps_missing_calls(rows, inputs))


def _keeps_missing_calls(rows: ScoreRows, inputs: Inputs) -> bool:
    if inputs.policy.missing is Missing.MEAN_EXTERNAL:
        return inputs.frequencies is not None or not np.isnan(rows.effect_frequency).all()
    return inputs.policy.missing not in (Missing.DROP, Missing.FAIL)
