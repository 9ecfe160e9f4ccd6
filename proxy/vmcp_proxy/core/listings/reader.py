"""Reads everything that one backend lists."""

import asyncio
from collections.abc import Callable
from typing import Final

from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import NOBODY
from vmcp_proxy.backends.link import Link
from vmcp_proxy.backends.messages import lacks_method
from vmcp_proxy.core.catalog.capabilities import Listing
from vmcp_proxy.core.listings.builder import ListingBuilder, ListingLimits
from vmcp_proxy.core.members.member import Bounds
from vmcp_proxy.protocol.kinds import WIRE, Kind
from vmcp_proxy.protocol.versions import MODERN

_OFFER: Final = {
    Kind.TOOL: "tools",
    Kind.RESOURCE: "resources",
    Kind.TEMPLATE: "resources",
    Kind.PROMPT: "prompts",
}

_AWAY: Final = frozenset({Category.UNREACHABLE, Category.NOT_RUNNING, Category.ENDED, Category.CIRCUIT_OPEN})
"""What is never about one list alone."""

_PASSING: Final = frozenset({Category.FAILED, Category.TIMEOUT, Category.BUSY})
"""What some servers do with one list for ever, and a dying pod with the one that it is asked for."""


async def fetch_listing(
    backend: str, link: Link, credentials: Credentials, bounds: Bounds, handshake: float | None = None
) -> Listing:
    """Every page of every kind that the backend offers, the kinds at the same time.

    Reading takes no longer than a call may, a handshake before it `handshake` seconds (`Bounds.handshake` where none
    are given). A kind that fails alone is reported in the listing's `incomplete`; the others stay. Where it may be the
    whole backend that went away meanwhile, the listing is `is_passing`.

    Raises:
        BackendError: no kind could be read, or the backend went away before all were.
    """
    configured = bounds.operational.limits
    limits = ListingLimits(pages=configured.list_pages, items=configured.list_items, bytes=configured.list_bytes)
    now = asyncio.get_running_loop().time()
    until = now + bounds.call(backend)
    # A call may take long, a handshake may not: one that hangs must not pass for a backend of unknown health.
    soon = min(until, now + (bounds.handshake if handshake is None else handshake))
    session = await link.opened(credentials, Deadline(soon, soon, 0.0))
    builder = ListingBuilder(backend, limits, is_modern=session.hello.version == MODERN)
    kinds = [kind for kind in Kind if _OFFER[kind] in session.hello.offers]
    errors: list[BackendError] = []

    async def read(kind: Kind) -> None:
        try:
            await _read_kind(kind, builder, link, credentials, Deadline(until, until, 0.0))
        except BackendError as error:
            errors.append(error)
            builder.cut_off(kind, str(error), is_passing=error.category in _PASSING)

    async with asyncio.TaskGroup() as group:
        for kind in kinds:
            group.create_task(read(kind))
    away = next((error for error in errors if error.category in _AWAY), None)
    if kinds and len(errors) == len(kinds):
        raise away or errors[0]
    if away is not None:
        raise away
    return builder.build()


async def _read_kind(
    kind: Kind, builder: ListingBuilder, link: Link, credentials: Credentials, deadline: Deadline
) -> None:
    method = WIRE[kind].list_method
    cursor: bytes | None = None
    while True:
        body = b'{"cursor":' + cursor + b"}" if cursor is not None else b"{}"
        answer = await link.request(method, _same(body), credentials, deadline, NOBODY)
        if answer.result is None:
            if lacks_method(answer):
                return
            raise BackendError(link.backend.name, Category.REFUSED, f"it answered {method} with an error")
        cursor = builder.add(kind, answer.result)
        if cursor is None:
            return


def _same(body: bytes) -> Callable[[int], bytes]:
    return lambda _request_id: body
