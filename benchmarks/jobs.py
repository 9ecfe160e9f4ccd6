"""What the load generator is told to do, and what it says about it: one JSON object on a line each way."""

from typing import TypeAlias

import msgspec

TEXT = "Nothing is as fast as what is not done."


class Open(msgspec.Struct, tag=True):
    """Opens sessions over some kept connections; `lists` reads the tools once with the first of them.

    `authorization` is what every request shows, where there is any. `is_modern` for clients of the era without
    sessions, each of which stands for a session then.
    """

    port: int
    path: str
    sessions: int
    connections: int
    lists: bool = True
    authorization: str = ""
    is_modern: bool = False


class Calls(msgspec.Struct, tag=True):
    """Calls a tool back to back, or at `rate` calls a second in all, on every connection, session after session.

    `tool` is what the exposed name ends with; with `spreads` the calls go round all tools of that ending.
    `size` is the least size of a good answer in bytes. `through` is the tool that hands the calls on, where one does.
    """

    seconds: float
    tool: str = "echo"
    size: int = 0
    rate: float = 0.0
    spreads: bool = False
    through: str = ""


class Lists(msgspec.Struct, tag=True):
    """Reads the tools back to back; every answer must be as long as the first."""

    seconds: float


class EachOnce(msgspec.Struct, tag=True):
    """Calls `echo` once in each session."""


class Cycles(msgspec.Struct, tag=True):
    """Opens and deletes this many sessions, one after the other on each connection."""

    port: int
    path: str
    count: int
    connections: int


class Streams(msgspec.Struct, tag=True):
    """Opens a GET stream for each session and holds it."""

    port: int


class Close(msgspec.Struct, tag=True):
    """Ends every stream, session and connection."""


Job: TypeAlias = Open | Calls | Lists | EachOnce | Cycles | Streams | Close


class Done(msgspec.Struct):
    """What a job did: how often, in how many seconds, and two quantiles of its latencies in milliseconds.

    `tools` counts the tools listed, `size` is the last answer's in bytes, `error` says why it failed.
    """

    count: int = 0
    seconds: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    tools: int = 0
    size: int = 0
    error: str = ""


def quantiles(latencies: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds of latencies in seconds; zeros where there are none."""
    if not latencies:
        return 0.0, 0.0
    seen = sorted(latencies)
    return seen[len(seen) // 2] * 1000, seen[len(seen) * 99 // 100] * 1000
