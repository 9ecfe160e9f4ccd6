"""What the proxy holds: memory, descriptors, sessions, header snapshots, tasks."""

import asyncio
import http.client
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import MIB
from benchmarks.procfs import descriptors_of, resident_of, stat_of

_ASK_SECONDS = 10.0
_GROWTH_MIB = 12.0
_IDLE_SECONDS = 5.0
"""A little longer than the proxy keeps idle connections to backends."""

_LOOKS = 6
_OF_CLIENTS = ("vmcp_sessions", "vmcp_header_snapshots", "vmcp_catalog_kept_bytes")

_GROWTH_DESCRIPTORS = 8
_GROWTH_TASKS = 4


@dataclass(frozen=True, slots=True)
class Census:
    """One look at a proxy at rest, without the programs that it runs, which come and go."""

    rss: float
    descriptors: int
    threads: int
    sessions: int
    snapshots: int
    tasks: int

    def cells(self) -> tuple[tuple[str, str], ...]:
        """Names and values for a table."""
        return (
            ("RSS MiB", f"{self.rss:.1f}"),
            ("open descriptors", str(self.descriptors)),
            ("threads", str(self.threads)),
            ("vmcp_sessions", str(self.sessions)),
            ("vmcp_header_snapshots", str(self.snapshots)),
            ("tasks", str(self.tasks)),
        )


def growth(before: Census, after: Census) -> list[str]:
    """What has grown more than it may; sessions and snapshots must be none at rest."""
    found = []
    if after.sessions or after.snapshots:
        found.append(f"{after.sessions} sessions and {after.snapshots} header snapshots after all have ended")
    bounds = (
        ("RSS MiB", before.rss, after.rss, _GROWTH_MIB),
        ("open descriptors", before.descriptors, after.descriptors, _GROWTH_DESCRIPTORS),
        ("tasks", before.tasks, after.tasks, _GROWTH_TASKS),
    )
    for name, old, new, most in bounds:
        if new - old > most:
            found.append(f"{name} grew from {old:g} to {new:g}, {most:g} more are allowed")
    return found


def read_metrics(admin_port: int) -> str:
    """The text of `/metrics`."""
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def gauge(text: str, name: str) -> int:
    """The value of a family without labels.

    Raises:
        KeyError: there is none.
    """
    for line in text.splitlines():
        if line.startswith(f"{name} "):
            return int(float(line.split(" ")[1]))
    raise KeyError(name)


async def take(pid: int, admin_port: int, task_file: Path) -> Census:
    """Looks at a proxy.

    Raises:
        TimeoutError: it does not say how many tasks it has.
    """
    text = await asyncio.to_thread(read_metrics, admin_port)
    tasks = await asyncio.to_thread(_tasks, pid, task_file)
    return Census(
        rss=resident_of(pid) / MIB,
        descriptors=descriptors_of(pid),
        threads=int(stat_of(pid)[17]),
        sessions=gauge(text, "vmcp_sessions"),
        snapshots=gauge(text, "vmcp_header_snapshots"),
        tasks=tasks,
    )


async def rest(pid: int, admin_port: int, seconds: float) -> None:
    """Waits until nothing of any client is left and idle connections are closed.

    Gives up quietly, for the census tells all.
    """
    await _until_nothing_is_kept(admin_port, seconds)
    before = -1
    for _ in range(_LOOKS):
        await asyncio.sleep(_IDLE_SECONDS)
        now = descriptors_of(pid)
        if now == before:
            return
        before = now


async def _until_nothing_is_kept(admin_port: int, seconds: float) -> None:
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        text = await asyncio.to_thread(read_metrics, admin_port)
        if not any(gauge(text, name) for name in _OF_CLIENTS):
            return
        await asyncio.sleep(0.5)


def _tasks(pid: int, file: Path) -> int:
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    until = time.monotonic() + _ASK_SECONDS
    while not file.exists() or not (text := file.read_text()):
        if time.monotonic() > until:
            raise TimeoutError("the proxy does not say how many tasks it has")
        time.sleep(0.05)
    return int(text)
