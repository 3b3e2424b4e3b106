"""One attempt at one job: heartbeat, body, and its end in one transaction.

An attempt ends in COMPLETE together with its results, in CANCELED where somebody asked for that
before, in EXECUTOR_ERROR where the user's data or
request is wrong, back in QUEUED where the infrastructure failed, and in SYSTEM_ERROR where that
happened too often or nobody foresaw the error. An attempt that lost its lease changes nothing.
"""

import logging
import random
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ray.exceptions import RayError

from core.errors import CuraGenieError, InfrastructureError, UserError
from core.events import Progress
from core.faultpoints import FaultPoint, reached
from core.genome_build import GenomeBuild
from core.job import WORKING, Job, JobKind, JobState, Problem, RetryPolicy
from core.records.repositories import LeaseLostError, UnitOfWork
from core.records.session import Database, open_database
from core.scoring.library import ScoringFileLibrary
from core.storage.byte_ranges import S3Access
from core.storage.objects import ObjectsLocation, ObjectStore, open_objects
from jobs.job_log import JobLog, listening
from jobs.ray_errors import cause_of
from jobs.run_shards import Executor
from jobs.status import publish_events, publish_progress

logger = logging.getLogger(__name__)

_GAVE_UP = "It was tried {n} times; the log has the cause. POST /api/jobs/{id}/retry tries again."

_HANDED_BACK = {
    "code": "service_stopping",
    "detail": "The service was stopped; the job goes on when it runs again.",
}

SNAPSHOTS_PER_ATTEMPT = 1_000_000  # keeps the snapshots of a retried job growing


class JobCanceledError(UserError):
    """Somebody asked for the end of the job."""

    code = "job_canceled"


