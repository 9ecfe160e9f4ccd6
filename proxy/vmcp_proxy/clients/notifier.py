"""Tells clients that their lists have changed: only what really changed for them, and once per burst."""

import asyncio
import logging
import math
from typing import Final

from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.clients.session_client import SessionClient
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.virtual import Caller, VirtualMCP
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.protocol.jsonrpc import encode_notification
from vmcp_proxy.protocol.kinds import Kind

logger: Final = logging.getLogger("vmcp.core")

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""How long changes are gathered, in seconds: twice as long each time they go on after the clients were told."""

_PARALLEL: Final = 64
_MESSAGES: Final = (
    ((Kind.TOOL,), encode_notification("notifications/tools/list_changed")),
    ((Kind.RESOURCE, Kind.TEMPLATE), encode_notification("notifications/resources/list_changed")),
    ((Kind.PROMPT,), encode_notification("notifications/prompts/list_changed")),
)


def saw(client: SessionClient, kind: Kind, catalog: Catalog) -> None:
    """Notes that the client has been given a list."""
    client.stream.told[kind] = catalog.digest_of(kind)


class Notifier:
    """Compares what clients have seen with what they would see now, whenever something changed.

    `virtual` is the whole core, admission included: nobody hears of a change that they may not see.
    """

    def __init__(self, clients: SessionClients) -> None:
        self._clients = clients
        self._changed = asyncio.Event()
        self._virtual: VirtualMCP | None = None

    def attach(self, virtual: VirtualMCP) -> None:
        """Says whose view counts; the core is built after its parts."""
        self._virtual = virtual

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
            # Side by side: a backend that hangs makes each view wait, and the waits must not add up.
            slots = asyncio.Semaphore(_PARALLEL)
            async with asyncio.TaskGroup() as group:
                for client in self._clients.all():
                    if client.stream.is_listening and client.caller is not None:
                        group.create_task(self._tell(client, client.caller, slots))
            quiet_since = loop.time()

    async def _tell(self, client: SessionClient, caller: Caller, slots: asyncio.Semaphore) -> None:
        async with slots:
            await self._compare(client, caller)

    async def opened(self, client: SessionClient) -> None:
        """Tells a stream that has just opened what changed since the client's lists.

        What the client has listed on another pod is not known here: changes count from now on.
        """
        if client.caller is not None:
            await self._compare(client, client.caller)

    async def _compare(self, client: SessionClient, caller: Caller) -> None:
        if self._virtual is None:
            return
        try:
            catalog = await self._virtual.view(caller)
        except Exception as error:  # noqa: BLE001 - a view that fails costs its session the news, not the stream
            reason = describe_exception(error)
            log_event(logger, logging.ERROR, "view failed", session=client.session.ref, error=reason)
            return
        for kind in Kind:
            client.stream.told.setdefault(kind, catalog.digest_of(kind))
        for kinds, message in _MESSAGES:
            seen = [kind for kind in kinds if kind in client.stream.told]
            if any(client.stream.told[kind] != catalog.digest_of(kind) for kind in seen):
                for kind in seen:
                    saw(client, kind, catalog)
                client.stream.outbox.put(message, coalesce=True)
