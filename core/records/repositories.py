"""All SQL of the product: one repository per noun, bound to one transaction.

Repositories return frozen dataclasses. `user_id` in a query is the owner whose records may be
seen; None sees every owner's, for callers that have no owner to ask for. A job changes state
through `TRANSITIONS` only, fenced by its attempt, and every change writes its `job_state` event
into the same transaction: the event log cannot disagree with the job table.

Transactions wait for each other in one order, so that no two wait for one another: first for the
job that they end, then for the user's turn in the event log, then for what the job has made.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from functools import cached_property
from statistics import fmean
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from core.errors import ConflictError, InfrastructureError, NotFoundError
from core.events import Event, JobStateChanged, Payload, PrsReady, UploadComplete
from core.job import (
    LEASED,
    WORKING,
    Failures,
    Job,
    JobKind,
    JobState,
    Place,
    Priority,
    Queue,
    sources_of,
)
from core.records.dialects import INSERT as _INSERT
from core.records.dialects import now as _now
from core.records.idempotency_keys import IdempotencyKeyRepository
from core.records.records import (
    NO_REFERENCE,
    GenomicData,
    LogLine,
    PrsScore,
    RecordStatus,
    ScoreResult,
)
from core.records.tables import (
    EventTable,
    GenomicDataTable,
    JobLogTable,
    JobTable,
    PrsScoreTable,
    Table,
    UserSequenceTable,
)

Row = TypeVar("Row", bound=Table)
Record = TypeVar("Record", Job, LogLine, Event, GenomicData, PrsScore)

_TYPICAL_JOBS = 50


class LeaseLostError(InfrastructureError):
    """The job has gone on without this attempt, whose work must change nothing."""

    code = "lease_lost"


class UnitOfWork:
    """The repositories of one transaction; `recorded` are the events it wrote, in order."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.recorded: list[Event] = []

    @cached_property
    def events(self) -> "EventRepository":
        return EventRepository(self._session, self.recorded)

    @cached_property
    def jobs(self) -> "JobRepository":
        return JobRepository(self._session, self.events)

    @cached_property
    def job_log(self) -> "JobLogRepository":
        return JobLogRepository(self._session)

    @cached_property
    def genomic_data(self) -> "GenomicDataRepository":
        return GenomicDataRepository(self._session, self.events)

    @cached_property
    def read_pairs(self) -> "ReadPairRepository":
        return ReadPairRepository(self.events, self.genomic_data)

    @cached_property
    def prs_scores(self) -> "PrsScoreRepository":
        return PrsScoreRepository(self._session, self.events)

    @cached_property
    def idempotency_keys(self) -> IdempotencyKeyRepository:
        return IdempotencyKeyRepository(self._session)

    def now(self) -> datetime:
        """The database's clock: leases must not depend on the clocks of workers."""
        return _now(self._session)


def _owned(column: InstrumentedAttribute[str], user_id: str | None) -> ColumnElement[bool]:
    return true() if user_id is None else column == user_id


