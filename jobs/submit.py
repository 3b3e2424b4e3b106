"""The only door to background work: `submit` in the caller's transaction, then `announce`.

    with database.transaction() as tx:
        data = tx.genomic_data.create(...)
        job = submit_genomic_file(tx, data)
    announce(tx.recorded)

Accepted is durable: the job row and its first event commit with whatever else the caller writes.
A lost `announce` loses nothing; the dispatcher reads the table too.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import ray
from ray.exceptions import RayError

from core.errors import ConflictError
from core.events import Event
from core.faultpoints import FaultPoint, reached
from core.job import Job, JobKind, Priority
from core.records.records import GenomicData, PrsScore
from core.records.repositories import UnitOfWork
from core.scoring.policy import Absent
from jobs.status import named_actor, publish_events

logger = logging.getLogger(__name__)

DISPATCHER_NAME = "job_dispatcher"


class DispatcherPulse(NamedTuple):
    """`idle_seconds`: since the dispatcher last looked through the queues without an error."""

    stopping: bool
    idle_seconds: float


def submit_genomic_file(
    tx: UnitOfWork, genomic_data: GenomicData, *, priority: Priority = Priority.NORMAL
) -> Job:
    """Queues the check of a stored upload and names the job in its record."""
    job = tx.jobs.submit(
        JobKind.PROCESS_GENOMIC_FILE,
        genomic_data.user_id,
        {"genomic_data_id": genomic_data.id},
        priority=priority,
    )
    tx.genomic_data.attach_job(genomic_data.id, job.id)
    return job


def pair_reads(tx: UnitOfWork, genomic_data: GenomicData, mate_id: int) -> None:
    """Makes a FASTQ and another of the same user mates; where both have been read, their summary is
    queued. Asking again changes nothing.

    Raises NotFoundError, and ConflictError where one of them cannot be in this pair.
    """
    if tx.read_pairs.join(genomic_data.id, mate_id, user_id=genomic_data.user_id):
        submit_read_pair(tx, genomic_data.id)


def submit_read_pair(tx: UnitOfWork, genomic_data_id: int) -> Job | None:
    """Queues the summary of a FASTQ and its mate, where both have been read.

    To be asked in the user's turn (`wait_for_turn`) by whatever may be the last that was missing:
    the pairing, and the end of each file. Each happens once, so only one of them is the last.
    """
    pair = tx.read_pairs.read_wholly(genomic_data_id)
    if pair is None:
        return None
    first, second = pair
    params = {"genomic_data_id": first.id, "mate_id": second.id}
    return tx.jobs.submit(JobKind.SUMMARISE_READ_PAIR, first.user_id, params)


def submit_prs(
    tx: UnitOfWork,
    genomic_data: GenomicData,
    accessions: Sequence[str],
    *,
    disease_type: str | None = None,
    absent: Absent = Absent.UNMATCHED,
    assume_reference: bool = False,
    priority: Priority = Priority.NORMAL,
) -> tuple[Job, list[PrsScore]]:
    """Queues the calculation of `accessions` (each once) and takes over their PrsScore rows, in
    that order. What these rows had in the store is left to the job to remove.

    `absent` is the policy of sites without a record, `assume_reference` the user's statement that
    they are reference.
    """
    accessions = list(dict.fromkeys(accessions))
    params = {
        "genomic_data_id": genomic_data.id,
        "accessions": accessions,
        "absent": absent,
        "assume_reference": assume_reference,
        "replaced": tx.prs_scores.result_urls(genomic_data.id, accessions),
    }
    job = tx.jobs.submit(
        JobKind.CALCULATE_PRS_SCORE, genomic_data.user_id, params, priority=priority
    )
    scores = tx.prs_scores.start(genomic_data, accessions, disease_type=disease_type, job_id=job.id)
    return job, scores


def retry(tx: UnitOfWork, job_id: int, *, user_id: str | None) -> Job:
    """Queues a job that ended in SYSTEM_ERROR again: what it was to make is awaited again, and what
    it has finished is not done again.

    Raises ConflictError where there is nothing to retry, NotFoundError where there is no such job.
    """
    job = tx.jobs.retry(job_id, user_id=user_id)
    _AWAIT_AGAIN[job.kind](tx, job)
    return job


def _await_genomic_file(tx: UnitOfWork, job: Job) -> None:
    tx.genomic_data.reopen(job.params["genomic_data_id"])


def _await_prs(tx: UnitOfWork, job: Job) -> None:
    if not tx.prs_scores.reopen(job.id):
        raise ConflictError(
            f"The scores of job {job.id} have been calculated anew.",
            fix="See the newer job; there is nothing left for this one to do.",
        )


def _refuse_read_pair(_: UnitOfWork, job: Job) -> None:
    raise ConflictError(
        f"Job {job.id} has let its two files go.",
        fix=f"Pair them again: PUT /api/genomic-data/{job.params['genomic_data_id']}/mate.",
    )


_AWAIT_AGAIN: Mapping[JobKind, Callable[[UnitOfWork, Job], None]] = {
    JobKind.PROCESS_GENOMIC_FILE: _await_genomic_file,
    JobKind.CALCULATE_PRS_SCORE: _await_prs,
    JobKind.SUMMARISE_READ_PAIR: _refuse_read_pair,
}


def announce(events: list[Event]) -> None:
    """After the commit: tells clients, and the dispatcher that there may be work."""
    reached(FaultPoint.ACCEPTED)
    publish_events(events)
    wake_dispatcher()


def wake_dispatcher() -> None:
    try:
        dispatcher = named_actor(DISPATCHER_NAME)
    except (ValueError, RayError):
        logger.warning("the dispatcher is not running: jobs wait in the table")
        return
    dispatcher.wake.remote()


def dispatcher_pulse(timeout_seconds: float) -> DispatcherPulse:
    """What the dispatcher says of itself.

    Raises ValueError where there is none, RayError where it does not answer in time.
    """
    return ray.get(named_actor(DISPATCHER_NAME).pulse.remote(), timeout=timeout_seconds)
