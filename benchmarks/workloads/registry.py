"""The workloads by name, in the order of a full run."""

from collections.abc import Callable, Mapping

from benchmarks.figures import Result
from benchmarks.rig import Rig
from benchmarks.workloads import (
    catalog,
    composite,
    connect,
    echo,
    eras,
    growth,
    handed_on,
    large,
    latency,
    listing,
    redis,
    search,
    sessions,
    start,
    streams,
)

WORKLOADS: Mapping[str, Callable[[Rig], Result]] = {
    "echo": echo.run,
    "eras": eras.run,
    "large": large.run,
    "list": listing.run,
    "initialize": connect.run,
    "latency": latency.run,
    "composite": composite.run,
    "growth": growth.run,
    "sessions": sessions.run,
    "streams": streams.run,
    "redis": redis.run,
    "start": start.run,
    "catalog": catalog.run,
    "search": search.run,
    "handed-on": handed_on.run,
}
