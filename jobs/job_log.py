"""What an attempt says while it works, kept for whoever looks at its job.

Whatever `core` and `jobs` log from INFO on goes there as it goes into the process's log, but for
tracebacks, which name hosts and paths. An attempt has its process to itself, so all of it is its.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime

from core.job import Job
from core.records.records import LogLine
from core.records.repositories import UnitOfWork

_LOGGERS = ("core", "jobs")
_MAX_LINES = 1000
_MAX_MESSAGE = 2000


class JobLog(logging.Handler):
    """The lines of one attempt that are not written yet; at most 1,000 in all are kept."""

    def __init__(self, job: Job) -> None:
        super().__init__(logging.INFO)
        self._job = job
        self._n_lines = 0
        self._waiting: list[LogLine] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._n_lines += 1
        if self._n_lines < _MAX_LINES:
            self._say(record, record.getMessage()[:_MAX_MESSAGE])
        elif self._n_lines == _MAX_LINES:
            self._say(record, "There is more; the log of the worker has it.")

    def write(self, tx: UnitOfWork) -> None:
        """Hands over what was said since the last time; a transaction that fails loses it."""
        self.acquire()  # whoever logs holds it too
        try:
            lines, self._waiting = self._waiting, []
        finally:
            self.release()
        tx.job_log.append(self._job.id, lines)

    def _say(self, record: logging.LogRecord, message: str) -> None:
        time = datetime.fromtimestamp(record.created, UTC)
        self._waiting.append(LogLine(self._job.attempt, time, record.levelname, message))


@contextmanager
def listening(job: Job) -> Generator[JobLog]:
    """What is logged meanwhile."""
    handler = JobLog(job)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
