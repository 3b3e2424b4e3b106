"""Attempts in processes of their own, and what the dispatcher does for those that are lost."""

import multiprocessing
import os
import time
from multiprocessing.context import ForkProcess

from core.faultpoints import VARIABLE
from core.job import Job, JobKind, WorkerLostError
from core.records.session import Database
from jobs.attempt import Bodies, JobEnvironment, end_attempt, run_attempt
from tests.builders.job_bodies import BODIES
from tests.builders.records import USER

KIND = JobKind.PROCESS_GENOMIC_FILE


def submit(database: Database, *plan: str) -> Job:
    with database.transaction() as tx:
        data = tx.genomic_data.create(
            user_id=USER, filename="sample.vcf", file_url="x", sha256="0" * 64, size_bytes=1
        )
        return tx.jobs.submit(KIND, USER, {"genomic_data_id": data.id, "plan": list(plan)})


def lease(database: Database, seconds: float = 1) -> Job:
    with database.transaction() as tx:
        job = tx.jobs.lease(KIND.queue, owner="test", seconds=seconds)
    assert job is not None
    return job


def start_worker(
    job: Job, environment: JobEnvironment, fault: str, bodies: Bodies = BODIES
) -> ForkProcess:
    """A process that runs this attempt, with `fault` as CURAGENIE_FAULTPOINT says it."""
    worker = multiprocessing.get_context("fork").Process(
        target=_work, args=(job, environment, fault, bodies)
    )
    worker.start()
    return worker


def _work(job: Job, environment: JobEnvironment, fault: str, bodies: Bodies) -> None:
    os.environ[VARIABLE] = fault
    run_attempt(job, environment, bodies[job.kind])


def take_back(
    job: Job, environment: JobEnvironment, database: Database, bodies: Bodies = BODIES
) -> None:
    """As the dispatcher does when the process of `job`'s attempt is gone."""
    lost = WorkerLostError("The worker of this job was lost.", fix="The job is tried again.")
    end_attempt(job, lost, environment, bodies[job.kind], database)


def wait_until_expired(job: Job, database: Database) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with database.reading() as tx:
            if job.id in [expired.id for expired in tx.jobs.expired()]:
                return
        time.sleep(0.02)
    raise TimeoutError(f"the lease of job {job.id} does not expire")