@dataclass(frozen=True, slots=True)
class JobEnvironment:
    """What a job needs from the settings; travels to whichever process runs it. `chains` are the
    chain files that lead to each build, `reference_fastas` the FASTA of each."""

    database_url: str = field(repr=False)
    objects: ObjectsLocation
    scoring_files_dir: Path
    shard_bytes: int | None
    chains: Mapping[GenomeBuild, Path] = field(default_factory=dict[GenomeBuild, Path])
    reference_fastas: Mapping[GenomeBuild, Path] = field(default_factory=dict[GenomeBuild, Path])
    lease_seconds: float = 30.0
    heartbeat_seconds: float = 10.0
    checkpoint_seconds: float = 5.0
    tidy_seconds: float = 3600.0
    retry: RetryPolicy = RetryPolicy()
    executor: Executor = Executor.AUTO


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job's body works with; `on_progress(done, total)` raises LeaseLostError when the
    attempt is over, JobCanceledError when it is to be. `objects_location` is that of `objects`, and
    travels to other processes."""

    database: Database
    objects: ObjectStore
    objects_location: ObjectsLocation
    scoring_files: ScoringFileLibrary
    chains: Mapping[GenomeBuild, Path]
    reference_fastas: Mapping[GenomeBuild, Path]
    s3: S3Access | None
    shard_bytes: int | None
    checkpoint_seconds: float
    executor: Executor
    on_progress: Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class JobBody:
    """What a kind of job does.

    `run` does the work and returns what to write in the completing transaction; `fail` writes the
    end of a job that will not be tried again, both in the user's turn (EventRepository); `clean_up`
    removes stored objects that nobody needs after an attempt that left the job in the given state,
    and may run more than once.
    """

    run: Callable[[Job, JobContext], Callable[[UnitOfWork], None]]
    fail: Callable[[UnitOfWork, Job, Problem], None]
    clean_up: Callable[[Job, JobState, Database, ObjectStore], None]


Bodies = Mapping[JobKind, JobBody]


def run_attempt(job: Job, environment: JobEnvironment, body: JobBody) -> None:
    """Runs `job` (leased, INITIALIZING) to the end of this attempt.

    Raises only where the database cannot even be told how it ended; the lease then expires.
    """
    database = open_database(environment.database_url)
    try:
        with listening(job) as log:
            _run_to_an_end(job, environment, body, database, log)
        _write_rest(log, database)
    finally:
        database.close()


def _write_rest(log: JobLog, database: Database) -> None:
    try:
        with database.transaction() as tx:
            log.write(tx)
    except InfrastructureError:
        logger.warning("the end of a job's log is in this log only", exc_info=True)


def _run_to_an_end(
    job: Job, environment: JobEnvironment, body: JobBody, database: Database, log: JobLog
) -> None:
    try:
        _run(job, environment, body, database, log)
    except LeaseLostError as error:
        logger.warning("attempt %d of job %d lost its lease", job.attempt, job.id)
        clean_up(job, job.state, body, database, environment)
        _end_what_is_left(job, error, environment, body, database)
    except Exception as error:
        # whatever it is, the job must end; settle() logs what nobody foresaw
        end_attempt(job, error, environment, body, database)


def _run(
    job: Job, environment: JobEnvironment, body: JobBody, database: Database, log: JobLog
) -> None:
    with database.transaction() as tx:
        job = tx.jobs.advance(job, JobState.RUNNING)
    publish_events(tx.recorded)
    with _Heartbeat.beating(database, job, environment, log) as heartbeat:
        write_results = body.run(job, _context(database, environment, heartbeat))
    reached(FaultPoint.RESULTS_STORED)
    with database.transaction() as tx:
        heartbeat.beat(tx)
        tx.events.wait_for_turn(job.user_id)
        write_results(tx)
        tx.jobs.advance(job, JobState.COMPLETE)
    reached(FaultPoint.COMPLETED)
    publish_events(tx.recorded)
    clean_up(job, JobState.COMPLETE, body, database, environment)


def _end_what_is_left(
    job: Job,
    error: LeaseLostError,
    environment: JobEnvironment,
    body: JobBody,
    database: Database,
) -> None:
    """A job may be canceled before its attempt has begun to run, and may have ended while this
    attempt, which was taken for lost, still wrote what another was to go on from."""
    state = _state_now(job, database)
    if state is JobState.CANCELING:
        end_attempt(job, error, environment, body, database)
    elif not state.may_go_on:
        clean_up(job, state, body, database, environment)


def _state_now(job: Job, database: Database) -> JobState:
    with database.reading() as tx:
        return tx.jobs.get(job.id, user_id=None).state


def end_attempt(
    job: Job,
    error: BaseException,
    environment: JobEnvironment,
    body: JobBody,
    database: Database,
) -> None:
    """Settles a failed attempt, tells it, and removes what it stored."""
    try:
        with database.transaction() as tx:
            state = settle(tx, job, error, environment.retry, body)
    except LeaseLostError:
        logger.warning("attempt %d of job %d was settled before", job.attempt, job.id)
        # by itself, it may be, and then it was killed before it could clean up
        if not (state := _state_now(job, database)).may_go_on:
            clean_up(job, state, body, database, environment)
        return
    publish_events(tx.recorded)
    clean_up(job, state, body, database, environment)


def hand_back(job: Job, environment: JobEnvironment, body: JobBody, database: Database) -> None:
    """Puts an attempt that has done nothing wrong back into the queue at once, as none of its
    tries: the service stops. One that is to be canceled is."""
    with database.transaction() as tx:
        current = tx.jobs.hold(job.id, user_id=None)
        if current.attempt != job.attempt or current.state not in WORKING:
            state = None
        else:
            tx.events.wait_for_turn(job.user_id)
            state = tx.jobs.requeue(current, delay_seconds=0, problem=_HANDED_BACK).state
    publish_events(tx.recorded)
    if state is not None:
        clean_up(job, state, body, database, environment)
    elif current.state is JobState.CANCELING:
        end_attempt(job, JobCanceledError("The job was canceled."), environment, body, database)


def settle(
    tx: UnitOfWork, job: Job, error: BaseException, retry: RetryPolicy, body: JobBody
) -> JobState:
    """Writes how `error` ends `job`'s attempt: canceled, queued again, or failed for good.

    Raises LeaseLostError where the job has gone on without this attempt.
    """
    current = tx.jobs.hold(job.id, user_id=None)
    if current.attempt != job.attempt:
        raise LeaseLostError(f"Attempt {job.attempt} of job {job.id} is over.")
    tx.events.wait_for_turn(job.user_id)
    if current.state is JobState.CANCELING:
        error = JobCanceledError("The job was canceled.")
        body.fail(tx, current, problem_of(error))
        return tx.jobs.advance(
            current, JobState.CANCELED, problem=problem_of(error).as_dict()
        ).state
    error = classified(error, job)
    problem = problem_of(error)
    failures = current.failures.after(error)
    if retry.allows(error, failures):
        # no secret depends on the jitter
        delay = retry.delay_seconds(failures, rng=random.Random())
        return tx.jobs.requeue(
            current, delay_seconds=delay, problem=problem.as_dict(), failures=failures
        ).state
    if isinstance(error, InfrastructureError):
        problem = replace(problem, fix=_GAVE_UP.format(n=failures.n_failed, id=job.id))
    body.fail(tx, current, problem)
    state = JobState.EXECUTOR_ERROR if isinstance(error, UserError) else JobState.SYSTEM_ERROR
    return tx.jobs.advance(current, state, problem=problem.as_dict(), failures=failures).state


def classified(error: BaseException, job: Job) -> BaseException:
    """The error that counts: Ray's wrapper taken off, the machine's failures named as such."""
    error = cause_of(error)
    if isinstance(error, UserError):
        logger.info("attempt %d of job %d: %s", job.attempt, job.id, error)
        return error
    if isinstance(error, CuraGenieError):
        logger.warning("attempt %d of job %d", job.attempt, job.id, exc_info=error)
        return error
    logger.error("attempt %d of job %d", job.attempt, job.id, exc_info=error)
    if isinstance(error, (RayError, OSError, MemoryError)):
        return InfrastructureError(
            f"The machine of a worker failed ({type(error).__name__}).",
            fix="The job is tried again by itself; the log has the cause.",
        )
    return error


def problem_of(error: BaseException) -> Problem:
    """What users may read; the traceback of an unforeseen error stays in the log."""
    if isinstance(error, CuraGenieError):
        return Problem.of(error)
    return Problem(
        code="internal_error",
        detail="CuraGenie failed in a way that nobody foresaw.",
        fix="Report it with the job's number; the log has the cause.",
    )


def clean_up(
    job: Job,
    state: JobState,
    body: JobBody,
    database: Database,
    environment: JobEnvironment,
) -> None:
    """Removes stored objects that nobody needs; the attempt's end is already written and stands."""
    try:
        body.clean_up(job, state, database, open_objects(environment.objects))
    except CuraGenieError:
        logger.exception("objects of attempt %d of job %d stay", job.attempt, job.id)


