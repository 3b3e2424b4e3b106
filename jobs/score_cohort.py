"""Score a cohort: genotypes and scoring files in, scores, matches and a summary out.

The same command runs in this process, on a local Ray, on a cluster (RAY_ADDRESS), and as the
entrypoint of `ray job submit --working-dir . -- python -m jobs.score_cohort …`.
"""

import gc

if __name__ == "__main__":
    gc.disable()  # imports leave no garbage to look for

import argparse
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa

from core.errors import CuraGenieError, GenomeBuildError, UserError, Where
from core.genome_build import GenomeBuild
from core.genotypes.calls import GenotypeField
from core.genotypes.directory_cache import DirectoryCache, default_folder
from core.genotypes.formats import GENOTYPES, open_cohort
from core.genotypes.source import GenotypeShard
from core.genotypes.vcf_wanted import Wanted
from core.lean_imports import kept_out
from core.memory import give_back_memory
from core.scoring.absent_sites import AbsentSites, assume_reference, count_as_missing
from core.scoring.coverage import Coverage, coverage_of
from core.scoring.join import join_rows
from core.scoring.match_table import match_tables
from core.scoring.policy import Absent, Compat, Missing, Par, ReferenceCalls, ScoringPolicy
from core.scoring.reference_bases import with_reference_bases
from core.scoring.results import MATCHES, SCORES, begin_results, end_results, write_table
from core.scoring.rows import ScoreRows
from core.scoring.scores import score_table
from core.scoring.shard import ScorePlan
from core.scoring.terms import TermContext
from core.scoring.totals import totals_of
from core.storage.byte_ranges import S3Access
from jobs.cohort_summary import reference_facts, speed_facts, summary_of
from jobs.infer_build import build_evidence_of
from jobs.infer_sex import sexes_for
from jobs.output_folder import held
from jobs.partials import code_digest, content_key, partials_folder, remove_partials
from jobs.progress_bar import OnProgress, progress_bar
from jobs.reference_calls import look_for_reference_calls
from jobs.run_shards import Executor, choose_executor
from jobs.score_shards import ScoreShards, ShardRun
from jobs.scoring_inputs import CohortScoring, Inputs, open_inputs
from jobs.shard_plan import Cut, plan_cut
from jobs.sought_shards import ReadBy, Seeking

logger = logging.getLogger(__name__)


def score_cohort(
    request: CohortScoring, *, executor: Executor, on_progress: OnProgress
) -> dict[str, object]:
    """Run `request`; returns the content of summary.json.

    `on_progress(done, total)` counts shards, at first as soon as the genotypes are open. A scoring
    file that cannot be used fails alone, with its problem in the summary; genotypes that cannot be
    read, no usable scoring file, and a folder that another run is writing into raise. Results
    appear in `request.output` only when all are complete.
    """
    started = perf_counter()
    cohort = open_cohort(request.genotypes, s3=request.s3)
    cut = plan_cut(cohort, request.shard_bytes, n_scores=len(request.scoring_files))
    on_progress(0, len(cut.shards))
    executor = choose_executor(executor, cohort)
    stated = build_evidence_of(
        cohort,
        cut.shards,
        genotype_field=request.genotype_field,
        executor=executor,
        s3=request.s3,
    )
    inputs = open_inputs(request, cohort, stated)
    with held(request.output):
        return _score_into_folder(request, inputs, cut, executor, on_progress, started)


