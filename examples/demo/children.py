"""The child processes of the demo: started together, ended together."""

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

_GRACE_SECONDS: Final = 5.0


@contextlib.asynccontextmanager
async def child(*arguments: str, log: Path) -> AsyncIterator[Process]:
    """A Python process for the length of a block, its output in a file; it is asked to end, then killed."""
    folder = str(Path(sys.executable).parent)
    # `python` in the manifests is the one that runs the demo.
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C reaches the demo alone, which then ends its children in order.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    for signal in (process.terminate, process.kill):
        if process.returncode is None:
            signal()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await process.wait()


def free_port(wanted: int) -> int:
    """The port that is wanted, else one that nobody listens on."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # A port that has just been closed may be bound again, as the servers do.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no port of 127.0.0.1 is free")
