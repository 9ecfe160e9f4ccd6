"""Who takes part: each contender is a command that serves `/mcp` in front of one backend."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import START_SECONDS, Child, running
from benchmarks.gateway import full_config, plain_config

BASE = "httptools"
"""The contender that ratios are against: as little as a Python proxy can do."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A name for `--only`, a title for the table, and the command for a backend's URL."""

    name: str
    title: str
    command: Callable[[str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender that runs; `child` is what its cost is read from."""

    name: str
    title: str
    port: int
    child: Child


def python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.{module}", *arguments)


def contenders(folder: Path, fastmcp_python: str | None) -> Mapping[str, Contender]:
    """All of them in the order of their turns; configs and audit lines go to `folder`."""

    def gateway(name: str, config: Callable[[str], object]) -> Callable[[str], tuple[str, ...]]:
        def command(url: str) -> tuple[str, ...]:
            file = folder / f"{name}.yaml"
            file.write_text(json.dumps(config(url)))
            return python("gateway", str(file))

        return command

    every = [
        Contender(BASE, "passthrough, uvicorn + httptools client", lambda url: python("passthrough", BASE, url)),
        Contender("aiohttp", "passthrough, uvicorn + aiohttp", lambda url: python("passthrough", "aiohttp", url)),
        Contender("vmcp", "vmcp, anonymous, metrics", gateway("vmcp", plain_config)),
        Contender(
            "vmcp-full",
            "vmcp, audit file, passthrough and static headers",
            gateway("vmcp-full", lambda url: full_config(url, folder / "audit.log")),
        ),
    ]
    if fastmcp_python is not None and has_fastmcp(fastmcp_python):
        script = str(Path(__file__).with_name("fastmcp_gateway.py"))
        every.append(Contender("fastmcp", "FastMCP proxy", lambda url: (fastmcp_python, script, url)))
    return {each.name: each for each in every}


def has_fastmcp(interpreter: str) -> bool:
    """Whether an interpreter can import `fastmcp`; says so where it cannot."""
    try:
        found = subprocess.run((interpreter, "-c", "import fastmcp"), capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        found = None
    if found is None or found.returncode:
        print(f"skipped: fastmcp cannot be imported by {interpreter}", flush=True)
        return False
    return True


@contextlib.contextmanager
def entered(contender: Contender, url: str) -> Iterator[Entrant]:
    """A contender that listens, for the time of a block."""
    with running(*contender.command(url)) as child:
        port = child.port()
        wait_for(port)
        yield Entrant(contender.name, contender.title, port, child)


def wait_for(port: int) -> None:
    """Returns once a port takes connections.

    Raises:
        TimeoutError: it never did.
    """
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")
