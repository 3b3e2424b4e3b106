"""Requests to the PGS Catalog as its servers want them: few, patient, and to its own hosts only.

The Catalog allows 100 requests a minute and answers more with 429 and a body of its own:
`{"message": "request limit exceeded", "availableIn": "33 seconds"}`. A pause that it asks for is
kept, as long as all pauses of a request stay bounded; any other 4xx is an answer, and final.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

import httpx2

from core.errors import NotFoundError, PgsCatalogError, PgsCatalogUnreachableError
from core.scoring.rate_limit import RateLimit

REQUESTS_PER_MINUTE = 100
FILE_HOST = "ftp.ebi.ac.uk"
"""Where the PGS Catalog keeps its scoring files."""

_MAX_CALLS = 8
_MAX_REDIRECTS = 3
_MAX_PAUSE_ANSWER_BYTES = 64 * 1024
_AVAILABLE_IN = re.compile(
    r'"availableIn"\s*:\s*"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(second|minute|hour)', re.ASCII
)
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_OFFLINE_FIX = (
    "What is installed can still be used. Try again later, or send the scoring file to POST "
    "/api/scoring-files."
)

Taken = TypeVar("Taken")
Origin = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is tried, and how long it may take in all. `max_wait_seconds` is for
    its pauses together, `timeout_seconds` for any silence, `transfer_seconds` for one answer."""

    n_tries: int = 4
    first_pause_seconds: float = 0.5
    max_wait_seconds: float = 60.0
    timeout_seconds: float = 20.0
    transfer_seconds: float = 1800.0


class _TryAgainError(Exception):
    """One try failed in a way that may pass; `pause` is how long the server asked to wait."""

    def __init__(self, what: str, pause: float | None = None) -> None:
        super().__init__(what)
        self.pause = pause


