"""Objects as they change: `kubectl get --watch`, bounded in time."""

import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from e2e.cluster import Cluster

_PAUSE = 0.5


def watch(cluster: Cluster, command: Sequence[str], seconds: float) -> Iterator[dict[str, Any]]:
    """Each state of the objects that the command lists, the present ones first, for so many seconds.

    A watch that the API server ends, or cannot begin, is begun again.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield from _watch_once(cluster, command, deadline)
        time.sleep(_PAUSE)


def _watch_once(cluster: Cluster, command: Sequence[str], deadline: float) -> Iterator[dict[str, Any]]:
    kubectl = shutil.which("kubectl", path=cluster.environment["PATH"])
    assert kubectl is not None
    process = subprocess.Popen(
        [kubectl, *command, "--watch", "--output=json"],
        # With HOME: it remembers the kinds of a cluster there, and elsewhere where it has none.
        env={**os.environ, **cluster.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    found: queue.Queue[dict[str, Any] | None] = queue.Queue()
    reading = threading.Thread(target=_read, args=(process.stdout, found))
    reading.start()
    try:
        yield from _until(found, deadline)
    finally:
        process.kill()
        process.wait()
        reading.join()
        process.stdout.close()


def _until(found: "queue.Queue[dict[str, Any] | None]", deadline: float) -> Iterator[dict[str, Any]]:
    while (left := deadline - time.monotonic()) > 0:
        try:
            state = found.get(timeout=left)
        except queue.Empty:
            return
        if state is None:
            return
        yield state


def _read(stream: IO[str], found: "queue.Queue[dict[str, Any] | None]") -> None:
    """Objects stand one after the other, each closed by a brace in the first column."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if line.startswith("}"):
            found.put(json.loads("".join(lines)))
            lines.clear()
    found.put(None)
