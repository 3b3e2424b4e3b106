"""The job that reads an upload to its end: is it a VCF, whole, and what is in it?"""

from collections.abc import Callable

from core.job import Job, JobState, Problem
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.storage.objects import ObjectStore
from jobs.attempt import JobBody, JobContext
from jobs.file_names import known_as, speaking_of
from jobs.summarise_cohort import summarise_cohort


def run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
    """Summarises the stored object; its completion carries the metadata.

    Raises GenotypeFileError and its siblings, naming the user's file and the line.
    """
    genomic_data_id: int = job.params["genomic_data_id"]
    with context.database.reading() as tx:
        data = tx.genomic_data.get(genomic_data_id, user_id=job.user_id)
    uri = context.objects.uri_of(data.file_url)
    with speaking_of(known_as(uri, data.filename)):
        summary = summarise_cohort(
            [uri],
            executor=context.executor,
            on_progress=context.on_progress,
            shard_bytes=context.shard_bytes,
            s3=context.s3,
        )
    metadata = {**summary, "sha256": data.sha256, "size_bytes": data.size_bytes}

    def complete(tx: UnitOfWork) -> None:
        tx.genomic_data.complete(genomic_data_id, metadata)

    return complete


def fail(tx: UnitOfWork, job: Job, problem: Problem) -> None:
    tx.genomic_data.fail(job.params["genomic_data_id"], problem.as_dict())


def clean_up(job: Job, state: JobState, database: Database, objects: ObjectStore) -> None:
    """A file that cannot be used is not kept; after our own failure it is, for another try."""
    if state is not JobState.EXECUTOR_ERROR:
        return
    with database.reading() as tx:
        data = tx.genomic_data.get(job.params["genomic_data_id"], user_id=job.user_id)
    objects.delete(data.file_url)


BODY = JobBody(run=run, fail=fail, clean_up=clean_up)
