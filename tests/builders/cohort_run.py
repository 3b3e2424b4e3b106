"""Runs a cohort scoring as the command line would, and reads its results back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.scoring.report.quality import GenotypeQuality, quality_of_genotypes
from core.scoring.report.write import write_report
from jobs.reference_calls import look_for_reference_calls
from jobs.run_shards import Executor
from jobs.score_cohort import score_cohort
from jobs.scoring_inputs import CohortScoring

SHARD_BYTES = 32 << 20


@dataclass(frozen=True)
class Results:
    scores: pa.Table
    matches: pa.Table
    summary: dict[str, Any]

    def column(self, name: str, accession: str | None = None) -> list[Any]:
        """One result column of one score, in sample order."""
        table = self.scores
        if accession is not None:
            table = table.filter(pc.equal(table.column("accession"), accession))
        return table.column(name).to_pylist()

    def sums(self, accession: str | None = None) -> dict[str, float]:
        ids, sums = self.column("sample_id", accession), self.column("score_sum", accession)
        return dict(zip(ids, sums, strict=True))


def run_scoring(
    genotypes: Path | str | list[Path],
    scoring_files: Path | list[Path],
    output: Path,
    *,
    executor: Executor = Executor.INLINE,
    shard_bytes: int = SHARD_BYTES,
    policy: dict[str, str] | None = None,
    **options: Any,
) -> Results:
    """Score into `output`; `policy` holds single fields, `options` fields of CohortScoring."""
    several = genotypes if isinstance(genotypes, list) else [genotypes]
    files = scoring_files if isinstance(scoring_files, list) else [scoring_files]
    request = CohortScoring(
        genotypes=tuple(str(uri) for uri in several),
        scoring_files=tuple(files),
        output=output,
        shard_bytes=shard_bytes,
        overrides=policy or {},
        **options,
    )
    summary = score_cohort(request, executor=executor, on_progress=lambda _done, _total: None)
    return read_results(output, summary)


def write_run_report(
    genotypes: Path | str, output: Path, quality: GenotypeQuality | None = None
) -> dict[str, Any]:
    """The facts of the report of results in `output`, written as the command line would; `quality`
    is that of the genotypes where they have it from elsewhere."""
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    request = CohortScoring(genotypes=(str(genotypes),), scoring_files=(), output=output)
    quality = quality or quality_of_genotypes(request.genotypes)
    write_report(output, look_for_reference_calls(request, summary), quality)
    return json.loads((output / "report.json").read_text(encoding="utf-8"))


def read_results(output: Path, summary: dict[str, Any]) -> Results:
    scores = pq.read_table(output / "scores.parquet")
    return Results(scores, pq.read_table(output / "matches.parquet"), summary)
