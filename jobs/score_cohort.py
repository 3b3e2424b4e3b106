"""Score a cohort: genotypes and scoring files in, scores, matches and a summary out.

The same command runs in this process, on a local Ray, on a cluster (RAY_ADDRESS), and as the
entrypoint of `ray job submit --working-dir . -- python -m jobs.score_cohort …`.
"""

import gc

if __name__ == "__main__":
    gc.disable()  # imports leave no garbage to look for

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.build_evidence import build_facts
from core.errors import CuraGenieError, GenomeBuildError, UserError, Where
from core.genome_build import GenomeBuild
from core.genotypes import sex as ploidy
from core.genotypes.array_text import ArrayTextFile
from core.genotypes.calls import GenotypeField, HalfCall
from core.genotypes.directory_cache import DirectoryCache, default_folder
from core.genotypes.formats import GENOTYPES, open_cohort
from core.genotypes.source import GenotypeFile, GenotypeShard
from core.genotypes.vcf_wanted import Wanted
from core.lean_imports import kept_out
from core.memory import give_back_memory
from core.samples import sexes_of
from core.scoring.absent_sites import assume_reference
from core.scoring.coverage import Coverage, coverage_of
from core.scoring.join import join_rows
from core.scoring.match_table import match_tables
from core.scoring.policy import (
    Absent,
    Compat,
    MatchBy,
    Missing,
    Par,
    Ploidy,
    ReferenceCalls,
    ScoringPolicy,
)
from core.scoring.reference_bases import reference_differences, with_reference_bases
from core.scoring.results import MATCHES, SCORES, begin_results, end_results, write_table
from core.scoring.rows import ScoreRows
from core.scoring.scores import score_status, score_table
from core.scoring.shard import ScorePlan
from core.scoring.terms import TermContext
from core.scoring.totals import totals_of
from core.storage.byte_ranges import S3Access
from jobs.output_folder import held
from jobs.partials import code_digest, content_key, partials_folder, remove_partials
from jobs.progress_bar import OnProgress, progress_bar
from jobs.reference_calls import look_for_reference_calls
from jobs.run_shards import Executor, choose_executor, run_shards
from jobs.score_shards import ScoreShards, ShardRun
from jobs.scoring_inputs import TABLES, CohortScoring, Inputs, open_inputs
from jobs.shard_plan import Cut, plan_cut
from jobs.sought_shards import ReadBy, Seeking

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
    inputs = open_inputs(request, cohort)
    executor = choose_executor(executor, cohort)
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
    run = ShardRun(
        cut=replace(cut, shards=shards),
        work=ScoreShards(plan, wanted, request.genotype_field, request.s3),
        executor=executor,
        folder=partials_folder(request.output, key, reuse=request.reuse),
    )
    give_back_memory()
    try:
        n_resumed = run.run_missing(on_progress)
        merged = run.merge_settled()
    except UserError:
        remove_partials(request.output)  # the data will be wrong the next time too
        raise
    seeking.keep(shards, run.directories)
    give_back_memory()
    begin_results(request.output)
    samples = inputs.cohort.samples
    matches, totals = merged.matches, totals_of(merged.subtrees, rows.n_scores, len(samples))
    if request.assume_reference or inputs.callable_regions is not None:
        assumed = assume_reference(plan.context, matches, inputs.callable_regions)
        matches = pa.concat_tables([matches, assumed.matches])
        totals = assumed.added_to(totals, plan.context.sex)
    coverage = _write_matches(
        request.output, match_tables(inputs.files, rows, matches, inputs.policy)
    )
    scores = score_table(samples, rows.accessions, totals, coverage, inputs.policy)
    write_table(request.output / SCORES, scores)
    summary = _summary(request, inputs, coverage, executor) | {
        "read_by": read_by,
        "reference": _reference_facts(request, inputs, rows, merged.matches),
        "shard_bytes": cut.shard_bytes,
        "n_shards": len(cut.shards),
        "n_shards_resumed": n_resumed,
        **_speed(merged.n_records, len(inputs.cohort.samples), perf_counter() - started),
    }
    end_results(request.output, summary)
    remove_partials(request.output)
    give_back_memory()
    return summary


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
    sex = _sexes(request, inputs, rows, seeking, shards, executor)
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
    by_contig |= inputs.policy.absent is Absent.REFERENCE
    return "X" in contigs and (by_contig or _keeps_missing_calls(rows, inputs))


def _keeps_missing_calls(rows: ScoreRows, inputs: Inputs) -> bool:
    if inputs.policy.missing is Missing.MEAN_EXTERNAL:
        return inputs.frequencies is not None or not np.isnan(rows.effect_frequency).all()
    return inputs.policy.missing not in (Missing.DROP, Missing.FAIL)


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


def _summary(
    request: CohortScoring, inputs: Inputs, coverage: Sequence[Coverage], executor: Executor
) -> dict[str, object]:
    return {
        "research_use_only": True,
        "versions": _versions(),
        "genotypes": [_genotype_facts(file, inputs) for file in inputs.cohort.files],
        **{name: _table(name, request, inputs) for name in TABLES},
        "assume_reference": request.assume_reference,
        "n_samples": len(inputs.cohort.samples),
        **build_facts(inputs.build_evidence),
        "genotype_field": request.genotype_field,
        "compat": request.compat,
        "policy": inputs.policy.as_dict(),
        "frequency_source": _frequency_source(inputs),
        "executor": executor,
        "scores": _score_facts(inputs, coverage),
        "refused_scoring_files": {path: error.as_dict() for path, error in inputs.refused.items()},
    }


def _reference_facts(
    request: CohortScoring, inputs: Inputs, rows: ScoreRows, matches: pa.Table
) -> dict[str, object] | None:
    """Who said which allele is REF where the genotypes do not, and whether it is what they say."""
    if not rows.patterns.ref_base.any():
        return None
    if any(isinstance(file, ArrayTextFile) for file in inputs.cohort.files):
        matches = matches.slice(0, 0)  # an array's ref is the person's own allele
    n_checked, n_differ = reference_differences(rows, matches)
    return {
        "source": str(request.reference_fasta or request.frequencies),
        "n_rows_checked": n_checked,
        "n_rows_with_another_ref": n_differ,
    }


def _genotype_facts(file: GenotypeFile[Any], inputs: Inputs) -> dict[str, object]:
    skipped = {"skipped": dict(file.skipped)} if isinstance(file, ArrayTextFile) else {}
    return {**_named(file.uri, inputs), **skipped}


def _table(name: str, request: CohortScoring, inputs: Inputs) -> dict[str, str] | None:
    path = request.tables.get(name)
    return _named(str(path), inputs) if path is not None else None


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
            "liftover": asdict(file.lifted) if file.lifted is not None else None,
            "n_rows": covered.n_rows,
            "n_matched": covered.n_matched,
            "n_excluded": covered.n_excluded,
            "n_unmatched": covered.n_unmatched,
            "n_from_reference": covered.n_from_reference,
            "n_assumed_reference": covered.n_assumed,
            "coverage_with_assumed": covered.count_with_assumed,
            "coverage": covered.count,
            "weight_coverage": covered.weight,
            "reasons": dict(covered.reasons),
            "metadata": dict(file.metadata),
        }
        for file, covered in zip(inputs.files, coverage, strict=True)
    }


@cache
def _versions() -> Mapping[str, str]:
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
    from core.scoring.report.write import write_report  # noqa: PLC0415

    with held(request.output):
        write_report(request.output, look_for_reference_calls(request, summary))


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
