"""The database tables. Only `core.records` imports them; everyone else sees frozen dataclasses.

Every time is UTC. The migrations under `migrations/` make the same tables; a test compares the
two. Ids are never reused, not even by SQLite, so a link to a deleted record stays dead.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.events import EventStatus, EventType
from core.job import JobKind, JobState, Priority, Queue
from core.records.records import RecordStatus

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Id = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts rowids for INTEGER only
# none_as_null: an absent document is SQL NULL, not the JSON word null
Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC: SQLite keeps no time zone, so it is taken off and put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class RankedPriority(TypeDecorator[Priority]):
    """A priority as a number, which sorts; one that is not given is 0."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Priority | None, dialect: Dialect) -> int | None:
        return _RANKS[value] if value is not None else None

    def process_result_value(self, value: int | None, dialect: Dialect) -> Priority | None:
        return _PRIORITIES[value] if value is not None else None


_RANKS = {Priority.LOW: -1, Priority.NORMAL: 0, Priority.HIGH: 1}
_PRIORITIES = {rank: priority for priority, rank in _RANKS.items()}


def _words(words: type[StrEnum]) -> Enum:
    """A column of fixed words, stored as the words themselves so that a new one needs no DDL."""
    return Enum(
        words,
        native_enum=False,
        length=32,
        values_callable=lambda enum: [str(word) for word in enum],
    )


class Table(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class JobTable(Table):
    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "queue", "state", "id"),
        Index(None, "user_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[JobKind] = mapped_column(_words(JobKind))
    queue: Mapped[Queue] = mapped_column(_words(Queue))
    user_id: Mapped[str] = mapped_column(String(128))
    state: Mapped[JobState] = mapped_column(_words(JobState))
    params: Mapped[dict[str, Any]] = mapped_column(Document)
    attempt: Mapped[int] = mapped_column(default=0)
    priority: Mapped[Priority] = mapped_column(
        RankedPriority, default=Priority.NORMAL, server_default="0"
    )
    n_failed: Mapped[int] = mapped_column(default=0, server_default="0")
    n_lost: Mapped[int] = mapped_column(default=0, server_default="0")
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done: Mapped[int | None]
    total: Mapped[int | None]
    problem: Mapped[dict[str, Any] | None] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class JobLogTable(Table):
    __tablename__ = "job_log"
    __table_args__ = (Index(None, "job_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    job_id: Mapped[int] = mapped_column(Id, ForeignKey("jobs.id"))
    attempt: Mapped[int]
    time: Mapped[datetime] = mapped_column(UtcDateTime)
    level: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(Text)


class GenomicDataTable(Table):
    __tablename__ = "genomic_data"
    __table_args__ = (
        Index(None, "user_id", "id"),
        Index(None, "mate_id", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(String(128))
    filename: Mapped[str] = mapped_column(String(255))
    file_url: Mapped[str] = mapped_column(String(1024))
    status: Mapped[RecordStatus] = mapped_column(_words(RecordStatus))
    metadata_json: Mapped[dict[str, Any] | None] = mapped_column(Document)
    problem: Mapped[dict[str, Any] | None] = mapped_column(Document)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    job_id: Mapped[int | None] = mapped_column(Id, ForeignKey("jobs.id"))
    mate_id: Mapped[int | None] = mapped_column(Id, ForeignKey("genomic_data.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PrsScoreTable(Table):
    __tablename__ = "prs_scores"
    __table_args__ = (
        UniqueConstraint("genomic_data_id", "accession"),
        Index(None, "user_id", "id"),
        Index(None, "job_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    genomic_data_id: Mapped[int] = mapped_column(Id, ForeignKey("genomic_data.id"))
    user_id: Mapped[str] = mapped_column(String(128))
    accession: Mapped[str] = mapped_column(String(128))
    disease_type: Mapped[str | None] = mapped_column(String(128))
    status: Mapped[RecordStatus] = mapped_column(_words(RecordStatus))
    score: Mapped[float | None]
    score_reason: Mapped[str | None] = mapped_column(String(64))
    raw_sum: Mapped[float | None]
    n_samples: Mapped[int | None]
    coverage: Mapped[float | None]
    weight_coverage: Mapped[float | None]
    result_url: Mapped[str | None] = mapped_column(String(1024))
    report: Mapped[dict[str, Any] | None] = mapped_column(Document)
    problem: Mapped[dict[str, Any] | None] = mapped_column(Document)
    job_id: Mapped[int] = mapped_column(Id, ForeignKey("jobs.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MlPredictionTable(Table):
    __tablename__ = "ml_predictions"
    __table_args__ = (Index(None, "user_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(String(128))
    prediction: Mapped[str] = mapped_column(String(255))
    confidence: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EventTable(Table):
    """The one event log. Rows of a user become visible in the order of their `sequence`."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("user_id", "sequence"),
        Index(None, "job_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(String(128))
    sequence: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[EventType] = mapped_column(_words(EventType))
    status: Mapped[EventStatus] = mapped_column(_words(EventStatus))
    data: Mapped[dict[str, Any]] = mapped_column(Document)
    job_id: Mapped[int | None] = mapped_column(Id, ForeignKey("jobs.id"))
    time: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyKeyTable(Table):
    """What was answered to a request with a key; empty only within the transaction that does it."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"),)

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    location: Mapped[str | None] = mapped_column(String(255))
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class UserSequenceTable(Table):
    """The last sequence given to a user; its row lock orders the user's events by commit."""

    __tablename__ = "user_sequences"

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    last_sequence: Mapped[int] = mapped_column(BigInteger)
