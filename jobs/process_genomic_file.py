"""The job that reads an upload to its end: is it what it seems to be, whole, and what is in it?

Of a VCF the same pass writes the genotype store, which scores are calculated from; of a FASTQ the
quality of the reads is stored. Both are in folders beside the upload; the metadata names the one
that counts.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jobs
from core.fastq.report import report_html
from core.file_kind import FileKind
from core.genotypes.store import SUFFIX
from core.genotypes.store_writer import StoreTarget
from core.job import Job, JobState, Problem
from core.records.records import QUALITY_HTML, QUALITY_JSON, GenomicData
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.storage.objects import ObjectStore, delete_folder, put_text
from jobs.attempt import JobBody, JobContext
from jobs.checkpoint import StoredSnapshot
from jobs.file_names import known_as, speaking_of
from jobs.partials import code_digest, content_key, sources_digest
from jobs.submit import submit_read_pair
from jobs.summarise_cohort import summarise_cohort
from jobs.summarise_reads import summarise_reads, without_curves

_STORES, _READ_QUALITIES = "genotypes-", "reads-"
"""How the names of the folders of attempts begin."""


def run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
    """Summarises the stored object; its completion carries the metadata.

    Raises GenotypeFileError and its siblings, naming the user's file and the line.
    """
    genomic_data_id: int = job.params["genomic_data_id"]
    with context.database.reading() as tx:
        data = tx.genomic_data.get(genomic_data_id, user_id=job.user_id)
    uri = context.objects.uri_of(data.file_url)
    with speaking_of(known_as(uri, data.filename)):
        facts = _READERS[data.kind](uri, data, job, context)
    metadata = {
        "kind": str(data.kind),
        **facts,
        "sha256": data.sha256,
        "size_bytes": data.size_bytes,
    }

    def complete(tx: UnitOfWork) -> None:
        tx.genomic_data.complete(genomic_data_id, metadata)
        submit_read_pair(tx, genomic_data_id)

    return complete


def _read_genotypes(
    uri: str, data: GenomicData, job: Job, context: JobContext
) -> dict[str, object]:
    key = _content_key(data, context)
    store = StoreTarget(context.objects_location, f"{data.folder}/{_STORES}{key}{SUFFIX}")
    snapshot = f"{_checkpoints(job)}/{key}.arrow"
    summary = summarise_cohort(
        [uri],
        executor=context.executor,
        on_progress=context.on_progress,
        shard_bytes=context.shard_bytes,
        s3=context.s3,
        store=store,
        snapshot=StoredSnapshot(context.objects, snapshot, seconds=context.checkpoint_seconds),
    )
    return {**summary, "store": store.prefix.rpartition("/")[2]}


def _content_key(data: GenomicData, context: JobContext) -> str:
    """Attempts that share it write the same store, so one goes on where another was lost."""
    facts = {
        "core": code_digest(),
        "jobs": sources_digest(Path(jobs.__file__).parent),
        "file": data.sha256,
        "shard_bytes": context.shard_bytes,
    }
    return content_key(facts)


def _read_reads(uri: str, data: GenomicData, job: Job, context: JobContext) -> dict[str, object]:
    facts = summarise_reads(
        uri,
        executor=context.executor,
        on_progress=context.on_progress,
        shard_bytes=context.shard_bytes,
        s3=context.s3,
    )
    facts["files"] = [{**file, "file": data.filename} for file in facts["files"]]
    prefix = f"{data.folder}/{_READ_QUALITIES}{job.attempt}"
    put_text(context.objects, f"{prefix}/{QUALITY_JSON}", json.dumps(facts))
    put_text(context.objects, f"{prefix}/{QUALITY_HTML}", report_html(facts))
    return {**without_curves(facts), "read_quality": prefix.rpartition("/")[2]}


_READERS: Mapping[FileKind, Callable[[str, GenomicData, Job, JobContext], dict[str, Any]]] = {
    FileKind.VCF: _read_genotypes,
    FileKind.FASTQ: _read_reads,
}


def fail(tx: UnitOfWork, job: Job, problem: Problem) -> None:
    """A mate that waits for the file is told that it waits no longer."""
    data = tx.genomic_data.fail(job.params["genomic_data_id"], problem.as_dict())
    if data.mate_id is not None:
        no_pair = Problem(
            code="mate_failed",
            detail=f"{data.filename} (genomic data {data.id}), its mate, could not be read.",
            file=data.filename,
            fix=f"See the problem of /api/genomic-data/{data.id}, and upload it again as a mate.",
        )
        tx.read_pairs.fail((data.id, data.mate_id), no_pair.as_dict(), job_id=job.id)


def clean_up(job: Job, state: JobState, database: Database, objects: ObjectStore) -> None:
    """A file that cannot be used is not kept; after our own failure it is, for another try, with
    what has been finished.

    Of what attempts wrote, only what the completed one names is kept.
    """
    if state.may_go_on:
        return
    delete_folder(objects, _checkpoints(job))
    with database.reading() as tx:
        data = tx.genomic_data.get(job.params["genomic_data_id"], user_id=job.user_id)
    if data.job_id not in (None, job.id):
        return  # a newer reading writes there, and cleans up when it ends
    if state is JobState.EXECUTOR_ERROR:
        objects.delete(data.file_url)
    kept = tuple(f"{url}/" for url in (data.store_url, data.read_quality_url) if url is not None)
    written = (f"{data.folder}/{_STORES}", f"{data.folder}/{_READ_QUALITIES}")
    for key in list(objects.keys(data.folder)):
        if key.startswith(written) and not key.startswith(kept):
            objects.delete(key)


def _checkpoints(job: Job) -> str:
    return f"checkpoints/job-{job.id}"


BODY = JobBody(run=run, fail=fail, clean_up=clean_up)
