"""What a process and all its children have cost so far, read from Linux's /proc."""

import os
import time
from pathlib import Path
from typing import NamedTuple

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """Bytes, summed over the processes; pages that they share count once for each."""

    resident: int
    peak: int


class ProcessTree:
    """A running process and its descendants; they may come and go between two readings."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu_seconds(self) -> float:
        """User and system time since the start, of the living and of the children they have waited for.

        Never falls: a child that ends is added to its parent's account in the moment it leaves its own.
        """
        return sum(_own_seconds(pid) + _waited_seconds(stat) for pid, stat in self._members())

    def memory(self) -> Memory:
        members = [_status(pid) for pid, _ in self._members()]
        return Memory(sum(each.resident for each in members), sum(each.peak for each in members))

    def _members(self) -> list[tuple[int, list[str]]]:
        """Process ids with the fields of /proc/PID/stat from the third (state) on."""
        stats = {int(path.name): _stat(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
        children: dict[int, list[int]] = {}
        for pid, fields in stats.items():
            if fields:
                children.setdefault(int(fields[1]), []).append(pid)
        found, waiting = [], [self.pid]
        while waiting:
            pid = waiting.pop()
            if stats.get(pid):
                found.append((pid, stats[pid]))
            waiting.extend(children.get(pid, ()))
        return found


def _stat(process: Path) -> list[str]:
    try:
        # The second field is the program's name in parentheses and may itself hold both.
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _own_seconds(pid: int) -> float:
    """utime + stime, but in nanoseconds: the process's CPU clock, as clock_getcpuclockid(3) would name it.

    The ticks of /proc/PID/stat are 10 ms long, too coarse to sum over thirty database backends.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | 2) / 1e9
    except OSError:  # ended since it was listed
        return 0.0


def _waited_seconds(stat: list[str]) -> float:
    """cutime + cstime."""
    return (int(stat[13]) + int(stat[14])) / TICKS_PER_SECOND


def _status(pid: int) -> Memory:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return Memory(0, 0)
    sizes = {fields[0]: int(fields[1]) * 1024 for fields in map(str.split, lines) if fields[-1:] == ["kB"]}
    return Memory(sizes.get("VmRSS:", 0), sizes.get("VmHWM:", 0))
