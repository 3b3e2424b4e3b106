"""What both fuzzers do in their process: count, tell, keep what failed, bound memory and time."""

import faulthandler
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.target import Target

MOST_BYTES = 512 << 20
"""Of memory beyond what a process has once its kernels are compiled."""

MOST_SECONDS = 60
"""Of one file, of some kilobytes."""

_TOLD_EVERY = 30


class Watched:
    """A target's check, until the time is up; its own folder keeps the file that failed."""

    def __init__(self, target: Target, folder: Path, seconds: float) -> None:
        self._target = target
        self._folder = folder
        for seed in target.seeds:  # in several ways, so that all kernels are compiled
            for n_empty_lines in range(8):
                target.check(seed + b"\n" * n_empty_lines, folder)
        self.n_files = 0
        self._start = self._told = time.monotonic()
        self._end = self._start + seconds

    @property
    def is_over(self) -> bool:
        """Not before a file was read, however slow the machine is."""
        return self.n_files > 0 and time.monotonic() >= self._end

    def check(self, content: bytes) -> None:
        """A file that fails stays in the folder, and so does the last one that was begun if the
        process ends within it."""
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        try:
            with TemporaryDirectory(dir=self._folder) as scratch:  # new files cost the least
                self._target.check(content, Path(scratch))
        except BaseException:
            (self._folder / "failed").write_bytes(content)
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
        self.n_files += 1
        if time.monotonic() - self._told > _TOLD_EVERY:
            self.tell()

    def tell(self) -> None:
        self._told = time.monotonic()
        passed = self._told - self._start
        name = self._folder.name
        sys.stdout.write(f"{name}: {self.n_files:,} files in {passed:.0f} s\n")
        sys.stdout.flush()


def bound_memory() -> None:
    """To MOST_BYTES more than this process has; beyond is a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
