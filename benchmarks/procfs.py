"""What /proc says of processes: CPU, resident memory, open descriptors, children."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children have used: CPU seconds since their start, resident bytes now."""

    cpu: float
    rss: int


def usage_of(pid: int) -> Usage:
    """What a process and its descendants have used so far.

    Raises:
        FileNotFoundError: there is no such process.
    """
    fields = [stat_of(each) for each in family_of(pid)]
    ticks = sum(int(each[11]) + int(each[12]) for each in fields)
    return Usage(ticks / _TICK, sum(int(each[21]) for each in fields) * _PAGE)


def family_of(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command's name, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def resident_of(pid: int) -> int:
    """Resident bytes of one process, without its children."""
    return int(stat_of(pid)[21]) * _PAGE


def descriptors_of(pid: int) -> int:
    """How many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def peak_of(pid: int) -> int:
    """The most resident bytes that a process has had so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) << 10
