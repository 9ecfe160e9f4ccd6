"""Tells clients that their lists have changed: only what really changed for them, and once per burst."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, TypeAlias

from vmcp_proxy.clients.session_client import SessionClient
from vmcp_proxy.core.calls.notifications import CHANGED_KINDS
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.virtual import Caller, VirtualMCP
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.protocol.kinds import Kind

logger: Final = logging.getLogger("vmcp.core")

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""How long changes are gathered, in seconds: twice as long each time they go on after the clients were told."""

_PARALLEL: Final = 64


class Hearer(Protocol):
    """Somebody who is to hear that its lists have changed, whichever way."""

    @property
    def caller(self) -> Caller | None:
        """Whose view counts; None where it has asked nothing yet."""

    @property
    def told(self) -> dict[Kind, str]:
        """The versions of the lists by kind that it knows of."""

    @property
    def ref(self) -> str:
        """Its name in logs."""

    def tell_changed(self, method: str) -> None:
        """Has it hear of another list, by the method of the notification."""


Hearers: TypeAlias = Callable[[], Iterable[Hearer]]
"""Those who listen now."""


def saw(client: SessionClient, kind: Kind, catalog: Catalog) -> None:
    """Notes that the client has been given a list."""
    client.told[kind] = catalog.digest_of(kind)


class Notifier:
    """Compares what clients have seen with what they would see now, whenever something changed.

    `virtual` is the whole core, admission included: nobody hears of a change that they may not see.
    """

    def __init__(self, *hearers: Hearers) -> None:
        self._hearers = list(hearers)
        self._changed = asyncio.Event()
        self._virtual: VirtualMCP | None = None

    def attach(self, virtual: VirtualMCP) -> None:
        """Says whose view counts; the core is built after its parts."""
        self._virtual = virtual

    def callers(self) -> Iterator[Caller]:
        """Those who listen now, as far as they have asked for anything."""
        for listening in self._hearers:
            yield from (caller for hearer in listening() if (caller := hearer.caller) is not None)

    def changed(self) -> None:
        """Asks for a comparison soon."""
        self._changed.set()

    async def run(self) -> None:
        """Compares after each burst of changes, forever."""
        loop = asyncio.get_running_loop()
        pause, quiet_since = _FIRST_PAUSE, -math.inf
        while True:
            await self._changed.wait()
            goes_on = loop.time() - quiet_since < _LONGEST_PAUSE
            pause = min(2 * pause, _LONGEST_PAUSE) if goes_on else _FIRST_PAUSE
            await asyncio.sleep(pause)
            self._changed.clear()
            # In a frame of its own: this one would hold the last hearer, and its headers, until the next change.
            await self._tell_all()
            quiet_since = loop.time()

    async def _tell_all(self) -> None:
        """Side by side: a backend that hangs makes each view wait, and the waits must not add up."""
        slots = asyncio.Semaphore(_PARALLEL)
        async with asyncio.TaskGroup() as group:
            for listening in self._hearers:
                for hearer in listening():
                    group.create_task(self._tell(hearer, slots))

    async def _tell(self, hearer: Hearer, slots: asyncio.Semaphore) -> None:
        async with slots:
            await self.opened(hearer)

    async def opened(self, hearer: Hearer) -> None:
        """Tells a stream that has just opened what changed since the client's lists.

        What the client has listed on another pod is not known here: changes count from now on.
        """
        if self._virtual is None or (caller := hearer.caller) is None:
            return
        try:
            catalog = await self._virtual.view(caller)
        except Exception as error:  # noqa: BLE001 - a view that fails costs its client the news, not the stream
            reason = describe_exception(error)
            log_event(logger, logging.ERROR, "view failed", session=hearer.ref, error=reason)
            return
        told = hearer.told
        for kind in Kind:
            told.setdefault(kind, catalog.digest_of(kind))
        for method, kinds in CHANGED_KINDS.items():
            if any(told[kind] != catalog.digest_of(kind) for kind in kinds):
                told.update((kind, catalog.digest_of(kind)) for kind in kinds)
                hearer.tell_changed(method)
