"""Score a cohort: genotypes and scoring files in, scores, matches and a summary out.

The same command runs in this process, on a local Ray, on a cluster (RAY_ADDRESS), and as the
entrypoint of `ray job submit --working-dir . -- python -m jobs.score_cohort …`.
"""

import argparse
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.errors import CuraGenieError, GenomeBuildError, UserError, Where
from core.genome_build import GenomeBuild
from core.genotypes import sex as ploidy
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.source import GenotypeShard, plan_shards
from core.genotypes.vcf_wanted import Wanted
from core.samples import sexes_of
from core.scoring.coverage import Coverage, coverage_of
from core.scoring.policy import Compat, MatchBy, Missing, Par, Ploidy
from core.scoring.results import write_results
from core.scoring.rows import ScoreRows, join_rows
from core.scoring.scores import (
    Merged,
    contested_rows,
    match_table,
    merge,
    score_status,
    score_table,
)
from core.scoring.shard import (
    RowsByBlock,
    ScorePlan,
    from_partial,
    matches_of,
    score_shard,
    to_partial,
)
from core.scoring.terms import TermContext
from core.settings import Settings, load_settings
from core.storage.byte_ranges import S3Access
from jobs.output_folder import held
from jobs.partials import Partials, code_digest, content_key
from jobs.run_shards import Executor, choose_executor, run_shards
from jobs.scoring_inputs import CohortScoring, Inputs, open_inputs

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ScoreShard:
    """The work of one task: read a shard, score it, return one row of partial sums.

    `contested` maps a shard's index to the rows that another block holds the better record of.
    """

    plan: ScorePlan
    wanted: Wanted
    genotype_field: GenotypeField
    s3: S3Access | None
    contested: Mapping[int, RowsByBlock] = field(default_factory=dict[int, RowsByBlock])

    def __call__(self, shard: GenotypeShard) -> pa.Table:
        reader = shard.reader(
            field=self.genotype_field,
            half_call=self.plan.context.policy.half_call,
            wanted=self.wanted,
            s3=self.s3,
        )
        plan = replace(self.plan, settled=self.contested.get(shard.index, {}))
        partial = to_partial(score_shard(plan, reader, shard.index))
        return partial.append_column("n_records", pa.array([reader.n_records], pa.int64()))


@dataclass(frozen=True, slots=True)
class CountXPloidy:
    """Shard work of the pass that infers sex."""

    n_samples: int
    build: GenomeBuild | None
    s3: S3Access | None

    def __call__(self, shard: GenotypeShard) -> pa.Table:
        wanted = Wanted(whole_contigs=frozenset({"X"}))
        reader = shard.reader(
            field=GenotypeField.GT, half_call=HalfCall.MISSING, wanted=wanted, s3=self.s3
        )
        return ploidy.to_table(ploidy.count_x_ploidy(reader, self.n_samples, self.build))


def score_cohort(
    request: CohortScoring, *, executor: Executor, on_progress: OnProgress
) -> dict[str, object]:
    """Run `request`; returns the content of summary.json.

    `on_progress(done, total)` counts shards. A scoring file that cannot be used fails alone, with
    its problem in the summary; genotypes that cannot be read, no usable scoring file, and a folder
    that another run is writing into raise.
    Results appear in `request.output` only when all are complete.
    """
    started = perf_counter()
    inputs = open_inputs(request)
    executor = choose_executor(executor, inputs.cohort)
    with held(request.output):
        return _score_into_folder(request, inputs, executor, on_progress, started)


def _score_into_folder(
    request: CohortScoring,
    inputs: Inputs,
    executor: Executor,
    on_progress: OnProgress,
    started: float,
) -> dict[str, object]:
    shards = plan_shards(inputs.cohort, request.shard_bytes)
    rows = join_rows(inputs.files, inputs.policy)
    plan = _plan(request, inputs, rows, shards, executor)
    work = ScoreShard(plan, rows.wanted(), request.genotype_field, request.s3)
    partials = Partials(request.output, _content_key(request, inputs), reuse=request.reuse)
    n_resumed = len(partials.finished())
    try:
        _run_missing(shards, work, executor, partials, on_progress)
        _settle_contested(shards, work, executor, partials)
    except UserError:
        partials.remove()  # what is wrong with the data will be wrong the next time too
        raise
    merged = _merge(plan, shards, partials)
    matches = match_table(inputs.files, rows, merged, inputs.policy)
    coverage = coverage_of(matches, rows.accessions)
    scores = score_table(inputs.cohort.samples, rows, merged, coverage, inputs.policy)
    n_records = sum(partials.load(s.index, ["n_records"])[0][0].as_py() for s in shards)
    summary = _summary(request, inputs, coverage, executor) | {
        "n_shards": len(shards),
        "n_shards_resumed": n_resumed,
        **_speed(n_records, len(inputs.cohort.samples), perf_counter() - started),
    }
    write_results(request.output, scores, matches, summary)
    partials.remove()
    return summary


