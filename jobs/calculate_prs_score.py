"""The job that scores one genomic data record with one or more scoring files.

Genotypes come from the store that was written with the upload. The file itself is read where there
is no store, or none that answers: one of another version of the format, or of imputed dosages
where sex must be told from the calls on X, or of a gVCF, whose blocks it keeps as single records.
Results of all samples go to the object store under the attempt's own prefix; a PrsScore row per
accession points there. A scoring file that cannot be used fails its own row and no other.
"""

import json
import logging
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from core.errors import ConflictError, NotStoredError, UnsupportedFormatError
from core.genotypes.formats import has_reference_blocks, open_cohort
from core.genotypes.reference_calls import ReferenceCalls
from core.job import Job, JobState, Problem
from core.records.records import GenomicData, RecordStatus, ScoreResult
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.scoring.policy import Absent
from core.scoring.report.quality import quality_of_upload
from core.scoring.report.write import write_report
from core.scoring.results import MATCHES, REPORT_JSON, REPORT_PAGE, SCORES, SUMMARY
from core.scoring.scores import ScoreStatus
from core.storage.objects import ObjectStore, delete_folder
from jobs.attempt import JobBody, JobContext
from jobs.checkpoint import StoredCheckpoint
from jobs.file_names import known_as, speaking_of
from jobs.reference_calls import look_for_reference_calls
from jobs.score_cohort import score_cohort
from jobs.scoring_inputs import CohortScoring

logger = logging.getLogger(__name__)

RESULTS = (SCORES, MATCHES, SUMMARY, REPORT_JSON, REPORT_PAGE)


@dataclass(frozen=True, slots=True)
class _Work:
    """What to score: the upload, its store where it has one that answers, the one with its quality
    where it has any, scoring files by accession, the chain file that lifts over those of the other
    build, where there is one, what absent sites count as, and the FASTA where something asks for
    REF and there is one."""

    data: GenomicData
    file_uri: str
    store_uri: str | None
    quality_uri: str | None
    paths: Mapping[str, Path]
    chain: Path | None
    absent: Absent
    assume_reference: bool
    reference_fasta: Path | None

    @property
    def names(self) -> dict[str, str]:
        """Our paths and what users call them."""
        local = [*self.paths.values(), self.chain, self.reference_fasta]
        names = {str(path): path.name for path in local if path is not None}
        for uri in (self.file_uri, self.store_uri):
            names |= known_as(uri, self.data.filename) if uri is not None else {}
        return names


_Scored = tuple[dict[str, Any], ReferenceCalls | None]
"""The summary, and what its report needs to know of the genotypes."""


