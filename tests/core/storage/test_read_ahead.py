"""Reading ahead gives the bytes of the object, in any pattern of reads, and waits less often."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InfrastructureError
from core.storage import read_ahead as module
from core.storage.read_ahead import RANGES_AHEAD, ReadAhead, read_ahead

CONTENT = bytes(i * 7 % 251 for i in range(5000))


class Remote:
    """An object that remembers its requests, and fails in those that touch `broken`."""

    uri = "s3://bucket/key"
    size_bytes = len(CONTENT)

    def __init__(self, broken: int | None = None) -> None:
        self.requests: list[tuple[int, int]] = []
        self._broken = broken
        self._lock = threading.Lock()

    def read(self, start: int, stop: int) -> bytes:
        with self._lock:
            self.requests.append((start, stop))
        if self._broken is not None and start <= self._broken < stop:
            raise InfrastructureError("broken.", fix="Try again.")
        return CONTENT[start:stop]


@pytest.fixture(autouse=True, scope="module")
def small_ranges() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RANGE_BYTES", 100)
        yield


READS = st.lists(st.tuples(st.booleans(), st.integers(0, 5100), st.integers(0, 600)), max_size=20)


@given(READS, st.integers(0, 5100))
def test_any_reads_give_the_bytes_of_the_object(reads, stop):
    source, at = ReadAhead(Remote(), stop), 0
    for goes_on, start, n_bytes in reads:
        start = at if goes_on else start
        assert source.read(start, start + n_bytes) == CONTENT[start : start + n_bytes]
        at = start + n_bytes


def test_ranges_are_requested_once_and_a_few_before_they_are_needed():
    remote = Remote()
    source = ReadAhead(remote, 2000)
    source.read(0, 100)
    assert remote.requests == [(0, 100)]
    source.read(100, 200)
    source.read(200, 300)
    source.read(300, 400)
    for future in list(source._ahead):
        future[1].result()
    ahead = [(start, start + 100) for start in range(100, 400 + RANGES_AHEAD * 100, 100)]
    assert sorted(remote.requests) == [(0, 100), *ahead]


def test_nothing_is_read_ahead_of_the_end_of_a_shard():
    remote = Remote()
    source = ReadAhead(remote, 250)
    assert b"".join(source.read(at, at + 100) for at in (0, 100, 200)) == CONTENT[:300]
    assert sorted(remote.requests) == [(0, 100), (100, 200), (200, 250), (250, 300)]


def test_an_error_comes_with_the_read_that_it_belongs_to():
    source = ReadAhead(Remote(broken=350), 5000)
    for at in (0, 100, 200):
        assert source.read(at, at + 100) == CONTENT[at : at + 100]
    with pytest.raises(InfrastructureError):
        source.read(300, 400)


def test_a_local_file_is_left_to_the_operating_system():
    class Local(Remote):
        uri = "/data/file.vcf.gz"

    source = Local()
    assert read_ahead(source, 100) is source