def _score_into_folder(
    request: CohortScoring,
    inputs: Inputs,
    cut: Cut,
    executor: Executor,
    on_progress: OnProgress,
    started: float,
) -> dict[str, object]:
    rows = join_rows(inputs.files, inputs.policy)
    rows = with_reference_bases(rows, inputs.reference_fasta, inputs.frequencies)
    wanted = _wanted(rows, inputs.policy)
    seeking = Seeking(inputs.sha256, request.block_directories, request.s3)
    plan = _plan(request, inputs, rows, seeking, cut.shards, executor)
    shards, read_by = seeking.sought(cut.shards, wanted)
    key = _content_key(request, inputs, cut.shard_bytes, read_by)
    folder = partials_folder(request.output, key, reuse=request.reuse)
    if request.checkpoint is not None:
        on_progress = request.checkpoint.kept_while(on_progress, folder)
    run = ShardRun(
        cut=replace(cut, shards=shards),
        work=ScoreShards(plan, wanted, request.genotype_field, request.s3),
        executor=executor,
        folder=folder,
    )
    logger.info(
        "scoring %d samples for %d scores in %d shards (%s)",
        len(inputs.cohort.samples),
        rows.n_scores,
        len(shards),
        executor,
    )
    give_back_memory()
    try:
        n_resumed = run.run_missing(on_progress)
        logger.info("read all shards, %d of them before", n_resumed)
        merged = run.merge_settled()
    except UserError:
        remove_partials(request.output)  # the data will be wrong the next time too
        raise
    seeking.keep(shards, run.directories)
    give_back_memory()
    begin_results(request.output)
    samples = inputs.cohort.samples
    matches, totals = merged.matches, totals_of(merged.subtrees, rows.n_scores, len(samples))
    absent = _absent_sites(request, inputs, plan.context, matches)
    if absent is not None:
        matches = pa.concat_tables([matches, absent.matches])
        totals = absent.added_to(totals, plan.context.sex)
    coverage = _write_matches(
        request.output, match_tables(inputs.files, rows, matches, inputs.policy)
    )
    scores = score_table(samples, rows.accessions, totals, coverage, inputs.policy)
    write_table(request.output / SCORES, scores)
    summary = summary_of(request, inputs, coverage, executor) | {
        "read_by": read_by,
        "reference": reference_facts(request, inputs, rows, merged.matches),
        "shard_bytes": cut.shard_bytes,
        "n_shards": len(cut.shards),
        "n_shards_resumed": n_resumed,
        **speed_facts(merged.n_records, len(inputs.cohort.samples), perf_counter() - started),
    }
    end_results(request.output, summary)
    remove_partials(request.output)
    logger.info("wrote scores and matches; read %d records", merged.n_records)
    give_back_memory()
    return summary


def _absent_sites(
    request: CohortScoring, inputs: Inputs, context: TermContext, matches: pa.Table
) -> AbsentSites | None:
    """What the sites without a record add, where the policy and its evidence say as what."""
    if inputs.policy.absent is Absent.MISSING:
        return count_as_missing(context, matches)
    if request.assume_reference or inputs.callable_regions is not None:
        return assume_reference(context, matches, inputs.callable_regions)
    return None


def _wanted(rows: ScoreRows, policy: ScoringPolicy) -> Wanted:
    """Blocks of a gVCF answer where the policy has reference calls matched."""
    looks_into_blocks = policy.reference_calls is ReferenceCalls.MATCH
    return replace(
        rows.wanted(), min_reference_gq=policy.min_reference_gq if looks_into_blocks else None
    )


def _write_matches(folder: Path, tables: Iterable[pa.Table]) -> list[Coverage]:
    """Writes the tables of all files; returns the coverage of each."""
    coverage: list[Coverage] = []

    def counted() -> Iterator[pa.Table]:
        for table in tables:
            coverage.append(coverage_of(table))
            yield table

    write_table(folder / MATCHES, counted())
    return coverage


def _plan(
    request: CohortScoring,
    inputs: Inputs,
    rows: ScoreRows,
    seeking: Seeking,
    shards: Sequence[GenotypeShard],
    executor: Executor,
) -> ScorePlan:
    _require_build_for_x(rows, inputs)
    sex = sexes_for(request, inputs, rows, seeking, shards, executor)
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