def run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
    """Scores, stores the results with their report, and returns how to fill the PrsScore rows.

    Raises ConflictError where the genomic data is not ready, ScoringFileNotInstalledError,
    and whatever makes every score impossible.
    """
    work = _work(job, context)
    with tempfile.TemporaryDirectory(prefix=f"curagenie-job-{job.id}-") as folder:
        output = Path(folder)
        with speaking_of(work.names):
            summary, looked = _score(work, context, output, _checkpoints(job))
        summary = in_user_words(summary, work.names)
        summary["genotypes"] = [{"uri": work.data.filename, "sha256": work.data.sha256}]
        (output / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        quality = quality_of_upload(work.data.metadata_json, work.quality_uri, context.s3)
        write_report(output, looked, quality)
        sums = _sums_of_one_sample(output / SCORES, summary["n_samples"])
        prefix = _prefix(job)
        for name in RESULTS:
            context.objects.put_file(f"{prefix}/{name}", output / name, write_once=True)
    results = [_result(accession, work, summary, sums, prefix) for accession in work.paths]
    return lambda tx: _write(tx, job, results)


def _score(work: _Work, context: JobContext, output: Path, checkpoints: str) -> _Scored:
    """Scores the store, or the file where the store does not answer."""
    if work.store_uri is not None:
        try:
            return _score_genotypes(work.store_uri, work, context, output, checkpoints)
        except (NotStoredError, UnsupportedFormatError) as error:
            logger.info("genomic data %d is read again: %s", work.data.id, error)
    return _score_genotypes(work.file_uri, work, context, output, checkpoints)


def _score_genotypes(
    uri: str, work: _Work, context: JobContext, output: Path, checkpoints: str
) -> _Scored:
    request = CohortScoring(
        genotypes=(uri,),
        scoring_files=tuple(work.paths.values()),
        output=output,
        shard_bytes=context.shard_bytes,
        chain=work.chain,
        overrides={"absent": work.absent},
        assume_reference=work.assume_reference,
        reference_fasta=work.reference_fasta,
        s3=context.s3,
        checkpoint=StoredCheckpoint(
            context.objects, checkpoints, seconds=context.checkpoint_seconds
        ),
    )
    summary = score_cohort(request, executor=context.executor, on_progress=context.on_progress)
    return summary, look_for_reference_calls(request, summary)


def fail(tx: UnitOfWork, job: Job, problem: Problem) -> None:
    for score in tx.prs_scores.of_job(job.id):
        tx.prs_scores.fail(score.id, problem.as_dict())


def clean_up(job: Job, state: JobState, database: Database, objects: ObjectStore) -> None:
    """Removes results that no row points to: of an attempt that did not complete, of one whose
    rows a newer job has taken over, and of those that this job replaced; and what another attempt
    would go on from, where there will be none."""
    places: list[str] = [_prefix(job), *job.params["replaced"]]
    with database.reading() as tx:
        unused = [place for place in places if not tx.prs_scores.any_at(place)]
    if not state.may_go_on:
        unused.append(_checkpoints(job))
    for place in unused:
        delete_folder(objects, place)


BODY = JobBody(run=run, fail=fail, clean_up=clean_up)


def _prefix(job: Job) -> str:
    return f"prs_scores/job-{job.id}/attempt-{job.attempt}"


def _checkpoints(job: Job) -> str:
    return f"checkpoints/job-{job.id}"


def _work(job: Job, context: JobContext) -> _Work:
    with context.database.reading() as tx:
        data = tx.genomic_data.get(job.params["genomic_data_id"], user_id=job.user_id)
    data.require_genotypes()
    if data.status is not RecordStatus.COMPLETED:
        raise ConflictError(
            f"Genomic data {data.id} is {data.status}.",
            fix="Calculate scores of genomic data whose status is completed.",
        )
    paths = {
        accession: context.scoring_files.path_of(accession, build=data.build)
        for accession in job.params["accessions"]
    }
    objects, build = context.objects, data.build
    is_gvcf = _is_gvcf(data, context)
    stored = objects.uri_of(data.store_url) if data.store_url is not None else None
    absent = Absent(job.params.get("absent", Absent.UNMATCHED))  # older jobs do not say
    asks_for_ref = is_gvcf or absent is Absent.REFERENCE
    return _Work(
        data=data,
        file_uri=objects.uri_of(data.file_url),
        store_uri=None if is_gvcf else stored,
        quality_uri=stored,
        paths=paths,
        chain=context.chains.get(build) if build is not None else None,
        absent=absent,
        assume_reference=job.params.get("assume_reference", False),
        reference_fasta=context.reference_fastas.get(build) if build and asks_for_ref else None,
    )


def _is_gvcf(data: GenomicData, context: JobContext) -> bool:
    """As the upload's check found; as the file says where that was before anyone asked."""
    if data.is_gvcf is not None or not context.objects.exists(data.file_url):
        return bool(data.is_gvcf)
    uri = context.objects.uri_of(data.file_url)
    with speaking_of(known_as(uri, data.filename)):
        return has_reference_blocks(open_cohort((uri,), s3=context.s3))


def in_user_words(value: Any, names: Mapping[str, str]) -> Any:
    """`value` (JSON) with our paths replaced, where they stand as keys and as values."""
    if isinstance(value, str):
        return names.get(value, str(value))
    if isinstance(value, Mapping):
        return {names.get(key, key): in_user_words(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [in_user_words(item, names) for item in value]
    return value


def _sums_of_one_sample(scores: Path, n_samples: int) -> dict[str, float | None]:
    """accession -> score_sum where the file has one sample; nothing for cohorts.

    A person whose every call is missing has the empty sum, 0, which would read like a score: None.
    """
    if n_samples != 1:
        return {}
    table = pq.read_table(scores, columns=["accession", "score_sum", "status"])
    return {
        str(row["accession"]): None
        if row["status"] == ScoreStatus.NO_CALLS
        else _finite(row["score_sum"])
        for row in table.to_pylist()
    }


def _finite(number: float | None) -> float | None:
    """JSON and the contract know no NaN."""
    return number if number is not None and math.isfinite(number) else None


def _result(
    accession: str,
    work: _Work,
    summary: Mapping[str, Any],
    sums: Mapping[str, float | None],
    prefix: str,
) -> ScoreResult:
    report: Mapping[str, Any] | None = summary["scores"].get(accession)
    problem = None
    if report is None:
        report, problem = {}, _refusal(accession, work.paths[accession], summary).as_dict()
    return ScoreResult(
        accession=accession,
        raw_sum=sums.get(accession),
        n_samples=summary["n_samples"],
        coverage=_finite(report.get("coverage")),
        weight_coverage=_finite(report.get("weight_coverage")),
        result_url=prefix if problem is None else None,
        report=report,
        problem=problem,
    )


def _refusal(accession: str, path: Path, summary: Mapping[str, Any]) -> Problem:
    """Why a scoring file gave no score while others did."""
    refused: Mapping[str, Any] | None = summary["refused_scoring_files"].get(path.name)
    if refused is None:
        return Problem(
            code="invalid_scoring_file",
            detail=f"The scoring file installed as {accession} names another accession.",
            file=path.name,
            fix="Install it under the accession (pgs_id) of its own header.",
        )
    return Problem(
        code=refused["code"],
        detail=refused["what"],
        file=path.name,
        line=refused.get("line"),
        field=refused.get("field"),
        fix=refused.get("fix"),
    )


def _write(tx: UnitOfWork, job: Job, results: list[ScoreResult]) -> None:
    """Fills the rows that this job still owns; a newer job of the same accession has the others."""
    by_accession = {result.accession: result for result in results}
    scores = tx.prs_scores.of_job(job.id)
    tx.prs_scores.finish_all({score.id: by_accession[score.accession] for score in scores})
