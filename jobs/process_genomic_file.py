"""The job that reads an upload to its end: is it what it seems to be, whole, and what is in it?

Of a VCF the same pass writes the genotype store, which scores are calculated from; of a FASTQ the
quality of the reads is stored. Each attempt writes to a folder of its own beside the upload; the
metadata names the one that counts.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

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
from jobs.file_names import known_as, speaking_of
from jobs.submit import submit_read_pair
from jobs.summarise_cohort import summarise_cohort
from jobs.summarise_reads import summarise_reads, without_curves


def run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
    """Summarises the stored object; its completion carries the metadata.

    Raises GenotypeFileError and its siblings, naming the user's file and the line.
    """
    genomic_data_id: int = job.params["genomic_data_id"]
    with context.database.reading() as tx:
        data = tx.genomic_data.get(genomic_data_id, user_id=job.user_id)
    uri = context.objects.uri_of(data.file_url)
    with speaking_of(known_as(uri, data.filename)):
        facts = _READERS[data.kind](uri, data, job.attempt, context)
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
    uri: str, data: GenomicData, attempt: int, context: JobContext
) -> dict[str, object]:
    store = StoreTarget(context.objects_location, _store_prefix(data, attempt))
    summary = summarise_cohort(
        [uri],
        executor=context.executor,
        on_progress=context.on_progress,
        shard_bytes=context.shard_bytes,
        s3=context.s3,
        store=store,
    )
    return {**summary, "store": store.prefix.rpartition("/")[2]}


def _read_reads(
    uri: str, data: GenomicData, attempt: int, context: JobContext
) -> dict[str, object]:
    facts = summarise_reads(
        uri,
        executor=context.executor,
        on_progress=context.on_progress,
        shard_bytes=context.shard_bytes,
        s3=context.s3,
    )
    facts["files"] = [{**file, "file": data.filename} for file in facts["files"]]
    prefix = _read_quality_prefix(data, attempt)
    put_text(context.objects, f"{prefix}/{QUALITY_JSON}", json.dumps(facts))
    put_text(context.objects, f"{prefix}/{QUALITY_HTML}", report_html(facts))
    return {**without_curves(facts), "read_quality": prefix.rpartition("/")[2]}


_READERS: Mapping[FileKind, Callable[[str, GenomicData, int, JobContext], dict[str, Any]]] = {
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
    """A file that cannot be used is not kept; after our own failure it is, for another try.

    Of what attempts wrote, only that of the completed one is kept.
    """
    with database.reading() as tx:
        data = tx.genomic_data.get(job.params["genomic_data_id"], user_id=job.user_id)
    if state is JobState.EXECUTOR_ERROR:
        objects.delete(data.file_url)
    for attempt in range(1, job.attempt + 1):
        for prefix in (_store_prefix(data, attempt), _read_quality_prefix(data, attempt)):
            if prefix not in (data.store_url, data.read_quality_url):
                delete_folder(objects, prefix)


def _store_prefix(data: GenomicData, attempt: int) -> str:
    return f"{data.folder}/genotypes-{attempt}{SUFFIX}"


def _read_quality_prefix(data: GenomicData, attempt: int) -> str:
    return f"{data.folder}/reads-{attempt}"


BODY = JobBody(run=run, fail=fail, clean_up=clean_up)