class EventRepository:
    def __init__(self, session: Session, recorded: list[Event]) -> None:
        self._session = session
        self._recorded = recorded

    def append(self, user_id: str, payload: Payload, *, job_id: int | None) -> Event:
        """Writes the user's next event; it is told to clients after the commit."""
        (event,) = self.append_all(user_id, [(payload, job_id)])
        return event

    def append_all(
        self, user_id: str, payloads: Sequence[tuple[Payload, int | None]]
    ) -> list[Event]:
        """Writes the user's next events, each with its job, in this order."""
        if not payloads:
            return []
        first, now = self._reserve(user_id, len(payloads)), _now(self._session)
        rows = [
            EventTable(
                user_id=user_id,
                sequence=first + at,
                type=payload.type,
                status=payload.status,
                data=payload.data,
                job_id=job_id,
                time=now,
            )
            for at, (payload, job_id) in enumerate(payloads)
        ]
        self._session.add_all(rows)
        self._session.flush()
        events = [_event(row) for row in rows]
        self._recorded.extend(events)
        return events

    def wait_for_turn(self, user_id: str) -> None:
        """From here to the commit no other transaction writes events of this user, and those
        before are seen. Rows that such transactions share are to be touched after it."""
        self._reserve(user_id, 0)

    def _reserve(self, user_id: str, count: int) -> int:
        """The first of the user's next `count` sequences. Holds the user's counter row until the
        commit, so sequences commit in order."""
        insert = _INSERT[self._session.get_bind().dialect.name]
        statement = (
            insert(UserSequenceTable)
            .values(user_id=user_id, last_sequence=count)
            .on_conflict_do_update(
                index_elements=[UserSequenceTable.user_id],
                set_={"last_sequence": UserSequenceTable.last_sequence + count},
            )
            .returning(UserSequenceTable.last_sequence)
        )
        return self._session.execute(statement).scalar_one() - count + 1

    def after(self, user_id: str, sequence: int, *, limit: int = 1000) -> list[Event]:
        """The user's events that follow `sequence`, oldest first."""
        rows = self._session.scalars(
            select(EventTable)
            .where(EventTable.user_id == user_id, EventTable.sequence > sequence)
            .order_by(EventTable.sequence)
            .limit(limit)
        )
        return [_event(row) for row in rows]

    def of_job(self, job_id: int, sequence: int, *, limit: int) -> list[Event]:
        """The job's events that follow its user's `sequence`, oldest first."""
        rows = self._session.scalars(
            select(EventTable)
            .where(EventTable.job_id == job_id, EventTable.sequence > sequence)
            .order_by(EventTable.sequence)
            .limit(limit)
        )
        return [_event(row) for row in rows]

    def last_sequence(self, user_id: str) -> int:
        return self.last_sequences([user_id])[user_id]

    def last_sequences(self, user_ids: Iterable[str]) -> dict[str, int]:
        """The newest sequence of each user, 0 where there is no event yet."""
        wanted = set(user_ids)
        rows = self._session.execute(
            select(UserSequenceTable.user_id, UserSequenceTable.last_sequence).where(
                UserSequenceTable.user_id.in_(wanted)
            )
        )
        return dict.fromkeys(wanted, 0) | dict(rows.all())


