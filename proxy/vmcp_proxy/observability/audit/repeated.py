"""Lines of events that differ from one before them in what each request has of its own, and in nothing else."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from vmcp_proxy.observability.audit.event import AuditEvent, encode_event

_ID: Final = "0-0"
_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP: Final = "1970-01-01T00:00:00Z"
_NANOSECONDS: Final = 1_000_000_000
_SESSION: Final = secrets.token_hex(16)
"""Stands for a session where nobody can have written it."""
_PLACE: Final = "\0"
"""In no line: JSON has it as an escape."""


class RepeatedEvent:
    """The line of an event, encoded once but for id, time, session, duration and sizes.

    Raises:
        ValueError: the event says more of one request than that: its trace, its content, a step of a workflow.
    """

    __slots__ = ("_after", "_before")

    def __init__(self, event: AuditEvent) -> None:
        self._before = self._after = _PLACE
        begin, _, end = self.line(_ID, _STAMP, "", 0.0, 0, 0).decode().split(_PLACE)
        own = {"id": f"a-{_ID}", "time": _TIME, "duration_ms": 0.0, "request_bytes": 0, "response_bytes": 0}
        text = encode_event(msgspec.structs.replace(event, **own, session=_SESSION, request_id=_ID)).decode()
        if not (text.startswith(begin) and text.endswith(end)):
            raise ValueError(f"an event of type {event.type} has more of its own")
        self._before, self._after = text[len(begin) : -len(end)].split(_SESSION)

    def __len__(self) -> int:
        return len(self._before) + len(self._after)

    def line(
        self, request_id: str, time: str, session: str, duration_ms: float, request_bytes: int, response_bytes: int
    ) -> bytes:
        """The line of another request, as `encode_event` would have it; the time is of RFC 3339, the session in hex."""
        return (
            f'{{"log":"audit","id":"a-{request_id}","time":"{time}",{self._before}{session}'
            f'{self._after},"duration_ms":{duration_ms},"request_bytes":{request_bytes},'
            f'"response_bytes":{response_bytes},"request_id":"{request_id}"}}\n'
        ).encode()


class UtcStamps:
    """Now in RFC 3339, in UTC to the microsecond; `clock` is in nanoseconds since 1970.

    A second is written out once.
    """

    __slots__ = ("_clock", "_second", "_written")

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock: Final = clock
        self._second = -1
        self._written = ""

    def now(self) -> str:
        """The time of the clock."""
        second, rest = divmod(self._clock(), _NANOSECONDS)
        if second != self._second:
            self._second = second
            self._written = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._written}.{rest // 1000:06d}Z"
