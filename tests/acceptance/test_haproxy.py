"""The service behind Ray's HAProxy: the same answers and events, with flat memory for uploads.

HAProxy opens 8404 and 9101 on every interface, so two of these cannot run side by side.
"""

import threading
import time
from collections.abc import Iterator

import pytest

from serve.stack import free_port
from tests.builders.live_service import LiveService, read_until, running_service
from tests.builders.processes import descendants, resident_bytes
from tests.builders.vcf import Record, bgzip, vcf_text

pytestmark = [pytest.mark.acceptance, pytest.mark.ray, pytest.mark.timeout(300)]

MIB = 1 << 20
UPLOAD_MIB, MIB_PER_SECOND, ALLOWED_GROWTH_MIB = 400, 50, 120


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    folder = tmp_path_factory.mktemp("haproxy")
    with running_service(folder, port=free_port(), CURAGENIE_HTTP_PROXY="haproxy") as service:
        yield service


def test_an_upload_is_processed_and_its_events_arrive(service: LiveService) -> None:
    content = bgzip(vcf_text([Record("1", 100, ["0/1", "1/1"])]))
    with service.events("ha") as socket:
        record = service.upload("ha", content)
        messages = read_until(socket, "upload_complete")
    (complete,) = [message for message in messages if message["event"] == "upload_complete"]
    assert complete["status"] == "success"
    assert complete["data"]["id"] == record["id"]
    sequences = [message["sequence"] for message in messages if "sequence" in message]
    assert sequences == list(range(1, len(sequences) + 1))


def slow_form() -> Iterator[bytes]:
    """A VCF that is all header, sent at a steady pace."""
    yield (
        b'--edge\r\nContent-Disposition: form-data; name="user_id"\r\n\r\nbig\r\n--edge\r\n'
        b'Content-Disposition: form-data; name="file"; filename="big.vcf"\r\n\r\n'
        b"##fileformat=VCFv4.2\n"
    )
    started = time.monotonic()
    for sent in range(UPLOAD_MIB):
        yield b"#" * (MIB - 1) + b"\n"
        time.sleep(max(0.0, started + sent / MIB_PER_SECOND - time.monotonic()))
    yield b"\r\n--edge--\r\n"


class PeakMemory:
    """The largest resident size of each process below one, sampled while a block runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.first: dict[int, int] = {}
        self.peak: dict[int, int] = {}

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            for pid in descendants(self._pid):
                size = resident_bytes(pid)
                self.first.setdefault(pid, size)
                self.peak[pid] = max(self.peak.get(pid, 0), size)

    def largest_growth_mib(self) -> float:
        return max(self.peak[pid] - first for pid, first in self.first.items()) / MIB


def test_memory_stays_flat_while_a_large_file_comes_in(service: LiveService) -> None:
    boundary = {"Content-Type": "multipart/form-data; boundary=edge"}
    time.sleep(2)  # replicas are still importing when the first request is answered
    with PeakMemory(service.pid) as memory, service.http() as http:
        answer = http.post("/api/genomic-data/upload", content=slow_form(), headers=boundary)
    assert answer.status_code == 202, answer.text
    assert answer.json()["size_bytes"] > UPLOAD_MIB * MIB
    assert memory.largest_growth_mib() < ALLOWED_GROWTH_MIB
