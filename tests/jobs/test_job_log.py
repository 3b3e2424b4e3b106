"""What an attempt says reaches whoever looks at its job."""

import logging
from collections.abc import Callable
from dataclasses import replace

from core.errors import InfrastructureError
from core.job import Job, JobKind, Queue
from core.records.records import LogLine
from core.records.repositories import UnitOfWork
from core.records.session import Database
from core.storage.objects import ObjectStore
from jobs import process_genomic_file
from jobs.attempt import JobBody, JobContext, JobEnvironment, run_attempt
from jobs.submit import submit_genomic_file
from tests.builders import job_bodies
from tests.builders.records import USER, stored_upload
from tests.builders.vcf import Record, bgzip, vcf_text

KIND = JobKind.PROCESS_GENOMIC_FILE
logger = logging.getLogger("jobs.of_the_test")
BODY = job_bodies.BODIES[KIND]


def saying(say: Callable[[], None]) -> JobBody:
    def run(job: Job, context: JobContext) -> Callable[[UnitOfWork], None]:
        say()
        return BODY.run(job, context)

    return replace(BODY, run=run)


def log_of_attempts(
    database: Database, environment: JobEnvironment, *bodies: JobBody, plan: str = "complete"
) -> list[LogLine]:
    with database.transaction() as tx:
        data = tx.genomic_data.create(
            user_id=USER, filename="sample.vcf", file_url="x", sha256="0" * 64, size_bytes=1
        )
        job = tx.jobs.submit(KIND, USER, {"genomic_data_id": data.id, "plan": [plan]})
    for body in bodies:
        with database.transaction() as tx:
            leased = tx.jobs.lease(Queue.GENOMIC_PROCESSING, owner="test", seconds=30)
        assert leased is not None
        run_attempt(leased, environment, body)
    with database.reading() as tx:
        return tx.job_log.tail(job.id, limit=5000)


def test_lines_of_all_attempts_are_kept_in_order(
    database: Database, environment: JobEnvironment
) -> None:
    def fail() -> None:
        logger.info("begins")
        raise InfrastructureError("the object store went away")

    bodies = saying(fail), saying(lambda: logger.info("goes on at shard %d", 7))
    lines = log_of_attempts(database, environment, *bodies)
    said = [(line.attempt, line.level, line.message) for line in lines]
    assert (1, "INFO", "begins") in said
    assert (2, "INFO", "goes on at shard 7") in said
    assert said.index((1, "INFO", "begins")) < said.index((2, "INFO", "goes on at shard 7"))


def test_no_traceback_and_nothing_of_other_libraries_is_kept(
    database: Database, environment: JobEnvironment
) -> None:
    def say() -> None:
        logging.getLogger("elsewhere").warning("of a library")
        logger.debug("too small to keep")

    lines = log_of_attempts(database, environment, saying(say), plan="mistake_of_ours")
    text = "\n".join(line.message for line in lines)
    assert "attempt 1 of job 1" in text
    for absent in ("Traceback", "the secret of the traceback", "of a library", "too small"):
        assert absent not in text


def test_a_talkative_attempt_is_cut_short_and_says_so(
    database: Database, environment: JobEnvironment
) -> None:
    def say() -> None:
        for n in range(3000):
            logger.info("line %d", n)

    lines = log_of_attempts(database, environment, saying(say))
    assert len(lines) == 1000
    assert lines[-1].message == "There is more; the log of the worker has it."


def test_listening_ends_with_the_attempt(database: Database, environment: JobEnvironment) -> None:
    before = logging.getLogger("jobs").handlers[:], logging.getLogger("jobs").level
    log_of_attempts(database, environment, saying(lambda: None))
    assert (logging.getLogger("jobs").handlers, logging.getLogger("jobs").level) == before


def test_the_log_of_an_upload_names_its_steps(
    database: Database, environment: JobEnvironment, objects: ObjectStore
) -> None:
    records = [Record("1", 1000 + i, ["0/1"]) for i in range(50)]
    with database.transaction() as tx:
        data = stored_upload(tx, objects, bgzip(vcf_text(records, samples=["S1"])))
        job = submit_genomic_file(tx, data)
        leased = tx.jobs.lease(job.queue, owner="test", seconds=30)
    assert leased is not None
    run_attempt(leased, environment, process_genomic_file.BODY)
    with database.reading() as tx:
        lines = [line.message for line in tx.job_log.tail(job.id, limit=100)]
    steps = [line for line in lines if "JobStatus" not in line]
    assert steps == ["reading 1 samples in 1 shards (inline)", "read 50 records"]
