"""Requests against a real server on loopback: pauses, tries, hosts and sizes."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotFoundError, PgsCatalogError, PgsCatalogUnreachableError
from core.scoring.catalog_http import CatalogHttp, Patience, pause_asked
from tests.builders.pgs_catalog import (
    IMPATIENT,
    PgsCatalogServer,
    answered,
    cut_short,
    hung_up,
    running_pgs_catalog,
    throttled,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[PgsCatalogServer]:
    with running_pgs_catalog() as server:
        server.files["a"] = b"content"
        yield server


@pytest.fixture
def url(server: PgsCatalogServer) -> str:
    return f"{server.host}/files/a"


@pytest.fixture
def http(server: PgsCatalogServer) -> CatalogHttp:
    return CatalogHttp(server.url, IMPATIENT)


def read(http: CatalogHttp, url: str) -> bytes:
    return http.read(url, max_bytes=1000)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answered(500), id="500"),
        pytest.param(answered(503), id="503"),
        pytest.param(cut_short(b"content" * 10), id="cut short"),
        pytest.param(hung_up, id="hung up"),
        pytest.param(throttled("0 seconds"), id="throttled"),
    ],
)
def test_what_may_pass_is_tried_again(
    server: PgsCatalogServer, http: CatalogHttp, url: str, fault
) -> None:
    server.faults.extend([fault, fault])
    assert read(http, url) == b"content"
    assert len(server.requests) == 3


def test_tries_are_bounded_and_the_end_says_that_the_catalog_was_not_reachable(
    server: PgsCatalogServer, http: CatalogHttp, url: str
) -> None:
    server.faults.extend([answered(500)] * 10)
    with pytest.raises(PgsCatalogUnreachableError, match="was not reachable: it answered 500"):
        read(http, url)
    assert len(server.requests) == IMPATIENT.n_tries


@pytest.mark.parametrize("status", [400, 401, 403, 410])
def test_a_4xx_is_an_answer_and_is_not_asked_for_again(
    server: PgsCatalogServer, http: CatalogHttp, url: str, status: int
) -> None:
    server.faults.append(answered(status))
    with pytest.raises(PgsCatalogError, match=str(status)):
        read(http, url)
    assert len(server.requests) == 1


def test_nothing_there_is_not_found(server: PgsCatalogServer, http: CatalogHttp) -> None:
    with pytest.raises(NotFoundError):
        read(http, f"{server.host}/files/none")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(throttled("1 seconds"), id="availableIn"),
        pytest.param(answered(429, Retry_After="1"), id="Retry-After"),
        pytest.param(answered(503, Retry_After="1"), id="503 with Retry-After"),
    ],
)
def test_a_pause_that_is_asked_for_is_kept(
    server: PgsCatalogServer, http: CatalogHttp, url: str, fault
) -> None:
    server.faults.append(fault)
    start = time.monotonic()
    assert read(http, url) == b"content"
    assert time.monotonic() - start >= 1


def test_a_pause_that_is_too_long_is_not_begun(
    server: PgsCatalogServer, http: CatalogHttp, url: str
) -> None:
    server.faults.append(throttled("33 seconds"))
    start = time.monotonic()
    with pytest.raises(PgsCatalogUnreachableError, match="pause of 33 s"):
        read(http, url)
    assert time.monotonic() - start < 1
    assert len(server.requests) == 1


def test_pauses_are_bounded_together(server: PgsCatalogServer, http: CatalogHttp, url: str) -> None:
    server.faults.extend([throttled("1 seconds")] * 3)
    with pytest.raises(PgsCatalogUnreachableError):
        read(http, url)
    assert len(server.requests) == 2


def test_a_server_that_is_not_there_is_unreachable(server: PgsCatalogServer) -> None:
    http = CatalogHttp("http://127.0.0.1:9/rest", IMPATIENT)
    with pytest.raises(PgsCatalogUnreachableError, match="ConnectError") as caught:
        read(http, "http://127.0.0.1:9/rest/score/PGS000001")
    assert caught.value.retryable
    assert caught.value.fix is not None
    assert "What is installed can still be used" in caught.value.fix


def test_a_body_over_the_cap_is_refused(
    server: PgsCatalogServer, http: CatalogHttp, url: str
) -> None:
    server.files["a"] = b"x" * 1001
    with pytest.raises(PgsCatalogError, match="more than 1000 bytes"):
        read(http, url)


def test_an_answer_that_drips_is_given_up(server: PgsCatalogServer, url: str) -> None:
    http = CatalogHttp(server.url, Patience(n_tries=1, transfer_seconds=0.0))
    with pytest.raises(PgsCatalogUnreachableError, match="took longer than 0 s"):
        read(http, url)


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost.evil.example/files/a",
        "http://127.0.0.1:1/files/a",
        "https://ftp.ebi.ac.uk.evil.example/a",
        "https://ftp.ebi.ac.uk:8443/a",
        "http://169.254.169.254/latest/meta-data",
        "http://user@evil.example/",
        "file:///etc/passwd",
        "ftp://ftp.ebi.ac.uk/a",
        "//evil.example/a",
        "http://[::1",
    ],
)
def test_no_answer_leads_to_another_host(
    server: PgsCatalogServer, http: CatalogHttp, url: str, target: str
) -> None:
    server.faults.append(answered(302, Location=target))
    with pytest.raises(PgsCatalogError):
        read(http, url)
    assert len(server.requests) == 1
    if not target.startswith("//"):
        with pytest.raises(PgsCatalogError):
            read(http, target)
    assert len(server.requests) == 1


def test_a_redirect_on_the_same_host_is_followed(
    server: PgsCatalogServer, http: CatalogHttp
) -> None:
    server.faults.append(answered(301, Location="/files/a"))
    assert read(http, f"{server.host}/files/b") == b"content"


def test_redirects_in_a_circle_end(server: PgsCatalogServer, http: CatalogHttp, url: str) -> None:
    server.faults.extend([answered(302, Location="/files/a")] * 10)
    with pytest.raises(PgsCatalogError, match="again and again"):
        read(http, url)


def test_no_more_than_some_calls_are_under_way_at_once(
    server: PgsCatalogServer, http: CatalogHttp, url: str
) -> None:
    def ask(n_more: int) -> bytes:
        return http.fetch(url, lambda body: ask(n_more - 1) if n_more else b"", max_bytes=1000)

    assert ask(7) == b""
    with pytest.raises(PgsCatalogUnreachableError, match="under way"):
        ask(8)
    assert read(http, url) == b"content"


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, '{"message": "request limit exceeded", "availableIn": "33 seconds"}', 33),
        ({}, '{"availableIn":"1 minute"}', 60),
        ({"retry-after": "7"}, '{"availableIn": "33 seconds"}', 7),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=9), usegmt=True)}, "", 9),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=9), usegmt=True)}, "", 0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "9" * 5000}, "", None),
        ({}, '{"availableIn": "later"}', None),
        ({}, "", None),
    ],
)
def test_what_a_server_asks_for_is_read(
    headers: dict[str, str], body: str, seconds: float | None
) -> None:
    assert pause_asked(headers, body, now=NOW) == seconds


@given(
    said=st.text() | st.from_regex(r"[0-9 ,:GMT+-]*"),
    body=st.text() | st.from_regex(r'"availableIn": "[0-9.]+ (second|hour)s?"'),
)
def test_no_answer_breaks_the_reading_of_pauses(said: str, body: str) -> None:
    pause = pause_asked({"retry-after": said}, body, now=NOW)
    assert pause is None or (pause >= 0 and math.isfinite(pause))
