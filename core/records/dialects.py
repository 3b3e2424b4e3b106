"""What SQLite and PostgreSQL write differently."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""INSERT with ON CONFLICT, by dialect."""

_NOW = {
    "sqlite": func.strftime("%Y-%m-%d %H:%M:%f+00:00", "now"),
    "postgresql": func.clock_timestamp(),
}


def now(session: Session) -> datetime:
    """The database's clock, in UTC."""
    moment = session.scalar(select(_NOW[session.get_bind().dialect.name]))
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime.fromisoformat(str(moment)).astimezone(UTC)
