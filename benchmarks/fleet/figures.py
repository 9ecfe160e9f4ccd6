"""What was measured of one pod and of one Redis: the one place to change where it is measured again."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Setting(StrEnum):
    """What an endpoint has on."""

    PLAIN = "plain"
    GUARDED = "guarded"
    SECURED = "secured"


@dataclass(frozen=True, slots=True)
class Request:
    """What one request takes of the core of its pod, in microseconds; the page with the figure, and of which run."""

    title: str
    cpu_us: float
    page: str


@dataclass(frozen=True, slots=True)
class PodFigures:
    """What a pod takes: CPU seconds of one core by setting, and bytes.

    `call` is a small tool call, `open` an `initialize` with a warm catalog and the first call of the session.
    `process` is a process with Redis that was asked for its status and metrics, `bounds` what peers may make it hold
    beside sessions and streams (docs/reference/costs.md).
    """

    call: dict[Setting, float]
    open: float
    process: int
    bounds: int
    session: int
    stream: int
    backend_session: int


@dataclass(frozen=True, slots=True)
class Command:
    """What one command costs Redis: microseconds of its processor, bytes that come in, bytes that go out."""

    cpu_us: float
    in_bytes: float
    out_bytes: float


@dataclass(frozen=True, slots=True)
class RedisFigures:
    """What is held for a session, in bytes, and what the proxy's commands cost.

    `create`, `remember` (the token of a session at a backend) and `end` come once for a session, `touch` at most once a
    minute, `limit` for each call with limits, `publish` for each message between pods.
    """

    record_bytes: float
    tombstone_bytes: float
    create: Command
    remember: Command
    touch: Command
    limit: Command
    publish: Command
    end: Command


_KIB: Final = 1 << 10
_MIB: Final = 1 << 20
_SMALL: Final = "[small calls](../performance-small-calls.md#beside-agentgateway), December 1 at 76c54d9a"
_LARGE: Final = "[targets](../performance.md#targets), December 1 at 76c54d9a"
_REST: Final = "[performance](../performance.md#result-a-run-of-november-21-on-python-311), November 21"

CALLS: Final = {
    Setting.PLAIN: Request("a small tool call, anonymous callers, metrics (**plain**)", 89, _SMALL),
    Setting.GUARDED: Request("the same with OIDC tokens, 20 policies and an audit line (**guarded**)", 137, _SMALL),
    Setting.SECURED: Request(
        "guarded, with rate limits, traces at 5 %, metrics by OTLP and passthrough headers too (**secured**)",
        214,
        _SMALL,
    ),
}

REQUESTS: Final = (
    *CALLS.values(),
    Request("a result of 100 KiB as JSON", 266, _LARGE),
    Request("a result of 100 KiB as an event stream", 303, _LARGE),
    Request("a result of 2 MiB as JSON", 3084, _LARGE),
    Request("a result of 2 MiB as an event stream", 3938, _LARGE),
    Request("`tools/list` of 1 000 tools, catalog warm", 140, _REST),
    Request("`initialize`, catalog warm", 700, _REST),
)
"""What docs/how-to/sizing.md says of processor time: `python -m benchmarks.fleet --write-docs` puts it there."""

POD: Final = PodFigures(
    call={setting: request.cpu_us * 1e-6 for setting, request in CALLS.items()},
    open=REQUESTS[-1].cpu_us * 1e-6,
    process=76_000 * _KIB,
    bounds=416 * _MIB,
    session=round(6.4 * _KIB),
    stream=21 * _KIB,
    backend_session=round(2.4 * _KIB),
)
"""The memory is that of the table in docs/how-to/sizing.md."""

REDIS: Final = RedisFigures(
    record_bytes=1088,
    tombstone_bytes=280,
    create=Command(44, 394, 4),
    remember=Command(30, 357, 4),
    touch=Command(13, 213, 4),
    limit=Command(15, 215, 9),
    publish=Command(18, 739, 4),
    end=Command(13, 317, 4),
)
"""Of `python -m benchmarks.fleet --measure` with Redis 7.0.15."""
