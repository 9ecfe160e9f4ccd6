"""Ends programs that outlive this process: after SIGKILL nothing of its own can (ADR-0017).

PR_SET_PDEATHSIG would be of no use: it reaches only the first process of a group, runners such as `npx` leave the
rest behind, and it belongs to a thread and to Linux.
"""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from vmcp_proxy.observability.logs import log_event

logger: Final = logging.getLogger("vmcp.backends")

_MAIN: Final = Path(__file__).with_name("watchdog_main.py")
_CLOSE_SECONDS: Final = 10.0


class Watchdog:
    """One small process that is told of every group of processes; it is started with the first of them."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def add(self, group: int) -> None:
        """Has a group of processes ended when this process is gone."""
        self._groups.add(group)
        if self._process is None and not self._is_closed:
            self._start()
        else:
            self._tell(b"+%d\n" % group)

    def discard(self, group: int) -> None:
        """Hears that a group has ended: its number may be somebody else's from now on."""
        self._groups.discard(group)
        self._tell(b"-%d\n" % group)

    async def aclose(self) -> None:
        """Ends the watchdog for good, and with it what is left of the groups."""
        self._is_closed = True
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, _CLOSE_SECONDS)

    def _start(self) -> None:
        try:
            # Its pipe is closed in every program that is started (PEP 446), so that it ends with this process alone.
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a file of ours
                [sys.executable, "-I", "-S", str(_MAIN)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            log_event(logger, logging.WARNING, "programs will outlive a kill of this process", reason=error.strerror)
            return
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        os.set_blocking(self._process.stdin.fileno(), False)
        for group in self._groups:
            self._tell(b"+%d\n" % group)

    def _tell(self, line: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line)
        except OSError:
            # Somebody has ended it; the next program starts another one, which hears of all.
            self._process.stdin.close()
            self._process.poll()
            self._process = None
