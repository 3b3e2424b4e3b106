"""The job that reads the two FASTQs of a pair together: are they of the same reads, in what number?

It is queued once both uploads have been read by themselves. What it finds stands in both records.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from core.fastq.report import report_html
from core.job import Job, JobState, Problem
from core.records.records import QUALITY_HTML, GenomicData
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.storage.objects import ObjectStore, delete_folder, put_text
from jobs.attempt import JobBody, JobContext
from jobs.file_names import known_as, speaking_of
from jobs.summarise_reads import summarise_reads, without_curves


def run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
    """Summarises both files; a page of both is stored beside each.

    Raises FastqFileError, naming the user's file and the first record that has no mate.
    """
    pair = _mates(job, context.database)
    facts = _facts(pair, context)
    page, name = report_html(facts), _folder_name(job, job.attempt)
    for data in pair:
        put_text(context.objects, f"{data.folder}/{name}/{QUALITY_HTML}", page)

    def complete(tx: UnitOfWork) -> None:
        told = {**without_curves(facts), "read_quality": name}
        tx.read_pairs.complete(_ids(job), told, job_id=job.id)

    return complete


def _facts(pair: tuple[GenomicData, GenomicData], context: JobContext) -> dict[str, Any]:
    """What the command line tells of a pair, by the users' names and the records' numbers."""
    reads, mates = (context.objects.uri_of(data.file_url) for data in pair)
    with ExitStack() as stack:
        for uri, data in zip((reads, mates), pair, strict=True):
            stack.enter_context(speaking_of(known_as(uri, data.filename)))
        facts = summarise_reads(
            reads,
            mates,
            executor=context.executor,
            on_progress=context.on_progress,
            shard_bytes=context.shard_bytes,
            s3=context.s3,
        )
    files = [
        {**file, "file": data.filename, "genomic_data_id": data.id}
        for file, data in zip(facts["files"], pair, strict=True)
    ]
    # otherwise there would have been an error
    agreement = {"names_agree": True, "n_pairs": files[0]["n_reads"]}
    return {**agreement, **facts, "files": files}


def fail(tx: UnitOfWork, job: Job, problem: Problem) -> None:
    tx.read_pairs.fail(_ids(job), problem.as_dict(), job_id=job.id)


def clean_up(job: Job, _state: JobState, database: Database, objects: ObjectStore) -> None:
    """Of what attempts wrote, only that of the completed one is kept."""
    for data in _mates(job, database):
        for attempt in range(1, job.attempt + 1):
            folder = f"{data.folder}/{_folder_name(job, attempt)}"
            if folder != data.pair_quality_url:
                delete_folder(objects, folder)


def _mates(job: Job, database: Database) -> tuple[GenomicData, GenomicData]:
    first, second = _ids(job)
    with database.reading() as tx:
        return (
            tx.genomic_data.get(first, user_id=job.user_id),
            tx.genomic_data.get(second, user_id=job.user_id),
        )


def _ids(job: Job) -> tuple[int, int]:
    return job.params["genomic_data_id"], job.params["mate_id"]


def _folder_name(job: Job, attempt: int) -> str:
    return f"pair-{job.id}-{attempt}"


BODY = JobBody(run=run, fail=fail, clean_up=clean_up)
