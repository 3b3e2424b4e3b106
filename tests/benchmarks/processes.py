"""CPU time and peak memory of a process and of all that it started, from Linux's /proc."""

import os
from pathlib import Path

from tests.builders.processes import peak_bytes

_TICKS = os.sysconf("SC_CLK_TCK")


def tree_of(pid: int) -> list[int]:
    """`pid` and its living descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    tree = [pid]
    for parent in tree:
        tree += children.get(parent, [])
    return tree


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and of the children that it has waited for."""
    fields = _stat(pid)
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS if fields else 0.0


def largest_peak_bytes(pid: int) -> int:
    """That of the one process of the tree which was the largest."""
    return max(peak_bytes(one) for one in tree_of(pid))


def tree_cpu_seconds(pid: int) -> float:
    return sum(cpu_seconds(one) for one in tree_of(pid))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; the name before may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_of(pid: int) -> str:
    """Its command line, as `ps` shows it; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""
