"""Databases and records for tests: real tables made by the migrations, in a file of their own."""

from collections.abc import Sequence
from pathlib import Path

from core.job import Job, JobKind, JobState
from core.records.migrations import migrate
from core.records.records import GenomicData, PrsScore
from core.records.repositories import UnitOfWork
from core.records.session import Database, open_database
from core.storage.objects import ObjectStore
from jobs import process_genomic_file
from jobs.attempt import JobEnvironment, run_attempt
from jobs.submit import submit_genomic_file, submit_prs

USER = "ada"
KEY = "genomic_data/0123/genotypes.vcf.gz"
FILENAME = "Ada's genome.vcf.gz"


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/curagenie.db"


def migrated_database(url: str) -> Database:
    migrate(url)
    return open_database(url)


def upload(tx: UnitOfWork, *, user_id: str = USER, file_url: str = "genomic_data/1") -> GenomicData:
    """A genomic data record in processing, with its queued job."""
    data = tx.genomic_data.create(
        user_id=user_id,
        filename="sample.vcf",
        file_url=file_url,
        sha256="0" * 64,
        size_bytes=123,
    )
    job = submit_genomic_file(tx, data)
    return tx.genomic_data.attach_job(data.id, job.id)


def stored_upload(
    tx: UnitOfWork, objects: ObjectStore, content: bytes, *, key: str = KEY
) -> GenomicData:
    """A record in processing whose file is in the store under `key`, without a job."""
    with objects.put_stream(key) as writer:
        writer.write(content)
    return tx.genomic_data.create(
        user_id=USER,
        filename=FILENAME,
        file_url=key,
        sha256=writer.sha256,
        size_bytes=writer.size_bytes,
    )


def processed_upload(
    database: Database,
    environment: JobEnvironment,
    objects: ObjectStore,
    content: bytes,
    *,
    key: str = KEY,
) -> GenomicData:
    """An upload as one attempt of its job leaves it: read and stored, or refused."""
    with database.transaction() as tx:
        data = stored_upload(tx, objects, content, key=key)
        submitted = submit_genomic_file(tx, data)
        job = tx.jobs.lease(submitted.queue, owner="test", seconds=30)
    assert job is not None
    run_attempt(job, environment, process_genomic_file.BODY)
    with database.reading() as tx:
        return tx.genomic_data.get(data.id, user_id=USER)


def ready_upload(tx: UnitOfWork, *, file_url: str = "genomic_data/1") -> GenomicData:
    """A completed genomic data record."""
    return tx.genomic_data.complete(upload(tx, file_url=file_url).id, {"n_samples": 1})


def calculation(tx: UnitOfWork, accessions: Sequence[str]) -> tuple[Job, list[PrsScore]]:
    """A queued calculation of a completed genomic data record."""
    return submit_prs(tx, ready_upload(tx), accessions)


def running(tx: UnitOfWork, kind: JobKind, *, seconds: float = 30.0) -> Job:
    """The oldest queued job of a kind, leased and running."""
    job = tx.jobs.lease(kind.queue, owner="worker", seconds=seconds)
    assert job is not None
    return tx.jobs.advance(job, JobState.RUNNING)
