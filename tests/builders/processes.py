"""Processes of this machine, by parent: to find the workers of one Ray and no other."""

import os
from pathlib import Path


def _status(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / "status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def descendants(pid: int) -> set[int]:
    """Every process that `pid` started, and those that they started."""
    parents = {
        int(folder.name): int(status["PPid"])
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and (status := _status(folder))
    }
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def peak_bytes(pid: int | None = None) -> int:
    """The largest resident set of a process, by default of this one, since it runs its program; 0
    for one that is gone. (What getrusage says begins with that of the process which started it.)"""
    peak = _status(Path(f"/proc/{pid or os.getpid()}")).get("VmHWM", "0 kB")
    return int(peak.split()[0]) * 1024


def title(pid: int) -> str:
    """What the process calls itself; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


def busy_ray_worker(pid: int = os.getpid()) -> int | None:
    """A worker below `pid` that runs a read task right now."""
    for child in descendants(pid):
        if title(child).startswith("ray::Read"):
            return child
    return None


def resident_bytes(pid: int) -> int:
    """The process's memory now; 0 once it is gone."""
    size, _, unit = _status(Path(f"/proc/{pid}")).get("VmRSS", "0 kB").strip().partition(" ")
    assert unit == "kB"
    return int(size) << 10
