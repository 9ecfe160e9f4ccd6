"""Ports of the loopback for the servers of tests and benchmarks, of which several run at a time.

A port that the system gave to a probe, which has been closed since, may be anybody's: the next probe's, or an
outgoing connection's. A process takes its ports from a block that it has locked, outside the range from which the
system gives any.
"""

import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FIRST: Final = 12_288
END: Final = 29_696
"""Below the node ports of Kubernetes, and those of outgoing connections on Linux."""

BLOCK: Final = 512

_ports: dict[int, Iterator[int]] = {}
"""By process, since a fork has the locks of its parent."""


def free_port() -> int:
    """A port that nobody listens on now, and that no other process is given while this one lives."""
    own = _ports.get(os.getpid())
    if own is None:
        own = _ports[os.getpid()] = itertools.cycle(_block())
    for port in itertools.islice(own, BLOCK):
        with socket.socket() as probe:
            # As servers do: a port whose connections have just been closed may be used again.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"each of the {BLOCK} ports of this process has a listener")


def _block() -> range:
    starts = list(range(FIRST, END, BLOCK))
    random.SystemRandom().shuffle(starts)
    for start in starts:
        lock = os.open(Path(tempfile.gettempdir()) / f"vmcp-ports-{start}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
        else:
            return range(start, start + BLOCK)
    raise OSError("each block of ports is locked by another process")
