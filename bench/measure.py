"""Reading the machine: time, disk, processor seconds and memory, from /proc and nothing else."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

SYNCS = 200
BLOCK = b"\0" * 8192
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of all are not above. Raises ValueError without values."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def timed_ms(action: Callable[[], object]) -> float:
    """How long `action` takes, in milliseconds."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def fdatasync_ms() -> float:
    """What it costs to make one appended block durable where temporary files live: the floor under every commit."""
    with tempfile.TemporaryFile(prefix="duka-bench-") as file:

        def once() -> None:
            file.write(BLOCK)
            file.flush()
            os.fdatasync(file.fileno())

        return median(timed_ms(once) for _ in range(SYNCS))


def family(leader: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None:
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found = [leader]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(leader: int) -> float:
    """Processor time that a process and its living descendants have used so far."""
    total = 0
    for pid in family(leader):
        if (stat := _stat(pid)) is not None:
            total += int(stat[11]) + int(stat[12])
    return total / _TICKS_PER_SECOND


def pss_kb(pid: int) -> int:
    """A process' share of the machine's memory: what it has alone, and its part of what it shares. 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat behind the name (which may contain anything): state, parent, …"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
