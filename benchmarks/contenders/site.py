"""What a contender is: a program, told where its backends are, that serves MCP on a port."""

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.mcp_client import VERSION

_POLL_SECONDS = 0.02
_PROBE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where a contender runs: a folder of its own, two free ports, the endpoints of its backends."""

    folder: Path
    port: int
    admin_port: int
    backends: tuple[str, ...]

    def write(self, name: str, document: object) -> Path:
        """Writes a config as JSON, which is YAML too."""
        path = self.folder / name
        path.write_text(json.dumps(document, indent=1))
        return path


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a program; `ready` asks once whether it serves, `settle` finishes its set-up after that.

    `ask` asks for all that a cluster asks for all the time, where that is more than whether it serves.
    `authorization` is what its clients have to show, where it lets nobody in without.
    """

    command: Sequence[str]
    ready: Callable[[], bool]
    path: str = "/mcp"
    env: Mapping[str, str] = field(default_factory=dict)
    settle: Callable[[], None] | None = None
    ask: Callable[[], None] | None = None
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class Contender:
    """One that takes part; `version` says of what is running, `aggregates` whether it takes many backends."""

    name: str
    title: str
    launch: Callable[[Site], Launch]
    version: str = ""
    aggregates: bool = True
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """A contender that cannot take part, and why."""

    title: str
    reason: str


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def initializes(port: int, path: str = "/mcp") -> bool:
    """Whether an `initialize` is answered with a result."""
    hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "probe", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    fields = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PROBE_SECONDS)
    try:
        connection.request("POST", path, json.dumps(message), fields)
        answer = connection.getresponse()
        return answer.status == 200 and _holds_result(answer)
    except OSError:
        return False
    finally:
        connection.close()


def _holds_result(answer: http.client.HTTPResponse) -> bool:
    """Whether a result comes in time; a stream that only keeps itself alive would be read forever."""
    until = time.monotonic() + _PROBE_SECONDS
    body = b""
    while b'"result"' not in body:
        chunk = answer.read1(1 << 16)
        if not chunk or time.monotonic() > until:
            return False
        body += chunk
    return True


def await_ready(launch: Launch, is_running: Callable[[], bool], seconds: float) -> float:
    """Waits until a program serves; for how long it had to.

    Raises:
        TimeoutError: it did not in time.
        EOFError: it ended.
    """
    began = time.perf_counter()
    while not launch.ready():
        if not is_running():
            raise EOFError("it ended before it was ready")
        if time.perf_counter() - began > seconds:
            raise TimeoutError(f"not ready within {seconds:.0f} s")
        time.sleep(_POLL_SECONDS)
    return time.perf_counter() - began