class CatalogHttp:
    """GET below `base_url`, and from FILE_HOST. Threads may share it."""

    def __init__(self, base_url: str, patience: Patience | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._patience = patience or Patience()
        base = httpx2.URL(base_url)
        self._origins = {_origin(base), _origin(httpx2.URL(f"https://{FILE_HOST}"))}
        # Plain http is this machine, which no proxy of the environment stands before
        self._trust_env = base.scheme == "https"
        self._limit = RateLimit(REQUESTS_PER_MINUTE, seconds=60.0)
        self._calls = threading.BoundedSemaphore(_MAX_CALLS)

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """The body of an answer; raises as `fetch`."""
        return self.fetch(url, lambda body: b"".join(body), max_bytes=max_bytes)

    def fetch(self, url: str, take: Callable[[Iterator[bytes]], Taken], *, max_bytes: int) -> Taken:
        """What `take` makes of the body; it is called anew for each try.

        Raises NotFoundError for a 404, PgsCatalogError for an answer that no further try mends
        (another 4xx, another host, too many bytes), and PgsCatalogUnreachableError.
        """
        if not self._calls.acquire(blocking=False):
            raise self._unreachable("too many requests to it are under way")
        try:
            return self._fetch(url, take, max_bytes)
        finally:
            self._calls.release()

    def _fetch(self, url: str, take: Callable[[Iterator[bytes]], Taken], max_bytes: int) -> Taken:
        left = self._patience.max_wait_seconds
        failure = ""
        for n_failed in range(self._patience.n_tries):
            try:
                left -= self._limit.wait(at_most=left)
            except TimeoutError as error:
                what = f"{REQUESTS_PER_MINUTE} requests were sent to it in a minute"
                raise self._unreachable(what) from error
            try:
                return self._try(url, take, max_bytes)
            except _TryAgainError as error:
                failure = str(error)
                pause = error.pause if error.pause is not None else self._backoff(n_failed)
            if pause > left:
                raise self._unreachable(f"{failure}, and asks for a pause of {pause:.0f} s")
            if n_failed + 1 < self._patience.n_tries:
                time.sleep(pause)
                left -= pause
        raise self._unreachable(failure)

    def _backoff(self, n_pauses: int) -> float:
        """Seconds; doubled with each pause, and up to half of it at random."""
        return self._patience.first_pause_seconds * 2**n_pauses * random.uniform(0.5, 1.0)

    def _try(self, url: str, take: Callable[[Iterator[bytes]], Taken], max_bytes: int) -> Taken:
        try:
            with httpx2.Client(
                timeout=self._patience.timeout_seconds,
                trust_env=self._trust_env,
                # A .gz is stored as it stands, so no server may wrap it in another encoding
                headers={"User-Agent": "CuraGenie", "Accept-Encoding": "identity"},
            ) as client:
                return self._follow(client, self._allowed(url), take, max_bytes)
        except httpx2.TransportError as error:
            raise _TryAgainError(f"{type(error).__name__}: {error}") from error

    def _follow(
        self,
        client: httpx2.Client,
        url: httpx2.URL,
        take: Callable[[Iterator[bytes]], Taken],
        max_bytes: int,
    ) -> Taken:
        for _ in range(_MAX_REDIRECTS + 1):
            with client.stream("GET", url) as answer:
                if not answer.has_redirect_location:
                    _require_success(answer)
                    return take(self._body(answer, max_bytes))
                url = self._allowed(answer.headers["location"], base=url)
        raise PgsCatalogError(f"The PGS Catalog redirects {url} again and again.")

    def _body(self, answer: httpx2.Response, max_bytes: int) -> Iterator[bytes]:
        ends = time.monotonic() + self._patience.transfer_seconds
        size = 0
        for chunk in answer.iter_raw():
            size += len(chunk)
            if size > max_bytes:
                raise PgsCatalogError(
                    f"The PGS Catalog sent more than {max_bytes} bytes for {answer.url}."
                )
            if time.monotonic() > ends:
                raise _TryAgainError(
                    f"an answer took longer than {self._patience.transfer_seconds:.0f} s"
                )
            yield chunk

    def _allowed(self, url: str, *, base: httpx2.URL | None = None) -> httpx2.URL:
        """The URL, if it is on one of our hosts. Old links to FILE_HOST are made https."""
        try:
            target = base.join(url) if base is not None else httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise PgsCatalogError("The PGS Catalog gave a link that is no URL.") from error
        if (target.scheme, target.host, target.port) == ("http", FILE_HOST, None):
            target = target.copy_with(scheme="https")
        if _origin(target) not in self._origins:
            raise PgsCatalogError(
                f"The PGS Catalog's answer leads to {target.host or 'no host'}, which is none of "
                "its hosts.",
                fix="If a mirror is meant, set CURAGENIE_PGS_CATALOG_URL to it.",
            )
        return target

    def _unreachable(self, what: str) -> PgsCatalogUnreachableError:
        return PgsCatalogUnreachableError(
            f"The PGS Catalog ({self.base_url}) was not reachable: {what}.", fix=_OFFLINE_FIX
        )


def pause_asked(headers: Mapping[str, str], body: str, *, now: datetime) -> float | None:
    """Seconds that a server asks to wait: `Retry-After` (RFC 9110: seconds, or a date), else the
    Catalog's `availableIn`; None where it says nothing that can be read."""
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", said, re.ASCII):
        return float(said)
    if said:
        try:
            when = parsedate_to_datetime(said)
        except (ValueError, TypeError, OverflowError):
            return None
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return max(0.0, (when - now).total_seconds())
    available = _AVAILABLE_IN.search(body)
    return float(available[1]) * _SECONDS[available[2]] if available is not None else None


def _require_success(answer: httpx2.Response) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    if status == HTTPStatus.NOT_FOUND:
        raise NotFoundError(f"The PGS Catalog has nothing at {answer.url}.")
    if status == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error:
        pause = pause_asked(answer.headers, _beginning(answer), now=datetime.now(UTC))
        raise _TryAgainError(f"it answered {status}", pause)
    raise PgsCatalogError(f"The PGS Catalog answered {status} for {answer.url}.")


def _beginning(answer: httpx2.Response) -> str:
    body = bytearray()
    for chunk in answer.iter_raw():
        body += chunk
        if len(body) > _MAX_PAUSE_ANSWER_BYTES:
            break
    return body[:_MAX_PAUSE_ANSWER_BYTES].decode("utf-8", "replace")


def _origin(url: httpx2.URL) -> Origin:
    return url.scheme, url.host, url.port
