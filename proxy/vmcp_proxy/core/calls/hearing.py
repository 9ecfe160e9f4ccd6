"""What clients may still be told by backends they have dealt with: policies are asked again on delivery (ADR-0044)."""

from typing import Final

import msgspec

from vmcp_proxy.core.calls.subscriptions import is_subscribed
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.owners.owner import resource_of
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.params import InvalidParamsError


class Hearing:
    """Asks by who the client is now: its token or the policies may be others than when the backend was asked."""

    def __init__(self, reach: Reach) -> None:
        self._reach: Final = reach

    def reaches(self, client: ClientContext, backend: str) -> bool:
        """Whether the backend may be spoken to on the client's behalf, and heard for it."""
        return self._reach.holds(client.identity, backend)

    async def may_read(self, client: ClientContext, member: Member, uri: str) -> bool:
        """Whether the client may read what its backend knows by this URI."""
        return await self._reach.reads(client.identity, _resource_of(client, member.name, uri), uri)

    async def hears_update(self, client: ClientContext, member: Member, raw: msgspec.Raw | None) -> bool:
        """Whether an update of a resource is for this client: it has asked for it, and may read it."""
        if not is_subscribed(client, member, raw):
            return False
        if not self._reach.is_bounded:
            return True
        try:
            uri = params.text_of(params.parse_members(raw), "uri")
        except InvalidParamsError:
            return False
        return await self.may_read(client, member, uri)


def _resource_of(client: ClientContext, backend: str, uri: str) -> Capability:
    """What bears the URI, or did when it was subscribed to; of all that no list has, its spelling counts."""
    catalog = None if client.view is None else client.view.catalog
    if catalog is None:
        return client.subscriptions.get(backend, {}).get(uri) or resource_of(uri, backend)
    listed = catalog.owner_of(client.uri_of(backend)(uri))
    return listed if listed is not None and listed.backend == backend else resource_of(uri, backend)
