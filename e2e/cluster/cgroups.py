"""The cgroups that a cluster's pods live in, on machines with cgroup v1 or v2."""

import contextlib
import time
from functools import partial
from pathlib import Path

from e2e.cluster.commands import wait_for

MOUNT = Path("/sys/fs/cgroup")
# A new v1 cpuset is empty, and processes cannot enter it until it is filled.
INHERITED = ("cpuset.cpus", "cpuset.mems")
PATIENCE = 10.0


def make(name: str) -> None:
    """Makes the cluster's folder in each hierarchy."""
    for folder in folders(name):
        folder.mkdir(exist_ok=True)
        for file in (folder / part for part in INHERITED):
            if file.exists() and not file.read_text().strip():
                file.write_text((folder.parent / file.name).read_text())


def remove(name: str) -> None:
    """Removes the cluster's folders; the kernel needs a moment to see that their processes have ended.

    Raises:
        ClusterError: one still holds a process.
    """
    for top in folders(name):
        wait_for(f"{top} to be empty", time.monotonic() + PATIENCE, partial(_is_removed, top))


def folders(name: str) -> list[Path]:
    """The cluster's folder in each hierarchy of this machine."""
    if (MOUNT / "cgroup.controllers").exists():
        return [MOUNT / name]
    return [entry / name for entry in MOUNT.iterdir() if entry.is_dir() and not entry.is_symlink()]


def _is_removed(top: Path) -> bool:
    if not top.exists():
        return True
    # The files in a cgroup are the kernel's: only folders are removed, the innermost first.
    inner = sorted((entry for entry in top.rglob("*") if entry.is_dir()), key=lambda entry: len(entry.parts))
    for folder in (*reversed(inner), top):
        with contextlib.suppress(OSError):
            folder.rmdir()
    return not top.exists()
