"""Tells the node's first process from any other that gets its number later."""

import os
import signal
import time
from pathlib import Path

from e2e.cluster.commands import wait_for
from e2e.cluster.layout import Layout

END_PATIENCE = 60.0


def record(at: Layout, pid: int) -> None:
    """Writes down who the node's first process is; `pid` is the machine's number for it."""
    new = at.run / "pid.new"
    new.write_text(f"{pid} {_start_time(pid)}")
    new.rename(at.run / "pid")


def running(at: Layout) -> int | None:
    """The number of the node's first process, if it runs."""
    try:
        pid, started = (at.run / "pid").read_text().split()
        return int(pid) if _start_time(int(pid)) == started else None
    except (OSError, ValueError):
        return None


def kill(at: Layout) -> None:
    """Ends the first process, and the kernel with it all others of its namespaces.

    Raises:
        ClusterError: one of them does not end.
    """
    pid = running(at)
    if pid is None:
        return
    namespace = str(Path(f"/proc/{pid}/ns/pid").readlink())
    descriptor = os.pidfd_open(pid)
    try:
        if running(at) == pid:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
    # The first process looks ended while its last thread still waits for the others.
    wait_for("the node's processes to end", time.monotonic() + END_PATIENCE, lambda: not members(namespace))


def members(namespace: str) -> tuple[int, ...]:
    """The processes of a PID namespace, named as `/proc/<pid>/ns/pid` reads."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "ns/pid").readlink()) == namespace:
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended
    return tuple(found)


def _start_time(pid: int) -> str:
    # The name in brackets may hold blanks and brackets of its own.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] == "Z":
        raise ProcessLookupError(f"process {pid} has ended")
    return fields[19]
