"""Watches over one member: keeps its shared listing fresh, probes it, hears of its changes."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.backends.client import Deadline, Reply, refuse
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.core.fetch import fetch_listing
from vmcp_proxy.core.links import Links
from vmcp_proxy.core.listings import SHARED, Listings
from vmcp_proxy.core.members import Bounds, Member
from vmcp_proxy.core.relay import CHANGED_KINDS
from vmcp_proxy.protocol.jsonrpc import Request

_LISTEN_PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 30.0)


class Supervisor:
    """The loop of one member; it ends by cancellation only."""

    def __init__(
        self, member: Member, listings: Listings, links: Links, bounds: Bounds, on_change: Callable[[], None]
    ) -> None:
        self._member = member
        self._listings = listings
        self._links = links
        self._bounds = bounds
        self._on_change = on_change
        self._wake = asyncio.Event()
        self._listed = asyncio.Event()

    async def run(self) -> None:
        """Refreshes and probes, and listens beside it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name=f"changes of {self._member.name}")
            await self._keep_fresh()

    async def _keep_fresh(self) -> None:
        member = self._member
        link = self._links.own(member)
        handling = self._bounds.operational.failure_handling
        while True:
            entry = self._listings.entry(member, SHARED)
            self._wake.clear()
            now = asyncio.get_running_loop().time()
            if not entry.is_fresh(now, self._listings.ttl):
                await self._listings.refresh(
                    entry, lambda: fetch_listing(member.name, link, member.own_headers, self._bounds)
                )
            else:
                await self._probe()
            if entry.listing is not None:
                self._listed.set()
            await self._pause(entry.retry_at, handling.health_check_interval)

    async def _pause(self, retry_at: float, interval: float) -> None:
        now = asyncio.get_running_loop().time()
        seconds = min(interval, retry_at - now) if retry_at > now else interval
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.05)):
                await self._wake.wait()

    async def _probe(self) -> None:
        member = self._member
        handling = self._bounds.operational.failure_handling
        now = asyncio.get_running_loop().time()
        deadline = Deadline.after(now, handling.health_check_timeout)
        link = self._links.own(member)
        try:
            await link.request("ping", lambda _: None, member.own_headers, deadline, self)
        except BackendError as error:
            if member.health.failed(error.category, str(error)):
                self._on_change()
        else:
            if member.health.succeeded():
                self._on_change()

    async def _listen(self) -> None:
        """Holds the backend's GET stream, where it offers one, to hear of `list_changed`."""
        member = self._member
        link = self._links.own(member)
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            await self._listed.wait()
            began = loop.time()
            deadline = Deadline.after(began, self._bounds.operational.timeouts.connect)
            try:
                if not await link.listen(member.own_headers, self, deadline):
                    return
            except BackendError:
                failures += 1
            if loop.time() - began > _LISTEN_PAUSES[-1]:
                failures = 0
            await asyncio.sleep(_LISTEN_PAUSES[min(failures, len(_LISTEN_PAUSES) - 1)])
            # What was said while nobody listened is lost: read the lists again.
            self._listings.invalidate(member, SHARED)
            self._wake.set()

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        del params
        if method in CHANGED_KINDS:
            self._listings.invalidate(self._member, SHARED)
            self._wake.set()

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        await refuse(request, reply)
