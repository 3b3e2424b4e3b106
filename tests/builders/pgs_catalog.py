"""A PGS Catalog on loopback: its REST API 1.8 and its file server, with faults on demand.

    with running_pgs_catalog() as server:
        server.publish(harmonised_file, accession="PGS000001", build="GRCh38")
        server.faults.append(throttled("1 seconds"))  # the next answer

The answers have the shape of https://www.pgscatalog.org/rest/: an unknown score is `{}`, lists are
pages of `{size, count, next, previous, results}`, and more than the limit is asked for again later.
"""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from core.scoring.catalog_http import Patience

IMPATIENT = Patience(n_tries=3, first_pause_seconds=0.01, max_wait_seconds=1.5, timeout_seconds=5.0)

Json = dict[str, Any]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        catalog = self.server.catalog
        catalog.requests.append(self.path)
        if catalog.faults:
            catalog.faults.popleft()(self)
            return
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/files/"):
            content = catalog.files.get(parts.path.removeprefix("/files/"))
            self.send(404 if content is None else 200, content or b"")
        elif parts.path.startswith("/rest/"):
            answer = catalog.answer(parts.path.removeprefix("/rest/"), query)
            self.send(404 if answer is None else 200, json.dumps(answer or {}).encode())
        else:
            self.send(404, b"")

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    catalog: "PgsCatalogServer"


Fault = Callable[[_Handler], None]


class PgsCatalogServer:
    """`requests` are the paths asked for, in order; each of `faults` spoils one answer."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.url = f"{host}/rest"
        self.scores: dict[str, Json] = {}
        self.traits: list[Json] = []
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.faults: deque[Fault] = deque()
        self.page_items = 250

    def publish(self, path: Path, *, accession: str, build: str = "GRCh38", **facts: Any) -> Json:
        """Puts a file on the file server, and a score that names it in the API."""
        name = f"{accession}_hmPOS_{build}.txt.gz"
        self.files[name] = path.read_bytes()
        self.files[f"{name}.md5"] = f"{hashlib.md5(self.files[name]).hexdigest()}  {name}".encode()
        score = self.scores.setdefault(accession, {"ftp_harmonized_scoring_files": {}})
        score |= {"id": accession, "name": f"name of {accession}", "trait_reported": "Height"}
        score |= {"license": "the Catalog's terms", "weight_type": "beta", "trait_efo": []} | facts
        score["ftp_harmonized_scoring_files"][build] = {"positions": f"{self.host}/files/{name}"}
        return score

    def answer(self, path: str, query: Mapping[str, str]) -> Json | None:
        kind, _, name = path.partition("/")
        if path == "score/search":
            return self._page(path, query, [s for s in self.scores.values() if _fits(s, query)])
        if path == "trait/search":
            term = query["term"].lower()
            return self._page(path, query, [t for t in self.traits if term in t["label"].lower()])
        return self.scores.get(name, {}) if kind == "score" else None

    def _page(self, path: str, query: Mapping[str, str], found: list[Json]) -> Json:
        start = int(query.get("offset", 0))
        size = min(int(query.get("limit", 50)), self.page_items)
        items = found[start : start + size]
        following = {**query, "offset": start + size}
        is_last = start + size >= len(found)
        return {
            "size": len(items),
            "count": len(found),
            "next": None if is_last else f"{self.url}/{path}?{urlencode(following)}",
            "previous": None,
            "results": items,
        }


@contextmanager
def running_pgs_catalog() -> Iterator[PgsCatalogServer]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.catalog = PgsCatalogServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.catalog
        finally:
            server.shutdown()
            thread.join()


def throttled(available_in: str) -> Fault:
    """429 as the Catalog's own limit answers."""
    body = json.dumps({"message": "request limit exceeded", "availableIn": available_in}).encode()
    return lambda handler: handler.send(429, body)


def answered(status: int, body: bytes = b"", **headers: str) -> Fault:
    return lambda handler: handler.send(status, body, **headers)


def cut_short(body: bytes) -> Fault:
    """Announces the whole body, sends half of it, and hangs up."""

    def fault(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True

    return fault


def hung_up(handler: _Handler) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


def _fits(score: Json, query: Mapping[str, str]) -> bool:
    if "pgs_ids" in query:
        return score["id"] in query["pgs_ids"].split(",")
    return query["trait_id"] in [trait["id"] for trait in score["trait_efo"]]