def _context(
    database: Database, environment: JobEnvironment, heartbeat: "_Heartbeat"
) -> JobContext:
    return JobContext(
        database=database,
        objects=open_objects(environment.objects),
        objects_location=environment.objects,
        scoring_files=ScoringFileLibrary(environment.scoring_files_dir),
        chains=environment.chains,
        reference_fastas=environment.reference_fastas,
        s3=environment.objects.s3,
        shard_bytes=environment.shard_bytes,
        checkpoint_seconds=environment.checkpoint_seconds,
        executor=environment.executor,
        on_progress=heartbeat.on_progress,
    )


class _Heartbeat:
    """Renews a lease from a thread of its own, however long one call of the body takes."""

    def __init__(
        self, database: Database, job: Job, environment: JobEnvironment, log: JobLog
    ) -> None:
        self._database = database
        self._job = job
        self._log = log
        self._lease_seconds = environment.lease_seconds
        self._interval_seconds = environment.heartbeat_seconds
        self._ended = threading.Event()
        self._lost: LeaseLostError | JobCanceledError | None = None
        self._progress: tuple[int | None, int | None] = (None, None)
        self._snapshot = job.attempt * SNAPSHOTS_PER_ATTEMPT

    @classmethod
    @contextmanager
    def beating(
        cls, database: Database, job: Job, environment: JobEnvironment, log: JobLog
    ) -> Generator["_Heartbeat"]:
        heartbeat = cls(database, job, environment, log)
        thread = threading.Thread(target=heartbeat._beat_until_ended, name=f"job-{job.id}")
        thread.start()
        try:
            yield heartbeat
        finally:
            heartbeat._ended.set()
            thread.join()

    def on_progress(self, done: int, total: int) -> None:
        if self._lost is not None:
            raise self._lost
        self._progress = (done, total)
        self._snapshot += 1
        progress = Progress(job_id=self._job.id, done=done, total=total, snapshot=self._snapshot)
        publish_progress(self._job.user_id, progress)

    def beat(self, tx: UnitOfWork) -> JobState:
        done, total = self._progress
        return tx.jobs.heartbeat(
            self._job, seconds=self._lease_seconds, done=done, total=total
        ).state

    def _beat_until_ended(self) -> None:
        while not self._ended.wait(self._interval_seconds):
            try:
                reached(FaultPoint.HEARTBEAT)
                with self._database.transaction() as tx:
                    state = self.beat(tx)
                    self._log.write(tx)
            except LeaseLostError as error:
                self._lost = error
                return
            except InfrastructureError:
                logger.warning("a heartbeat of job %d failed", self._job.id, exc_info=True)
                continue
            if state is JobState.CANCELING:
                self._lost = JobCanceledError("The job was canceled.")
