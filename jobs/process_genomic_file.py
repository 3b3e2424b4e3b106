"""The job that reads an upload to its end: is it a VCF, whole, and what is in it?

The same pass writes the upload's genotype store, which scores are calculated from. Each attempt
writes a store of its own beside the upload; the metadata names the one that counts.
"""

from collections.abc import Callable

from core.genotypes.store import SUFFIX
from core.genotypes.store_writer import StoreTarget
from core.job import Job, JobState, Problem
from core.records.records import GenomicData
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.storage.objects import ObjectStore, delete_folder
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
    store = StoreTarget(context.objects_location, _store_prefix(data, job.attempt))
    with speaking_of(known_as(uri, data.filename)):
        summary = summarise_cohort(
            [uri],
            executor=context.executor,
            on_progress=context.on_progress,
            shard_bytes=context.shard_bytes,
            s3=context.s3,
            store=store,
        )
    metadata = {
        **summary,
        "sha256": data.sha256,
        "size_bytes": data.size_bytes,
        "store": store.prefix.rpartition("/")[2],
    }

    def complete(tx: UnitOfWork) -> None:
        tx.genomic_data.complete(genomic_data_id, metadata)

    return complete


def fail(tx: UnitOfWork, job: Job, problem: Problem) -> None:
    tx.genomic_data.fail(job.params["genomic_data_id"], problem.as_dict())


def clean_up(job: Job, state: JobState, database: Database, objects: ObjectStore) -> None:
    """A file that cannot be used is not kept; after our own failure it is, for another try.

    Of the stores, only that of the completed attempt is kept.
    """
    with database.reading() as tx:
        data = tx.genomic_data.get(job.params["genomic_data_id"], user_id=job.user_id)
    if state is JobState.EXECUTOR_ERROR:
        objects.delete(data.file_url)
    for attempt in range(1, job.attempt + 1):
        prefix = _store_prefix(data, attempt)
        if prefix != data.store_url:
            delete_folder(objects, prefix)


def _store_prefix(data: GenomicData, attempt: int) -> str:
    return f"{data.folder}/genotypes-{attempt}{SUFFIX}"


BODY = JobBody(run=run, fail=fail, clean_up=clean_up)