def _plan(
    request: CohortScoring,
    inputs: Inputs,
    rows: ScoreRows,
    shards: Sequence[GenotypeShard],
    executor: Executor,
) -> ScorePlan:
    _require_build_for_x(rows, inputs)
    sex = _sexes(request, inputs, rows, shards, executor)
    context = TermContext(rows, inputs.policy, sex, inputs.build, inputs.frequencies)
    return ScorePlan(context, len(inputs.cohort.samples))


def _require_build_for_x(rows: ScoreRows, inputs: Inputs) -> None:
    by_build = inputs.build is None and inputs.policy.par is Par.BY_BUILD
    if by_build and "X" in rows.contigs_with_rows():
        raise GenomeBuildError(
            "the scores have variants on X, and the build that places its pseudo-autosomal regions "
            "is not known.",
            fix="Give --build, or --policy par=unsplit.",
        )


def _sexes(
    request: CohortScoring,
    inputs: Inputs,
    rows: ScoreRows,
    shards: Sequence[GenotypeShard],
    executor: Executor,
) -> npt.NDArray[np.int8]:
    """(samples,) from the sample sheet, else from a pass over X where some row depends on it."""
    samples = inputs.cohort.samples
    if inputs.sex_sheet is not None or not _depends_on_sex(rows, inputs):
        return sexes_of(samples, inputs.sex_sheet)
    work = CountXPloidy(len(samples), inputs.build, request.s3)
    counts = np.zeros((2, len(samples)), np.int64)
    for _, table in run_shards(shards, work, executor):
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
    return "X" in contigs and (by_contig or _keeps_missing_calls(rows, inputs))


def _keeps_missing_calls(rows: ScoreRows, inputs: Inputs) -> bool:
    if inputs.policy.missing is Missing.MEAN_EXTERNAL:
        return inputs.frequencies is not None or not np.isnan(rows.effect_frequency).all()
    return inputs.policy.missing not in (Missing.DROP, Missing.FAIL)


def _content_key(request: CohortScoring, inputs: Inputs) -> str:
    return content_key(
        {
            "code": code_digest(),
            "genotypes": [inputs.sha256[uri] for uri in request.genotypes],
            "scoring_files": [(file.accession, file.sha256) for file in inputs.files],
            "tables": [inputs.sha256.get(str(p)) for p in (request.frequencies, request.samples)],
            "policy": inputs.policy.as_dict(),
            "genotype_field": request.genotype_field,
            "build": inputs.build,
            "shard_bytes": request.shard_bytes,
        }
    )


def _run_missing(
    shards: Sequence[GenotypeShard],
    work: ScoreShard,
    executor: Executor,
    partials: Partials,
    on_progress: OnProgress,
) -> None:
    """Run the shards that an earlier attempt did not finish."""
    finished = partials.finished()
    done = len(finished)
    on_progress(done, len(shards))
    missing = [shard for shard in shards if shard.index not in finished]
    for index, table in run_shards(missing, work, executor):
        partials.save(index, table)
        done += 1
        on_progress(done, len(shards))


def _settle_contested(
    shards: Sequence[GenotypeShard], work: ScoreShard, executor: Executor, partials: Partials
) -> None:
    """Score again the shards that took a row which another block has the better record of."""
    matches = [matches_of(partials.load(shard.index, ["matches"])) for shard in shards]
    contested = {shards[at].index: rows for at, rows in contested_rows(matches).items()}
    losers = [shard for shard in shards if shard.index in contested]
    for index, table in run_shards(losers, replace(work, contested=contested), executor):
        partials.save(index, table)


def _merge(plan: ScorePlan, shards: Sequence[GenotypeShard], partials: Partials) -> Merged:
    scores = (from_partial(partials.load(shard.index)) for shard in shards)
    return merge(plan.context.rows.n_scores, plan.n_samples, scores)


def _summary(
    request: CohortScoring, inputs: Inputs, coverage: Sequence[Coverage], executor: Executor
) -> dict[str, object]:
    return {
        "research_use_only": True,
        "versions": _versions(),
        "genotypes": [_named(uri, inputs) for uri in request.genotypes],
        "frequencies": _named(str(request.frequencies), inputs) if request.frequencies else None,
        "samples": _named(str(request.samples), inputs) if request.samples else None,
        "n_samples": len(inputs.cohort.samples),
        "build": inputs.build,
        "build_source": inputs.build_source,
        "genotype_field": request.genotype_field,
        "compat": request.compat,
        "policy": inputs.policy.as_dict(),
        "frequency_source": _frequency_source(inputs),
        "executor": executor,
        "shard_bytes": request.shard_bytes,
        "scores": _score_facts(inputs, coverage),
        "refused_scoring_files": {path: error.as_dict() for path, error in inputs.refused.items()},
    }


def _named(uri: str, inputs: Inputs) -> dict[str, str]:
    return {"uri": uri, "sha256": inputs.sha256[uri]}