class JobRepository:
    def __init__(self, session: Session, events: EventRepository) -> None:
        self._session = session
        self._events = events

    def submit(
        self,
        kind: JobKind,
        user_id: str,
        params: Mapping[str, Any],
        *,
        priority: Priority = Priority.NORMAL,
    ) -> Job:
        """A new QUEUED job and its first event."""
        now = _now(self._session)
        row = JobTable(
            kind=kind,
            queue=kind.queue,
            user_id=user_id,
            state=JobState.QUEUED,
            params=dict(params),
            priority=priority,
            created_at=now,
            updated_at=now,
        )
        self._session.add(row)
        self._session.flush()
        return self._tell(row)

    def get(self, job_id: int, *, user_id: str | None) -> Job:
        """Raises NotFoundError, for another user's job too."""
        row = self._session.scalar(
            select(JobTable).where(JobTable.id == job_id, _owned(JobTable.user_id, user_id))
        )
        if row is None:
            raise NotFoundError(f"There is no job {job_id}.")
        return _job(row)

    def hold(self, job_id: int, *, user_id: str | None) -> Job:
        """As `get`, as the job is when no other transaction changes it; none will until the
        commit."""
        row = self._session.scalar(
            select(JobTable)
            .where(JobTable.id == job_id, _owned(JobTable.user_id, user_id))
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFoundError(f"There is no job {job_id}.")
        return _job(row)

    def lease(self, queue: Queue, *, owner: str, seconds: float) -> Job | None:
        """Takes a QUEUED job that is due, as a new attempt in INITIALIZING: of the users who have
        the fewest under way in this queue, so that nobody waits for all of another's, the most
        urgent job, and of those the oldest."""
        now = _now(self._session)
        due = or_(JobTable.not_before.is_(None), JobTable.not_before <= now)
        job_id = self._session.scalar(
            select(JobTable.id)
            .where(JobTable.queue == queue, JobTable.state == JobState.QUEUED, due)
            .order_by(_n_under_way(queue), JobTable.priority.desc(), JobTable.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if job_id is None:
            return None
        changes = {
            "attempt": JobTable.attempt + 1,
            "lease_owner": owner,
            "lease_until": now + timedelta(seconds=seconds),
            "not_before": None,
            "done": None,
            "total": None,
            "problem": None,
        }
        return self._change(job_id, JobState.INITIALIZING, changes)

    def heartbeat(
        self, job: Job, *, seconds: float, done: int | None = None, total: int | None = None
    ) -> Job:
        """Renews the lease of `job`'s attempt and keeps its progress.

        Raises LeaseLostError once the attempt is no longer the current one.
        """
        now = _now(self._session)
        changes: dict[str, Any] = {"lease_until": now + timedelta(seconds=seconds)}
        if total is not None:
            changes |= {"done": done, "total": total}
        return _job(self._update(job.id, job.attempt, LEASED, changes | {"updated_at": now}))

    def advance(
        self,
        job: Job,
        state: JobState,
        *,
        problem: Mapping[str, Any] | None = None,
        failures: Failures | None = None,
    ) -> Job:
        """Moves `job`'s attempt to `state` and writes the event.

        Raises LeaseLostError where the attempt is over or the table forbids the step.
        """
        changes = {} if problem is None else {"problem": dict(problem)}
        if failures is not None:
            changes |= asdict(failures)
        return self._change(job.id, state, changes, attempt=job.attempt)

    def cancel(self, job_id: int, *, user_id: str | None) -> Job:
        """Asks for the end of a job that has not ended: CANCELING, until its attempt, or where it
        has none the dispatcher, has undone what there was. Asking again changes nothing.

        Raises ConflictError for a job that has ended in another way, NotFoundError as `get`.
        """
        job = self.hold(job_id, user_id=user_id)
        if job.state in sources_of(JobState.CANCELING):
            return self._change(job_id, JobState.CANCELING, {})
        if job.state not in (JobState.CANCELING, JobState.CANCELED):
            raise ConflictError(
                f"Job {job_id} has ended: {job.state}.", fix="There is nothing left to cancel."
            )
        return job

    def requeue(
        self,
        job: Job,
        *,
        delay_seconds: float,
        problem: Mapping[str, Any],
        failures: Failures | None = None,
    ) -> Job:
        """Puts an attempt back into its queue, by way of PREEMPTED if it was running. `failures`
        counts it; without, it is none of the tries that the job has."""
        if job.state is not JobState.INITIALIZING:
            job = self.advance(job, JobState.PREEMPTED, problem=problem)
        changes = {
            "not_before": _now(self._session) + timedelta(seconds=delay_seconds),
            "lease_owner": None,
            "lease_until": None,
            **asdict(failures or job.failures),
        }
        return self._change(job.id, JobState.QUEUED, changes, attempt=job.attempt)

    def retry(self, job_id: int, *, user_id: str | None) -> Job:
        """Puts a job that ended in SYSTEM_ERROR back into its queue, with all its tries.

        Raises ConflictError for a job in another state, NotFoundError as `get`.
        """
        job = self.hold(job_id, user_id=user_id)
        if job.state is not JobState.SYSTEM_ERROR:
            raise ConflictError(
                f"Job {job_id} is {job.state}: only one that ended in SYSTEM_ERROR is retried.",
                fix="Correct what its problem says and submit it anew, if it has one.",
            )
        changes = {"ended_at": None, "problem": None, **asdict(Failures())}
        return self._change(job_id, JobState.QUEUED, changes)

    def under_way(self, owner: str) -> list[Job]:
        """The jobs whose attempts `owner` has leased."""
        rows = self._session.scalars(
            select(JobTable)
            .where(JobTable.lease_owner == owner, JobTable.state.in_(LEASED))
            .order_by(JobTable.id)
        )
        return [_job(row) for row in rows]

    def expired(self) -> list[Job]:
        """Jobs whose worker has not sent a heartbeat in time, by the database's clock, and those
        to be canceled that no worker holds."""
        is_late = JobTable.lease_until < _now(self._session)
        rows = self._session.scalars(
            select(JobTable)
            .where(
                or_(
                    JobTable.state.in_(WORKING) & is_late,
                    (JobTable.state == JobState.CANCELING)
                    & (JobTable.lease_until.is_(None) | is_late),
                )
            )
            .order_by(JobTable.id)
        )
        return [_job(row) for row in rows]

    def of_user(
        self,
        user_id: str,
        *,
        states: Collection[JobState] = (),
        limit: int = 50,
        before: int | None = None,
    ) -> list[Job]:
        """Newest first, of any state where `states` names none; `before` is the last id of the
        page before."""
        query = select(JobTable).where(JobTable.user_id == user_id)
        if states:
            query = query.where(JobTable.state.in_(states))
        page = _page(query, JobTable.id, limit, before)
        return [_job(row) for row in self._session.scalars(page)]

    def standings(self) -> list[tuple[int, JobState, int]]:
        """Id, state and last attempt of every job."""
        rows = self._session.execute(select(JobTable.id, JobTable.state, JobTable.attempt))
        return [(job_id, state, attempt) for job_id, state, attempt in rows]

    def count_by_state(self) -> dict[tuple[Queue, JobState], int]:
        """How many jobs the table holds; a queue's state without any is 0."""
        query = select(JobTable.queue, JobTable.state, func.count()).group_by(
            JobTable.queue, JobTable.state
        )
        counts = {(queue, state): 0 for queue in Queue for state in JobState}
        counts.update({(queue, state): n for queue, state, n in self._session.execute(query)})
        return counts

    def places(self, jobs: Iterable[Job]) -> dict[int, Place]:
        """Of those that are QUEUED, by id. One may pass older ones: of users who have more under
        way, and the less urgent of its own."""
        queued = [job for job in jobs if job.state is JobState.QUEUED]
        if not queued:
            return {}
        n_ahead = self._n_ahead([job.id for job in queued])
        under_way, typical = self._n_under_way_by_queue(), self._typical_seconds_by_queue()
        return {
            job.id: Place(n_ahead[job.id], under_way.get(job.queue, 0), typical.get(job.queue))
            for job in queued
        }

    def _n_ahead(self, ids: Sequence[int]) -> dict[int, int]:
        older = aliased(JobTable)
        counts = self._session.execute(
            select(JobTable.id, func.count(older.id))
            .outerjoin(
                older,
                and_(
                    older.queue == JobTable.queue,
                    older.state == JobState.QUEUED,
                    older.id < JobTable.id,
                ),
            )
            .where(JobTable.id.in_(ids))
            .group_by(JobTable.id)
        )
        return dict(counts.all())

    def _n_under_way_by_queue(self) -> dict[Queue, int]:
        counts = self._session.execute(
            select(JobTable.queue, func.count())
            .where(JobTable.state.in_(LEASED))
            .group_by(JobTable.queue)
        )
        return dict(counts.all())

    def _typical_seconds_by_queue(self) -> dict[Queue, float]:
        """The mean duration of the last attempts of the newest completed jobs."""
        newest = self._session.execute(
            select(JobTable.queue, JobTable.started_at, JobTable.ended_at)
            .where(JobTable.state == JobState.COMPLETE)
            .order_by(JobTable.id.desc())
            .limit(_TYPICAL_JOBS)
        )
        seconds: dict[Queue, list[float]] = {}
        for queue, started_at, ended_at in newest:
            if started_at is not None and ended_at is not None:
                seconds.setdefault(queue, []).append((ended_at - started_at).total_seconds())
        return {queue: fmean(each) for queue, each in seconds.items()}

    def _change(
        self,
        job_id: int,
        state: JobState,
        changes: Mapping[str, Any],
        *,
        attempt: int | None = None,
    ) -> Job:
        now = _now(self._session)
        times: dict[str, Any] = {"state": state, "updated_at": now}
        if state is JobState.RUNNING:
            times |= {"started_at": now}
        if state.is_terminal:
            times |= {"ended_at": now, "lease_owner": None, "lease_until": None}
        before = sources_of(state)
        return self._tell(self._update(job_id, attempt, before, {**changes, **times}))

    def _update(
        self,
        job_id: int,
        attempt: int | None,
        states: frozenset[JobState],
        changes: Mapping[str, Any],
    ) -> JobTable:
        """The one UPDATE of jobs; None as `attempt` is for whoever holds the row's lock."""
        fence = true() if attempt is None else JobTable.attempt == attempt
        row = self._session.scalar(
            update(JobTable)
            .where(JobTable.id == job_id, JobTable.state.in_(states), fence)
            .values(**changes)
            .returning(JobTable)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        if row is None:
            raise LeaseLostError(f"Attempt {attempt} of job {job_id} is over.")
        return row

    def _tell(self, row: JobTable) -> Job:
        job = _job(row)
        self._events.append(job.user_id, JobStateChanged(job), job_id=job.id)
        return job


class JobLogRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, job_id: int, lines: Iterable[LogLine]) -> None:
        """Writes what an attempt has said since the last time."""
        rows = [{"job_id": job_id, **asdict(line)} for line in lines]
        if rows:
            self._session.execute(insert(JobLogTable), rows)

    def tail(self, job_id: int, *, limit: int) -> list[LogLine]:
        """The newest lines of all attempts, oldest first."""
        rows = self._session.scalars(
            select(JobLogTable)
            .where(JobLogTable.job_id == job_id)
            .order_by(JobLogTable.id.desc())
            .limit(limit)
        )
        return [_copy(row, LogLine) for row in rows][::-1]


def _n_under_way(queue: Queue) -> ScalarSelect[int]:
    """Leased jobs of a queue that the user of a row of JobTable has."""
    other = aliased(JobTable)
    return (
        select(func.count())
        .where(other.queue == queue, other.state.in_(LEASED), other.user_id == JobTable.user_id)
        .correlate(JobTable)
        .scalar_subquery()
    )


class GenomicDataRepository:
    def __init__(self, session: Session, events: EventRepository) -> None:
        self._session = session
        self._events = events

    def create(
        self, *, user_id: str, filename: str, file_url: str, sha256: str, size_bytes: int
    ) -> GenomicData:
        """A stored upload that waits for its job; `attach_job` names the job."""
        now = _now(self._session)
        row = GenomicDataTable(
            user_id=user_id,
            filename=filename,
            file_url=file_url,
            status=RecordStatus.PROCESSING,
            sha256=sha256,
            size_bytes=size_bytes,
            created_at=now,
            updated_at=now,
        )
        self._session.add(row)
        self._session.flush()
        return _genomic_data(row)

    def attach_job(self, genomic_data_id: int, job_id: int) -> GenomicData:
        return self._update(genomic_data_id, job_id=job_id)

    def get(self, genomic_data_id: int, *, user_id: str | None) -> GenomicData:
        """Raises NotFoundError, for another user's record too."""
        row = self._session.scalar(
            select(GenomicDataTable).where(
                GenomicDataTable.id == genomic_data_id,
                _owned(GenomicDataTable.user_id, user_id),
            ),
            execution_options={"populate_existing": True},
        )
        if row is None:
            raise NotFoundError(f"There is no genomic data {genomic_data_id}.")
        return _genomic_data(row)

    def of_user(
        self, user_id: str, *, limit: int = 50, before: int | None = None
    ) -> list[GenomicData]:
        """Newest first; `before` is the last id of the page before."""
        query = select(GenomicDataTable).where(GenomicDataTable.user_id == user_id)
        page = _page(query, GenomicDataTable.id, limit, before)
        return [_genomic_data(row) for row in self._session.scalars(page)]

    def all(self) -> Iterator[GenomicData]:
        """Every user's, a few at a time."""
        rows = self._session.scalars(select(GenomicDataTable).execution_options(yield_per=500))
        return (_genomic_data(row) for row in rows)

    def complete(self, genomic_data_id: int, metadata: Mapping[str, Any]) -> GenomicData:
        """The file was read to its end: `upload_complete` with its metadata, to which belongs what
        is known of a pair by now, and nothing else from before."""
        before = self.get(genomic_data_id, user_id=None).metadata_json or {}
        known = {"pair": before["pair"]} if "pair" in before else {}
        record = self._update(
            genomic_data_id,
            status=RecordStatus.COMPLETED,
            metadata_json={**known, **metadata},
            problem=None,
        )
        return self._tell(record, job_id=record.job_id)

    def fail(self, genomic_data_id: int, problem: Mapping[str, Any]) -> GenomicData:
        """The file cannot be used: `upload_complete` with the problem."""
        record = self._update(genomic_data_id, status=RecordStatus.FAILED, problem=dict(problem))
        return self._tell(record, job_id=record.job_id)

    def reopen(self, genomic_data_id: int) -> GenomicData:
        """Waits for its job again."""
        return self._update(genomic_data_id, status=RecordStatus.PROCESSING, problem=None)

    def set_mate(self, genomic_data_id: int, mate_id: int | None) -> GenomicData:
        """Names another mate, or none; what was told of a pair before is forgotten."""
        known = self.get(genomic_data_id, user_id=None).metadata_json
        metadata = {k: v for k, v in known.items() if k != "pair"} if known is not None else None
        return self._update(genomic_data_id, mate_id=mate_id, metadata_json=metadata)

    def set_pair(self, genomic_data_id: int, pair: Mapping[str, Any], *, job_id: int) -> None:
        """What came of the file and its mate: another `upload_complete` of a file that was read."""
        known = self.get(genomic_data_id, user_id=None).metadata_json or {}
        record = self._update(genomic_data_id, metadata_json={**known, "pair": dict(pair)})
        if record.status is RecordStatus.COMPLETED:
            self._tell(record, job_id=job_id)

    def _update(self, genomic_data_id: int, **changes: Any) -> GenomicData:
        row = self._session.scalars(
            update(GenomicDataTable)
            .where(GenomicDataTable.id == genomic_data_id)
            .values(updated_at=_now(self._session), **changes)
            .returning(GenomicDataTable)
            .execution_options(synchronize_session=False, populate_existing=True)
        ).one()
        return _genomic_data(row)

    def _tell(self, record: GenomicData, *, job_id: int | None) -> GenomicData:
        payload = UploadComplete(
            id=record.id,
            filename=record.filename,
            metadata=record.metadata_json,
            problem=record.problem,
        )
        self._events.append(record.user_id, payload, job_id=job_id)
        return record


class ReadPairRepository:
    """Two FASTQ records that name each other as mates; what is known of both stands in both.

    A transaction that pairs records, or ends one that may be in a pair, first waits for its user's
    turn: of two mates that end at once, the second sees the first.
    """

    def __init__(self, events: EventRepository, genomic_data: GenomicDataRepository) -> None:
        self._events = events
        self._genomic_data = genomic_data

    def join(self, genomic_data_id: int, mate_id: int, *, user_id: str) -> bool:
        """Makes two records each other's mates; False where they were.

        Raises NotFoundError, for another user's record too, and ConflictError where one of them
        cannot be in this pair.
        """
        self._events.wait_for_turn(user_id)
        ids = (genomic_data_id, mate_id)
        record, mate = (self._genomic_data.get(each, user_id=user_id) for each in ids)
        if record.mate_id == mate.id:
            return False
        record.require_free_for(mate)
        mate.require_free_for(record)
        self._genomic_data.set_mate(record.id, mate.id)
        self._genomic_data.set_mate(mate.id, record.id)
        return True

    def read_wholly(self, genomic_data_id: int) -> tuple[GenomicData, GenomicData] | None:
        """The record and its mate, in the order of their uploads, once both are completed."""
        record = self._genomic_data.get(genomic_data_id, user_id=None)
        if record.mate_id is None:
            return None
        mate = self._genomic_data.get(record.mate_id, user_id=record.user_id)
        if {record.status, mate.status} != {RecordStatus.COMPLETED}:
            return None
        return (record, mate) if record.id < mate.id else (mate, record)

    def complete(self, ids: tuple[int, int], facts: Mapping[str, Any], *, job_id: int) -> None:
        """The mates agree: `upload_complete` of both, with what is in them together."""
        pair = {"genomic_data_ids": sorted(ids), "status": RecordStatus.COMPLETED, **facts}
        for each in ids:
            self._genomic_data.set_pair(each, pair, job_id=job_id)

    def fail(self, ids: tuple[int, int], problem: Mapping[str, Any], *, job_id: int) -> None:
        """They are no pair, and free for another; those that can be read by themselves say why."""
        pair = {"genomic_data_ids": sorted(ids), "status": RecordStatus.FAILED, "problem": problem}
        for each in ids:
            if self._genomic_data.set_mate(each, None).status is not RecordStatus.FAILED:
                self._genomic_data.set_pair(each, pair, job_id=job_id)


class PrsScoreRepository:
    def __init__(self, session: Session, events: EventRepository) -> None:
        self._session = session
        self._events = events

    def start(
        self,
        genomic_data: GenomicData,
        accessions: Sequence[str],
        *,
        disease_type: str | None,
        job_id: int,
    ) -> list[PrsScore]:
        """One row per accession, in the order given, owned by `job_id` until it ends.

        A row that exists is taken over and emptied: an earlier job that still runs then finds
        nothing of its own to write, and the newer job alone announces the score.
        """
        return [
            _prs_score(self._start(genomic_data, accession, disease_type, job_id))
            for accession in accessions
        ]

    def _start(
        self, genomic_data: GenomicData, accession: str, disease_type: str | None, job_id: int
    ) -> PrsScoreTable:
        now = _now(self._session)
        fresh: dict[str, Any] = {
            "disease_type": disease_type,
            "status": RecordStatus.PROCESSING,
            "job_id": job_id,
            "updated_at": now,
        }
        empty = dict.fromkeys(_RESULT_COLUMNS)
        statement = (
            _INSERT[self._session.get_bind().dialect.name](PrsScoreTable)
            .values(
                genomic_data_id=genomic_data.id,
                user_id=genomic_data.user_id,
                accession=accession,
                created_at=now,
                **fresh,
            )
            .on_conflict_do_update(
                index_elements=[PrsScoreTable.genomic_data_id, PrsScoreTable.accession],
                set_=fresh | empty,
            )
            .returning(PrsScoreTable)
            .execution_options(populate_existing=True)
        )
        return self._session.scalars(statement).one()

    def result_urls(self, genomic_data_id: int, accessions: Sequence[str]) -> list[str]:
        """Where the results of these scores are stored, each place once."""
        rows = self._session.scalars(
            select(PrsScoreTable.result_url)
            .where(
                PrsScoreTable.genomic_data_id == genomic_data_id,
                PrsScoreTable.accession.in_(accessions),
                PrsScoreTable.result_url.is_not(None),
            )
            .distinct()
        )
        return [url for url in rows if url is not None]

    def all_result_urls(self) -> list[str]:
        """Every place where a score has its results, once."""
        urls = select(PrsScoreTable.result_url).where(PrsScoreTable.result_url.is_not(None))
        return [url for url in self._session.scalars(urls.distinct()) if url is not None]

    def any_at(self, result_url: str) -> bool:
        """Whether a score still has its results there."""
        query = select(PrsScoreTable.id).where(PrsScoreTable.result_url == result_url).limit(1)
        return self._session.scalar(query) is not None

    def get(self, prs_id: int, *, user_id: str | None) -> PrsScore:
        """Raises NotFoundError, for another user's score too."""
        row = self._session.scalar(
            select(PrsScoreTable).where(
                PrsScoreTable.id == prs_id, _owned(PrsScoreTable.user_id, user_id)
            )
        )
        if row is None:
            raise NotFoundError(f"There is no score {prs_id}.")
        return _prs_score(row)

    def of_user(
        self,
        user_id: str,
        *,
        genomic_data_id: int | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> list[PrsScore]:
        """Newest first; `before` is the last id of the page before."""
        query = select(PrsScoreTable).where(PrsScoreTable.user_id == user_id)
        if genomic_data_id is not None:
            query = query.where(PrsScoreTable.genomic_data_id == genomic_data_id)
        page = _page(query, PrsScoreTable.id, limit, before)
        return [_prs_score(row) for row in self._session.scalars(page)]

    def of_job(self, job_id: int) -> list[PrsScore]:
        """The scores that this job still owns, in the order in which they were started."""
        rows = self._session.scalars(
            select(PrsScoreTable).where(PrsScoreTable.job_id == job_id).order_by(PrsScoreTable.id)
        )
        return [_prs_score(row) for row in rows]

    def finish(self, prs_id: int, result: ScoreResult) -> PrsScore:
        """Writes a result, completed or failed by its problem, and announces it."""
        (score,) = self.finish_all({prs_id: result})
        return score

    def finish_all(self, results: Mapping[int, ScoreResult]) -> list[PrsScore]:
        """Writes the results of one user's scores, by id, and announces them in this order."""
        return self._end({prs_id: _outcome(result) for prs_id, result in results.items()})

    def fail(self, prs_id: int, problem: Mapping[str, Any]) -> PrsScore:
        """The whole calculation failed: no result at all, and that is announced."""
        (score,) = self._end({prs_id: {"status": RecordStatus.FAILED, "problem": dict(problem)}})
        return score

    def reopen(self, job_id: int) -> int:
        """The scores that this job still owns wait for it again; how many there are."""
        reopened = self._session.scalars(
            update(PrsScoreTable)
            .where(PrsScoreTable.job_id == job_id)
            .values(
                status=RecordStatus.PROCESSING,
                updated_at=_now(self._session),
                **dict.fromkeys(_RESULT_COLUMNS),
            )
            .returning(PrsScoreTable.id)
            .execution_options(synchronize_session=False)
        )
        return len(reopened.all())

    def _end(self, changes: Mapping[int, Mapping[str, Any]]) -> list[PrsScore]:
        if not changes:
            return []
        now = _now(self._session)
        self._session.execute(
            update(PrsScoreTable),
            [{"id": prs_id, "updated_at": now, **change} for prs_id, change in changes.items()],
        )
        rows = self._session.scalars(
            select(PrsScoreTable)
            .where(PrsScoreTable.id.in_(changes))
            .execution_options(populate_existing=True)
        )
        by_id = {row.id: _prs_score(row) for row in rows}
        scores = [by_id[prs_id] for prs_id in changes]
        events = [(_ready(score), score.job_id) for score in scores]
        self._events.append_all(scores[0].user_id, events)
        return scores


def _outcome(result: ScoreResult) -> dict[str, Any]:
    """The columns that a result fills."""
    failed = result.problem is not None
    return {
        "status": RecordStatus.FAILED if failed else RecordStatus.COMPLETED,
        "score_reason": None if failed else NO_REFERENCE,
        "raw_sum": result.raw_sum,
        "n_samples": result.n_samples,
        "coverage": result.coverage,
        "weight_coverage": result.weight_coverage,
        "result_url": result.result_url,
        "report": dict(result.report),
        "problem": dict(result.problem) if result.problem is not None else None,
    }


_RESULT_COLUMNS = (
    "score",
    "score_reason",
    "raw_sum",
    "n_samples",
    "coverage",
    "weight_coverage",
    "result_url",
    "report",
    "problem",
)


def _page(
    query: Select[Row], key: InstrumentedAttribute[int], limit: int, before: int | None
) -> Select[Row]:
    older = true() if before is None else key < before
    return query.where(older).order_by(key.desc()).limit(limit)


def _copy(row: Table, record: type[Record]) -> Record:
    """The row's columns by the record's field names, which are the same."""
    return record(**{field.name: getattr(row, field.name) for field in fields(record)})


def _job(row: JobTable) -> Job:
    return _copy(row, Job)


def _event(row: EventTable) -> Event:
    return _copy(row, Event)


def _genomic_data(row: GenomicDataTable) -> GenomicData:
    return _copy(row, GenomicData)


def _prs_score(row: PrsScoreTable) -> PrsScore:
    return _copy(row, PrsScore)


def _ready(score: PrsScore) -> PrsReady:
    return PrsReady(
        id=score.id,
        genomic_data_id=score.genomic_data_id,
        accession=score.accession,
        disease_type=score.disease_type,
        score=score.score,
        score_reason=score.score_reason,
        raw_sum=score.raw_sum,
        coverage=score.coverage,
        weight_coverage=score.weight_coverage,
        job_id=score.job_id,
        problem=score.problem,
    )
