"""`make fuzz`: every reader by both fuzzers, half of the time with kernels that check each index.

Readers are fuzzed side by side. A run that fails leaves the file that failed in its folder:
`failed`, small where hypothesis found it.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

READERS = ("vcf", "fastq")
FUZZERS = ("hypothesis", "atheris")

KERNELS: Mapping[str, Mapping[str, str]] = {
    "fast": {},
    "checked": {"NUMBA_BOUNDSCHECK": "1"},
}
"""The kernels that users get, and those that raise IndexError outside an array: what to set."""


@dataclass(frozen=True)
class Run:
    """One process. `seconds` do not count the compiling of kernels."""

    reader: str
    fuzzer: str
    kernels: str
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.reader}-{self.fuzzer}-{self.kernels}"

    def is_good(self, top: Path) -> bool:
        """Whether nothing failed; then its folder is gone."""
        folder = top / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        cache = {"NUMBA_CACHE_DIR": str(top / "checked")} if self.kernels == "checked" else {}
        module = f"tests.fuzz.by_{self.fuzzer}"
        command = [sys.executable, "-m", module, self.reader, str(folder), str(self.seconds)]
        with (folder / "log.txt").open("wb") as log:
            done = subprocess.run(
                command, env=os.environ | KERNELS[self.kernels] | cache, stderr=log, check=False
            )
        if done.returncode == 0:
            shutil.rmtree(folder)
        return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="for each reader and fuzzer")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="of what failed")
    arguments = parser.parse_args()
    with ThreadPoolExecutor(len(READERS)) as lanes:
        failed = lanes.map(
            lambda reader: [
                run for run in _runs(reader, arguments.seconds) if not run.is_good(arguments.folder)
            ],
            READERS,
        )
        failed = [run for some in failed for run in some]
    for run in failed:
        _say(f"{run.name} failed: see {arguments.folder / run.name}")
    sys.exit(bool(failed))


def _runs(reader: str, seconds: float) -> Iterator[Run]:
    for fuzzer in FUZZERS:
        if fuzzer == "atheris" and find_spec("atheris") is None:
            _say("atheris has no wheel for this Python or system: hypothesis fuzzes alone")
            continue
        for kernels in KERNELS:
            yield Run(reader, fuzzer, kernels, seconds / len(KERNELS))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