def _frequency_source(inputs: Inputs) -> str | None:
    """Where the frequencies come from that missing calls are imputed with."""
    if inputs.policy.missing is Missing.MEAN_COHORT:
        return "this cohort"
    if inputs.policy.missing is not Missing.MEAN_EXTERNAL:
        return None
    column = "scoring file column allelefrequency_effect"
    return column if inputs.frequencies is None else f"{inputs.frequencies.source}, else {column}"


def _score_facts(inputs: Inputs, coverage: Sequence[Coverage]) -> dict[str, object]:
    return {
        file.accession: {
            "status": score_status(covered, inputs.policy),
            "scoring_file": {"uri": file.source, "sha256": file.sha256},
            "build": file.build,
            "n_rows": covered.n_rows,
            "n_matched": covered.n_matched,
            "n_excluded": covered.n_excluded,
            "n_unmatched": covered.n_unmatched,
            "coverage": covered.count,
            "weight_coverage": covered.weight,
            "reasons": dict(covered.reasons),
            "metadata": dict(file.metadata),
        }
        for file, covered in zip(inputs.files, coverage, strict=True)
    }


def _versions() -> dict[str, str]:
    packages = ("curagenie", "numpy", "numba", "pyarrow", "ray")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def _speed(n_records: int, n_samples: int, seconds: float) -> dict[str, object]:
    return {
        "n_records": n_records,
        "seconds": round(seconds, 3),
        "genotypes_per_second": round(n_records * n_samples / seconds),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 when done, 2 when the request or the data is wrong, 1 when the
    machinery failed."""
    options = _parser().parse_args(arguments)
    try:
        request = _request(options, load_settings())
        with _progress_bar() as on_progress:
            executor = Executor(options.executor)
            summary = score_cohort(request, executor=executor, on_progress=on_progress)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except (CuraGenieError, OSError) as error:
        sys.stderr.write(f"failed: {error}\n")
        return 1
    sys.stderr.writelines(f"warning: left out: {error}\n" for error in _refusals(summary))
    return 0


def _refusals(summary: Mapping[str, Any]) -> list[str]:
    """One sentence for each scoring file that failed alone, which the exit code does not show."""
    problems = summary["refused_scoring_files"].items()
    return [
        str(UserError(facts["what"], where=Where(path, facts.get("line")), fix=facts.get("fix")))
        for path, facts in problems
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.score_cohort",
        description="Polygenic scores of every sample of a cohort for every scoring file.",
        epilog="example: python -m jobs.score_cohort --genotypes chr21.vcf.gz chr22.vcf.gz "
        "--scoring-file PGS000001_hmPOS_GRCh38.txt.gz --output results",
    )
    add = parser.add_argument
    add("--genotypes", nargs="+", required=True, metavar="URI", help="VCFs or stores of a cohort")
    add("--scoring-file", nargs="+", required=True, type=Path, metavar="FILE", help="scores")
    add("--output", required=True, type=Path, metavar="DIR", help="folder of the results")
    add("--build", choices=_words(GenomeBuild), help="genome build of the VCFs")
    add("--compat", choices=_words(Compat), default="default", help="policy preset")
    add("--missing", choices=_words(Missing), help="what a missing call counts as")
    add("--frequencies", type=Path, metavar="FILE", help="allele frequencies (.afreq or TSV)")
    add("--samples", type=Path, metavar="TSV", help="sample sheet: sample, sex")
    add("--genotype-field", choices=_words(GenotypeField), default="auto")
    add("--min-overlap", metavar="X", help="coverage below which a score is marked (0-1)")
    add("--policy", action="append", default=[], metavar="FIELD=VALUE", help="one policy field")
    add("--executor", choices=_words(Executor), default="auto", help="threads here, or Ray")
    add("--no-reuse", action="store_true", help="ignore what an interrupted run left")
    return parser


def _words(values: type[StrEnum]) -> list[str]:
    """Plain words: argparse shows and compares what it is given."""
    return [value.value for value in values]


def _request(options: argparse.Namespace, settings: Settings) -> CohortScoring:
    overrides = dict(_field_and_value(text) for text in options.policy)
    named = {"missing": options.missing, "min_overlap": options.min_overlap}
    overrides |= {name: str(value) for name, value in named.items() if value is not None}
    return CohortScoring(
        genotypes=tuple(options.genotypes),
        scoring_files=tuple(options.scoring_file),
        output=options.output,
        shard_bytes=settings.shard_bytes,
        build=GenomeBuild(options.build) if options.build is not None else None,
        compat=Compat(options.compat),
        overrides=overrides,
        frequencies=options.frequencies,
        samples=options.samples,
        genotype_field=GenotypeField(options.genotype_field),
        reuse=not options.no_reuse,
        s3=settings.s3_access,
    )


def _field_and_value(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


@contextmanager
def _progress_bar() -> Iterator[OnProgress]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("scoring", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


if __name__ == "__main__":
    sys.exit(main())
