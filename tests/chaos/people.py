"""The load of a chaos run: people who upload, score, cancel and err, through whatever answers.

Each POST has an Idempotency-Key and is sent until it is answered, as the documents tell clients to.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

import httpx2

ENDS = frozenset({"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"})
ANSWER_SECONDS = 150.0
END_SECONDS = 300.0
_PAUSE_SECONDS = 0.5

Json = dict[str, Any]


@dataclass(frozen=True)
class Cohort:
    """A file, and the table of its scores in a run without faults, where it is not damaged."""

    name: str
    content: bytes
    accession: str
    is_damaged: bool = False
    scores: str | None = None


@dataclass
class Ledger:
    """What people saw, from all of their threads."""

    tell: Callable[[str], None] = lambda _: None
    violations: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    walks: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    jobs: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def broken(self, sentence: str) -> None:
        with self._lock:
            self.violations.append(sentence)
        self.tell(sentence)

    def answered(self, what: str, seconds: float) -> None:
        with self._lock:
            self.answers[what] += 1
            self.seconds.append(seconds)

    def accepted(self, job_id: int) -> None:
        with self._lock:
            self.jobs.add(job_id)

    def walked(self, what: str) -> None:
        with self._lock:
            self.walks[what] += 1


class UnansweredError(Exception):
    """Nobody answered for longer than any fault lasts."""


class Person:
    """One user, in a thread of theirs until `stopping` is set."""

    def __init__(
        self,
        user: str,
        urls: Sequence[str],
        cohorts: Sequence[Cohort],
        ledger: Ledger,
        random: Random,
    ) -> None:
        self.user = user
        self._urls = list(urls)
        self._cohorts = cohorts
        self._ledger = ledger
        self._random = random
        self._http = httpx2.Client(timeout=30.0)

    def live(self, stopping: threading.Event) -> None:
        walks = (self._score, self._score, self._cancel)
        with self._http:
            while not stopping.is_set():
                try:
                    self._random.choice(walks)()
                except UnansweredError as error:
                    self._ledger.broken(f"{self.user}: {error}")
                stopping.wait(self._random.uniform(0, 2))

    def score(self, cohort: Cohort) -> str | None:
        """Upload, check, score: the table of the scores, None where the file is refused."""
        record = self._upload(cohort)
        state = self._end_of(record["job_id"])
        if state != "COMPLETE":
            return self._refused(cohort, record, state)
        body = {"genomic_data_id": record["id"], "accessions": [cohort.accession]}
        accepted = self._ask("POST", "/api/prs/calculate", json=body)
        self._ledger.accepted(accepted["job_id"])
        if (state := self._end_of(accepted["job_id"])) != "COMPLETE":
            self._say_why(accepted["job_id"], cohort, state)
            return None
        score = self._ask("GET", accepted["links"]["scores"][0])
        return self._text(score["links"]["download"])

    def _score(self) -> None:
        cohort = self._random.choice(self._cohorts)
        scores = self.score(cohort)
        if scores is None:
            self._ledger.walked("damaged file refused" if cohort.is_damaged else "failed")
            return
        if scores != cohort.scores:
            self._ledger.broken(f"the scores of {cohort.name} are not those of a run without fault")
        self._ledger.walked("scored")

    def _refused(self, cohort: Cohort, record: Json, state: str) -> None:
        if not cohort.is_damaged or state != "EXECUTOR_ERROR":
            self._say_why(record["job_id"], cohort, state)

    def _say_why(self, job_id: int, cohort: Cohort, state: str) -> None:
        job = self._ask("GET", f"/api/jobs/{job_id}")
        self._ledger.broken(
            f"job {job_id} of {cohort.name} is {state} after {job['attempt']} attempts:"
            f" {(job.get('problem') or {}).get('detail')}"
        )

    def _cancel(self) -> None:
        cohort = self._random.choice([c for c in self._cohorts if not c.is_damaged])
        record = self._upload(cohort)
        time.sleep(self._random.uniform(0, 3))
        self._ask("POST", f"/api/jobs/{record['job_id']}/cancel", may_be=(409,))
        if (state := self._end_of(record["job_id"])) not in {"CANCELED", "COMPLETE"}:
            self._say_why(record["job_id"], cohort, state)
        self._ledger.walked("canceled" if state == "CANCELED" else "canceled too late")

    def _upload(self, cohort: Cohort) -> Json:
        record = self._ask(
            "POST",
            "/api/genomic-data/upload",
            data={"user_id": self.user},
            files={"file": (cohort.name, cohort.content)},
        )
        self._ledger.accepted(record["job_id"])
        return record

    def _end_of(self, job_id: int) -> str:
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            state = self._ask("GET", f"/api/jobs/{job_id}")["state"]
            if state in ENDS:
                return state
            time.sleep(_PAUSE_SECONDS)
        return f"without an end after {END_SECONDS:.0f} s"

    def _ask(self, method: str, path: str, *, may_be: Sequence[int] = (), **content: Any) -> Json:
        return self._answer(method, path, may_be, **content).json()

    def _text(self, path: str) -> str:
        return self._answer("GET", path, ()).text

    def _answer(
        self, method: str, path: str, may_be: Sequence[int], **content: Any
    ) -> httpx2.Response:
        """The first answer that is one. A POST is the same POST each time that it is sent."""
        headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        deadline = time.monotonic() + ANSWER_SECONDS
        last = ""
        while time.monotonic() < deadline:
            url = self._random.choice(self._urls)
            began = time.monotonic()
            try:
                answer = self._http.request(method, url + path, headers=headers, **content)
                last = str(answer.status_code)
            except httpx2.TransportError as error:
                answer, last = None, type(error).__name__
            self._ledger.answered(last, time.monotonic() - began)
            if answer is not None and (answer.is_success or answer.status_code in may_be):
                return answer
            if answer is not None and not _may_be_sent_again(answer):
                raise UnansweredError(f"{method} {path}: {last} {answer.text[:300]}")
            time.sleep(_PAUSE_SECONDS)
        raise UnansweredError(f"{method} {path}: {last} for {ANSWER_SECONDS:.0f} s")


def _may_be_sent_again(answer: httpx2.Response) -> bool:
    if answer.status_code == httpx2.codes.CONFLICT:
        return "idempotency" in answer.text.lower()
    return answer.status_code >= 500 or answer.status_code == httpx2.codes.TOO_MANY_REQUESTS
