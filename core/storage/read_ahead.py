"""Sequential reads of a remote object, with the next ranges on their way.

A request to an object store takes tens of milliseconds before its first byte, in which a reader of
one range after the other would wait. Two reads that follow each other show where the next ones will
be; a few ranges from there are then requested at once, by threads that all readers share.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from core.storage.byte_ranges import ByteRanges

RANGE_BYTES = 4 << 20
RANGES_AHEAD = 3


def read_ahead(source: ByteRanges, stop: int) -> ByteRanges:
    """`source`, read ahead to `stop` where it is remote; the operating system does it for files."""
    return ReadAhead(source, stop) if source.uri.startswith("s3://") else source


class ReadAhead:
    """ByteRanges of one reader, which is no thread's but its own.

    Holds at most RANGES_AHEAD ranges of RANGE_BYTES. An error of a range is raised by the read that
    comes to it.
    """

    def __init__(self, source: ByteRanges, stop: int) -> None:
        self._source = source
        self._stop = min(stop, source.size_bytes)
        self._next = -1
        self._ahead: deque[tuple[int, Future[bytes]]] = deque()
        self._rest = b""

    @property
    def uri(self) -> str:
        return self._source.uri

    @property
    def size_bytes(self) -> int:
        return self._source.size_bytes

    def read(self, start: int, stop: int) -> bytes:
        stop = max(min(stop, self.size_bytes), start)
        if start != self._next:
            self._forget()
            content = self._source.read(start, stop)
        else:
            self._request(start + len(self._rest))
            content = self._take(start, stop)
        self._next = stop
        return content

    def _request(self, start: int) -> None:
        """Keeps RANGES_AHEAD ranges on their way from `start`, or from where the last one ends."""
        if self._ahead:
            start = self._ahead[-1][0]
        while len(self._ahead) < RANGES_AHEAD and start < self._stop:
            stop = min(start + RANGE_BYTES, self._stop)
            self._ahead.append((stop, _threads().submit(self._source.read, start, stop)))
            start = stop

    def _take(self, start: int, stop: int) -> bytes:
        pieces, n_bytes = [self._rest], len(self._rest)
        while n_bytes < stop - start and self._ahead:
            pieces.append(self._ahead.popleft()[1].result())
            n_bytes += len(pieces[-1])
            self._request(start + n_bytes)
        content = b"".join(pieces)
        self._rest = content[stop - start :]
        if n_bytes < stop - start:  # behind self._stop, for the rest of a line
            content += self._source.read(start + n_bytes, stop)
        return content[: stop - start]

    def _forget(self) -> None:
        for _, future in self._ahead:
            future.cancel()
        self._ahead.clear()
        self._rest = b""


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="read-ahead")
