"""Audits what is refused before a caller is known, so that a flood of it neither fills the queue nor goes unseen."""

import asyncio
from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.observability.audit import REJECTED, AuditEvent, encode_event
from vmcp_proxy.serve.chain.auditing import Auditor
from vmcp_proxy.serve.context import RequestContext

PERIOD: Final = 10.0
"""Seconds from the first refusal on, after which those without lines of their own are written as sums."""

MOST_LINES: Final = 100
"""Refusals of one period that have lines of their own: some fifty people whose tokens expire at once, and no flood."""

MOST_SOURCES: Final = 32
"""Addresses of one period with sums of their own; further ones share one that names none."""

_Key: TypeAlias = tuple[str, int, str | None]
"""What is summed together: the layer, the status and the address."""


class _Sum:
    """The first event of some that are alike, and how many they are."""

    __slots__ = ("auditor", "count", "first")

    def __init__(self, auditor: Auditor, first: AuditEvent) -> None:
        self.auditor: Final = auditor
        self.first: Final = first
        self.count = 0


class RefusalAudit:
    """Writes a line for each refusal, and in a period with many of them one for all that are alike.

    Anybody can be refused as often as they like, without a token. Within a period each refusal is in exactly one line:
    its own, or the sum of its layer, status and address. It lives as long as the process, over reloads; `run` ends
    periods.
    """

    __slots__ = ("_began", "_count", "_sources", "_sums")

    def __init__(self) -> None:
        self._began: Final = asyncio.Event()
        self._count = 0
        self._sources: Final[set[str | None]] = set()
        self._sums: Final[dict[_Key, _Sum]] = {}

    def record(self, auditor: Auditor, context: RequestContext) -> None:
        """Takes a request that was answered with a refusal; never blocks."""
        if not auditor.filter.wants(REJECTED):
            return
        self._count += 1
        self._began.set()
        if self._count <= MOST_LINES:
            auditor.record(context)
            return
        source = auditor.source_of(context)
        if source not in self._sources:
            source = self._known(source)
        key = (context.rejected_by, context.final_status, source)
        found = self._sums.get(key)
        if found is None:
            first = msgspec.structs.replace(auditor.event_of(context), source=source)
            found = self._sums[key] = _Sum(auditor, first)
        found.count += 1

    def _known(self, source: str | None) -> str | None:
        if len(self._sources) >= MOST_SOURCES:
            return None
        self._sources.add(source)
        return source

    async def run(self) -> None:
        """Ends each period in its time, and the last one when it is cancelled."""
        try:
            while True:
                await self._began.wait()
                await asyncio.sleep(PERIOD)
                self.end_period()
        finally:
            self.end_period()

    def end_period(self) -> None:
        """Writes the sums, and begins anew."""
        now = datetime.now(UTC)
        for each in self._sums.values():
            line = msgspec.structs.replace(each.first, time=now, count=each.count, since=each.first.time)
            each.auditor.sink.write(encode_event(line))
        self._sums.clear()
        self._sources.clear()
        self._count = 0
        self._began.clear()