def _content_key(
    request: CohortScoring, inputs: Inputs, shard_bytes: int, read_by: Mapping[str, ReadBy]
) -> str:
    return content_key(
        {
            "code": code_digest(),
            "genotypes": [inputs.sha256[uri] for uri in request.genotypes],
            "scoring_files": [(file.accession, file.sha256) for file in inputs.files],
            "tables": {name: inputs.sha256[str(path)] for name, path in request.tables.items()},
            "policy": inputs.policy.as_dict(),
            "genotype_field": request.genotype_field,
            "build": inputs.build,
            "shard_bytes": shard_bytes,
            "read_by": read_by,  # it decides how the records are counted
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 when done, 2 when the request or the data is wrong, 1 when the
    machinery failed."""
    options = _parser().parse_args(arguments)
    try:
        request = _request(options)
        with kept_out("pandas"), progress_bar("scoring") as on_progress:
            executor = Executor(options.executor)
            summary = score_cohort(request, executor=executor, on_progress=on_progress)
            if options.report:
                _write_report(request, summary)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except (CuraGenieError, OSError) as error:
        sys.stderr.write(f"failed: {error}\n")
        return 1
    sys.stderr.writelines(f"warning: left out: {error}\n" for error in _refusals(summary))
    return 0


def _write_report(request: CohortScoring, summary: Mapping[str, Any]) -> None:
    # Most runs ask for none
    from core.scoring.report.quality import quality_of_genotypes  # noqa: PLC0415
    from core.scoring.report.write import write_report  # noqa: PLC0415

    quality = quality_of_genotypes(request.genotypes, request.s3)
    with held(request.output):
        write_report(request.output, look_for_reference_calls(request, summary), quality)


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
    add("--genotypes", nargs="+", required=True, metavar="URI", help=GENOTYPES)
    add("--scoring-file", nargs="+", required=True, type=Path, metavar="FILE", help="scores")
    add("--output", required=True, type=Path, metavar="DIR", help="folder of the results")
    add("--build", choices=_words(GenomeBuild), help="genome build of the genotypes")
    add("--compat", choices=_words(Compat), default="default", help="policy preset")
    add("--missing", choices=_words(Missing), help="what a missing call counts as")
    add("--frequencies", type=Path, metavar="FILE", help="allele frequencies (.afreq or TSV)")
    add("--reference-fasta", type=Path, metavar="FA", help="says REF where genotypes do not (.fai)")
    add("--callable-bed", type=Path, metavar="BED", help="where absent sites are reference")
    add("--assume-reference-at-absent-sites", action="store_true", dest="assume_reference")
    add("--samples", type=Path, metavar="TSV", help="sample sheet: sample, sex")
    add("--chain", type=Path, metavar="FILE", help="UCSC chain that lifts scores of another build")
    add("--genotype-field", choices=_words(GenotypeField), default="auto")
    add("--min-overlap", metavar="X", help="coverage below which a score is marked (0-1)")
    add("--policy", action="append", default=[], metavar="FIELD=VALUE", help="one policy field")
    add("--executor", choices=_words(Executor), default="auto", help="threads here, or Ray")
    add("--report", action="store_true", help="also write report.html and report.json")
    add("--no-reuse", action="store_true", help="ignore what an interrupted run left")
    return parser


def _words(values: type[StrEnum]) -> list[str]:
    """Plain words: argparse shows and compares what it is given."""
    return [value.value for value in values]


def _request(options: argparse.Namespace) -> CohortScoring:
    shard_bytes, s3, cache = _settings()
    overrides = dict(_field_and_value(text) for text in options.policy)
    named = {"missing": options.missing, "min_overlap": options.min_overlap}
    overrides |= {name: str(value) for name, value in named.items() if value is not None}
    return CohortScoring(
        genotypes=tuple(options.genotypes),
        scoring_files=tuple(options.scoring_file),
        output=options.output,
        shard_bytes=shard_bytes,
        build=GenomeBuild(options.build) if options.build is not None else None,
        compat=Compat(options.compat),
        overrides=overrides,
        frequencies=options.frequencies,
        samples=options.samples,
        chain=options.chain,
        reference_fasta=options.reference_fasta,
        callable_bed=options.callable_bed,
        assume_reference=options.assume_reference,
        genotype_field=GenotypeField(options.genotype_field),
        reuse=not options.no_reuse,
        s3=s3,
        block_directories=DirectoryCache(cache),
    )


_SETTINGS = frozenset(
    {
        "CURAGENIE_SHARD_BYTES",
        "CURAGENIE_CACHE_DIR",
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    }
)


def _settings() -> tuple[int | None, S3Access | None, Path]:
    """Bytes of a shard, access to S3 and the cache's folder, where the environment or a .env file
    may set them.

    Without either there is nothing to validate, nor a fifth of a second to spend on it.
    """
    if _SETTINGS.isdisjoint(os.environ) and not Path(".env").exists():
        return None, None, default_folder()
    from core.settings import load_settings  # noqa: PLC0415 - see above

    settings = load_settings()
    return settings.shard_bytes, settings.s3_access, settings.cache_dir


def _field_and_value(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


if __name__ == "__main__":
    gc.freeze()  # what is imported stays, so that collecting need not go through it, not at exit
    gc.enable()
    sys.exit(main())
